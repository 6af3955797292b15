import { SqlError } from '../ports.ts';
import { RehydrateError } from '../errors.ts';

/**
 * A storage failure in the contract's words. Anything that is not a known `SqlError` stays what it
 * is: a bug must not look like a full disk.
 */
export function storageError(error: unknown, what: string): unknown {
  if (!(error instanceof SqlError)) return error;
  switch (error.kind) {
    case 'full':
      return new RehydrateError(
        'storage_full',
        `${what}: the storage is full (${error.message}). Nothing of it was written; the record stays readable. Free some space, then go on.`,
        {},
        { cause: error },
      );
    case 'corrupt':
      return new RehydrateError(
        'database_corrupt',
        `${what}: SQLite says the file is corrupt or not a database (${error.message}). Nothing was changed. Restore a backup, or recover it with "sqlite3 FILE .recover".`,
        {},
        { cause: error },
      );
    default:
      return error;
  }
}
