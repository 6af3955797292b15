import { SqlError, type SqlErrorKind } from '../../engine/ports.ts';

/** SQLite's primary result codes (https://sqlite.org/rescode.html) as the engine tells them apart. */
const KINDS: Readonly<Record<number, SqlErrorKind>> = {
  5: 'busy', // SQLITE_BUSY
  6: 'busy', // SQLITE_LOCKED
  8: 'readonly', // SQLITE_READONLY
  10: 'io', // SQLITE_IOERR
  11: 'corrupt', // SQLITE_CORRUPT
  13: 'full', // SQLITE_FULL
  14: 'io', // SQLITE_CANTOPEN
  19: 'constraint', // SQLITE_CONSTRAINT, a STRICT table's type check included
  20: 'constraint', // SQLITE_MISMATCH: a rowid that is not an integer
  26: 'corrupt', // SQLITE_NOTADB
};

/** What people can do about it. */
const ADVICE: Partial<Record<SqlErrorKind, string>> = {
  corrupt: 'It is damaged or not a SQLite database. Nothing was changed: restore a copy, or choose another file.',
  full: 'The disk is full. The batch was rolled back: free some space and try again.',
  busy: 'Another process kept it locked. Nothing was changed: try again, or close the other process.',
  readonly: 'It cannot be written. Check the permissions of the file and its directory.',
  io: 'Check that the directory exists and can be read and written, and that the disk is sound.',
};

/** The primary code is the low byte of an extended one. */
export function kindOfCode(code: number | undefined): SqlErrorKind {
  return code === undefined ? 'other' : (KINDS[code & 0xff] ?? 'other');
}

/** Any failure of `node:sqlite` or of the file system beneath it, as the port's one error. */
export function toSqlError(error: unknown, path: string): SqlError {
  if (error instanceof SqlError) return error;
  const { errcode, code, message } = error as { errcode?: number; code?: string; message?: string };
  const kind = errcode === undefined ? kindOfErrno(code) : kindOfCode(errcode);
  const number = errcode === undefined ? '' : ` (SQLite ${errcode})`;
  const advice = ADVICE[kind];
  return new SqlError(kind, `Database ${path}: ${message ?? String(error)}${number}.${advice ? ` ${advice}` : ''}`, { cause: error });
}

function kindOfErrno(code: string | undefined): SqlErrorKind {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'full';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'readonly';
    default:
      // The file system's errors are named E…; node:sqlite's own complaints about arguments are ERR_….
      return code !== undefined && /^E(?!RR_)[A-Z0-9]+$/.test(code) ? 'io' : 'other';
  }
}
