import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unknownIdLike } from '../../../src/cli/doctor/other-sessions.ts';

describe('an unknown session id passes for one of the agent’s own', () => {
  test.each([
    ['ses_dfbed1ef6ffeYxWfX2zGWF6hIX', /^ses_[A-Za-z0-9]{26}$/],
    ['218057dd-307d-4875-8958-81249f9d23a6', /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/],
    ['thread-42', /^thread-\d+$/],
    ['20261122T101500', /^\d{8}[A-Z]\d{6}$/],
  ])('%s', (sample, form) => {
    expect(unknownIdLike(sample)).toMatch(form);
  });

  test('of an agent that counts its sessions it is none of the next', () => {
    expect(unknownIdLike('7')).toMatch(/^\d{10}$/);
    expect(unknownIdLike('odd-1', () => 0.3)).toMatch(/^odd-\d{10}$/);
  });

  test('without a sample it is a UUID', () => {
    expect(unknownIdLike(null)).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('it is never the sample itself', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (sample, at) => {
        expect(unknownIdLike(sample, () => at)).not.toBe(sample);
      }),
    );
  });
});
