import { SqlError, type Row, type SqlValue, type Statement, type StatementResult } from '../../engine/ports.ts';
import { kindOfCode } from '../../engine/sql-codes.ts';
import { parameterProblem, statementProblem, statementShape, type StatementShape } from '../../engine/sql-text.ts';
import { toSqlError } from './errors.ts';
import type { SqljsConnection, SqljsModule, SqljsStatement } from './module.ts';
import type { JournalRecord } from './record.ts';
import { journalled, replayable, settingProblem } from './replay.ts';

/** How many prepared statements are kept, the least recently used going first. */
export const CACHED_STATEMENTS = 128;

interface Prepared {
  readonly statement: SqljsStatement;
  readonly shape: StatementShape;
  readonly problem: { readonly query: string | null; readonly batch: string | null };
  readonly writes: boolean;
  readonly replayable: boolean;
}

/** What a batch that was run, and not committed yet, has to be remembered by. */
export interface RunBatch {
  readonly results: readonly StatementResult[];
  /** The statements that change something, in order. */
  readonly written: readonly Statement[];
  /** False when running them again could give something else. */
  readonly replayable: boolean;
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
  readonly #statements = new Map<string, Prepared>();
  #queryOnly = false;
  #defers = false;
  #replayable = true;

  /** Throws `corrupt` when the bytes are not a database. They are copied. */
  constructor(module: SqljsModule, bytes: Uint8Array | null, label: string) {
    this.#label = label;
    this.#connection = new module.Database(bytes);
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
    const prepared = this.#prepare(sql, 'query');
    // Changing the setting makes SQLite prepare every statement again, so it is left alone where it can be.
    if (prepared.shape.mayWrite) this.#setQueryOnly(true);
    return this.#run(prepared, 'query', sql, params);
  }

  /** Runs the statements in a transaction that is left open; on any failure it is rolled back. */
  begin(statements: readonly Statement[]): RunBatch {
    this.#setQueryOnly(false);
    this.#plain('BEGIN');
    try {
      const results: StatementResult[] = [];
      const written: Statement[] = [];
      let same = this.#replayable;
      let schema = false;
      for (const statement of statements) {
        const prepared = this.#prepare(statement.sql, 'batch');
        results.push({ rows: this.#run(prepared, 'batch', statement.sql, statement.params ?? []) });
        if (!prepared.writes) continue;
        written.push(statement);
        same &&= prepared.replayable;
        this.#defers ||= DEFERS.test(statement.sql);
        schema ||= /^(?:CREATE|ALTER|DROP)$/.test(prepared.shape.verb);
      }
      if (schema) this.#readSchema();
      if (this.#defers) this.#checkForeignKeys();
      return { results, written, replayable: same && this.#replayable };
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
        const sql = record.texts[text]!;
        this.#run(this.#prepare(sql, 'batch'), 'batch', sql, params);
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
      // SQLite ended the transaction itself (memory ran out): that is what was asked for.
      if (!(error instanceof SqlError && error.message.includes('no transaction is active'))) throw error;
    }
    this.#readSchema();
  }

  /** The whole database as a SQLite file. Not while a transaction is open. */
  export(): Uint8Array {
    return this.#connection.export();
  }

  close(): void {
    for (const { statement } of this.#statements.values()) statement.free();
    this.#statements.clear();
    this.#connection.close();
  }

  #run(prepared: Prepared, use: 'query' | 'batch', sql: string, params: readonly SqlValue[]): Row[] {
    const problem = prepared.problem[use] ?? parameterProblem(prepared.shape, params);
    if (problem) throw this.#refusal(problem, sql);
    const { statement } = prepared;
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
    const { statement } = this.#prepare(sql);
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

  /** Defaults and triggers act without being named in a statement. */
  #readSchema(): void {
    const parts = this.#run(this.#prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL'), 'query', '', []).map((row) =>
      String(row['sql']),
    );
    this.#defers = parts.some((sql) => DEFERS.test(sql));
    this.#replayable = parts.every(replayable);
  }

  #checkForeignKeys(): void {
    const [broken] = this.#run(this.#prepare('PRAGMA foreign_key_check'), 'query', '', []);
    if (broken)
      throw new SqlError(
        'constraint',
        `Database ${this.#label}: FOREIGN KEY constraint failed: a row of ${String(broken['table'])} names one that is missing in ${String(broken['parent'])}.`,
      );
  }

  #refusal(problem: string, sql: string): SqlError {
    return new SqlError('other', `Database ${this.#label}: ${problem}: ${sql.slice(0, 200)}`);
  }

  #prepare(sql: string, use?: 'query' | 'batch'): Prepared {
    const known = this.#statements.get(sql);
    if (known) {
      this.#statements.delete(sql);
      this.#statements.set(sql, known);
      return known;
    }
    const shape = statementShape(sql);
    const problem = { query: statementProblem(shape, 'query'), batch: statementProblem(shape, 'batch') ?? settingProblem(shape) };
    // Before SQLite sees it: some PRAGMAs act as soon as they are prepared.
    if (use && problem[use] !== null) throw this.#refusal(problem[use], sql);
    let statement: SqljsStatement;
    try {
      statement = this.#connection.prepare(sql);
    } catch (error) {
      throw toSqlError(error, this.#label);
    }
    const prepared = { statement, shape, problem, writes: journalled(shape), replayable: replayable(sql) };
    this.#statements.set(sql, prepared);
    if (this.#statements.size > CACHED_STATEMENTS) {
      const [oldest, { statement: old }] = this.#statements.entries().next().value!;
      old.free();
      this.#statements.delete(oldest);
    }
    return prepared;
  }
}
