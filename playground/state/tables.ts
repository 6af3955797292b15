/** What the database panel shows: the rows of a table, which of them just changed, and the console's answer. */
import { signal } from '@preact/signals';
import type { Row, SqlDatabase, SqlValue } from '../../src/engine/ports.ts';
import { every, Pace } from './pace.ts';
import type { ConsoleResult } from '../platform/sql-console.ts';

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

const NONE: Changes = new Map();

export class Tables {
  readonly list = signal<readonly TableInfo[]>([]);
  readonly table = signal<TableView | null>(null);
  readonly changes = signal<Changes>(NONE);
  readonly sql = signal('SELECT kind, count(*) AS n FROM acp_session_events GROUP BY kind');
  readonly result = signal<ConsoleResult | null>(null);
  readonly #pace: Pace;
  readonly #run: (sql: string) => Promise<ConsoleResult>;
  #database: Pick<SqlDatabase, 'query'> | null = null;
  #session: string | null = null;
  #name = 'acp_session_events';
  #runs = 0;

  constructor(run: (sql: string) => Promise<ConsoleResult>, onError: (error: unknown) => void) {
    this.#run = run;
    this.#pace = new Pace(() => this.#refresh(), every(400), onError);
  }

  /** Which table and session are looked at. */
  get shown(): { readonly name: string; readonly session: string | null } {
    return { name: this.#name, session: this.#session };
  }

  use(database: Pick<SqlDatabase, 'query'>): void {
    this.#database = database;
    this.table.value = null;
    this.changes.value = NONE;
  }

  focus(sessionId: string): void {
    if (sessionId === this.#session) return;
    this.#session = sessionId;
    this.table.value = null;
    this.poke();
  }

  choose(name: string): void {
    this.#name = name;
    this.changes.value = NONE;
    void this.#pace.now();
  }

  poke(): void {
    this.#pace.poke();
  }

  stop(): void {
    this.#pace.stop();
  }

  async run(): Promise<void> {
    const ticket = ++this.#runs;
    // The answer to an older query comes to nothing.
    const show = (result: ConsoleResult) => {
      if (ticket === this.#runs) this.result.value = result;
    };
    show({ kind: 'running' });
    try {
      show(await this.#run(this.sql.value));
    } catch (error) {
      show({ kind: 'error', message: error instanceof Error ? error.message : String(error) });
    }
  }

  async #refresh(): Promise<void> {
    const database = this.#database;
    if (!database) return;
    this.list.value = await listTables(database);
    if (!this.list.value.some((table) => table.name === this.#name)) return;
    const before = this.table.value;
    const after = await readTable(database, this.#name, this.#session);
    if (database !== this.#database) return;
    const changes = diffTable(before, after);
    // Marks stay until the next change, so that one has time to look.
    if (changes.size > 0 || before?.name !== after.name) this.changes.value = changes;
    this.table.value = after;
  }
}
