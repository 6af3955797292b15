import { expect, it } from 'vitest';
import { newWord, says } from '../../../src/cli/doctor/word.ts';

it.each([
  ['heron-4711', true],
  ['It is **Heron-4711**.', true],
  ['HERON-4711', true],
  ['heron\\-4711', true],
  ['heron\u20114711', true],
  ['heron – 4711', true],
  ['heron&#45;4711, heron&ndash;4711', true],
  ['heron&ndash;4711', true],
  ['{"codeword":"heron\\u002d4711"}', true],
  ['`heron`-`4711`', true],
  ['heron 4711', true],
  ['heron-47110', false],
  ['heron-0000', false],
  ['4711-heron', false],
  ['heron 5 4711', false],
  ['I do not know it.', false],
  ['', false],
])('%j says heron-4711: %s', (reply, expected) => {
  expect(says(reply, 'heron-4711')).toBe(expected);
});

it('says a new word', () => {
  const word = newWord('plover');
  expect(says(`It was ${word}!`, word)).toBe(true);
});
