/** For adapters on SQLite: a cache of prepared statements, checks of what may run as a query or in a batch, and joined inserts. */
import { SqlError, type SqlValue, type Statement } from '../engine/ports.ts';
import { parameterProblem, statementProblem, type StatementShape, statementShape } from '../engine/sql-text.ts';

/** The size of the cache, from which the least recently used statement is dropped. */
const CACHED_STATEMENTS = 128;

export type Use = 'query' | 'batch';

export interface Prepared<S> {
  readonly sql: string;
  readonly statement: S;
  readonly shape: StatementShape;
  readonly problem: Readonly<Record<Use, string | null>>;
  /** The text of a plain INSERT for several rows, by the number of rows. */
  readonly wide: string[];
}

export class Statements<S> {
  readonly #label: string;
  readonly #prepare: (sql: string) => S;
  readonly #free: (statement: S) => void;
  readonly #batchProblem: (shape: StatementShape, sql: string) => string | null;
  readonly #kept = new Map<string, Prepared<S>>();
  #last: Prepared<S> | undefined;

  constructor(
    label: string,
    prepare: (sql: string) => S,
    free: (statement: S) => void = () => undefined,
    batchProblem: (shape: StatementShape, sql: string) => string | null = () => null,
  ) {
    this.#label = label;
    this.#prepare = prepare;
    this.#free = free;
    this.#batchProblem = batchProblem;
  }

  /** Without a `use` the statement is the adapter's own, and not checked. */
  get(sql: string, use?: Use): Prepared<S> {
    // Most batches run the same text many times.
    if (this.#last?.sql === sql) return this.#last;
    const known = this.#kept.get(sql);
    if (known !== undefined) {
      // Moved to the end: the least recently used is first.
      this.#kept.delete(sql);
      this.#kept.set(sql, known);
      return (this.#last = known);
    }
    const shape = statementShape(sql);
    const problem = { query: statementProblem(shape, 'query'), batch: statementProblem(shape, 'batch') ?? this.#batchProblem(shape, sql) };
    // Refused before SQLite sees it, because some PRAGMAs act as soon as they are prepared.
    if (use !== undefined && problem[use] !== null) throw this.#refusal(problem[use], sql);
    const prepared = { sql, statement: this.#prepare(sql), shape, problem, wide: [] };
    this.#kept.set(sql, prepared);
    this.#last = prepared;
    if (this.#kept.size > CACHED_STATEMENTS) {
      const oldest = this.#kept.values().next().value!;
      this.#kept.delete(oldest.sql);
      this.#free(oldest.statement);
    }
    return prepared;
  }

  /** The statement for these rows: for several, the one that inserts them all. Throws if it may not run like this. */
  forRun(sql: string, use: Use, rows: Joined['rows']): Prepared<S> {
    const prepared = this.get(sql, use);
    for (const params of rows) {
      const problem = prepared.problem[use] ?? parameterProblem(prepared.shape, params);
      if (problem !== null) throw this.#refusal(problem, sql);
    }
    return rows.length === 1 ? prepared : this.get((prepared.wide[rows.length] ??= manyRows(sql, rows.length)), use);
  }

  clear(): void {
    for (const { statement } of this.#kept.values()) this.#free(statement);
    this.#kept.clear();
    this.#last = undefined;
  }

  #refusal(problem: string, sql: string): SqlError {
    return new SqlError('other', `Database ${this.#label}: ${problem}: ${sql.length > 200 ? `${sql.slice(0, 200)}…` : sql}`);
  }
}

/** What runs as one statement: several rows of a plain INSERT, or a single statement. */
export interface Joined {
  readonly sql: string;
  readonly rows: readonly (readonly SqlValue[])[];
}

const PLAIN_INSERT = /^(INSERT INTO \w+ \([^()]*\) VALUES )(\(\s*\?(?:\s*,\s*\?)*\s*\))\s*;?\s*$/i;

/** Joins runs of the same plain INSERT, up to `mostParams` parameters. SQLite inserts many rows with one statement in half the time. */
export function joinInserts(statements: readonly Statement[], mostParams: number): readonly Joined[] {
  const joined: { sql: string; rows: (readonly SqlValue[])[] }[] = [];
  let most = 0;
  for (const { sql, params = [] } of statements) {
    const open = joined.at(-1);
    if (open?.sql !== sql) most = 0;
    else if ((most ||= PLAIN_INSERT.test(sql) ? Math.floor(mostParams / params.length) : 1) > open.rows.length) {
      open.rows.push(params);
      continue;
    }
    joined.push({ sql, rows: [params] });
  }
  return joined;
}

export function manyRows(sql: string, count: number): string {
  return sql.replace(PLAIN_INSERT, (_all, head: string, row: string) => head + Array(count).fill(row).join(', '));
}

/** Whether there is no transaction left to roll back: SQLite ends it itself when disk or memory is full. */
export function isRolledBack(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no transaction is active');
}
