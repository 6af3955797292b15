/** A database of one's own: the port on another SQLite, here `node:sqlite` used in the plainest way. */
import { SqlError, type Row, type SqlDatabase, type SqlValue, type Statement } from 'acp-rehydrate';
import { kindOfCode, parameterProblem, statementProblem, statementShape } from 'acp-rehydrate/testing';
import { DatabaseSync } from 'node:sqlite';

export function openMine(file: string): SqlDatabase {
  const sqlite = new DatabaseSync(file, { enableForeignKeyConstraints: true });
  sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  let closed = false;

  /** One statement, checked first: SQLite itself ignores a second statement, and binds NULL where a parameter is missing. */
  function run(sql: string, params: readonly SqlValue[], use: 'query' | 'batch'): Row[] {
    const shape = statementShape(sql);
    const problem = statementProblem(shape, use) ?? parameterProblem(shape, params);
    if (problem) throw new SqlError('other', `${problem}: ${sql}`);
    // This driver binds every number as a float; the engine's are whole numbers.
    const bound = params.map((value) => (Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value as number) : value));
    return sqlite.prepare(sql).all(...bound) as Row[];
  }

  /** What the driver throws, as the port's one error; and nothing once it is closed. */
  async function guarded<T>(work: () => T): Promise<T> {
    if (closed) throw new SqlError('closed', 'The database was closed. Open it again.');
    try {
      return work();
    } catch (error) {
      if (error instanceof SqlError) throw error;
      const { errcode, message } = error as { errcode?: number; message: string };
      throw new SqlError(errcode === undefined ? 'other' : kindOfCode(errcode), message, { cause: error });
    }
  }

  return {
    query: (sql, params = []) =>
      guarded(() => {
        // A statement that reads by its first word may still write (`WITH … DELETE`).
        sqlite.exec('PRAGMA query_only = ON');
        try {
          return run(sql, params, 'query');
        } finally {
          sqlite.exec('PRAGMA query_only = OFF');
        }
      }),
    batch: (statements: readonly Statement[]) =>
      guarded(() => {
        sqlite.exec('BEGIN IMMEDIATE');
        try {
          const results = statements.map(({ sql, params = [] }) => ({ rows: run(sql, params, 'batch') }));
          sqlite.exec('COMMIT');
          return results;
        } catch (error) {
          if (sqlite.isTransaction) sqlite.exec('ROLLBACK');
          throw error;
        }
      }),
    async close() {
      if (!closed) sqlite.close();
      closed = true;
    },
  };
}
