/** Failures of the storage, in the words of the library. */
import { SqlError, type Row, type SqlDatabase, type SqlErrorKind, type SqlValue } from '../ports.ts';
import { RehydrateError } from '../errors.ts';

/** What happened, and what to do next. */
const REASONS: Readonly<Record<SqlErrorKind, readonly [string, string]>> = {
  full: ['the storage is full', 'Nothing of it was written; the record stays readable. Free some space, then go on.'],
  corrupt: [
    'SQLite says the file is corrupt or not a database',
    'Nothing was changed. Restore a backup, or recover it with "sqlite3 FILE .recover".',
  ],
  busy: ['the database stayed locked', 'Close the program that holds it, or try again when it is done.'],
  readonly: ['the database can be read, but not written', 'Give this user the right to write the file and its directory.'],
  io: [
    'the database could not be reached',
    'Check that its file and directory exist and can be used, and that the disk or the connection works.',
  ],
  constraint: [
    'its rows contradict each other',
    'Another program may have changed them, or the host’s option newId gave an id twice: look at what was written, or restore a backup.',
  ],
  closed: ['the database was closed', 'Open it again, and a host on it.'],
  other: ['SQLite refused it', 'Its tables may have been changed while it was open: a new host checks them, and says what is missing.'],
};

/**
 * `told`, except for a violated constraint, which is how the engine's own fences speak. What is not an `SqlError` stays as it is: a bug
 * must not look like a full disk.
 */
export function storageError(error: unknown, what: string): unknown {
  return error instanceof SqlError && error.kind === 'constraint' ? error : told(error, what);
}

/** An `SqlError` as the error that leaves the host; `what` begins its message. Anything else stays as it is. */
export function told(error: unknown, what: string): unknown {
  if (!(error instanceof SqlError)) return error;
  const [why, advice] = REASONS[error.kind];
  // The adapter's message without its own advice, which is the sentence after the one with a colon.
  const facts = /^([^]*?: [^]*?)\. [A-Z][^]*$/.exec(error.message)?.[1] ?? error.message;
  const { code = 'storage_unavailable' } = error;
  return new RehydrateError(code, `${what}: ${why} (${facts}). ${advice}`, { kind: error.kind }, { cause: error });
}

/** The database, but it rejects only with errors of ours: also when the adapter comes from another bundle, or breaks its contract. */
export function guarded(database: SqlDatabase): SqlDatabase {
  const guard = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw error instanceof SqlError || RehydrateError.is(error) ? error : asSqlError(error);
    }
  };
  return {
    query: (sql, params) =>
      guard(async () => {
        const rows: unknown = await database.query(sql, params);
        if (Array.isArray(rows)) return rows as Row[];
        throw new SqlError('io', `its query gave ${String(rows)} instead of rows`);
      }),
    batch: (statements) => guard(() => database.batch(statements)),
    close: () => guard(() => database.close()),
    ...(database.owners ? { owners: database.owners } : {}),
  };
}

function asSqlError(error: unknown): SqlError {
  const { name, kind, message = String(error) } = Object(error) as Partial<SqlError>;
  const isSqlError = name === 'SqlError' && kind !== undefined && Object.hasOwn(REASONS, kind);
  return new SqlError(isSqlError ? kind : 'io', message, { cause: error });
}

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
