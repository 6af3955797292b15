import { describe, expect, test } from 'vitest';
import { methodNames } from '../../../src/cli/doctor/examination.ts';

describe('the ways to sign in that an agent names', () => {
  test.each([
    [
      [
        { id: 'login', name: 'Log in' },
        { id: 'key', name: 'A key' },
      ],
      'login, key',
    ],
    [[{ id: 'a\nb' }], 'a b'],
    // What is no method, or has no id to call it by, is not named.
    [[null, { id: 5 }, 'x', ['y'], {}, { id: '' }], 'none named'],
    [[null, { id: 'login' }], 'login'],
    [[], 'none named'],
  ])('%j: %s', (methods, names) => {
    expect(methodNames(methods)).toBe(names);
  });
});
