/** What the database panel shows: the rows of a table, which of them just changed, and the console's answer. */
import { signal } from '@preact/signals';
import type { Row, SqlDatabase, SqlValue } from '../../src/engine/ports.ts';
import type { ConsoleResult } from '../platform/sql-console.ts';
import { every, Pace } from './pace.ts';

interface TableInfo {
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

type Readable = Pick<SqlDatabase, 'query'>;

/** How many of a table's rows are shown. */
const ROWS_SHOWN = 30;
/** How often what is shown is read at most. */
const LOOK_MS = 400;

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Our own tables, in the order people ask about them; then whatever else there is. */
const ORDER = ['acp_sessions', 'acp_turns', 'acp_session_events', 'workspace_files'];

async function listTables(database: Readable): Promise<readonly TableInfo[]> {
  const found = await database.query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name`);
  const names = found.map((row) => String(row['name']));
  const tables: TableInfo[] = [];
  for (const name of [...ORDER.filter((one) => names.includes(one)), ...names.filter((one) => !ORDER.includes(one))])
    tables.push({ name, rows: await countOf(database, quote(name)) });
  return tables;
}

const countOf = async (database: Readable, from: string, params: readonly string[] = []): Promise<number> =>
  Number((await database.query(`SELECT count(*) AS n FROM ${from}`, params))[0]?.['n'] ?? 0);

/** Long ids and times go last, so that what a row says stands first. A table's own subject keeps its id in front. */
const LATE = ['at', 'turn_id', 'session_id', 'meta'];
/** Columns that say which rows are newest, in the order they are tried. */
const AGE = ['seq', 'first_seq', 'began_seq', 'updated_at', 'at'];

/** One table's newest rows; of tables with a session, that session's. */
async function readTable(database: Readable, name: string, sessionId: string | null): Promise<TableView> {
  const info = await database.query(`SELECT name, pk FROM pragma_table_info(?) ORDER BY cid`, [name]);
  const rank = (column: string) => (name === 'acp_sessions' && column === 'session_id' ? 0 : LATE.indexOf(column) + 1);
  const columns = info.map((row) => String(row['name'])).sort((a, b) => rank(a) - rank(b));
  const keys = info.filter((row) => Number(row['pk']) > 0).sort((a, b) => Number(a['pk']) - Number(b['pk']));
  const keyColumns = keys.map((row) => String(row['name']));
  const ofSession = sessionId !== null && name !== 'acp_sessions' && columns.includes('session_id');
  const params = ofSession ? [sessionId] : [];
  const from = `${quote(name)}${ofSession ? ' WHERE session_id = ?' : ''}`;
  const age = AGE.find((column) => columns.includes(column));
  const newest = (age ? [age] : keyColumns).map((column) => `${quote(column)} DESC`).join(', ') || '1 DESC';
  const rows = await database.query(`SELECT * FROM ${from} ORDER BY ${newest} LIMIT ${ROWS_SHOWN}`, params);
  return { name, columns, keyColumns, rows: [...rows].reverse(), total: await countOf(database, from, params) };
}

/** Identifies a row between two looks at the same table. */
export function rowKey({ keyColumns }: TableView, row: Row, index: number): string {
  return keyColumns.length > 0 ? keyColumns.map((column) => JSON.stringify(cellText(row[column] ?? null))).join(' ') : `#${index}`;
}

/** Row key → what is new: `new` for the whole row, or the names of the columns that changed. */
export type Changes = ReadonlyMap<string, 'new' | ReadonlySet<string>>;

/** Compares two looks at one table. Nothing is marked on the first look, or when the table changed. */
export function diffTable(before: TableView | null, after: TableView): Changes {
  const changes = new Map<string, 'new' | ReadonlySet<string>>();
  if (before?.name !== after.name) return changes;
  const old = new Map(before.rows.map((row, index) => [rowKey(before, row, index), row]));
  after.rows.forEach((row, index) => {
    const key = rowKey(after, row, index);
    const was = old.get(key);
    const columns = was && after.columns.filter((column) => !sameValue(was[column] ?? null, row[column] ?? null));
    if (!columns) changes.set(key, 'new');
    else if (columns.length > 0) changes.set(key, new Set(columns));
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

export interface TablesOptions {
  /** The database that is looked at: now's, or a moment's. */
  readonly database: () => Readable | null;
  readonly run: (sql: string) => Promise<ConsoleResult>;
  readonly onError: (error: unknown) => void;
}

export class Tables {
  readonly list = signal<readonly TableInfo[]>([]);
  readonly table = signal<TableView | null>(null);
  readonly changes = signal(NONE);
  readonly sql = signal('SELECT kind, count(*) AS n FROM acp_session_events GROUP BY kind');
  readonly result = signal<ConsoleResult | null>(null);
  readonly #options: TablesOptions;
  readonly #looking: Pace;
  #session: string | null = null;
  #name = 'acp_session_events';
  #runs = 0;

  constructor(options: TablesOptions) {
    this.#options = options;
    this.#looking = new Pace(() => this.#look(), every(LOOK_MS), options.onError);
  }

  /** Another database or session: nothing in it is a change. */
  turn(sessionId = this.#session): void {
    this.#session = sessionId;
    this.table.value = null;
    this.changes.value = NONE;
    void this.#looking.now();
  }

  focus(sessionId: string): void {
    if (sessionId !== this.#session) this.turn(sessionId);
  }

  choose(name: string): void {
    this.#name = name;
    this.changes.value = NONE;
    void this.#looking.now();
  }

  poke(): void {
    this.#looking.poke();
  }

  stop(): void {
    this.#looking.stop();
  }

  async run(): Promise<void> {
    const ticket = ++this.#runs;
    // The answer to an older query comes to nothing.
    const show = (result: ConsoleResult) => {
      if (ticket === this.#runs) this.result.value = result;
    };
    show({ kind: 'running' });
    try {
      show(await this.#options.run(this.sql.value));
    } catch (error) {
      show({ kind: 'error', message: error instanceof Error ? error.message : String(error) });
    }
  }

  async #look(): Promise<void> {
    const database = this.#options.database();
    if (!database) return;
    // One that is looked at no longer may be closed by now.
    const left = () => database !== this.#options.database();
    const read = async () => {
      const list = await listTables(database);
      return { list, after: list.some(({ name }) => name === this.#name) ? await readTable(database, this.#name, this.#session) : null };
    };
    const found = await read().catch((error: unknown) => (left() ? null : Promise.reject(error as Error)));
    if (!found || left()) return;
    const { list, after } = found;
    this.list.value = list;
    const changes = after ? diffTable(this.table.value, after) : NONE;
    // Marks stay until the next change, so that one has time to look.
    if (changes.size > 0) this.changes.value = changes;
    this.table.value = after;
  }
}
