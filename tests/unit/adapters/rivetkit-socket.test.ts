/** An actor's raw WebSocket: what its client says, told as exactly as over the bridge. */
import { describe, expect, it } from 'vitest';
import { askedOf, socketMessages } from '../../../src/adapters/rivetkit/socket.ts';
import { DEFAULT_LIMITS } from '../../../src/engine/limits.ts';

function socket(isGoing = () => false) {
  const listeners: Record<string, (event: { readonly data?: unknown }) => void> = {};
  const sent: string[] = [];
  const closes: (number | undefined)[] = [];
  const stream = socketMessages(
    {
      readyState: 1,
      send: (data) => void sent.push(data),
      close: (code) => void closes.push(code),
      addEventListener: (type, listener) => void (listeners[type] = listener),
    },
    isGoing,
  );
  return { stream, sent, closes, say: (data: unknown) => listeners['message']!({ data }), gone: () => listeners['close']!({}) };
}

describe('what a client of an actor asks for', () => {
  it.each([
    ['/websocket/agents/one', { agent: 'one', observe: false }],
    ['/websocket/agents/one%20more/', { agent: 'one more', observe: false }],
    ['/websocket/agents/%E0%A4', null],
    ['/websocket/', null],
  ])('%s', (path, asked) => expect(askedOf(new Request(`http://actor${path}`))).toEqual(asked));
});

describe('a client of an actor', () => {
  it('is answered with the id that it gave, however large', async () => {
    const { stream, sent, say } = socket();
    say('{"jsonrpc":"2.0","id":9007199254740993,"method":"x"}');
    const { value } = await stream.readable.getReader().read();
    await stream.writable.getWriter().write({ jsonrpc: '2.0', id: (value as { id: number }).id, result: {} });
    expect(sent).toEqual(['{"id":9007199254740993,"jsonrpc":"2.0","result":{}}']);
  });

  it('says rubbish, and what it says next is heard', async () => {
    const { stream, say, gone } = socket();
    for (const text of ['{', '[]', '{"jsonrpc":"2.0","method":"good"}']) say(text);
    gone();
    const heard: unknown[] = [];
    for await (const message of stream.readable) heard.push(message);
    expect(heard).toEqual(['{', '[]', { jsonrpc: '2.0', method: 'good' }]);
  });

  it('I10: is cut off where more than the largest message waits to be read, or a frame is no text', () => {
    const full = socket();
    const half = ' '.repeat(DEFAULT_LIMITS.messageBytes / 2 + 1);
    full.say(half);
    full.say(half);
    expect(full.closes).toEqual([1009]);
    const binary = socket();
    binary.say(new Uint8Array(1));
    expect(binary.closes).toEqual([1002]);
  });

  it('is told to connect again where it says something while the actor goes to sleep, and gets no answer', async () => {
    let isGoing = false;
    const { stream, closes, say } = socket(() => isGoing);
    say('{"jsonrpc":"2.0","method":"before"}');
    isGoing = true;
    say('{"jsonrpc":"2.0","id":1,"method":"initialize"}');
    const heard: unknown[] = [];
    for await (const message of stream.readable) heard.push(message);
    expect([heard, closes]).toEqual([[{ jsonrpc: '2.0', method: 'before' }], [1012]]);
    const silent = socket(() => isGoing);
    await silent.stream.writable.close();
    isGoing = false;
    const gone = socket(() => isGoing);
    await gone.stream.writable.close();
    expect([silent.closes, gone.closes]).toEqual([[1012], [1000]]);
  });
});
