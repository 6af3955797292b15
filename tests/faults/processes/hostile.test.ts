/** Agents that mean harm, each in a life of its own beside a session that does not: whatever they do stays theirs. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { nodeClientServices, stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { createHost, type Host, RehydrateError } from '../../../src/engine/index.ts';
import { random, SEED } from '../engine-host/random.ts';
import { record } from '../../support/record.ts';
import { DEEDS } from './hostile.ts';
import { expectNoLeak, footprint, processesOf, settleIn, times } from './leaks.ts';

const hostile = fileURLToPath(new URL('./hostile.ts', import.meta.url));
const good = fileURLToPath(new URL('../../../src/testing/agents/stdio.ts', import.meta.url));
const SECRET = 'SECRET of somebody else';
const AT_ONCE = 12;
const text = (words: string) => [{ type: 'text' as const, text: words }];

beforeAll(settleIn);

/** How one life is begun, led and ended; any failure but one of ours is thrown. */
async function live(host: Host, deed: string, base: string, life: number): Promise<void> {
  const cwd = path.join(base, `life-${life}`);
  mkdirSync(cwd);
  const sessionId = `hostile-${life}`;
  const ours = (error: unknown): void => {
    if (!RehydrateError.is(error)) throw new Error(`${deed}: ${String(error)}`, { cause: error });
  };
  let [ended, calledOff] = [false, false];
  const callOff = (): void => {
    calledOff = true;
    void host.cancel(sessionId).catch(ours);
  };
  try {
    await host.create({ sessionId, agent: deed, cwd });
    // What never answers is called off, as a person would.
    const timer = setTimeout(callOff, 500);
    await host.prompt(sessionId, text('go')).finally(() => clearTimeout(timer));
    ended = !calledOff;
  } catch (error) {
    ours(error);
  }
  await host.close(sessionId).catch(ours);
  // What it said can be read by whoever looks at it, and is its own.
  const events = await host.history(sessionId).catch((error: unknown) => (ours(error), []));
  const said = JSON.stringify(events);
  for (const words of [SECRET, 'GOT THROUGH']) expect(said, deed).not.toContain(words);
  if (ended && deed === 'files outside of its directories') expect(said).toContain('OWN FILE READ');
  await host.transcript(sessionId).catch(ours);
  await host.delete(sessionId).catch(ours);
}

describe('I7, I8, I10: a hostile agent', () => {
  it(`${times(1_000)} lives: only its own session is harmed, and nothing of it is left`, async () => {
    const base = realpathSync(mkdtempSync(path.join(tmpdir(), 'rehydrate-hostile-')));
    const outside = path.join(base, 'outside');
    writeFileSync(outside, SECRET);
    const { pick } = random(SEED);
    const database = await openNodeSqlite(path.join(base, 'sessions.sqlite'));
    const host = await createHost({
      database,
      agents: stdioLauncher({
        agents: (name) =>
          name === 'good' ? { command: process.execPath, args: [good] } : { command: process.execPath, args: [hostile, name, outside] },
        limits: { askMs: 50, termMs: 100, orphanMs: 50, deafMs: 200, messageBytes: 1_000_000 },
      }),
      client: nodeClientServices({ limits: { termMs: 100 } }),
      permission: () => new Promise(() => undefined),
      limits: { initializeMs: 10_000, cancelGraceMs: 200 },
    });
    await host.create({ sessionId: 'innocent', agent: 'good', cwd: base });
    let prompts = 0;
    const innocent = async (): Promise<void> => {
      prompts += 1;
      const { stopReason } = await host.prompt('innocent', text(`remember that n${prompts} is ${prompts}`));
      expect(stopReason).toBe('end_turn');
    };
    await innocent();
    let lives = 0;
    const some = async (deeds: readonly string[]): Promise<void> => {
      for (let from = 0; from < deeds.length; from += AT_ONCE) {
        const now = deeds.slice(from, from + AT_ONCE);
        await Promise.all([...now.map((deed) => live(host, deed, base, (lives += 1))), innocent()]);
      }
    };
    // Each once to warm up, and to have every deed in every run.
    await some(DEEDS);
    const before = footprint();
    await some(Array.from({ length: times(1_000) - DEEDS.length }, () => pick(DEEDS)));
    expect(lives).toBe(times(1_000));

    // Nothing came to the innocent's session that was not its own, and its turns are all there.
    const events = await host.history('innocent');
    expect(JSON.stringify(events)).not.toContain('FORGED');
    expect(events.filter(({ kind }) => kind === 'turn_ended')).toHaveLength(prompts);
    expect((await host.list()).sessions.map(({ sessionId }) => sessionId)).toEqual(['innocent']);
    expect(readFileSync(outside, 'utf8')).toBe(SECRET);
    expect(readdirSync(base).filter((name) => !/^(?:life-|sessions\.)/.test(name))).toEqual(['outside']);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    await host.close('innocent');
    expect(await processesOf()).toEqual([]);
    expect(await database.query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    await expectNoLeak(before);
    await host.sleep();
    await database.close();
    rmSync(base, { recursive: true, force: true });
    record('hostile-agents', {
      what: `lives of hostile agents, ${DEEDS.length} deeds (floods, forgeries, files of others, endless lines, processes left behind): something beside its own session harmed, or left`,
      tried: lives,
      through: 0,
    });
  });
});
