/** What counts as a message, and how large one may be, is the same on every way to an agent. */
import { describe, expect, it } from 'vitest';
import { parseMessage } from '../../../src/adapters/stdio/json-rpc.ts';
import { WEBSOCKET_LIMITS, type WebSocketLimits } from '../../../src/adapters/websocket/limits.ts';
import type { WebSocketLike } from '../../../src/adapters/websocket/launcher.ts';
import { socketStream } from '../../../src/adapters/websocket/message-stream.ts';
import type { PortLike } from '../../../src/adapters/worker/frames.ts';
import { portStream } from '../../../src/adapters/worker/port-stream.ts';

/** A socket that has received one text, and what was made of it. */
function received(text: string, limits: Partial<WebSocketLimits> = {}) {
  let receive: (event: { data: unknown }) => void = () => undefined;
  const socket = {
    readyState: 1,
    bufferedAmount: 0,
    send: () => undefined,
    close: () => undefined,
    addEventListener: (type: string, listener: typeof receive) => void (type === 'message' && (receive = listener)),
  } as unknown as WebSocketLike;
  const rejected: string[] = [];
  const { stream, closed } = socketStream('a', socket, { ...WEBSOCKET_LIMITS, ...limits }, (refused) => rejected.push(refused));
  receive({ data: text });
  closed();
  return { next: stream.readable.getReader().read(), rejected };
}

const readers: readonly (readonly [name: string, reads: (text: string) => Promise<boolean>])[] = [
  ['stdio', async (text) => parseMessage(Buffer.from(text)) !== null],
  [
    'a WebSocket',
    async (text) => {
      const { next, rejected } = received(text);
      const { done } = await next;
      expect(rejected).toEqual(done ? [text] : []);
      return !done;
    },
  ],
  [
    'a worker',
    async (text) => {
      let receive: (event: { data: unknown }) => void = () => undefined;
      const port: PortLike = {
        postMessage: () => undefined,
        addEventListener: (_type, listener) => void (receive = listener),
        removeEventListener: () => undefined,
      };
      const others: unknown[] = [];
      const stream = portStream(port, { onOther: (_frame, data) => void others.push(data) });
      receive({ data: { rehydrate: 'message', json: text } });
      receive({ data: { rehydrate: 'close' } });
      const { done } = await stream.readable.getReader().read();
      expect(others).toEqual(done ? [text] : []);
      return !done;
    },
  ],
];

describe.each(readers)('a message over %s', (_name, reads) => {
  it.each([
    ['{"jsonrpc":"2.0","id":1,"method":"m"}', true],
    ['{"jsonrpc":"2.0","method":"m","params":[]}', true],
    ['{"jsonrpc":"2.0","id":1,"result":null}', true],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}', true],
    ['{"jsonrpc":"2.0","id":1}', false],
    ['{"jsonrpc":"2.0","result":1}', false],
    ['{"jsonrpc":"1.0","id":1,"method":"m"}', false],
    ['{"level":30,"method":"GET"}', false],
    ['[{"jsonrpc":"2.0","method":"m"}]', false],
    ['null', false],
    ['{"jsonrpc":"2.0","method":', false],
  ])('%s: %s', async (text, is) => {
    expect(await reads(text)).toBe(is);
  });
});

describe('I10: messageBytes of a WebSocket', () => {
  const size = (text: string) => ({
    text: JSON.stringify({ jsonrpc: '2.0', method: 'm', params: text }),
    bytes: Buffer.byteLength(JSON.stringify({ jsonrpc: '2.0', method: 'm', params: text })),
  });
  it.each([
    ['plain text', 'x'.repeat(1_000)],
    ['Chinese', '汉'.repeat(1_000)],
    ['rockets', '🚀'.repeat(1_000)],
  ])('is bytes, not characters: %s', async (_name, content) => {
    const { text, bytes } = size(content);
    expect(await received(text, { messageBytes: bytes }).next).toMatchObject({ done: false });
    await expect(received(text, { messageBytes: bytes - 1 }).next).rejects.toMatchObject({
      code: 'limit_exceeded',
      data: { limit: 'messageBytes' },
    });
  });
});
