/** What each test of the SQL contract gets, and what it may not count on. */
import type { SqlDatabase } from '../engine/ports.ts';

export interface SqlSubject {
  /** Fresh and empty. */
  readonly database: SqlDatabase;
  /** Opens what `database` stored again, after it was closed. Leave out where nothing outlives it. */
  readonly reopen?: () => Promise<SqlDatabase>;
  /** Called after each test, whether or not `database` was closed. */
  readonly dispose?: () => Promise<void> | void;
}

export interface SqlAbilities {
  /** Text may begin with a byte-order mark. Default true. */
  readonly markedText?: boolean;
  /** Text may hold the character NUL. Default true. */
  readonly nulText?: boolean;
  /** A blob may be empty. Default true. */
  readonly emptyBlobs?: boolean;
}

export type ContractTest = (name: string, body: (database: SqlDatabase, subject: SqlSubject) => Promise<void>) => void;
