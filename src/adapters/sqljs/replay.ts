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
