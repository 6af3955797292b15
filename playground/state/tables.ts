/** What the database panel shows: the rows of a table, and which of them just changed. */
import type { Row, SqlDatabase, SqlValue } from '../../src/engine/ports.ts';

export interface TableInfo {
  readonly name: string;
  readonly rows: number;
}

export interface TableView {
  readonly name: string;
  readonly columns: readonly string[];
  /** The columns that identify a row. */
  readonly keyColumns: readonly string[];
  /** The newest rows, oldest of them first. */
  readonly rows: readonly Row[];
  /** All rows of the table, those not shown included. */
  readonly total: number;
}

/** How many of a table's rows are shown. */
export const ROWS_SHOWN = 30;
/** A cell's text is cut at this many characters until it is opened. */
export const CELL_CHARS = 80;

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Our own tables, in the order people ask about them; then whatever else there is. */
const ORDER = ['acp_sessions', 'acp_turns', 'acp_session_events', 'workspace_files'];

export async function listTables(database: Pick<SqlDatabase, 'query'>): Promise<readonly TableInfo[]> {
  const names = (await database.query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`)).map(
    (row) => String(row['name']),
  );
  const rank = (name: string): number => (ORDER.indexOf(name) < 0 ? ORDER.length : ORDER.indexOf(name));
  names.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  const tables: TableInfo[] = [];
  for (const name of names) {
    const rows = await database.query(`SELECT count(*) AS n FROM ${quote(name)}`);
    tables.push({ name, rows: Number(rows[0]?.['n'] ?? 0) });
  }
  return tables;
}

/** Long ids and times go last, so that what a row says stands first. A table's own subject keeps its id in front. */
function readable(columns: readonly string[], table: string): readonly string[] {
  const late = ['at', 'turn_id', 'session_id', 'meta'].filter((column) => !(table === 'acp_sessions' && column === 'session_id'));
  const rank = (column: string): number => late.indexOf(column) + 1;
  return [...columns].sort((a, b) => rank(a) - rank(b));
}

/** Columns that say which rows are newest, in the order they are tried. */
const AGE = ['seq', 'first_seq', 'began_seq', 'updated_at', 'at'];

/** One table's newest rows; of tables with a session, that session's. */
export async function readTable(database: Pick<SqlDatabase, 'query'>, name: string, sessionId: string | null): Promise<TableView> {
  const info = await database.query(`SELECT name, pk FROM pragma_table_info(?) ORDER BY cid`, [name]);
  const columns = readable(
    info.map((row) => String(row['name'])),
    name,
  );
  const keys = info.filter((row) => Number(row['pk']) > 0).sort((a, b) => Number(a['pk']) - Number(b['pk']));
  const keyColumns = keys.map((row) => String(row['name']));
  const ofSession = sessionId !== null && name !== 'acp_sessions' && columns.includes('session_id');
  const where = ofSession ? ' WHERE session_id = ?' : '';
  const params = ofSession ? [sessionId] : [];
  const age = AGE.find((column) => columns.includes(column));
  const order = age
    ? `${quote(age)} DESC`
    : keyColumns.length > 0
      ? keyColumns.map((column) => `${quote(column)} DESC`).join(', ')
      : '1 DESC';
  const counted = await database.query(`SELECT count(*) AS n FROM ${quote(name)}${where}`, params);
  const rows = await database.query(`SELECT * FROM ${quote(name)}${where} ORDER BY ${order} LIMIT ${ROWS_SHOWN}`, params);
  return { name, columns, keyColumns, rows: [...rows].reverse(), total: Number(counted[0]?.['n'] ?? rows.length) };
}

/** Identifies a row between two looks at the same table. */
export function rowKey(view: TableView, row: Row, index: number): string {
  return view.keyColumns.length > 0
    ? view.keyColumns.map((column) => JSON.stringify(cellText(row[column] ?? null))).join(' ')
    : `#${index}`;
}

/** Row key → what is new: `new` for the whole row, or the names of the columns that changed. */
export type Changes = ReadonlyMap<string, 'new' | ReadonlySet<string>>;

/** Compares two looks at one table. Nothing is marked on the first look, or when the table changed. */
export function diffTable(before: TableView | null, after: TableView): Changes {
  const changes = new Map<string, 'new' | ReadonlySet<string>>();
  if (!before || before.name !== after.name) return changes;
  const old = new Map(before.rows.map((row, index) => [rowKey(before, row, index), row]));
  after.rows.forEach((row, index) => {
    const key = rowKey(after, row, index);
    const was = old.get(key);
    if (!was) {
      changes.set(key, 'new');
      return;
    }
    const columns = after.columns.filter((column) => !sameValue(was[column] ?? null, row[column] ?? null));
    if (columns.length > 0) changes.set(key, new Set(columns));
  });
  return changes;
}

function sameValue(a: SqlValue, b: SqlValue): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return a.length === b.length && a.every((byte, i) => byte === b[i]);
  return a === b;
}

/** A value as text. Times stay numbers: the panel shows what is stored. */
export function cellText(value: SqlValue | bigint): string {
  if (value === null) return 'NULL';
  return value instanceof Uint8Array ? `blob, ${value.length} bytes` : String(value);
}
