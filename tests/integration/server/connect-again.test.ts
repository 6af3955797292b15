/** `rehydrate acp --connect` at a server that is about to be there: an actor that goes to sleep, and comes back. */
import { once } from 'node:events';
import { Socket, type AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, it, onTestFinished, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import { pump } from '../../../src/cli/connect.ts';

const SERVICE_RESTART = 1012;

/** A server whose connections, one after the other, answer the first message so. */
async function serverOf(...lives: readonly ('restarts' | 'stops' | 'answers' | 'answers, then restarts')[]) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  const heard: string[][] = [];
  server.on('connection', (socket) => {
    const life = lives[heard.length] ?? 'answers';
    const mine: string[] = [];
    heard.push(mine);
    socket.on('message', (data) => {
      mine.push(String(data));
      if (life.startsWith('answers')) socket.send(`answer ${mine.length}`);
      if (life === 'stops') socket.close(1000, 'actor.stopped');
      if (life.endsWith('restarts')) socket.close(SERVICE_RESTART, 'the actor goes to sleep: connect again');
    });
  });
  const input = new PassThrough();
  const output = new PassThrough();
  const { done } = pump({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, protocols: [] }, input, output);
  return { heard, input, output, done };
}

it('what it did not read is said to its next life', async () => {
  const { heard, input, output, done } = await serverOf('restarts', 'stops', 'answers');
  input.write('{"id":1}\n');
  expect(String((await once(output, 'data'))[0])).toBe('answer 1');
  input.write('{"id":2}\n');
  input.end();
  await done;
  expect(heard).toEqual([['{"id":1}'], ['{"id":1}'], ['{"id":1}', '{"id":2}']]);
});

it('I10: a server whose machine is gone is noticed, also while its client only waits', async () => {
  const kept = vi.spyOn(Socket.prototype, 'setKeepAlive');
  onTestFinished(() => kept.mockRestore());
  const { input, output, done } = await serverOf('answers');
  input.write('{"id":1}\n');
  await once(output, 'data');
  expect(kept.mock.calls.filter(([on, ms = 0]) => on === true && ms > 0 && ms <= 60_000)).toHaveLength(1);
  input.end();
  await done;
});

it('one that has answered and goes ends the connection: what its client asked before is not asked again', async () => {
  const { heard, input, done } = await serverOf('answers, then restarts');
  input.write('{"id":1}\n');
  await expect(done).rejects.toMatchObject({ code: 'agent_start_failed', data: { code: SERVICE_RESTART } });
  expect(heard).toEqual([['{"id":1}']]);
});

it('a client that goes while it waits for the next life is done', async () => {
  const { heard, input, done } = await serverOf('restarts', 'restarts', 'restarts', 'answers');
  input.write('{"id":1}\n');
  await expect.poll(() => heard.length).toBeGreaterThan(0);
  input.end();
  await done;
});

it('a client that has said all is answered still, but for its prompts, whose turns go on without it', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  server.on('connection', (socket) =>
    socket.on('message', (data) => {
      const { id, method } = JSON.parse(String(data)) as { id?: unknown; method: string };
      if (id === undefined || method === 'session/prompt') return;
      setTimeout(() => socket.send(JSON.stringify({ jsonrpc: '2.0', id, result: { method } })), 200);
    }),
  );
  const input = new PassThrough();
  const output = new PassThrough();
  const { done } = pump({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, protocols: [] }, input, output);
  const ask = (id: unknown, method: string) => input.write(`${JSON.stringify({ jsonrpc: '2.0', id, method })}\n`);
  ask(1, 'initialize');
  ask('zwé"i', 'session/list');
  ask(2, 'session/prompt');
  input.end();
  await done;
  output.end();
  const answers = (await output.toArray()).join('');
  expect(answers).toContain('"id":1,"result":{"method":"initialize"}');
  expect(answers).toContain('"result":{"method":"session/list"}');
});
