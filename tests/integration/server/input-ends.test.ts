/** The built `rehydrate acp` in front of an editor that has said its last word: it ends, whatever the editor leaves unread or unanswered. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioMessages } from '../../../src/cli/stdio-messages.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { build, BUILD_MS, scratch, type Scratch } from '../cli/harness.ts';

beforeAll(build, BUILD_MS);
let at: Scratch;
beforeEach(() => {
  at = scratch();
});
afterEach(() => at.remove());

interface Editor {
  readonly child: ChildProcess;
  readonly client: RawClient;
  readonly sessionId: string;
}

async function opened(words: readonly string[]): Promise<Editor> {
  const child = at.spawn(words);
  const client = rawClient(stdioMessages(child.stdout, child.stdin, 2 ** 25));
  expect((await client.request('initialize', INITIALIZE)).error).toBeUndefined();
  const { result } = await client.request('session/new', { cwd: at.directory, mcpServers: [] });
  return { child, client, sessionId: result.sessionId };
}

const agent = () => at.agent('native', '--pace', '0');
const ours = () => ['acp', '--db', at.db, '--', ...agent()];

/** Its exit code, once the input is over. */
async function endedInput({ child }: Editor): Promise<unknown> {
  const exited = once(child, 'exit');
  child.stdin!.end();
  return (await exited)[0];
}

/** Far more than a pipe and our queue hold. */
async function leavesUnread({ child, client, sessionId }: Editor): Promise<void> {
  child.stdout!.pause();
  child.stdout!.on('resume', () => child.stdout!.pause());
  void client.request('session/prompt', { sessionId, prompt: text('stream 20000 chunks') });
  const stored = async () => {
    const database = await openNodeSqlite(at.db, { readOnly: true });
    const rows = await database.query('SELECT max(seq) AS seq FROM acp_session_events');
    await database.close();
    return Number(rows[0]?.['seq']);
  };
  let before = -1;
  // Until its agent is held up.
  await expect
    .poll(
      async () => {
        const now = await stored();
        const still = now > 10 && now === before;
        before = now;
        return still;
      },
      { timeout: 60_000, interval: 250 },
    )
    .toBe(true);
}

it('I10: what an editor leaves unread does not keep it from ending', { timeout: 120_000 }, async () => {
  const editor = await opened(ours());
  await leavesUnread(editor);
  expect(await endedInput(editor)).toBe(0);
  expect(at.left()).toEqual([]);
});

it('I10: nor in front of a server', { timeout: 120_000 }, async () => {
  const server = await at.serve(agent());
  const editor = await opened(server.editor);
  await leavesUnread(editor);
  expect(await endedInput(editor)).toBe(0);
  server.running.child.kill('SIGTERM');
  await server.running.done;
});

it('what it was asked and can answer no more is cancelled, and the turn is, too', async () => {
  const editor = await opened(ours());
  const { client, sessionId } = editor;
  client.answers.set('fs/read_text_file', () => new Promise(() => undefined));
  const answer = client.request('session/prompt', { sessionId, prompt: text('read file notes.md') });
  await expect.poll(() => client.seen.some(({ method }) => method === 'fs/read_text_file')).toBe(true);
  expect(await endedInput(editor)).toBe(0);
  expect((await answer).result?.stopReason).toBe('cancelled');
  expect(at.left()).toEqual([]);
});
