/** The playground's databases in a real browser: one for all tabs of the site in IndexedDB, or in memory. */
import { discardSqljs, openSqljs, salvageSqljs, type SqljsDatabase } from '../../src/adapters/sqljs/index.ts';
import { SqlError } from '../../src/engine/ports.ts';
import type { Platform } from './index.ts';

interface DatabaseOptions {
  readonly wasmUrl: string;
  readonly embedded: boolean;
}

const databaseName = (branch: string | null): string => (branch === null ? 'rehydrate-playground' : `rehydrate-playground fork ${branch}`);

/** How long the browser may take to delete a database it could not open. */
const DELETE_MS = 5_000;

const fetched = new Map<string, Promise<ArrayBuffer>>();

/** SQLite as WebAssembly, fetched once for the database and the console. A failure is tried again when asked again. */
export function sqlite({ wasmUrl }: Pick<DatabaseOptions, 'wasmUrl'>): Promise<ArrayBuffer> {
  const known = fetched.get(wasmUrl);
  if (known) return known;
  const fresh = fetch(wasmUrl).then((response) => {
    if (!response.ok) throw new Error(`The server answered ${response.status} for SQLite.`);
    return response.arrayBuffer();
  });
  fetched.set(wasmUrl, fresh);
  fresh.catch(() => fetched.delete(wasmUrl));
  return fresh;
}

export function browserDatabases(options: DatabaseOptions): Pick<Platform, 'openDatabase' | 'openInMemory' | 'salvage' | 'deleteDatabase'> {
  const openInMemory = async () => openSqljs({ wasmBinary: await sqlite(options) });

  /** One database for all tabs of the site: one of them owns it, and the others are served by it. */
  const open = async (branch: string | null): Promise<SqljsDatabase> =>
    options.embedded ? openInMemory() : openSqljs({ wasmBinary: await sqlite(options), storage: { indexedDB: databaseName(branch) } });

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
      const copy = await salvageSqljs({ wasmBinary: await sqlite(options), storage: { indexedDB: databaseName(branch) } });
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
      const silence = new Promise<never>((_, reject) => {
        setTimeout(
          () => reject(new Error(`The browser did not delete ${name}. Clear this site’s data in the browser’s settings.`)),
          DELETE_MS,
        );
      });
      await Promise.race([discardSqljs(name), silence]);
    },
  };
}
