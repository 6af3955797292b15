/** Numbers that RivetKit would cut off at 2^63 are taken apart, and SQLite puts them together again without rounding. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withLargeNumbers } from '../../../src/adapters/rivetkit/large-numbers.ts';

const sqlite = new DatabaseSync(':memory:');
/** What comes back of a number, its parameters bound as RivetKit binds them: whole numbers as 64-bit integers. */
function through(value: number): unknown {
  const { sql, params = [] } = withLargeNumbers({ sql: 'SELECT \'?\' AS text, ? AS "a?", ? AS value -- ?', params: ['x', value] });
  const bound = params.map((param) => {
    if (typeof param !== 'number' || !Number.isInteger(param)) return param;
    expect(Math.abs(param), 'a 64-bit integer').toBeLessThan(2 ** 63);
    return BigInt(param);
  });
  const row = sqlite.prepare(sql).get(...(bound as SQLInputValue[])) as Record<string, unknown>;
  expect(row).toMatchObject({ text: '?', 'a?': 'x' });
  return row['value'];
}

describe('numbers of 2^63 and more', () => {
  it.each([2 ** 63, -(2 ** 63), 2 ** 63 + 2048, 1e19, -1e19, 2 ** 124, 1e300, Number.MAX_VALUE, -Number.MAX_VALUE])('%d', (value) => {
    expect(through(value)).toBe(value);
  });

  it('any of them', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 2 ** 63, noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        (value, negative) => through(negative ? -value : value) === (negative ? -value : value),
      ),
    );
  });

  it.each([0, 1, 0.5, 2 ** 53])('%d is left as it is', (value) => {
    const statement = { sql: 'SELECT ?', params: [value] };
    expect(withLargeNumbers(statement)).toBe(statement);
  });
});
