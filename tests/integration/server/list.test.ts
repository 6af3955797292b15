/** `session/list` page by page, while its sessions change; and what ACP has as a notification, sent as a request. */
import { expect, it } from 'vitest';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient, text } from '../../unit/agents/raw-client.ts';
import { CWD, hostOf } from '../engine/helpers.ts';

async function served() {
  let now = 1_000_000;
  const { host } = await hostOf(inProcessLauncher(), { clock: () => (now += 1) });
  const { client, server } = pair();
  serveAcp(host, server, { agent: 'demo', limits: { listPage: 2 } });
  const raw = rawClient(client);
  await raw.request('initialize', INITIALIZE);
  return { host, raw };
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

it('session/cancel with an id cancels the turn, and is answered at once', async () => {
  const { host, raw } = await served();
  await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
  const turn = raw.request('session/prompt', { sessionId: 's', prompt: text('count to 1000000') });
  await expect.poll(() => raw.said()).toContain('1');
  expect(await raw.request('session/cancel', { sessionId: 's' })).toMatchObject({ result: {} });
  expect((await turn).result).toMatchObject({ stopReason: 'cancelled' });
  expect(await raw.request('session/cancel', { sessionId: 'nobody' })).toMatchObject({ error: { code: -32002 } });
});
