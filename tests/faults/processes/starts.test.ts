/** Starts that fail in every way: afterwards it is as if they had never been. */
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioLauncher, type StdioAgent } from '../../../src/adapters/stdio/index.ts';
import { createHost, RehydrateError } from '../../../src/engine/index.ts';
import { random, SEED } from '../engine-host/random.ts';
import { record } from '../../support/record.ts';
import { expectNoLeak, footprint, processesOf, settleIn, times } from './leaks.ts';

const script = fileURLToPath(new URL('./agent.mjs', import.meta.url));
const MODES = ['missing', 'notdir', 'crash', 'hang', 'rubbish', 'initialize', 'new', 'load', 'called-off', 'cwd'] as const;
type Mode = (typeof MODES)[number];

/** What the caller is told; a start that is called off may be told either. */
const CODES: Record<Mode, readonly string[]> = {
  missing: ['agent_start_failed'],
  notdir: ['agent_start_failed'],
  crash: ['agent_exited', 'agent_start_failed'],
  hang: ['agent_timeout'],
  rubbish: ['agent_timeout'],
  initialize: ['agent_protocol_error'],
  new: ['agent_protocol_error'],
  load: ['resume_indeterminate', 'session_not_resumable'],
  'called-off': [],
  cwd: ['cwd_missing'],
};

/** Which agent each session gets now: what resumes badly must have started well. */
let current: Mode | 'good' = 'good';
const limits = { askMs: 50, termMs: 100, orphanMs: 50 };

function agentFor(): StdioAgent {
  if (current === 'missing') return { command: '/nowhere/agent' };
  if (current === 'notdir') return { command: '/etc/passwd/agent' };
  return { command: process.execPath, args: [script, current === 'called-off' ? 'hang' : current === 'cwd' ? 'good' : current] };
}

beforeAll(settleIn);

describe('I7: no orphan', () => {
  it(`${times(1_000)} starts that fail, in every way`, async () => {
    const { pick, below } = random(SEED);
    const agents = stdioLauncher({ agents: () => agentFor(), limits });
    // Two hosts: agents that never answer need not be waited for, the others need their time on a busy machine.
    const databases = await Promise.all([openNodeSqlite(':memory:'), openNodeSqlite(':memory:')]);
    const patient = await createHost({ database: databases[0], agents });
    const hasty = await createHost({ database: databases[1], agents, limits: { initializeMs: 250 } });
    const fail = async (mode: Mode): Promise<void> => {
      const host = mode === 'hang' || mode === 'rubbish' ? hasty : patient;
      let sessionId: string | undefined;
      if (mode === 'load') {
        current = 'good';
        sessionId = (await host.create({ agent: 'a', cwd: tmpdir() })).sessionId;
        await host.prompt(sessionId, [{ type: 'text', text: 'hello' }]);
        await host.close(sessionId);
      }
      current = mode;
      const signal = mode === 'called-off' ? AbortSignal.timeout(below(60)) : undefined;
      const failure = await (
        sessionId === undefined
          ? host.create({ agent: 'a', cwd: mode === 'cwd' ? '/nowhere/at/all' : tmpdir(), ...(signal === undefined ? {} : { signal }) })
          : host.resume(sessionId)
      ).then(
        () => null,
        (error: unknown) => error,
      );
      expect(failure, mode).not.toBeNull();
      if (CODES[mode].length > 0) expect(RehydrateError.is(failure) ? failure.code : String(failure), mode).toBeOneOf([...CODES[mode]]);
      // Before the call returned, not some time later.
      expect(await processesOf(), `processes after ${mode}`).toEqual([]);
    };
    // Once each to warm up, and to have every way in every run.
    for (const mode of MODES) await fail(mode);
    const before = footprint();
    for (let turn = MODES.length; turn < times(1_000); turn += 1) await fail(pick(MODES));
    for (const host of [patient, hasty]) await host.sleep();
    for (const database of databases) await database.close();
    await expectNoLeak(before);
    record('starts', { what: 'starts that fail in every way: a process, descriptor or megabyte left', tried: times(1_000), through: 0 });
  });
});
