/** `kill -9` of us, of the agent and of the editor's side, at one message after the other. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { stdioMessages } from '../../../src/cli/stdio-messages.ts';
import { BIN, build, BUILD_MS, gone, processesWith, scratch, type Scratch } from '../../integration/cli/harness.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(() => at.remove());

const FULL = process.env['FAULTS'] === 'full';
/** After how many updates of the turn it is killed. */
const BOUNDARIES = FULL ? Array.from({ length: 40 }, (_, i) => i) : [0, 7];

interface Life {
  readonly child: ChildProcess;
  readonly client: RawClient;
}

async function start(): Promise<Life> {
  const child = spawn(process.execPath, [BIN, 'acp', '--db', at.db, '--', ...at.agent('native', '--pace', '0.2')], {
    cwd: at.directory,
    env: { ...process.env, HOME: at.directory, XDG_STATE_HOME: path.join(at.directory, 'state') },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin!.on('error', () => undefined);
  const client = rawClient(stdioMessages(child.stdout!, child.stdin!, 2 ** 25));
  expect((await client.request('initialize', INITIALIZE)).error).toBeUndefined();
  return { child, client };
}

const opened = async ({ client }: Life): Promise<string> =>
  (await client.request('session/new', { cwd: at.directory, mcpServers: [] })).result.sessionId;

/** Begins a turn of forty messages and waits until so many have come. */
async function inTheMiddle({ client }: Life, sessionId: string, boundary: number): Promise<void> {
  const before = client.updates('agent_message_chunk').length;
  void client.request('session/prompt', { sessionId, prompt: text('count to 40') });
  await expect.poll(() => client.updates('agent_message_chunk').length - before, { timeout: 60_000 }).toBeGreaterThanOrEqual(boundary);
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
    await expect
      .poll(() => life.client.seen.some((message) => message.error?.data?.code === 'turn_outcome_unknown'), { timeout: 60_000 })
      .toBe(true);
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
});
