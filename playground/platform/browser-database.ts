/** The playground's databases in a real browser: one for all tabs of the site in IndexedDB, or in memory. */
import { discardSqljs, openSqljs, salvageSqljs, type SqljsCopy, type SqljsDatabase } from '../../src/adapters/sqljs/index.ts';
import { SqlError } from '../../src/engine/ports.ts';
import { migrate, SCHEMA_VERSION } from '../../src/engine/storage/schema.ts';
import type { PastDatabase, Platform, PlaygroundDatabase } from './index.ts';

export interface DatabaseOptions {
  readonly wasmUrl: string;
  /** Keeps nothing. */
  readonly embedded: boolean;
}

export function browserDatabases(
  options: DatabaseOptions,
): Pick<Platform, 'openDatabase' | 'openInMemory' | 'salvage' | 'deleteDatabases'> {
  return {
    openDatabase: (branch, bytes) => openDatabase(options, branch, bytes),
    openInMemory: async (reason) => bound(await inMemory(options), reason, () => inMemory(options)),
    async salvage(branch) {
      const copy = await salvageSqljs({ wasmBinary: await sqlite(options), storage: { indexedDB: databaseName(branch) } });
      try {
        return { bytes: copy.export(), problem: copy.problem };
      } finally {
        copy.close();
      }
    },
    async deleteDatabases(branches) {
      for (const branch of branches) await deleteDatabase(options, branch);
    },
  };
}

/** The branch's IndexedDB; null is the main line. */
export function databaseName(branch: string | null): string {
  return branch === null ? 'rehydrate-playground' : `rehydrate-playground fork ${branch}`;
}

/** How long the browser may take to delete a database it could not open. */
const DELETE_MS = 5_000;

const fetched = new Map<string, Promise<ArrayBuffer>>();

/** SQLite as WebAssembly, fetched once for the database and the console. A failure is tried again when asked again. */
export function sqlite({ wasmUrl }: DatabaseOptions): Promise<ArrayBuffer> {
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

/** One database for all tabs of the site: one of them owns it, and the others are served by it. */
async function open(options: DatabaseOptions, branch: string | null): Promise<SqljsDatabase> {
  const wasmBinary = await sqlite(options);
  return openSqljs({ wasmBinary, storage: options.embedded ? 'memory' : { indexedDB: databaseName(branch) } });
}

async function openDatabase(options: DatabaseOptions, branch: string | null, bytes: Uint8Array | undefined): Promise<PlaygroundDatabase> {
  const database = await open(options, branch);
  if (bytes) await importInto(database, bytes);
  const { storage } = database;
  return bound(database, storage.kind === 'memory' ? (storage.reason ?? null) : null, () => inMemory(options));
}

const inMemory = async (options: DatabaseOptions): Promise<SqljsDatabase> => openSqljs({ wasmBinary: await sqlite(options) });

/** One that refuses the file is of no use, and does not stay open. */
async function importInto(database: SqljsDatabase, bytes: Uint8Array): Promise<void> {
  try {
    await database.importFile(bytes);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function deleteDatabase(options: DatabaseOptions, branch: string | null): Promise<void> {
  const name = databaseName(branch);
  try {
    const database = await open(options, branch);
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
  await Promise.race([
    discardSqljs(name),
    silence(DELETE_MS, `The browser did not delete ${name}. Clear this site’s data in the browser’s settings.`),
  ]);
}

function silence(ms: number, message: string): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(message)), ms));
}

/** A database of the adapter as the page uses it. */
export function bound(database: SqljsDatabase, warning: string | null, another: () => Promise<SqljsDatabase>): PlaygroundDatabase {
  return {
    ...(database.owners ? { owners: database.owners } : {}),
    query: (sql, params) => database.query(sql, params),
    batch: (statements) => database.batch(statements),
    close: () => database.close(),
    journal: (after) => database.journal(after),
    export: () => database.export(),
    openAt: async (n) => past(await database.openAt(n), another),
    onCommit: (listener) => database.onCommit(({ notes = [] }) => listener(notes)),
    onRole(listener) {
      listener(database.role);
      return database.onRole(listener);
    },
    durable: database.storage.kind === 'indexeddb',
    warning,
  };
}

/** A copy from the past as an engine database that refuses to be written. One of an older schema is brought to today's first. */
async function past(copy: SqljsCopy, another: () => Promise<SqljsDatabase>): Promise<PastDatabase> {
  const batch = () => Promise.reject(new SqlError('readonly', 'This is a moment of the past: it can be read, and not be changed.'));
  const version = Number(copy.query('PRAGMA user_version')[0]?.['user_version']);
  if (version === 0 || version >= SCHEMA_VERSION)
    return {
      query: async (sql, params) => copy.query(sql, params),
      batch,
      export: async () => copy.export(),
      close: async () => copy.close(),
    };
  const migrated = await another();
  await migrated.importFile(copy.export());
  copy.close();
  await migrate(migrated);
  return { query: (sql, params) => migrated.query(sql, params), batch, export: () => migrated.export(), close: () => migrated.close() };
}
