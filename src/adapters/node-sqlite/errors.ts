import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { SqlError, type SqlErrorKind } from '../../engine/ports.ts';
import { kindOfCode } from '../../engine/sql-codes.ts';

/** The file that readers and writers of a WAL share could not get its size. */
export const IOERR_SHMSIZE = 4_874;

const ADVICE: Partial<Record<SqlErrorKind, string>> = {
  corrupt: 'It is damaged or not a SQLite database. Nothing was changed: restore a copy, or choose another file.',
  full: 'The disk is full. The batch was rolled back: free some space and try again.',
  busy: 'Another process kept it locked. Nothing was changed: try again, or close the other process.',
  readonly: 'It cannot be written. Check the permissions of the file and its directory.',
  io: 'Check that the directory exists and can be read and written, and that the disk is sound.',
};

/** A failure of `node:sqlite` or of the file system. */
export function toSqlError(error: unknown, path: string): SqlError {
  if (error instanceof SqlError) return error;
  const { errcode, code, message } = error as { errcode?: number; code?: string; message?: string };
  const kind = errcode === undefined ? kindOfErrno(code) : NEEDS_ROOM.has(errcode) && isFull(path) ? 'full' : kindOfCode(errcode);
  const number = errcode === undefined ? '' : ` (SQLite ${errcode})`;
  const advice = ADVICE[kind];
  return new SqlError(kind, `Database ${path}: ${message ?? String(error)}${number}.${advice ? ` ${advice}` : ''}`, { cause: error });
}

/** On a full disk SQLite also says CANTOPEN, and IOERR for writing, syncing and sizing a file. */
const NEEDS_ROOM: ReadonlySet<number> = new Set([14, 778, 1_034, 1_290, 1_546, 4_618, IOERR_SHMSIZE]);

/** The first part of the file that readers and writers of a WAL share. */
const SHARED_BYTES = 32 * 1024;

function isFull(path: string): boolean {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(dirname(path));
    return bavail * bsize < SHARED_BYTES || (files > 0 && ffree === 0);
  } catch {
    return false;
  }
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
      // The file system's errors are named E…; node:sqlite's own, about arguments, ERR_….
      return code !== undefined && /^E(?!RR_)[A-Z0-9]+$/.test(code) ? 'io' : 'other';
  }
}
