/** What counts as a message, and how large one may be, is the same on every way to an agent. */
import { describe, expect, it } from 'vitest';
import { findMessage, messageText, parseText } from '../../../src/adapters/json-rpc.ts';
import { findInLine, parseMessage } from '../../../src/adapters/stdio/lines.ts';
import { WEBSOCKET_LIMITS, type WebSocketLimits } from '../../../src/adapters/websocket/limits.ts';
import { type WebSocketLike, socketStream } from '../../../src/adapters/websocket/message-stream.ts';
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

const ANSWER = '{"jsonrpc":"2.0","id":1,"result":{"text":"a { \\u001b[0m }"}}';
const REQUEST = '{"jsonrpc":"2.0","id":"r","method":"m"}';
const around: readonly (readonly [what: string, before: string, after: string])[] = [
  ['a byte-order mark', '\ufeff', ''],
  ['two of them', '\ufeff\ufeff', ''],
  ['NUL bytes', '\0\0', '\0'],
  ['blanks and a form feed', ' \f ', ' \f'],
  ['a bell and a backspace', '\u0007\b', ''],
  ['a window title', '\u001b]0;my agent\u0007', ''],
  ['a title ended otherwise', '\u001b]2;{"jsonrpc":"2.0"}\u001b\\', ''],
  ['a colour that is switched off behind', '\u001b[1;32m', '\u001b[0m'],
  ['a cursor that is hidden', '\u001b[?25l\u001b[2K', '\u001b[?25h'],
  ['a terminal that is reset', '\u001bc\u001b(B', ''],
  ['a question to the terminal', '\u001bP+q544e\u001b\\', ''],
  ['8-bit controls', '\u009b1m\u009d0;t\u009c', ''],
  ['a spinner', '⠋ Loading…\r⠙ Loading…\r', ''],
  ['a spinner and a cleared line', '{ loading\r\u001b[K', '\r'],
  ['everything at once', '\ufeff\u001b]0;t\u0007\0 \u001b[1m⠋\r\u001b[K', '\u001b[0m\r'],
];

describe.each([
  ['an answer', ANSWER],
  ['a request', REQUEST],
])('%s does not hide behind', (_what, text) => {
  it.each(around)('%s', (_around, before, after) => {
    const line = before + text + after;
    expect(findMessage(line, false)).toEqual({ message: JSON.parse(text), start: before.length, end: before.length + text.length });
    const bytes = Buffer.from(line);
    const found = findInLine(bytes, false)!;
    expect(found.message).toEqual(JSON.parse(text));
    expect(bytes.toString('utf8', found.start, found.end)).toBe(text);
  });
});

describe('a banner glued in front', () => {
  const banners = ['Welcome! ', 'agent> ', '[INFO] {"level":30} ', '{', '{ "not json', 'Last login: {x} \u001b[1m', 'a'.repeat(100_000)];
  it.each(banners)('%s: of the first answer', (banner) => {
    expect(findMessage(banner + ANSWER, true)).toMatchObject({ message: JSON.parse(ANSWER), start: banner.length });
    expect(findMessage(banner + ANSWER, false)).toBeNull();
  });

  it('in another encoding', () => {
    const line = Buffer.concat([Buffer.from('Bienvenue à bord ', 'latin1'), Buffer.from(ANSWER)]);
    expect(findInLine(line, true)?.message).toEqual(JSON.parse(ANSWER));
    expect(findInLine(line, false)).toBeNull();
  });

  it('of a request is a log line: nobody asks before the first answer', () => {
    expect(findMessage(`received ${REQUEST}`, true)).toBeNull();
  });

  it('costs no more than a few looks at the line, whatever is in it', () => {
    expect(findMessage(`${'{"a":'.repeat(200_000)}${'\u001b]'.repeat(200_000)}`, true)).toBeNull();
    expect(findMessage('\r{'.repeat(200_000), true)).toBeNull();
    expect(findMessage('{"\r'.repeat(200_000), true)).toBeNull();
    expect(findMessage(`${'\u001b]{'.repeat(200_000)}${ANSWER}`, true)).not.toBeUndefined();
  });
});

describe('I10: a line of millions, which no agent that keeps to ACP writes', () => {
  it.each(['\0', ' ', '\u001b[0m', '\u001b]0;x\u0007', '{ "', '\r{'])('of %j: no message, and no error', (piece) => {
    const line = `${piece.repeat(18_000_000 / piece.length)}{"a`;
    for (const opening of [true, false]) expect(findMessage(line, opening)).toBeNull();
  });
});

describe('the id of a request comes back as it was written', () => {
  const ids = [
    '1',
    '0',
    '-1',
    '"a"',
    '""',
    'null',
    '1.5',
    '1.0',
    '-0',
    '1e2',
    '1E+2',
    '9007199254740991',
    '9007199254740993',
    '-9007199254740993',
    '123456789012345678901234567890',
    '0.1000000000000000055511151231257827',
    '"json-rpc-id:5"',
    '"\\u00e9"',
    '"2^53"',
  ];
  it.each(ids)('%s', (id) => {
    const message = parseText(`{"jsonrpc":"2.0","id":${id},"method":"m","params":{"id":7,"deep":[{"id":8.50}]}}`) as unknown as Record<
      string,
      unknown
    >;
    const answer = messageText({ jsonrpc: '2.0', id: message['id'], result: {} });
    const written = /^\{(?:"jsonrpc":"2.0",)?"id":(.*?),"(?:jsonrpc|result)"/.exec(answer)?.[1];
    expect(written).toBe(id.startsWith('"') ? JSON.stringify(JSON.parse(id)) : id);
    expect(parseText(answer)).toMatchObject({ jsonrpc: '2.0' });
  });

  it('and is the one that a cancellation names', () => {
    const request = parseText('{"jsonrpc":"2.0","id":9007199254740993,"method":"m"}') as unknown as { id: unknown };
    const other = parseText('{"jsonrpc":"2.0","id":9007199254740992,"method":"m"}') as unknown as { id: unknown };
    const cancel = parseText('{"jsonrpc":"2.0","method":"$/cancel_request","params":{"requestId":9007199254740993}}') as unknown as {
      params: { requestId: unknown };
    };
    expect(cancel.params.requestId).toBe(request.id);
    expect(other.id).not.toBe(request.id);
  });
});

describe.each(readers)('a message over %s', (_name, reads) => {
  it.each([
    ['{"jsonrpc":"2.0","id":1,"method":"m"}', true],
    ['{"jsonrpc":"2.0","method":"m","params":[]}', true],
    ['{"jsonrpc":"2.0","id":1,"result":null}', true],
    ['{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}', true],
    // Some agents leave out what is null.
    ['{"jsonrpc":"2.0","id":1}', true],
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
