import { signal } from '@preact/signals';
import type { Row, SqlDatabase, SqlValue } from '../../src/engine/ports.ts';
import type { ConsoleResult } from '../platform/sql-console.ts';
import { createPace, every } from './pace.ts';
import { errorWords } from './words.ts';

interface TableInfo {
  readonly name: string;
  readonly rows: number;
}

export interface TableView {
  readonly name: string;
  readonly columns: readonly string[];
  readonly keyColumns: readonly string[];
  readonly rows: readonly Row[];
  readonly total: number;
}

type Readable = Pick<SqlDatabase, 'query'>;

const ROWS_SHOWN = 30;
const LOOK_MS = 400;

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

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

/** Columns that are shown last: long ids and times. The exception is `session_id` of `acp_sessions`, which stays first. */
const LATE = ['at', 'turn_id', 'session_id', 'meta'];
/** The columns that tell a row's age; the first one that a table has is used. */
const AGE = ['seq', 'first_seq', 'began_seq', 'updated_at', 'at'];

/** The newest rows. Tables other than `acp_sessions` that have a session id are limited to this session. */
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

export function rowKey({ keyColumns }: TableView, row: Row, index: number): string {
  return keyColumns.length > 0 ? keyColumns.map((column) => JSON.stringify(cellText(row[column] ?? null))).join(' ') : `#${index}`;
}

/** By row key: `new`, or the columns that changed. */
export type Changes = ReadonlyMap<string, 'new' | ReadonlySet<string>>;

/** Nothing is marked on the first read of a table. */
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

/** Times stay numbers, because the panel shows values as stored. */
export function cellText(value: SqlValue | bigint): string {
  if (value === null) return 'NULL';
  return value instanceof Uint8Array ? `blob, ${value.length} bytes` : String(value);
}

const NONE: Changes = new Map();

interface TablesOptions {
  readonly database: () => Readable | null;
  readonly run: (sql: string) => Promise<ConsoleResult>;
  readonly onError: (error: unknown) => void;
}

export function createTables({ database: databaseNow, run, onError }: TablesOptions) {
  const list = signal<readonly TableInfo[]>([]);
  const table = signal<TableView | null>(null);
  const changes = signal(NONE);
  const sql = signal('SELECT kind, count(*) AS n FROM acp_session_events GROUP BY kind');
  const result = signal<ConsoleResult | null>(null);
  const looking = createPace(look, every(LOOK_MS), onError);
  let session: string | null = null;
  let shown = 'acp_session_events';
  let runs = 0;

  async function look(): Promise<void> {
    const database = databaseNow();
    if (!database) return;
    // A read fails when the database was left and closed meanwhile: that error is ignored.
    const left = () => database !== databaseNow();
    const read = async () => {
      const found = await listTables(database);
      return { found, after: found.some(({ name }) => name === shown) ? await readTable(database, shown, session) : null };
    };
    const now = await read().catch((error: unknown) => (left() ? null : Promise.reject(error as Error)));
    if (!now || left()) return;
    const { found, after } = now;
    list.value = found;
    const changed = after ? diffTable(table.value, after) : NONE;
    // Keep the marks until the next change.
    if (changed.size > 0) changes.value = changed;
    table.value = after;
  }

  /** Starts afresh for another session or database, whose rows do not count as changes. */
  function turn(sessionId = session): void {
    session = sessionId;
    table.value = null;
    changes.value = NONE;
    void looking.now();
  }

  return {
    list,
    table,
    changes,
    sql,
    result,
    turn,
    poke: looking.poke,
    stop: looking.stop,

    focus(sessionId: string): void {
      if (sessionId !== session) turn(sessionId);
    },

    choose(name: string): void {
      shown = name;
      changes.value = NONE;
      void looking.now();
    },

    async run(): Promise<void> {
      const ticket = ++runs;
      result.value = { kind: 'running' };
      const answer = await run(sql.value).catch((error: unknown) => ({ kind: 'error' as const, message: errorWords(error) }));
      if (ticket === runs) result.value = answer;
    },
  };
}
