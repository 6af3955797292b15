import { describe, expect, it } from 'vitest';
import { judgePing } from '../../../src/bridge/client.ts';

describe('I10: a ping', () => {
  const limits = { pingsPerSecond: 100, bufferedBytes: 1_000 };
  const rows: [string, number, number, string][] = [
    ['the first', 1, 0, 'answer'],
    ['the last that is allowed', 100, 1_000, 'answer'],
    ['from a client that is behind', 1, 1_001, 'answer_later'],
    ['one too many', 101, 0, 'too_many'],
    ['one too many, from a client that is behind', 101, 1_001, 'too_many'],
  ];
  it.each(rows)('%s', (_name, count, unsent, verdict) => {
    expect(judgePing(count, unsent, limits)).toBe(verdict);
  });
});
