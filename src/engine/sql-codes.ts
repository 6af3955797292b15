import type { SqlErrorKind } from './ports.ts';

/** SQLite's primary result codes (https://sqlite.org/rescode.html), as far as the engine distinguishes them. */
const KINDS: Readonly<Record<number, SqlErrorKind>> = {
  5: 'busy', // SQLITE_BUSY
  6: 'busy', // SQLITE_LOCKED
  7: 'full', // SQLITE_NOMEM: for a database in memory, that is its disk
  8: 'readonly', // SQLITE_READONLY
  10: 'io', // SQLITE_IOERR
  11: 'corrupt', // SQLITE_CORRUPT
  13: 'full', // SQLITE_FULL
  14: 'io', // SQLITE_CANTOPEN
  19: 'constraint', // SQLITE_CONSTRAINT, a STRICT table's type check included
  20: 'constraint', // SQLITE_MISMATCH: a rowid that is not an integer
  26: 'corrupt', // SQLITE_NOTADB
};

/**
 * What a result code means to the engine. An extended code counts as its primary code, the low byte.
 *
 * @example
 * throw new SqlError(kindOfCode(5), 'The database is locked.'); // 5, SQLITE_BUSY, is 'busy'
 */
export function kindOfCode(code: number): SqlErrorKind {
  return KINDS[code & 0xff] ?? 'other';
}
