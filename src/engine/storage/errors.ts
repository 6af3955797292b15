import { SqlError, type Row, type SqlDatabase, type SqlErrorKind, type SqlValue } from '../ports.ts';
import { RehydrateError } from '../errors.ts';

const REASONS: Readonly<Record<SqlErrorKind, readonly [string, string]>> = {
  full: ['the storage is full', 'Nothing of it was written; the record stays readable. Free some space, then go on.'],
  corrupt: [
    'SQLite says the file is corrupt or not a database',
    'Nothing was changed. Restore a backup, or recover it with "sqlite3 FILE .recover".',
  ],
  busy: ['the database stayed locked', 'Close the program that holds it, or try again when it is done.'],
  readonly: ['the database can be read, and not be written', 'Give this user the right to write the file and its directory.'],
  io: [
    'the database could not be reached',
    'Check that its file and directory are there and can be used, and that the disk or the connection is sound.',
  ],
  constraint: ['its rows contradict each other', 'Another program may have changed them: look what it wrote, or restore a backup.'],
  closed: ['the database was closed', 'Open it again, and a host on it.'],
  other: [
    'SQLite refused it',
    'Its tables may have been changed while it was open: a new host looks them through, and says what is missing.',
  ],
};

/**
 * A constraint, which is how the engine's own conditions speak, and anything that is not an `SqlError` stay what they are: a bug must not
 * look like a full disk.
 */
export function storageError(error: unknown, what: string): unknown {
  return error instanceof SqlError && error.kind === 'constraint' ? error : told(error, what);
}

/** The same, and a constraint that is no condition of the engine's own: as a failure leaves the host. */
export function told(error: unknown, what: string): unknown {
  if (!(error instanceof SqlError)) return error;
  const [why, advice] = REASONS[error.kind];
  // This advice takes the place of an adapter's own.
  const facts = /^([^]*?: [^]*?)\. [A-Z][^]*$/.exec(error.message)?.[1] ?? error.message;
  const { code = 'storage_unavailable' } = error;
  return new RehydrateError(code, `${what}: ${why} (${facts}). ${advice}`, { kind: error.kind }, { cause: error });
}

/** Whatever it rejects with is an `SqlError`, also where the adapter is another bundle's, or does not keep to it. */
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
  const isOne = name === 'SqlError' && kind !== undefined && Object.hasOwn(REASONS, kind);
  return new SqlError(isOne ? kind : 'io', message, { cause: error });
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
