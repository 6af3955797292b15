import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { RivetDb } from '../../../src/adapters/rivetkit/index.ts';

/** RivetKit's `c.db` on an SQLite of Node's. `onStatement` may throw. */
export function actorDb(onStatement: (sql: string) => void = () => undefined): RivetDb {
  const sqlite = new DatabaseSync(':memory:');
  const db: RivetDb = {
    execute: async (sql, ...args) => {
      onStatement(sql);
      return sqlite.prepare(sql).all(...(args as SQLInputValue[]));
    },
    async transaction(work) {
      sqlite.exec('BEGIN IMMEDIATE');
      try {
        const result = await work(db);
        sqlite.exec('COMMIT');
        return result;
      } catch (error) {
        sqlite.exec('ROLLBACK');
        throw error;
      }
    },
  };
  return db;
}
