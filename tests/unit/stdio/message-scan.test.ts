import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMessage } from '../../../src/adapters/json-rpc.ts';
import { messageLine, parseMessage } from '../../../src/adapters/stdio/lines.ts';
import { scanMessage } from '../../../src/adapters/stdio/message-scan.ts';

const scan = (text: string): boolean => scanMessage(Buffer.from(text), 0) === Buffer.byteLength(text);

const messages = fc.oneof(
  fc.record({ jsonrpc: fc.constant('2.0'), method: fc.string(), params: fc.jsonValue() }),
  fc.record({ jsonrpc: fc.constant('2.0'), id: fc.oneof(fc.integer(), fc.string()), method: fc.string(), params: fc.jsonValue() }),
  fc.record({ id: fc.integer(), jsonrpc: fc.constant('2.0'), result: fc.jsonValue() }),
  fc.record({
    jsonrpc: fc.constant('2.0'),
    id: fc.integer(),
    error: fc.record({ code: fc.integer(), message: fc.string(), data: fc.jsonValue() }),
  }),
);

describe('scanMessage', () => {
  it('recognises what JSON.stringify writes', () => {
    fc.assert(fc.property(messages, (message) => scan(JSON.stringify(message))));
  });

  it('never takes for a message what JSON.parse would not', () => {
    // Real messages with some bytes changed: near misses are where a scanner goes wrong.
    const characters = fc.constantFrom(...'{}[]",:\\ \t\n0123456789.-+eEtrufalsn\u0000é');
    fc.assert(
      fc.property(messages, fc.array(fc.tuple(fc.nat(), fc.nat(2), characters), { minLength: 1, maxLength: 4 }), (message, edits) => {
        let text = JSON.stringify(message);
        for (const [position, remove, insert] of edits) {
          const at = position % (text.length + 1);
          text = text.slice(0, at) + insert + text.slice(at + remove);
        }
        const bytes = Buffer.from(text);
        const end = scanMessage(bytes, 0);
        if (end < 0) return;
        const value: unknown = JSON.parse(bytes.toString('utf8', 0, end));
        expect(isMessage(value)).toBe(true);
        expect(bytes.subarray(0, end).includes(0x0a)).toBe(false);
      }),
      { numRuns: 20_000 },
    );
  });

  const rows: [string, boolean][] = [
    ['{"jsonrpc":"2.0","method":"m"}', true],
    ['{ "jsonrpc" : "2.0" ,\t"method" : "m" }', true],
    ['{"jsonrpc":"2.0","id":null,"error":{}}', true],
    ['{"jsonrpc":"2.0","method":"m","params":[-0.5e+3,[],{},"\\u00e9\\n",true,false,null]}', true],
    ['{"jsonrpc":"2.0","id":1}', false],
    ['{"jsonrpc":"2.0","result":1}', false],
    ['{"jsonrpc":"1.0","method":"m"}', false],
    ['{"method":"m"}', false],
    ['{"jsonrpc":"2.0","method":1}', false],
    ['{"jsonrpc":"2.0","method":"m","jsonrpc":"2.0"}', false],
    ['{"jsonrpc":"2.0","m\\u0065thod":"m"}', false],
    ['{"jsonrpc":"2.0","method":"m",}', false],
    ['{"jsonrpc":"2.0","method":"m","params":01}', false],
    ['{"jsonrpc":"2.0","method":"m","params":1.}', false],
    ['{"jsonrpc":"2.0","method":"m","params":+1}', false],
    ['{"jsonrpc":"2.0","method":"m","params":"\\x"}', false],
    ['{"jsonrpc":"2.0","method":"m","params":[1,]}', false],
    ['{"jsonrpc":"2.0","method":"m"', false],
    ['{}', false],
    ['[]', false],
    ['', false],
  ];
  it.each(rows)('%s: %s', (text, expected) => expect(scan(text)).toBe(expected));
});

describe('messages as lines', () => {
  it('are themselves again when parsed', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const line = messageLine(message);
        expect(line).not.toMatch(/[\r\n\u2028\u2029]/);
        expect(parseMessage(Buffer.from(line))).toEqual(JSON.parse(JSON.stringify(message)));
      }),
    );
  });
});
