/** The playground's databases in a real browser: one for all tabs of the site in IndexedDB, or in memory. */
import wasmUrl from 'sql.js/dist/sql-wasm-browser.wasm?url';
import { discardSqljs, openSqljs, salvageSqljs, type SqljsDatabase } from '../../src/adapters/sqljs/index.ts';
import { SqlError } from '../../src/engine/ports.ts';
import { within } from '../../src/engine/waiting.ts';
import type { Platform } from './index.ts';

const databaseName = (branch: string | null): string => (branch === null ? 'rehydrate-playground' : `rehydrate-playground fork ${branch}`);

/** How long the browser may take to delete a database it could not open. */
const DELETE_MS = 5_000;

let fetched: Promise<ArrayBuffer> | undefined;

/** SQLite as WebAssembly, fetched once for all databases and the console. A failure is tried again when asked again. */
export const sqlite = (): Promise<ArrayBuffer> =>
  (fetched ??= fetchSqlite().catch((error: unknown) => {
    fetched = undefined;
    throw error;
  }));

async function fetchSqlite(): Promise<ArrayBuffer> {
  const response = await fetch(wasmUrl);
  if (!response.ok) throw new Error(`The server answered ${response.status} for SQLite.`);
  return response.arrayBuffer();
}

export function browserDatabases(embedded: boolean): Pick<Platform, 'openDatabase' | 'openInMemory' | 'salvage' | 'deleteDatabase'> {
  const openInMemory = async () => openSqljs({ wasmBinary: await sqlite() });

  /** One database for all tabs of the site: one of them owns it, and the others are served by it. */
  const open = async (branch: string | null): Promise<SqljsDatabase> =>
    embedded ? openInMemory() : openSqljs({ wasmBinary: await sqlite(), storage: { indexedDB: databaseName(branch) } });

  return {
    openInMemory,

    async openDatabase(branch, bytes) {
      const database = await open(branch);
      try {
        if (bytes) await database.importFile(bytes);
        return database;
      } catch (error) {
        // One that refuses the file is of no use, and does not stay open.
        await database.close();
        throw error;
      }
    },

    async salvage(branch) {
      const copy = await salvageSqljs({ wasmBinary: await sqlite(), storage: { indexedDB: databaseName(branch) } });
      try {
        return { bytes: copy.export(), problem: copy.problem };
      } finally {
        copy.close();
      }
    },

    async deleteDatabase(branch) {
      const name = databaseName(branch);
      try {
        const database = await open(branch);
        // Emptied first: another tab that still has it open sees it empty, and not gone.
        try {
          await database.reset();
        } finally {
          // One that stays open would keep the browser from deleting it.
          await database.close();
        }
        if (branch === null && database.storage.kind === 'indexeddb') return;
      } catch (error) {
        // One that cannot be opened can still be deleted.
        if (!(error instanceof SqlError)) throw error;
      }
      if (
        !(await within(
          discardSqljs(name).then(() => true),
          DELETE_MS,
        ))
      )
        throw new Error(`The browser did not delete ${name}. Clear this site’s data in the browser’s settings.`);
    },
  };
}
