/** What the sql.js tests and benchmarks run in a real browser page. */
import { openSqljs, type SqljsDatabase, type SqljsOptions } from '../../../src/adapters/sqljs/index.ts';
import { sqlDatabaseContract } from '../../../src/testing/sql-contract.ts';

const source = { locateFile: () => '/sqljs.wasm' };

export interface SqljsPage {
  database: SqljsDatabase;
  open(options?: SqljsOptions): Promise<SqljsDatabase>;
  /** Runs the port's contract suite; gives the number of tests and what failed. */
  contract(kind: 'memory' | 'stored' | 'served'): Promise<{ passed: number; failed: string[] }>;
  /** Appends batches for ever, telling the number of each one that was acknowledged. */
  append(database: SqljsDatabase, who: string, told: (seq: number) => void): Promise<void>;
  /** A commit's cost on a database of this size, in milliseconds: one for each of `count` commits. */
  commits(database: SqljsDatabase, count: number): Promise<number[]>;
  fill(database: SqljsDatabase, bytes: number): Promise<void>;
}

const page: SqljsPage = {
  database: undefined as never,
  open: (options = {}) => openSqljs({ ...source, ...options }),

  async contract(kind) {
    const tests: [string, () => Promise<void>][] = [];
    const owners: SqljsDatabase[] = [];
    sqlDatabaseContract({
      name: kind,
      describe: (_, body) => body(),
      it: (name, body) => tests.push([name, body]),
      open: async () => {
        const storage = { indexedDB: crypto.randomUUID() };
        if (kind === 'memory') return { database: await page.open() };
        const reopen = () => page.open({ storage, ...(kind === 'stored' ? { snapshotAfterBytes: 2_000, locks: null } : {}) });
        if (kind === 'served') owners.push(await page.open({ storage }));
        return { database: await reopen(), reopen, dispose: () => owners.pop()?.close() };
      },
    });
    const failed: string[] = [];
    for (const [name, body] of tests) await body().catch((error: unknown) => failed.push(`${name}: ${String(error)}`));
    return { passed: tests.length - failed.length, failed };
  },

  async append(database, who, told) {
    for (;;) {
      const [, appended] = await database.batch([
        { sql: 'UPDATE head SET seq = seq + 1' },
        { sql: 'INSERT INTO log SELECT seq, ?, ? FROM head RETURNING seq', params: [who, 'x'.repeat(500)] },
        { sql: 'INSERT INTO twin SELECT seq FROM head' },
      ]);
      told(Number(appended!.rows[0]!['seq']));
    }
  },

  async fill(database, bytes) {
    const text = 'y'.repeat(1_000);
    for (let written = 0; written < bytes; written += 1_000_000) {
      await database.batch(
        Array.from({ length: Math.min(1_000, Math.ceil((bytes - written) / 1_000)) }, () => ({
          sql: 'INSERT INTO log SELECT coalesce(max(seq), 0) + 1, ?, ? FROM log',
          params: ['fill', text],
        })),
      );
    }
  },

  async commits(database, count) {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const started = performance.now();
      await database.batch([
        { sql: 'INSERT INTO log SELECT coalesce(max(seq), 0) + 1, ?, ? FROM log', params: ['commit', 'z'.repeat(300)] },
      ]);
      times.push(performance.now() - started);
    }
    return times;
  },
};

export const SCHEMA = [
  { sql: 'CREATE TABLE head (seq INTEGER NOT NULL) STRICT' },
  { sql: 'INSERT INTO head VALUES (0)' },
  { sql: 'CREATE TABLE log (seq INTEGER PRIMARY KEY, who TEXT NOT NULL, text TEXT NOT NULL) STRICT' },
  { sql: 'CREATE TABLE twin (seq INTEGER PRIMARY KEY) STRICT' },
];

Object.assign(globalThis, { sql: page, SCHEMA });

declare global {
  var sql: SqljsPage;
  var SCHEMA: { sql: string }[];
}
