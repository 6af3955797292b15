/** Numbers that RivetKit would cut off. */
import type { SqlValue, Statement } from '../../engine/ports.ts';
import { replacePlaceholders } from '../../engine/sql-text.ts';

/** The largest power of two that a 64-bit integer can be shifted to. */
const STEP = 62;

/** RivetKit 2.3.19 binds every whole number as a 64-bit integer, and cuts larger ones off at 2^63. */
export function isLarge(value: SqlValue): value is number {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) >= 2 ** 63;
}

/** So a larger one is bound as a small one, and SQLite multiplies it by a power of two, which rounds nothing. */
export function withLargeNumbers(statement: Statement): Statement {
  const { sql, params = [] } = statement;
  if (!params.some(isLarge)) return statement;
  const factors = params.map((value) => (isLarge(value) ? Math.ceil((Math.log2(Math.abs(value)) - 52) / STEP) : 0));
  return {
    sql: replacePlaceholders(sql, (index) => (factors[index] ? `(? * 1.0${` * (1 << ${STEP})`.repeat(factors[index])})` : null)),
    params: params.map((value, index) => (factors[index] ? (value as number) / 2 ** (STEP * factors[index]) : value)),
  };
}
