/** `kill -9` of us, of the agent and of the editor's side, at one message after the other. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { stdioMessages } from '../../../src/cli/stdio-messages.ts';
import { build, BUILD_MS, gone, processesWith, scratch, type Scratch } from '../../integration/cli/harness.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { record } from '../../support/record.ts';
import { inVersion } from '../../support/v2-client.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
let survived = 0;
afterEach(({ task }) => {
  if (task.result?.state === 'pass') survived += 1;
  at.remove();
});
afterAll(() => {
  const tried = BOUNDARIES.length * 5;
  if (survived === tried)
    record('server-kills', {
      what: 'kill -9 of rehydrate acp, of its agent, of a server, of an editor of each, after every one of the first 40 messages of a turn',
      tried,
      through: 0,
    });
});

const FULL = process.env['FAULTS'] === 'full';
/** After how many updates of the turn it is killed. */
const BOUNDARIES = FULL ? Array.from({ length: 40 }, (_, i) => i) : process.env['FAULTS'] === 'few' ? [7] : [0, 7];

interface Life {
  readonly child: ChildProcess;
  readonly client: RawClient;
}

async function lifeOf(child: ChildProcess): Promise<Life> {
  child.stdin!.on('error', () => undefined);
  const client = rawClient(inVersion(stdioMessages(child.stdout!, child.stdin!, 2 ** 25)));
  expect((await client.request('initialize', INITIALIZE)).error).toBeUndefined();
  return { child, client };
}

const agent = () => at.agent('native', '--pace', '0.2');
const start = () => lifeOf(at.spawn(['acp', '--db', at.db, '--agent', 'demo', '--protocol', PROTOCOL, '--', ...agent()]));

/** A server, and what an editor runs in front of it. */
async function serve(): Promise<{ readonly child: ChildProcess; editor(): Promise<Life> }> {
  const { running, editor } = await at.serve(agent(), '--protocol', PROTOCOL);
  return { child: running.child, editor: () => lifeOf(at.spawn(editor)) };
}

const opened = async ({ client }: Life): Promise<string> =>
  (await client.request('session/new', { cwd: at.directory, mcpServers: [] })).result.sessionId;

/** Begins a turn of forty messages and waits until so many have come. */
async function inTheMiddle({ client }: Life, sessionId: string, boundary: number): Promise<void> {
  const before = client.updates('agent_message_chunk').length;
  void client.request('session/prompt', { sessionId, prompt: text('count to 40') });
  await expect.poll(() => client.updates('agent_message_chunk').length - before).toBeGreaterThanOrEqual(boundary);
}

/** The next life has all that was seen, knows how the turn ended, and goes on. */
async function nextLife(sessionId: string, seen: string): Promise<void> {
  const life = await start();
  const { client, child } = life;
  expect((await client.request('session/load', { sessionId, cwd: at.directory, mcpServers: [] })).error).toBeUndefined();
  expect(client.said()).toContain(seen);
  expect(client.updates('user_message_chunk').map((update) => update.content.text)).toEqual(['my cat is called Miette', 'count to 40']);
  const before = client.said().length;
  const { result } = await client.request('session/prompt', { sessionId, prompt: text('what is my cat called?') });
  expect(result.stopReason).toBe('end_turn');
  expect(client.said().slice(before)).toContain('Miette');
  const exited = once(child, 'exit');
  child.stdin!.end();
  expect((await exited)[0]).toBe(0);
  expect(processesWith(at.directory)).toEqual([]);
}

const counted = (client: RawClient): string => client.said().slice(client.said().indexOf('Miette.') + 'Miette.'.length);

describe.each(BOUNDARIES.map((boundary) => ({ boundary })))('after $boundary updates', ({ boundary }) => {
  it('I7, I12: we are killed: the trees go, and what was seen is there', async () => {
    const life = await start();
    const sessionId = await opened(life);
    await life.client.request('session/prompt', { sessionId, prompt: text('my cat is called Miette') });
    await inTheMiddle(life, sessionId, boundary + 1);
    const exited = once(life.child, 'exit');
    life.child.kill('SIGKILL');
    await exited;
    await life.client.ended;
    await gone(at.store);
    await nextLife(sessionId, counted(life.client));
  });

  it('I5: the agent is killed: the prompt says so, and the next one goes on', async () => {
    const life = await start();
    const sessionId = await opened(life);
    await life.client.request('session/prompt', { sessionId, prompt: text('my cat is called Miette') });
    await inTheMiddle(life, sessionId, boundary + 1);
    for (const line of processesWith(at.store)) {
      const pid = Number.parseInt(line, 10);
      if (pid !== life.child.pid && line.includes('stdio.js') && !line.includes('rehydrate.js')) process.kill(pid, 'SIGKILL');
    }
    await expect.poll(() => life.client.seen.some((message) => message.error?.data?.code === 'turn_outcome_unknown')).toBe(true);
    const before = life.client.said().length;
    await life.client.request('session/prompt', { sessionId, prompt: text('what is my cat called?') });
    expect(life.client.said().slice(before)).toContain('Miette');
    const exited = once(life.child, 'exit');
    life.child.stdin!.end();
    await exited;
    expect(processesWith(at.directory)).toEqual([]);
  });

  it('I7: the editor goes in the middle of a turn: exit 0, the trees are gone, and what was seen is there', async () => {
    const life = await start();
    const sessionId = await opened(life);
    await life.client.request('session/prompt', { sessionId, prompt: text('my cat is called Miette') });
    await inTheMiddle(life, sessionId, boundary + 1);
    const exited = once(life.child, 'exit');
    life.child.stdin!.end();
    expect((await exited)[0]).toBe(0);
    expect(processesWith(at.directory)).toEqual([]);
    await nextLife(sessionId, counted(life.client));
  });

  it('I7, I12: a server is killed: its trees go, its editors are told, and what was seen is there', async () => {
    const server = await serve();
    const life = await server.editor();
    const sessionId = await opened(life);
    await life.client.request('session/prompt', { sessionId, prompt: text('my cat is called Miette') });
    await inTheMiddle(life, sessionId, boundary + 1);
    const exited = once(life.child, 'exit');
    server.child.kill('SIGKILL');
    expect((await exited)[0]).toBe(1);
    await gone(at.store);
    await nextLife(sessionId, counted(life.client));
  });

  it('I2: an editor of a server is killed: the turn goes on without it, and the next editor has all of it', async () => {
    const server = await serve();
    const life = await server.editor();
    const sessionId = await opened(life);
    await life.client.request('session/prompt', { sessionId, prompt: text('my cat is called Miette') });
    await inTheMiddle(life, sessionId, boundary + 1);
    life.child.kill('SIGKILL');
    const { client, child } = await server.editor();
    await client.request('session/load', { sessionId, cwd: at.directory, mcpServers: [] });
    await expect.poll(() => counted(client)).toContain(' 40');
    expect(counted(client).match(/\d+/g)).toEqual(Array.from({ length: 40 }, (_, i) => String(i + 1)));
    await expect
      .poll(async () => (await client.request('session/prompt', { sessionId, prompt: text('say bye') })).result?.stopReason)
      .toBe('end_turn');
    const left = once(child, 'exit');
    child.stdin!.end();
    expect((await left)[0]).toBe(0);
    const ended = once(server.child, 'exit');
    server.child.kill('SIGTERM');
    await ended;
    expect(processesWith(at.directory)).toEqual([]);
  });
});
