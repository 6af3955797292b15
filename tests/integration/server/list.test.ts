/** `session/list` page by page, while its sessions change; and what ACP has as a notification, sent as a request. */
import { expect, it } from 'vitest';
import { serveAcp } from '../../../src/server/index.ts';
import type { Host } from '../../../src/engine/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { CWD, hostOf } from '../engine/helpers.ts';

async function served() {
  let now = 1_000_000;
  const { host } = await hostOf(inProcessLauncher(), { clock: () => (now += 1) });
  return { host, raw: await connect(host) };
}

async function connect(host: Host): Promise<RawClient> {
  const { client, server } = pair();
  serveAcp(host, server, { agent: 'demo', limits: { listPage: 2 } });
  const raw = rawClient(client);
  await raw.request('initialize', INITIALIZE);
  return raw;
}

it('a session that changes between two pages is on the last one, and no other twice', async () => {
  const { host, raw } = await served();
  for (const sessionId of ['a', 'b', 'c', 'd', 'e']) await host.create({ agent: 'demo', cwd: CWD, sessionId });
  const listed: string[] = [];
  let cursor: string | undefined;
  do {
    const { result } = await raw.request('session/list', { cursor });
    listed.push(...result.sessions.map(({ sessionId }: { sessionId: string }) => sessionId));
    cursor = result.nextCursor;
    // One that was told, and one that was not.
    if (listed.length === 2) for (const sessionId of ['e', 'a']) await host.update(sessionId, { title: 'changed' });
  } while (cursor !== undefined);
  expect(listed).toEqual(['e', 'd', 'c', 'b', 'a']);
  const again = await raw.request('session/list', {});
  expect(again.result.sessions.map(({ sessionId }: { sessionId: string }) => sessionId)).toEqual(['a', 'e']);
});

it('two lists at once, and a cursor of a client that was cut off: no session twice', async () => {
  const { host, raw } = await served();
  for (const sessionId of ['a', 'b', 'c', 'd', 'e', 'f']) await host.create({ agent: 'demo', cwd: sessionId < 'd' ? CWD : '/', sessionId });
  const page = async (client: RawClient, params: object) => {
    const { result } = await client.request('session/list', params);
    return { ids: result.sessions.map(({ sessionId }: { sessionId: string }) => sessionId), cursor: result.nextCursor };
  };
  const first = await page(raw, { cwd: CWD });
  const other = await page(raw, { cwd: '/' });
  expect([first.ids, other.ids]).toEqual([
    ['c', 'b'],
    ['f', 'e'],
  ]);
  await host.update('b', { title: 'changed' });
  await host.create({ agent: 'demo', cwd: CWD, sessionId: 'g' });
  expect((await page(raw, { cwd: CWD, cursor: first.cursor })).ids).toEqual(['a', 'g']);
  expect((await page(raw, { cwd: '/', cursor: other.cursor })).ids).toEqual(['d']);
  const back = await connect(host);
  expect((await page(back, { cwd: CWD, cursor: first.cursor })).ids).toEqual(['a']);
});

it('session/cancel with an id cancels the turn, and is answered at once', async () => {
  const { host, raw } = await served();
  await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
  const turn = raw.request('session/prompt', { sessionId: 's', prompt: text('count to 1000000') });
  await expect.poll(() => raw.said()).toContain('1');
  expect(await raw.request('session/cancel', { sessionId: 's' })).toMatchObject({ result: {} });
  expect((await turn).result).toMatchObject({ stopReason: 'cancelled' });
  expect(await raw.request('session/cancel', { sessionId: 'nobody' })).toMatchObject({ error: { code: -32002 } });
});
