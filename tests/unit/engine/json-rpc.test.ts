/** The peer on a stream that can be written to no more after one write failed, as those of processes and sockets are. */
import { expect, it } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { createPeer, type RpcResponse } from '../../../src/engine/protocol/json-rpc.ts';

function peerOn(messageBytes = 1_000) {
  const sent: unknown[] = [];
  const noise: string[] = [];
  const fromAgent = new TransformStream<never, never>();
  const writer = fromAgent.writable.getWriter();
  const writable = new WritableStream({ write: (message) => void sent.push(JSON.parse(JSON.stringify(message))) });
  const peer = createPeer(
    { readable: fromAgent.readable, writable },
    {
      onRequest: async ({ params }) => ({ result: params['give'] === 'size' ? 10n : null }),
      onNotification: () => undefined,
      room: () => null,
      onNoise: (what) => void noise.push(what),
    },
    { messageBytes, agentRequests: 10, unreadAnswers: 10, unreadBytes: 10_000 },
  );
  return {
    ...{ peer, sent, noise },
    say: (message: object) => void writer.write({ jsonrpc: '2.0', ...message } as never),
    ask: (method: string, params: unknown = {}) => new Promise<RpcResponse | null>((resolve) => peer.request(method, params, resolve)),
  };
}

it.each([
  ['a BigInt', { size: 10n }, 'cannot be written as JSON'],
  ['more than messageBytes', { text: 'é'.repeat(500) }, 'larger than messageBytes (1000 bytes; limit_exceeded)'],
])('whoever writes %s hears of it, and all else goes on', async (_, params, why) => {
  const { peer, sent, noise, say, ask } = peerOn();
  expect(await ask('_a', params)).toEqual({ error: { code: -32603, message: expect.stringContaining(`_a was not sent: it `) as string } });
  expect(await ask('_a', params)).toMatchObject({ error: { message: expect.stringContaining(why) as string } });
  peer.notify('_b', params);
  expect(noise).toEqual([expect.stringContaining('was not sent _b')]);
  say({ id: 7, method: '_c', params: { give: 'size' } });
  const answered = ask('_d');
  await expect.poll(() => sent.length).toBe(2);
  expect(sent).toEqual(
    expect.arrayContaining([
      { jsonrpc: '2.0', id: 7, error: { code: -32603, message: expect.stringContaining('the answer to _c cannot be written') as string } },
      { jsonrpc: '2.0', id: 2, method: '_d', params: {} },
    ]),
  );
  say({ id: 2, result: 'here' });
  expect(await answered).toEqual({ result: 'here' });
});

it('a request whose id alone is more than a message holds gets no answer, and all else goes on', async () => {
  const { noise, sent, say, ask } = peerOn();
  say({ id: 'x'.repeat(990), method: '_c' });
  await expect.poll(() => noise).toEqual([expect.stringContaining('gets no answer')]);
  void ask('_d');
  await expect.poll(() => sent.length).toBe(1);
});

it('an error without an id is about the request that waits when that is the last thing that was said, and about nothing else', async () => {
  const { peer, noise, say, ask } = peerOn();
  const error = { code: -32000, message: 'quota' };
  const asked = ask('_a');
  say({ id: null, error });
  expect(await asked).toEqual({ error });
  const settled: unknown[] = [];
  void ask('_b').then((response) => settled.push(response));
  peer.notify('_c', {});
  say({ id: null, error });
  await expect.poll(() => noise.length).toBe(1);
  void ask('_d').then((response) => settled.push(response));
  say({ id: null, error });
  await expect.poll(() => noise.length).toBe(2);
  expect(settled).toEqual([]);
});

it('I10: answers that the agent leaves unread are counted in bytes, and past unreadBytes it is not read any further', async () => {
  const answer = 'é'.repeat(100);
  const messageBytes = new TextEncoder().encode(JSON.stringify({ jsonrpc: '2.0', id: 1, result: answer })).length;
  const fromAgent = new TransformStream<never, never>();
  const writer = fromAgent.writable.getWriter();
  const say = (message: object) => void writer.write({ jsonrpc: '2.0', ...message } as never);
  const [heard, reads]: [string[], (() => void)[]] = [[], []];
  createPeer(
    { readable: fromAgent.readable, writable: new WritableStream({ write: () => new Promise<void>((resolve) => reads.push(resolve)) }) },
    {
      onRequest: async () => ({ result: answer }),
      onNotification: (method) => void heard.push(method),
      room: () => null,
      onNoise: (what) => void heard.push(what),
    },
    // In characters they would fit.
    { messageBytes: 10_000, agentRequests: 10, unreadAnswers: 10, unreadBytes: 2 * messageBytes - 1 },
  );
  say({ id: 1, method: '_a' });
  say({ method: '_one' });
  say({ id: 2, method: '_a' });
  await delay(5);
  // The first of these was waited for when the limit was passed.
  say({ method: '_two' });
  say({ method: '_three' });
  await delay(5);
  expect(heard).toEqual(['_one', '_two']);
  reads[0]!();
  await expect.poll(() => heard).toEqual(['_one', '_two', '_three']);
});

it('I10: notifications that the agent leaves unread are counted, and past unreadBytes it is sent no more until it reads', async () => {
  const [noise, sent, reads]: [string[], unknown[], (() => void)[]] = [[], [], []];
  const peer = createPeer(
    {
      readable: new ReadableStream(),
      writable: new WritableStream({
        write: (message) => {
          sent.push((message as { method: string }).method);
          return new Promise<void>((resolve) => reads.push(resolve));
        },
      }),
    },
    {
      onRequest: () => Promise.reject(new Error()),
      onNotification: () => undefined,
      room: () => null,
      onNoise: (what) => void noise.push(what),
    },
    { messageBytes: 10_000, agentRequests: 10, unreadAnswers: 10, unreadBytes: 1_000 },
  );
  for (let i = 0; i < 100; i += 1) peer.notify('_x', { words: 'x'.repeat(400) });
  expect(noise).toHaveLength(97);
  expect(noise[0]).toMatch(/_x: it leaves more unread than unreadBytes allows/);
  for (let i = 0; i < 3; i += 1) {
    await expect.poll(() => reads.length).toBe(i + 1);
    reads[i]!();
  }
  await delay(5);
  peer.notify('_y', {});
  await expect.poll(() => sent).toEqual(['_x', '_x', '_x', '_y']);
});
