/** The door with something else behind it than agents: a server that talks to its clients itself. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { openDoor } from '../../../src/bridge/door.ts';
import type { BridgeLimits, Door } from '../../../src/bridge/index.ts';
import { streamConnection, type StreamConnection } from '../../../src/bridge/stream-connection.ts';
import { pump } from '../../../src/cli/connect.ts';

let door: Door;
afterEach(() => door.close());

const seen: { connection: StreamConnection; subprotocol: string }[] = [];

async function open(limits: Partial<BridgeLimits> = {}, serve: (connection: StreamConnection) => Promise<void> = echo): Promise<void> {
  seen.length = 0;
  door = await openDoor(
    { agents: { one: { cwd: process.cwd() } }, subprotocols: ['acp.v1', 'observe.v1'], allowMissingOrigin: true, limits },
    async (visitor) => {
      visitor.upgrade((client) => {
        const connection = streamConnection(visitor.agent, client);
        seen.push({ connection, subprotocol: visitor.subprotocol });
        void serve(connection);
        return connection;
      });
    },
  );
}

/** Answers each request with its parameters. */
async function echo({ stream }: StreamConnection): Promise<void> {
  const writer = stream.writable.getWriter();
  for await (const message of stream.readable) {
    const { id, params } = message as { id: number; params: unknown };
    await writer.write({ jsonrpc: '2.0', id, result: params } as AnyMessage);
  }
}

async function connect(subprotocol = 'acp.v1'): Promise<WebSocket> {
  const socket = new WebSocket(`${door.url}/agents/one`, [subprotocol, `bearer.${door.token}`]);
  await once(socket, 'open');
  return socket;
}

const call = (id: number, params: unknown): string => JSON.stringify({ jsonrpc: '2.0', id, method: 'echo', params });
const next = async (socket: WebSocket): Promise<unknown> => JSON.parse(String((await once(socket, 'message'))[0]));

describe('a stream behind the door', () => {
  it('carries messages both ways, in order, and tells by which subprotocol the client came', async () => {
    await open();
    const socket = await connect('observe.v1');
    expect(socket.protocol).toBe('observe.v1');
    expect(seen[0]!.subprotocol).toBe('observe.v1');
    for (let id = 0; id < 100; id += 1) socket.send(call(id, { id }));
    const got: unknown[] = [];
    socket.on('message', (data) => got.push(JSON.parse(String(data)).result.id));
    await expect.poll(() => got.length).toBe(100);
    expect(got).toEqual(Array.from({ length: 100 }, (_, id) => id));
    socket.close();
  });

  it('answers an id that JavaScript cannot hold with that id', async () => {
    await open();
    const socket = await connect();
    for (const id of ['9007199254740993', '-0', '"json-rpc-id:1"']) {
      socket.send(`{"jsonrpc":"2.0","id":${id},"method":"echo","params":1}`);
      expect(String((await once(socket, 'message'))[0])).toContain(`"id":${id},`);
    }
    socket.close();
  });

  it('takes what an editor writes by `acp --connect`, a byte-order mark in front of it', async () => {
    await open();
    const input = new PassThrough();
    const output = new PassThrough();
    const led = pump({ url: `${door.url}/agents/one`, protocols: ['acp.v1', `bearer.${door.token}`] }, input, output);
    input.write(`\ufeff${call(1, 'heard')}\n`);
    expect(JSON.parse(String((await once(output, 'data'))[0]))).toMatchObject({ id: 1, result: 'heard' });
    // Both ways as it was written: an id, too, that JavaScript cannot hold.
    output.removeAllListeners();
    let said = '';
    output.on('data', (chunk) => (said += String(chunk)));
    input.write('{"jsonrpc":"2.0","id":9007199254740993,"method":"echo","params":1}\n');
    await expect.poll(() => said).toContain('"id":9007199254740993,');
    input.end();
    await led.done;
  });

  it('ends when the client goes, after all it said', async () => {
    const heard: unknown[] = [];
    let ended = false;
    await open({}, async ({ stream }) => {
      for await (const message of stream.readable) heard.push((message as { id?: unknown }).id);
      ended = true;
    });
    const socket = await connect();
    for (let id = 0; id < 10; id += 1) socket.send(call(id, null));
    socket.close();
    await expect.poll(() => ended).toBe(true);
    expect(heard).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await seen[0]!.connection.exited).toMatchObject({ kind: 'ended' });
  });

  it('closes with 1000 when it is closed, and with 4005 when the door is', async () => {
    await open();
    const [first, second] = [await connect(), await connect()];
    const closes = [once(first, 'close'), once(second, 'close')];
    void seen[0]!.connection.end('ask');
    expect((await closes[0]!)[0]).toBe(1000);
    await door.close();
    expect((await closes[1]!)[0]).toBe(4005);
  });

  it('the door refuses commands here as for agents', async () => {
    await open();
    const socket = await connect();
    socket.send(call(1, { mcpServers: [{ name: 'x', command: 'sh' }] }));
    expect(await next(socket)).toMatchObject({ id: 1, error: { code: -32602 } });
    socket.close();
  });

  it('I10: what nobody reads is bounded in bytes, from the client', async () => {
    await open({ bufferedBytes: 100_000 }, async () => undefined);
    const socket = await connect();
    const text = 'x'.repeat(10_000);
    for (let id = 0; id < 2_000; id += 1) socket.send(call(id, text));
    // 20 MB were sent. What neither side's kernel takes stays with the client: the server has stopped reading.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(socket.bufferedAmount).toBeGreaterThan(1_000_000);
    let read = 0;
    void (async () => {
      for await (const _ of seen[0]!.connection.stream.readable) read += 1;
    })();
    await expect.poll(() => read).toBe(2_000);
    socket.close();
  });

  it('I10: and to the client, who is cut off by name when it reads nothing for too long', async () => {
    let written = 0;
    let whenCut = 0;
    await open({ bufferedBytes: 100_000, stalledMs: 1_000 }, async ({ stream, client }) => {
      void client.gone.then(() => (whenCut = written));
      const writer = stream.writable.getWriter();
      for (let id = 0; id < 10_000; id += 1) {
        await writer.write({ jsonrpc: '2.0', method: 'x', params: { text: 'x'.repeat(10_000) } });
        written += 1;
      }
    });
    const socket = await connect();
    socket.pause();
    await expect.poll(() => written).toBe(10_000);
    // Of 100 MB no more was written than kernel and limit hold.
    expect(whenCut).toBeGreaterThan(0);
    expect(whenCut).toBeLessThan(5_000);
    socket.terminate();
  });
});
