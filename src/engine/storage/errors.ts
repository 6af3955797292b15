import { SqlError, type Row, type SqlDatabase, type SqlErrorKind, type SqlValue } from '../ports.ts';
import { RehydrateError } from '../errors.ts';

/** What each kind of failure means, and what can be done about it. */
const REASONS: Readonly<Partial<Record<SqlErrorKind, readonly [string, string]>>> = {
  full: ['the storage is full', 'Nothing of it was written; the record stays readable. Free some space, then go on.'],
  corrupt: [
    'SQLite says the file is corrupt or not a database',
    'Nothing was changed. Restore a backup, or recover it with "sqlite3 FILE .recover".',
  ],
  busy: ['the database stayed locked', 'Close the program that holds it, or try again when it is done.'],
  readonly: ['the database can be read, and not be written', 'Give this user the right to write the file and its directory.'],
  io: ['the file could not be reached', 'Check that it and its directory are there, can be used, and that the disk is sound.'],
  closed: ['the database was closed', 'Open it again, and a host on it.'],
  other: [
    'SQLite refused it',
    'Its tables may have been changed while it was open: a new host looks them through, and says what is missing.',
  ],
};

/**
 * A storage failure in the contract's words. A constraint's, which is how the engine's own conditions speak, and anything
 * that is not an `SqlError` stay what they are: a bug must not look like a full disk.
 */
export function storageError(error: unknown, what: string): unknown {
  if (!(error instanceof SqlError) || error.code === undefined) return error;
  const [why, advice] = REASONS[error.kind] as readonly [string, string];
  // An adapter's message may end in an advice of its own, which this one takes the place of.
  const facts = /^([^]*?: [^]*?)\. [A-Z][^]*$/.exec(error.message)?.[1] ?? error.message;
  return new RehydrateError(error.code, `${what}: ${why} (${facts}). ${advice}`, { kind: error.kind }, { cause: error });
}

/** A query whose failure is told in these words. */
export async function read(
  db: SqlDatabase,
  sql: string,
  params: readonly SqlValue[] = [],
  what = 'The record could not be read',
): Promise<readonly Row[]> {
  try {
    return await db.query(sql, params);
  } catch (error) {
    throw storageError(error, what);
  }
}
