/** One sql.js database in memory, and what a journal of its statements can reproduce. */
import { toSqlError } from './errors.ts';
import type { JournalRecord } from './journal.ts';
import type { SqljsModule, SqljsStatement } from './module.ts';
import { type Row, SqlError, type SqlValue, type Statement, type StatementResult } from '../../engine/ports.ts';
import { kindOfCode } from '../../engine/sql-codes.ts';
import type { StatementShape } from '../../engine/sql-text.ts';
import { isRolledBack, Statements, type Use } from '../statements.ts';

/** A batch that ran and is not committed yet. */
interface RunBatch {
  readonly results: readonly StatementResult[];
  /** The statements that change something, in order. */
  readonly written: readonly Statement[];
}

const SETTINGS = [
  'foreign_keys = ON',
  // In memory, with one user, there are no crashes and no other users to guard against.
  'journal_mode = MEMORY',
  'synchronous = OFF',
  'temp_store = MEMORY',
  'locking_mode = EXCLUSIVE',
];

/** SQLite would check deferred foreign keys at COMMIT, but that comes only after the batch is stored. So they are checked by hand. */
const DEFERS = /\bdefer/i;

/** One sql.js database in memory, synchronous. All failures are `SqlError`s. */
export interface MemoryDatabase {
  query(sql: string, params?: readonly SqlValue[]): Row[];
  /** Runs the statements in a transaction that is left open; on any failure it is rolled back. */
  begin(statements: readonly Statement[]): RunBatch;
  commit(): void;
  rollback(): void;
  /** Runs committed batches again, in one transaction. */
  replay(records: readonly JournalRecord[]): void;
  /** A part of the schema whose result varies (a clock, random numbers), or null. */
  unrepeatable(): string | null;
  /** The whole database as a SQLite file. Not while a transaction is open. */
  export(): Uint8Array;
  close(): void;
}

/** Throws `corrupt` when the bytes are not a database. They are copied. */
export function openMemory(module: SqljsModule, bytes: Uint8Array | null, label: string): MemoryDatabase {
  const connection = new module.Database(bytes);
  const original = connection.handleError.bind(connection);
  connection.handleError = (code) => {
    if (code === 0) return null;
    try {
      return original(code);
    } catch (error) {
      throw new SqlError(kindOfCode(code), `Database ${label}: ${(error as Error).message} (SQLite ${code}).`, { cause: error });
    }
  };
  const prepare = (sql: string): SqljsStatement => {
    try {
      return connection.prepare(sql);
    } catch (error) {
      throw toSqlError(error, label);
    }
  };
  const prepared = new Statements(label, prepare, (statement) => void statement.free(), batchProblem);
  let queryOnly = false;
  let defers = false;

  function run(use: Use, sql: string, params: readonly SqlValue[] = []): Row[] {
    const { statement } = prepared.forRun(sql, use, [params]);
    try {
      statement.bind(params as SqlValue[]);
      const rows: Row[] = [];
      let columns: string[] | undefined;
      while (statement.step()) {
        const values = statement.get();
        columns ??= statement.getColumnNames();
        const row: Record<string, SqlValue> = {};
        for (let i = 0; i < columns.length; i++) row[columns[i]!] = values[i] as SqlValue;
        rows.push(row);
      }
      return rows;
    } catch (error) {
      throw toSqlError(error, label);
    } finally {
      statement.reset();
    }
  }

  function plain(sql: string): void {
    const { statement } = prepared.get(sql);
    try {
      statement.step();
    } finally {
      statement.reset();
    }
  }

  /** With `query_only`, SQLite itself refuses a query that would write. */
  function setQueryOnly(on: boolean): void {
    if (queryOnly === on) return;
    connection.run(`PRAGMA query_only = ${on ? 'ON' : 'OFF'}`);
    queryOnly = on;
  }

  const schema = (): string[] => run('query', 'SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL').map((row) => String(row['sql']));

  function readSchema(): void {
    defers = schema().some((sql) => DEFERS.test(sql));
  }

  function checkForeignKeys(): void {
    const [broken] = run('query', 'PRAGMA foreign_key_check');
    if (broken)
      throw new SqlError(
        'constraint',
        `Database ${label}: FOREIGN KEY constraint failed: a row of ${String(broken['table'])} names one that is missing in ${String(broken['parent'])}.`,
      );
  }

  function rollback(): void {
    try {
      plain('ROLLBACK');
    } catch (error) {
      if (!isRolledBack(error)) throw error;
    }
    readSchema();
  }

  try {
    for (const setting of SETTINGS) connection.run(`PRAGMA ${setting}`);
    readSchema();
  } catch (error) {
    connection.close();
    throw toSqlError(error, label);
  }

  return {
    query(sql, params = []) {
      // Changing the setting makes SQLite prepare every statement again, so only a query that may write changes it.
      if (prepared.get(sql, 'query').shape.mayWrite) setQueryOnly(true);
      return run('query', sql, params);
    },
    begin(statements) {
      setQueryOnly(false);
      plain('BEGIN');
      try {
        const results: StatementResult[] = [];
        const written: Statement[] = [];
        let changesSchema = false;
        for (const statement of statements) {
          results.push({ rows: run('batch', statement.sql, statement.params) });
          const { shape } = prepared.get(statement.sql, 'batch');
          if (!journalled(shape)) continue;
          written.push(statement);
          defers ||= DEFERS.test(statement.sql);
          changesSchema ||= /^(?:CREATE|ALTER|DROP)$/.test(shape.verb);
        }
        if (changesSchema) readSchema();
        if (defers) checkForeignKeys();
        return { results, written };
      } catch (error) {
        rollback();
        throw toSqlError(error, label);
      }
    },
    commit: () => plain('COMMIT'),
    rollback,
    replay(records) {
      if (records.length === 0) return;
      setQueryOnly(false);
      plain('BEGIN');
      for (const { texts, calls } of records) for (const [text, ...params] of calls) run('batch', texts[text]!, params);
      plain('COMMIT');
      readSchema();
    },
    unrepeatable: () => schema().find(varies) ?? null,
    export: () => connection.export(),
    close() {
      prepared.clear();
      connection.close();
    },
  };
}

/** Whether a statement belongs in the journal: everything that may change the database does. */
export function journalled(shape: StatementShape): boolean {
  return shape.verb === 'PRAGMA' ? shape.actingPragma !== null : shape.mayWrite;
}

/** Functions whose value depends on when or where they run (those of dates by 'now', which may come from a column), but not tables with such names. */
const VARIES =
  /(?<!\b(?:into|table|on|references)\s+)\b(?:random|randomblob|total_changes|last_insert_rowid|date|time|datetime|julianday|unixepoch|strftime|timediff|sqlite_\w+)\s*\(|\bcurrent_(?:date|time|timestamp)\b/i;

/** Whether running the same text again could give something else. */
export const varies = (sql: string): boolean => VARIES.test(sql);

/** What a PRAGMA in a batch may set: these are in the file, and are rolled back with it. */
const STORED_PRAGMAS: readonly (string | null)[] = ['user_version', 'application_id', null];

/** Why a statement may not be in a batch, because replaying the journal would give another result; else null. */
export function batchProblem(shape: StatementShape, sql: string): string | null {
  if (!STORED_PRAGMAS.includes(shape.actingPragma))
    return `PRAGMA ${shape.actingPragma} sets up the connection, which is the adapter's; in a batch only user_version and application_id can be set`;
  if (journalled(shape) && varies(sql))
    return 'clocks, random numbers and counters of SQLite give something else when the journal is run again; make the value yourself and give it as a parameter';
  return null;
}
