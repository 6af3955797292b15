import type { SqlJsStatic } from 'sql.js';
import wasmUrl from 'sql.js/dist/sql-wasm-browser.wasm?url';
import { discardSqljs, openSqljs, salvageSqljs, type SqljsDatabase } from '../../src/adapters/sqljs/index.ts';
import { SqlError } from '../../src/engine/ports.ts';
import { within } from '../../src/engine/waiting.ts';
import type { Platform } from './index.ts';

const databaseName = (branch: string | null): string => (branch === null ? 'rehydrate-playground' : `rehydrate-playground fork ${branch}`);

const DELETE_MS = 5_000;

let fetched: Promise<ArrayBuffer> | undefined;

/** Fetched once for all databases and the console; a failure is not kept. */
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

/** What does not load here is no fault of the storage. */
async function running(): Promise<SqlJsStatic> {
  const wasmBinary = await sqlite();
  const { default: glue } = await import('./sqlite-glue.ts');
  return glue.initSqlJs({ wasmBinary }).catch((error: unknown) => {
    throw new Error(`This browser does not run SQLite (${String(error)}). Allow WebAssembly for this site, or open it in another browser.`);
  });
}

export function browserDatabases(embedded: boolean): Pick<Platform, 'openDatabase' | 'openInMemory' | 'salvage' | 'deleteDatabase'> {
  const openInMemory = async () => openSqljs({ module: await running() });

  /** One database for all tabs. */
  const open = async (branch: string | null): Promise<SqljsDatabase> =>
    embedded ? openInMemory() : openSqljs({ module: await running(), storage: { indexedDB: databaseName(branch) } });

  return {
    openInMemory,

    async openDatabase(branch, bytes) {
      const database = await open(branch);
      try {
        if (bytes) await database.importFile(bytes);
        return database;
      } catch (error) {
        await database.close();
        throw error;
      }
    },

    async salvage(branch) {
      const copy = await salvageSqljs({ module: await running(), storage: { indexedDB: databaseName(branch) } });
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
        // Another tab that has it open then sees it empty.
        try {
          await database.reset();
        } finally {
          // An open one cannot be deleted.
          await database.close();
        }
        if (branch === null && database.storage.kind === 'indexeddb') return;
      } catch (error) {
        // Even one that does not open can be deleted.
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
