/** `rehydrate acp --adopt`: sessions begun without us are listed, and taken in once, when they are loaded. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { stdioMessages } from '../../../src/cli/stdio-messages.ts';
import type { AgentVariant } from '../../../src/testing/agents/index.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { BIN, build, BUILD_MS, scratch, type Scratch } from '../cli/harness.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(() => {
  const left = at.left();
  at.remove();
  expect(left).toEqual([]);
});

const ADOPT = ['acp', '--adopt'];

/** A raw client of the agent itself, or of us in front of it. */
async function life<T>(command: readonly string[] | null, work: (client: RawClient) => Promise<T>, variant: AgentVariant = 'native') {
  const agent = at.agent(variant, '--pace', '0');
  const [program, ...args] = command ? [process.execPath, BIN, ...command, '--db', at.db, '--', ...agent] : agent;
  const child = spawn(program as string, args, {
    cwd: at.directory,
    env: { ...process.env, HOME: at.directory, XDG_STATE_HOME: path.join(at.directory, 'state') },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const client = rawClient(stdioMessages(child.stdout, child.stdin, 2 ** 25));
  expect((await client.request('initialize', INITIALIZE)).error).toBeUndefined();
  const result = await work(client);
  const exited = once(child, 'exit');
  child.stdin.end();
  await exited;
  return result;
}

const place = () => ({ cwd: at.directory, mcpServers: [] });
const prompt = (client: RawClient, sessionId: string, words: string) =>
  client.request('session/prompt', { sessionId, prompt: text(words) });
const load = (client: RawClient, sessionId: string) => client.request('session/load', { sessionId, ...place() });
const list = async (client: RawClient): Promise<{ sessionId: string }[]> =>
  (await client.request('session/list', { cwd: at.directory })).result.sessions;
const ids = async (client: RawClient) => (await list(client)).map(({ sessionId }) => sessionId);
const talk = (client: RawClient) =>
  client
    .updates()
    .filter(({ sessionUpdate }) => /_message_chunk$/.test(sessionUpdate))
    .map(({ content }) => content.text);

/** Two turns with the agent alone. */
const begun = (variant?: AgentVariant) =>
  life(
    null,
    async (client) => {
      const { sessionId } = (await client.request('session/new', place())).result;
      await prompt(client, sessionId, 'my cat is called Miette');
      await prompt(client, sessionId, 'say bye');
      return sessionId as string;
    },
    variant,
  );

it('I3: one is listed, loaded with all that was said in it, goes on, and stays one session ever after', async () => {
  const sessionId = await begun();
  const said = await life(ADOPT, async (client) => {
    expect(await list(client)).toMatchObject([{ sessionId, cwd: at.directory }]);
    expect((await load(client, sessionId)).result.modes.currentModeId).toBe('chatty');
    const before = talk(client);
    expect(before).toEqual(['my cat is called Miette', expect.stringContaining('Miette'), 'say bye', 'bye']);
    const { result } = await prompt(client, sessionId, 'what is my cat called?');
    expect(result.stopReason).toBe('end_turn');
    expect(talk(client).slice(before.length).join('')).toContain('Miette');
    expect(await ids(client)).toEqual([sessionId]);
    return [...before, 'what is my cat called?', talk(client).slice(before.length).join('')];
  });
  // Another life, and the agent has lost it: the record has all of it, once.
  for (const name of readdirSync(at.store)) rmSync(path.join(at.store, name), { recursive: true });
  await life(ADOPT, async (client) => {
    expect(await ids(client)).toEqual([sessionId]);
    await load(client, sessionId);
    expect(talk(client)).toEqual(said);
    expect((await prompt(client, sessionId, 'what is my cat called?')).result._meta.rehydrate.report.tier).toBe('transcript');
  });
});

it('session/resume takes one in as well, and shows nothing of it', async () => {
  const sessionId = await begun();
  await life(ADOPT, async (client) => {
    expect((await client.request('session/resume', { sessionId, ...place() })).result.modes.currentModeId).toBe('chatty');
    // The agent's commands may come when it says them.
    expect(talk(client)).toEqual([]);
    await load(client, sessionId);
    expect(talk(client)).toHaveLength(4);
  });
});

it('I3: two editors that load it at once have one session', async () => {
  const sessionId = await begun();
  await life(ADOPT, (one) =>
    life(ADOPT, async (two) => {
      const answers = await Promise.all([load(one, sessionId), load(two, sessionId)]);
      expect(answers.map(({ error }) => error)).toEqual([undefined, undefined]);
      for (const client of [one, two]) {
        await expect.poll(() => talk(client).length).toBe(4);
        expect(await ids(client)).toEqual([sessionId]);
      }
    }),
  );
});

it('I4: an id that nobody knows is not found, and leaves nothing', async () => {
  await begun();
  await life(ADOPT, async (client) => {
    const before = await ids(client);
    expect((await load(client, 'nobody')).error).toMatchObject({ code: -32002, data: { code: 'session_not_found', sessionId: 'nobody' } });
    expect(await ids(client)).toEqual(before);
  });
});

it('without --adopt the agent’s own are neither listed nor found', async () => {
  const sessionId = await begun();
  await life(['acp'], async (client) => {
    expect(await ids(client)).toEqual([]);
    expect((await load(client, sessionId)).error).toMatchObject({ code: -32002 });
  });
});

it('an agent that keeps no list has none of its own to show', async () => {
  await life(
    ADOPT,
    async (client) => {
      expect(await ids(client)).toEqual([]);
      expect((await load(client, 'nobody')).error.code).toBe(-32002);
    },
    'amnesiac',
  );
});
