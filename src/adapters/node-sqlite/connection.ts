import { rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { SqlError, type Row, type SqlValue, type Statement, type StatementResult } from '../../engine/ports.ts';
import { isRolledBack, joinInserts, Statements, type Joined, type Use } from '../statements.ts';
import { IOERR_SHMSIZE } from './errors.ts';
import { COPIED, copyToRead, hasWriteAheadLog, isReadable, makePrivate, prepareFile, type FileState } from './files.ts';

/** How long SQLite itself may block the thread to wait for a lock. Longer waits are asynchronous. */
const BLOCKING_WAIT_MS = 2;

/** A larger write-ahead log is cut back to this at its next checkpoint. */
const WAL_KEPT_BYTES = 16 * 1024 * 1024;

/** How often a writer of single inserts checks that the file still has its name. */
const CHECK_THERE_MS = 1_000;

/** The parameters of eight events. More rows in one statement gain nothing. */
const JOINED_PARAMS = 64;

const CHANGES_SCHEMA = new Set(['CREATE', 'ALTER', 'DROP']);

export interface ConnectionOptions {
  readonly powerLossSafe: boolean;
  /** The file must exist, and is never written. */
  readonly readOnly: boolean;
}

/**
 * One synchronous connection. Until the first batch an existing file is only read, and stays unchanged byte for byte, because the caller must
 * read it to know whether it may write to it.
 */
export class Connection {
  readonly #path: string;
  readonly #file: string;
  #opened: string | undefined;
  #checkAgainAt = 0;
  readonly #options: ConnectionOptions;
  #database: DatabaseSync;
  readonly #statements: Statements<StatementSync>;
  /** The state of `query_only`, with which SQLite itself refuses a query that would write. */
  #queryOnly = false;
  /** False until the first batch. */
  #writer = false;
  #readOnly: boolean;
  /** The error for which only the state at opening can be read, or null. */
  #snapshot: unknown = null;
  /** The directory with a copy of a file that cannot be read in place. Removed by `close`. */
  #copy: string | null = null;
  /** Prepared statements must be dropped then: in Node 22 a `SELECT *` would keep the old columns. */
  #schemaChanged = false;

  constructor(path: string, options: ConnectionOptions) {
    this.#path = path;
    // Resolved now, because the process may change its directory later.
    this.#file = resolve(path);
    this.#options = options;
    this.#statements = new Statements(path, (sql) => {
      const statement = this.#database.prepare(sql);
      if (GIVES_ARRAYS) statement.setReturnArrays(true);
      return statement;
    });
    const state: FileState = path === ':memory:' ? 'new' : prepareFile(path, options.readOnly);
    // With a dead process's log, the file is opened read-only, because a writable connection would move the log into it when it closes. Without a
    // log it is not, because a read-only connection would leave an empty log behind.
    this.#readOnly = options.readOnly || (state === 'existing' && hasWriteAheadLog(path));
    this.#database = state === 'existing' ? this.#openExisting() : verified(this.#open(this.#readOnly));
    this.#opened = this.#fileThere();
  }

  /**
   * Even to read a database in WAL mode, SQLite makes a shared file beside it. If that is not allowed, nobody on this machine is writing (their
   * shared file would exist), so the database is read as immutable. If a dead writer left a log, a copy of both is read.
   */
  #openExisting(): DatabaseSync {
    try {
      return verified(this.#open(this.#readOnly));
    } catch (error) {
      if (!CANNOT_SHARE.has((error as { errcode?: number }).errcode ?? 0) || !isReadable(this.#path)) throw error;
      this.#snapshot = error;
      if (!hasWriteAheadLog(this.#path) && UNDERSTANDS_URLS) {
        const url = pathToFileURL(this.#path);
        url.searchParams.set('immutable', '1');
        return verified(new DatabaseSync(url, { readOnly: true }));
      }
      this.#copy = copyToRead(this.#path);
      try {
        return verified(new DatabaseSync(join(this.#copy, COPIED), { enableForeignKeyConstraints: true }));
      } catch (damaged) {
        rmSync(this.#copy, { recursive: true, force: true });
        throw damaged;
      }
    }
  }

  query(sql: string, params: readonly SqlValue[]): readonly Row[] {
    this.#forgetOldSchema();
    // Changing the setting makes SQLite prepare every statement again, so only a query that may write changes it.
    if (this.#statements.get(sql, 'query').shape.mayWrite) this.#setQueryOnly(true);
    return this.#run('query', sql, [params]);
  }

  batch(statements: readonly Statement[]): readonly StatementResult[] {
    if (!this.#writer) this.#becomeWriter();
    const joined = joinInserts(statements, JOINED_PARAMS);
    this.#checkThere(joined.length > 1);
    this.#forgetOldSchema();
    this.#setQueryOnly(false);
    // A single statement is a transaction by itself.
    if (joined.length === 1) return this.#runAll(joined);
    this.#plain('BEGIN IMMEDIATE');
    try {
      const results = this.#runAll(joined);
      this.#plain('COMMIT');
      return results;
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  /**
   * Throws if the file was deleted or replaced, since it would still take writes, which are lost when it is closed. Batches of several
   * statements, such as the start and end of a turn, are checked each time; single inserts once a second.
   */
  #checkThere(isSeveral: boolean): void {
    if (this.#path === ':memory:' || (!isSeveral && performance.now() < this.#checkAgainAt)) return;
    const there = this.#fileThere();
    if (there === undefined || there !== this.#opened) {
      const what = there === undefined ? 'it was deleted or moved away' : 'another file stands in its place: it was replaced';
      throw new SqlError('io', `Database ${this.#path}: ${what} while it was open. Put it back, or open another.`);
    }
    this.#checkAgainAt = performance.now() + CHECK_THERE_MS;
  }

  /** Identifies the file that has this path now. */
  #fileThere(): string | undefined {
    const there = statSync(this.#file, { bigint: true, throwIfNoEntry: false });
    return there && `${there.dev} ${there.ino}`;
  }

  #forgetOldSchema(): void {
    if (this.#schemaChanged) this.#statements.clear();
    this.#schemaChanged = false;
  }

  #rollback(): void {
    try {
      this.#plain('ROLLBACK');
    } catch (error) {
      if (!isRolledBack(error)) throw error;
    }
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
    if (this.#copy !== null) rmSync(this.#copy, { recursive: true, force: true });
    this.#copy = null;
  }

  #open(readOnly: boolean): DatabaseSync {
    return new DatabaseSync(this.#path, { readOnly, timeout: BLOCKING_WAIT_MS, enableForeignKeyConstraints: true });
  }

  #becomeWriter(): void {
    if (this.#options.readOnly) throw this.#unwritable('it was opened to be read only. Open it without readOnly to write');
    if ((this.#snapshot as { errcode?: number } | null)?.errcode === IOERR_SHMSIZE) throw this.#snapshot;
    if (this.#snapshot !== null)
      throw this.#unwritable('this user may not write it. Give the right to write the file and its directory, and open it again');
    if (this.#path !== ':memory:') {
      // Before there is a log, which gets its mode from the file.
      makePrivate(this.#path);
      if (this.#readOnly) this.#reopen();
      this.#setQueryOnly(false);
      this.#database.exec('PRAGMA journal_mode = WAL');
      this.#database.exec(`PRAGMA journal_size_limit = ${WAL_KEPT_BYTES}`);
      this.#database.exec(`PRAGMA synchronous = ${this.#options.powerLossSafe ? 'FULL' : 'NORMAL'}`);
    }
    this.#writer = true;
  }

  #unwritable(why: string): SqlError {
    return new SqlError('readonly', `Database ${this.#path}: ${why}.`);
  }

  #reopen(): void {
    const writable = this.#open(false);
    this.close();
    this.#database = writable;
    this.#opened = this.#fileThere();
    this.#readOnly = false;
    this.#queryOnly = false;
  }

  #setQueryOnly(on: boolean): void {
    if (this.#queryOnly === on) return;
    this.#database.exec(`PRAGMA query_only = ${on ? 'ON' : 'OFF'}`);
    this.#queryOnly = on;
  }

  /** A result for each statement, also of those that were joined. */
  #runAll(joined: readonly Joined[]): readonly StatementResult[] {
    const results: StatementResult[] = [];
    for (const { sql, rows } of joined) {
      const result = { rows: this.#run('batch', sql, rows) };
      for (const _ of rows) results.push(result);
    }
    return results;
  }

  #run(use: Use, sql: string, rows: Joined['rows']): Row[] {
    const { statement, shape } = this.#statements.forRun(sql, use, rows);
    const params = rows.length === 1 ? rows[0]! : rows.flat();
    this.#schemaChanged ||= CHANGES_SCHEMA.has(shape.verb);
    const found = statement.all(...(params.map((value) => bindable(value, this.#path)) as SqlValue[]));
    return GIVES_ARRAYS ? toRows(statement, found as unknown as SqlValue[][]) : (found as Row[]);
  }

  #plain(sql: string): void {
    this.#statements.get(sql).statement.run();
  }
}

/** Reads the schema, so that a damaged file, or one of another kind, is found at once. */
function verified(database: DatabaseSync): DatabaseSync {
  try {
    database.prepare('SELECT count(*) FROM sqlite_schema').all();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** SQLite's codes when it cannot create or lock the shared file of a WAL: CANTOPEN, kinds of READONLY, or no room. */
const CANNOT_SHARE: ReadonlySet<number> = new Set([14, 8, 264, 520, 1_544, IOERR_SHMSIZE]);

/** Node before 22.15 does not accept a URL. */
const UNDERSTANDS_URLS = ((): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 15);
})();

/** Not before Node 22.16. */
const GIVES_ARRAYS = 'setReturnArrays' in StatementSync.prototype;

/** It inherits no name, since a column may have any. */
class FoundRow {
  [column: string]: SqlValue;
}
Object.setPrototypeOf(FoundRow.prototype, null);
Reflect.deleteProperty(FoundRow.prototype, 'constructor');

/** V8 reads an object that is filled like this much faster than one that `node:sqlite` makes, and an array is made faster, too. */
function toRows(statement: StatementSync, found: readonly (readonly SqlValue[])[]): Row[] {
  if (found.length === 0) return [];
  const names = statement.columns().map(({ name }) => name);
  return found.map((values) => {
    const row = new FoundRow();
    for (let i = 0; i < names.length; i++) row[names[i]!] = values[i]!;
    return row;
  });
}

let cuts: boolean | undefined;

/** Whether this Node reads text only up to the first NUL, as Node 22 does. */
function cutsTextAtNul(): boolean {
  if (cuts === undefined) {
    const probe = new DatabaseSync(':memory:');
    cuts = (probe.prepare('SELECT ? AS text').get('a\0b') as { text: string }).text !== 'a\0b';
    probe.close();
  }
  return cuts;
}

/** Makes whole numbers integers: `node:sqlite` binds every number as a float, which SQLite's JSON and text functions show as 5.0. */
function bindable(value: SqlValue, path: string): SqlValue | bigint {
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
  if (typeof value !== 'string' || !cutsTextAtNul() || !value.includes('\0')) return value;
  throw new SqlError(
    'other',
    `Database ${path}: a text with a NUL character cannot be stored under Node ${process.versions.node}, which would give it back cut short. Use Node 24.`,
  );
}
