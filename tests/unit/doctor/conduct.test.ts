import { describe, expect, test } from 'vitest';
import { judgeConduct, newConduct, noteNoise, whyBroken } from '../../../src/cli/doctor/conduct.ts';

const message = (text: string) => JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params: { text } });

describe('a line that was to be a message is told from one that was not', () => {
  test.each([
    ['Loading plugins… done (3)', null],
    ['{"level":"info","msg":"not a message"}', null],
    [message('x').replace('"x"', 'NaN'), /holds NaN/],
    [message('x').replace('"x"', '-Infinity'), /holds Infinity/],
    [message('NaN } {').replace(/}$/, ',}'), 'it is not JSON'],
    [message('a') + message('b'), /two in one line/],
    [`Thinking… ${message('a')}`, /text in front/],
    [`${message('a } {"')} done`, /text after/],
    [`[${message('a')}]`, /no batches/],
    ['Content-Length: 120', /no headers/],
    ['{"jsonrpc":"1.0","id":1,"result":{}}', /not JSON-RPC 2.0/],
    ['{"jsonrpc":"2.0","id":', /cut off/],
    ['  "jsonrpc": "2.0",', /over several lines/],
    [`{"jsonrpc":"2.0","text":"${'x'.repeat(1_000_000)}`, /cut off/],
  ])('%.60s', (line, why) => {
    if (why === null) expect(whyBroken(line)).toBeNull();
    else expect(whyBroken(line)).toMatch(why);
  });
});

test('of all that is no ACP a message that was lost is the example, or else the first', () => {
  const conduct = newConduct();
  expect(judgeConduct(conduct)).toEqual({});
  noteNoise(conduct, 'Loading…', 'initialize');
  noteNoise(conduct, 'Loaded.', 'session/new');
  expect(judgeConduct(conduct).initialize).toMatchObject({
    breaksProtocol: true,
    detail: 'Not all it writes on stdout is ACP: something else came 2 times, such as this after initialize: “Loading…”.',
  });
  noteNoise(conduct, message('x').replace('"x"', 'NaN'), 'session/prompt');
  expect(judgeConduct(conduct).initialize?.detail).toMatch(
    /3 times, such as this after session\/prompt: “.*NaN.*”\. It was to be a message, .* NaN/,
  );
});

test('a byte-order mark, which nobody sees, is named', () => {
  const conduct = newConduct();
  noteNoise(conduct, '\ufeff', 'initialize');
  expect(judgeConduct(conduct).initialize?.detail).toMatch(/1 time, such as this after initialize: a byte-order mark\.$/);
});

test('a process that ended by itself is a failure to end cleanly', () => {
  const ends = ['exited with code 1 after session/prompt', 'died of SIGSEGV after session/new'];
  expect(judgeConduct({ ...newConduct(), ends })).toEqual({
    'clean-exit': expect.objectContaining({
      outcome: 'fail',
      detail: expect.stringMatching(/it exited with code 1 .*So did 1 further process/),
    }),
  });
});
