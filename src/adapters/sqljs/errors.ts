import { SqlError, type SqlErrorKind } from '../../engine/ports.ts';

/** Makes a `SqlError` of what sql.js threw, which may be a bare string. */
export function toSqlError(error: unknown, label: string): SqlError {
  if (error instanceof SqlError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SqlError('other', `Database ${label}: ${message}.`, { cause: error });
}

/** Makes a `SqlError` of a failure of IndexedDB, whose transaction stored nothing. */
export function toStorageError(error: unknown, label: string): SqlError {
  if (error instanceof SqlError) return error;
  const { name, message } = (error ?? {}) as { name?: string; message?: string };
  const kind: SqlErrorKind = name === 'QuotaExceededError' ? 'full' : name === 'DataCloneError' ? 'other' : 'io';
  const advice =
    kind === 'full'
      ? 'The browser’s storage is full, and the batch was rolled back: delete sessions or free space, then try again.'
      : 'The browser’s storage failed, and the batch was rolled back: reload the page and try again.';
  return new SqlError(kind, `Database ${label}: ${message || name || String(error)}. ${advice}`, { cause: error });
}

export function corrupt(label: string, what: string, cause?: unknown): SqlError {
  return new SqlError(
    'corrupt',
    `Database ${label}: ${what} Nothing was changed: save what can be read (salvageSqljs), then discard it (discardSqljs) or import a copy.`,
    { cause },
  );
}
