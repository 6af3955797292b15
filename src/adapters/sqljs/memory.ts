import { toSqlError } from './errors.ts';
import type { JournalRecord } from './journal.ts';
import type { SqljsConnection, SqljsModule, SqljsStatement } from './module.ts';
import { type Row, SqlError, type SqlValue, type Statement, type StatementResult } from '../../engine/ports.ts';
import { kindOfCode } from '../../engine/sql-codes.ts';
import type { StatementShape } from '../../engine/sql-text.ts';
import { isRolledBack, Statements, type Use } from '../statements.ts';

/** What a batch that was run, and not committed yet, has to be remembered by. */
export interface RunBatch {
  readonly results: readonly StatementResult[];
  /** The statements that change something, in order. */
  readonly written: readonly Statement[];
}

const SETTINGS = [
  'foreign_keys = ON',
  // The file is in memory and has one user: what guards files against crashes and others is of no use.
  'journal_mode = MEMORY',
  'synchronous = OFF',
  'temp_store = MEMORY',
  'locking_mode = EXCLUSIVE',
];

/** Deferred foreign keys are checked at COMMIT, which here comes after the batch was stored. */
const DEFERS = /\bdefer/i;

/** One sql.js database in memory, synchronous. All failures are `SqlError`s. */
export class MemoryDatabase {
  readonly #label: string;
  readonly #connection: SqljsConnection;
  readonly #statements: Statements<SqljsStatement>;
  #queryOnly = false;
  #defers = false;

  /** Throws `corrupt` when the bytes are not a database. They are copied. */
  constructor(module: SqljsModule, bytes: Uint8Array | null, label: string) {
    this.#label = label;
    this.#connection = new module.Database(bytes);
    this.#statements = new Statements(
      label,
      (sql) => this.#prepare(sql),
      (statement) => void statement.free(),
      batchProblem,
    );
    const original = this.#connection.handleError.bind(this.#connection);
    this.#connection.handleError = (code) => {
      if (code === 0) return null;
      try {
        return original(code);
      } catch (error) {
        throw new SqlError(kindOfCode(code), `Database ${label}: ${(error as Error).message} (SQLite ${code}).`, { cause: error });
      }
    };
    try {
      for (const setting of SETTINGS) this.#connection.run(`PRAGMA ${setting}`);
      this.#readSchema();
    } catch (error) {
      this.#connection.close();
      throw toSqlError(error, label);
    }
  }

  query(sql: string, params: readonly SqlValue[] = []): Row[] {
    // Changing the setting makes SQLite prepare every statement again, so it is left alone where it can be.
    if (this.#statements.get(sql, 'query').shape.mayWrite) this.#setQueryOnly(true);
    return this.#run('query', sql, params);
  }

  /** Runs the statements in a transaction that is left open; on any failure it is rolled back. */
  begin(statements: readonly Statement[]): RunBatch {
    this.#setQueryOnly(false);
    this.#plain('BEGIN');
    try {
      const results: StatementResult[] = [];
      const written: Statement[] = [];
      let schema = false;
      for (const statement of statements) {
        results.push({ rows: this.#run('batch', statement.sql, statement.params ?? []) });
        const { shape } = this.#statements.get(statement.sql, 'batch');
        if (!journalled(shape)) continue;
        written.push(statement);
        this.#defers ||= DEFERS.test(statement.sql);
        schema ||= /^(?:CREATE|ALTER|DROP)$/.test(shape.verb);
      }
      if (schema) this.#readSchema();
      if (this.#defers) this.#checkForeignKeys();
      return { results, written };
    } catch (error) {
      this.rollback();
      throw toSqlError(error, this.#label);
    }
  }

  /** Runs batches that were committed before, again and as one transaction. */
  replay(records: readonly JournalRecord[]): void {
    if (records.length === 0) return;
    this.#setQueryOnly(false);
    this.#plain('BEGIN');
    for (const record of records) {
      for (const [text, ...params] of record.calls) {
        this.#run('batch', record.texts[text]!, params);
      }
    }
    this.#plain('COMMIT');
    this.#readSchema();
  }

  commit(): void {
    this.#plain('COMMIT');
  }

  rollback(): void {
    try {
      this.#plain('ROLLBACK');
    } catch (error) {
      if (!isRolledBack(error)) throw error;
    }
    this.#readSchema();
  }

  /** The whole database as a SQLite file. Not while a transaction is open. */
  export(): Uint8Array {
    return this.#connection.export();
  }

  close(): void {
    this.#statements.clear();
    this.#connection.close();
  }

  #run(use: Use, sql: string, params: readonly SqlValue[] = []): Row[] {
    const { statement } = this.#statements.forRun(sql, use, [params]);
    try {
      statement.bind(params);
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
      throw toSqlError(error, this.#label);
    } finally {
      statement.reset();
    }
  }

  #plain(sql: string): void {
    const { statement } = this.#statements.get(sql);
    try {
      statement.step();
    } finally {
      statement.reset();
    }
  }

  /** SQLite itself refuses a query that would write, however it is worded. */
  #setQueryOnly(on: boolean): void {
    if (this.#queryOnly === on) return;
    this.#connection.run(`PRAGMA query_only = ${on ? 'ON' : 'OFF'}`);
    this.#queryOnly = on;
  }

  /** What a batch changes without naming it: a part of the schema that gives something else each time, or null. */
  unrepeatable(): string | null {
    return this.#schema().find(varies) ?? null;
  }

  #readSchema(): void {
    this.#defers = this.#schema().some((sql) => DEFERS.test(sql));
  }

  #schema(): string[] {
    return this.#run('query', 'SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL').map((row) => String(row['sql']));
  }

  #checkForeignKeys(): void {
    const [broken] = this.#run('query', 'PRAGMA foreign_key_check');
    if (broken)
      throw new SqlError(
        'constraint',
        `Database ${this.#label}: FOREIGN KEY constraint failed: a row of ${String(broken['table'])} names one that is missing in ${String(broken['parent'])}.`,
      );
  }

  #prepare(sql: string): SqljsStatement {
    try {
      return this.#connection.prepare(sql);
    } catch (error) {
      throw toSqlError(error, this.#label);
    }
  }
}

/** Whether a statement belongs in the journal: everything that may change the database. */
export function journalled(shape: StatementShape): boolean {
  return shape.verb === 'PRAGMA' ? shape.actingPragma !== null : shape.mayWrite;
}

/** Functions whose value depends on when or where they run; dates do through 'now', which may come from a column. Not tables of their names. */
const VARIES =
  /(?<!\b(?:into|table|on|references)\s+)\b(?:random|randomblob|total_changes|last_insert_rowid|date|time|datetime|julianday|unixepoch|strftime|timediff|sqlite_\w+)\s*\(|\bcurrent_(?:date|time|timestamp)\b/i;

/** Whether running the same text again could give something else. */
export const varies = (sql: string): boolean => VARIES.test(sql);

/** What a PRAGMA in a batch may set: these stand in the file, and are rolled back with it. */
const STORED_PRAGMAS: readonly (string | null)[] = ['user_version', 'application_id', null];

/** Why a statement may not stand in a batch, or null: the journal could not be run again to the same end. */
export function batchProblem(shape: StatementShape, sql: string): string | null {
  if (!STORED_PRAGMAS.includes(shape.actingPragma))
    return `PRAGMA ${shape.actingPragma} sets up the connection, which is the adapter's; in a batch only user_version and application_id can be set`;
  if (journalled(shape) && varies(sql))
    return 'clocks, random numbers and counters of SQLite give something else when the journal is run again; make the value yourself and give it as a parameter';
  return null;
}
