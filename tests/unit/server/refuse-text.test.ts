import { expect, it } from 'vitest';
import { refuseText } from '../../../src/server/errors.ts';

it.each([
  ['no JSON', '{"jsonrpc":"2.0","id":1,', null, -32700, /not JSON/],
  ['words', 'hello', null, -32700, /not JSON/],
  ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"initialize"}]', null, -32600, /no batches/],
  ['a batch that a stream has read', [Object.create(null), {}], null, -32600, /no batches/],
  ['nothing', null, null, -32600, /one JSON-RPC object/],
  ['a number', '7', null, -32600, /one JSON-RPC object/],
  ['a request without the version', '{"id":1,"method":"initialize"}', 1, -32600, /"jsonrpc": "2.0"/],
  ['a notification without it', '{"method":"session/cancel"}', null, -32600, /"jsonrpc": "2.0"/],
  ['an answer without it', '{"id":"a","result":{}}', null, -32600, /"jsonrpc": "2.0"/],
  ['another version', '{"jsonrpc":"1.0","id":"a","method":"initialize"}', 'a', -32600, /"jsonrpc": "2.0"/],
  ['neither method nor id', '{"jsonrpc":"2.0","params":{}}', null, -32600, /neither/],
  ['a method that is a number', '{"jsonrpc":"2.0","id":1,"method":5}', 1, -32600, /method of a message is a string/],
  ['bytes that were no UTF-8', '{"jsonrpc":"2.0","id":1,"method":"session/prompt","params":{"x":"\ufffd"}}', 1, -32600, /not UTF-8/],
])('what is no message is refused by name, under the id of the request it was to be: %s', (_, text, id, code, words) => {
  expect(refuseText(text)).toEqual({ id, error: { code, message: expect.stringMatching(words) as string } });
});
