import type { StatementShape } from '../../engine/sql-text.ts';

/** Whether a statement belongs in the journal: everything that may change the database. */
export function journalled(shape: StatementShape): boolean {
  return shape.verb === 'PRAGMA' ? shape.actingPragma !== null : shape.mayWrite;
}

/** Functions whose value depends on when or where they run; dates do through 'now', which may come from a column. */
const VARIES =
  /\b(?:random|randomblob|total_changes|last_insert_rowid|date|time|datetime|julianday|unixepoch|strftime|timediff|sqlite_\w+)\s*\(|\bcurrent_(?:date|time|timestamp)\b/i;

/**
 * False when running the same text again could give something else. Such a batch is stored by its
 * outcome, a snapshot, instead of by its statements: right, but at the cost of the whole database.
 */
export function replayable(sql: string): boolean {
  return !VARIES.test(sql);
}

/** What a PRAGMA in a batch may set: these stand in the file, and are rolled back with it. */
const STORED_PRAGMAS: readonly (string | null)[] = ['user_version', 'application_id', null];

/**
 * Why a statement may not stand in a batch, or null. A setting of the connection is in no snapshot, so a journal that
 * was written under it could not be run again.
 */
export function settingProblem(shape: StatementShape): string | null {
  if (STORED_PRAGMAS.includes(shape.actingPragma)) return null;
  return `PRAGMA ${shape.actingPragma} sets up the connection, which is the adapter's; in a batch only user_version and application_id can be set`;
}
