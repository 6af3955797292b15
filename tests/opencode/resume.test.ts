/** OpenCode's sessions after its death: its own way back, and ours when its store is gone. */
import { readFile, stat } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { preambleFiles } from '../../src/adapters/node-host/index.ts';
import { stdioLauncher } from '../../src/adapters/stdio/index.ts';
import type { PreambleMode } from '../../src/engine/index.ts';
import { RECORD_OPENING } from '../../src/engine/transcript/render.ts';
import { userText } from './support/model.ts';
import { processesIn } from './support/processes.ts';
import { openCodePid, startWorld, userMessages, without, type World } from './support/world.ts';

let world: World;
let sessionId: string;
let afterFirstLife: () => Promise<void>;

const FACT = 'The codeword is heron.';
const QUESTION = 'What is the codeword?';
/** How often the first turn is told. */
const facts = (text: string): number => text.split(FACT).length - 1;
const lastRequest = () => world.model.requests.at(-1);

// One first life for all, since a start of OpenCode takes seconds; each test goes on from what it left.
beforeAll(async () => {
  world = await startWorld();
  const host = await world.wake();
  ({ sessionId } = await host.create({ agent: 'opencode', cwd: world.opencode.cwd }));
  expect(await host.prompt(sessionId, FACT)).toMatchObject({ stopReason: 'end_turn' });
  expect(processesIn(world.opencode.home).length).toBeGreaterThan(0);
  await world.sleep(host);
  // I7: when sleep returns, the whole tree is gone.
  expect(processesIn(world.opencode.home)).toEqual([]);
  afterFirstLife = await world.keep();
});
beforeEach(() => afterFirstLife());
afterAll(() => world?.end());

test('I4, I3 session/resume, then session/load: the model receives what was said, without a preamble, and no replay is stored again', async () => {
  let host = await world.wake();
  const { report: resumed } = await host.prompt(sessionId, QUESTION);
  expect(resumed).toMatchObject({ tier: 'resume', verified: 'listed', preamble: null, replay: null });
  expect(resumed.attempts).toMatchObject([{ method: 'session/resume', outcome: 'ok' }]);
  expect(userMessages(lastRequest())).toEqual([FACT, QUESTION]);
  expect(lastRequest()?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
  await world.sleep(host);

  const plain = stdioLauncher({
    agents: { opencode: { command: world.opencode.program, args: world.opencode.args, env: world.opencode.env } },
    inheritEnv: false,
  });
  host = await world.wake({ agents: without(plain, 'resume') });
  const before = await host.history(sessionId);
  const { report: loaded } = await host.prompt(sessionId, 'And now?');
  expect(loaded).toMatchObject({
    tier: 'load',
    verified: 'replay-matched',
    preamble: null,
    replay: { received: 4, matched: 4, missing: 0, imported: 0 },
  });
  expect(userMessages(lastRequest())).toEqual([FACT, QUESTION, 'And now?']);
  const after = await host.history(sessionId);
  expect(after.slice(0, before.length)).toEqual(before);
  const told = (events: typeof after) => events.filter((event) => event.kind === 'update' && JSON.stringify(event.payload).includes(FACT));
  expect(told(after)).toHaveLength(told(before).length);
});

describe('its store is lost', () => {
  const readsTheRecord: Readonly<Record<PreambleMode, (text: string) => Promise<string>>> = {
    resource: async (text) => text,
    inline: async (text) => text,
    file: async (text) => {
      const [file] = /\/\S+\.md/.exec(text) ?? [];
      expect(file).toBeDefined();
      expect((await stat(file as string)).mode & 0o777).toBe(0o600);
      expect(file?.startsWith(world.opencode.cwd)).toBe(false);
      return readFile(file as string, 'utf8');
    },
  };

  test.each(['resource', 'inline', 'file'] as const)(
    'I6 the record goes in front of the next prompt exactly once, as %s; the public id stays',
    async (mode) => {
      await world.opencode.loseStore();
      let host = await world.wake({ preamble: { mode, files: preambleFiles({ directory: `${world.file}.preambles` }) } });
      const before = await host.get(sessionId);
      const { report } = await host.prompt(sessionId, QUESTION);
      expect(report).toMatchObject({ tier: 'transcript', verified: null, preamble: { mode, truncated: false } });
      // OpenCode's own answer is an opaque internal error; that its list lacks the session is what tells.
      expect(report.attempts).toMatchObject([
        { method: 'session/resume', outcome: 'unknown_session', error: { code: -32603 } },
        { method: 'session/load', outcome: 'unknown_session', error: { code: -32603 } },
        { method: 'session/new', outcome: 'ok' },
      ]);
      expect(report.previousAgentSessionId).toBe(before.agentSessionId);
      expect(report.agentSessionId).not.toBe(before.agentSessionId);

      const asked = userText(lastRequest()!);
      const record = await readsTheRecord[mode](asked);
      expect(asked).toContain(RECORD_OPENING);
      expect(facts(record)).toBe(1);
      expect(asked.trimEnd().endsWith(QUESTION)).toBe(true);
      // The record is not the user's words: it is not in the log.
      expect(JSON.stringify((await host.history(sessionId)).filter(({ kind }) => kind === 'update'))).not.toContain(RECORD_OPENING);

      await host.prompt(sessionId, 'And once more?');
      expect(facts(userText(lastRequest()!))).toBe(mode === 'file' ? 0 : 1);
      expect(userMessages(lastRequest()).at(-1)).toBe('And once more?');
      // What comes next is the same whatever the record came in: two are enough, for a start of OpenCode takes seconds.
      if (mode === 'file') return;
      await world.sleep(host);

      // The successor is now the session: it comes back by OpenCode's own way, without another record.
      host = await world.wake();
      const again = await host.prompt(sessionId, 'Still there?');
      expect(again.report).toMatchObject({ tier: 'resume', preamble: null, agentSessionId: report.agentSessionId });
      expect(facts(userText(lastRequest()!))).toBe(1);
      expect(await host.get(sessionId)).toMatchObject({ sessionId });
    },
  );
});

test('I5 kill -9 in the middle of a turn: the outcome is unknown, nothing is sent again, and the next turn is clean', async () => {
  const host = await world.wake();
  const before = world.model.requests.length;
  world.model.script(() => [{ text: 'Thinking about it ', chunks: 3 }, { hang: true }]);
  const lost = host.prompt(sessionId, 'Do something long.', { idempotencyKey: 'long' });
  const outcome = expect(lost).rejects.toMatchObject({ code: 'turn_outcome_unknown', data: { cause: expect.anything() } });
  await world.model.received(before + 1);
  process.kill(openCodePid(world), 'SIGKILL');
  await outcome;
  expect(processesIn(world.opencode.home)).toEqual([]);
  const seen = world.model.requests.length;
  await expect(host.prompt(sessionId, 'Do something long.', { idempotencyKey: 'long' })).rejects.toMatchObject({
    code: 'turn_outcome_unknown',
  });
  expect(world.model.requests).toHaveLength(seen);

  world.model.script(() => [{ text: 'heron' }]);
  const { report, stopReason } = await host.prompt(sessionId, QUESTION);
  expect(stopReason).toBe('end_turn');
  expect(report.tier).toBe('resume');
  expect(userMessages(lastRequest())).toEqual(expect.arrayContaining([FACT, QUESTION]));
  const states = (await host.history(sessionId)).flatMap((event) => (event.kind === 'turn_ended' ? [event.payload.state] : []));
  expect(states).toEqual(['completed', 'interrupted', 'completed']);
});
