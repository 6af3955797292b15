/** The `SqlDatabase` port on sql.js: SQLite in a browser tab, kept in IndexedDB. */
import { checkOptions, shown } from '../../engine/check-options.ts';
import { invalid, RehydrateError } from '../../engine/errors.ts';
import { SqlError } from '../../engine/ports.ts';
import {
  copyAt,
  type DatabaseParts,
  type JournalledDatabase,
  openDatabase,
  SNAPSHOT_AFTER_BYTES,
  type SqljsCopy,
  type SqljsDatabase,
} from './database.ts';
import { toStorageError } from './errors.ts';
import { openIndexedDbStore } from './indexeddb.ts';
import { loadSqljs, type SqljsModule, type SqljsSource } from './module.ts';
import { pageOwners, tabOwners } from './owners.ts';
import { memoryStore, type JournalStore, type Stored } from './journal.ts';
import { OWNER_QUIET_MS, OWNER_SILENT_MS, SharedDatabase } from './tabs.ts';

export {
  type Commit,
  type Journal,
  type JournalEntry,
  SNAPSHOT_AFTER_BYTES,
  type SqljsCopy,
  type SqljsDatabase,
  type SqljsStorage,
  type TabRole,
} from './database.ts';
export type { SqljsModule, SqljsSource } from './module.ts';
export { STORAGE_SILENT_MS } from './indexeddb.ts';
export { tabOwners } from './owners.ts';
export { OWNER_QUIET_MS, OWNER_SILENT_MS } from './tabs.ts';

export interface SqljsOptions extends SqljsSource {
  /** Where it is kept: as long as the page lives (the default), or in the IndexedDB of this name. */
  readonly storage?: 'memory' | { readonly indexedDB: string } | undefined;
  /** Least size of the journal, in bytes, before a snapshot replaces it. Default `SNAPSHOT_AFTER_BYTES`. */
  readonly snapshotAfterBytes?: number | undefined;
  /** Told when a snapshot could not be written; the journal stays, and it is tried again. Default: a warning on the console. */
  readonly onProblem?: ((problem: SqlError) => void) | undefined;
  /** Default: the browser's. */
  readonly indexedDB?: IDBFactory | undefined;
  /** Default: the browser's Web Locks, if it has any; null uses none. */
  readonly locks?: LockManager | null | undefined;
  /** How long the owner may leave a question unanswered before it is asked whether it is there. Default `OWNER_QUIET_MS`. */
  readonly ownerQuietMs?: number | undefined;
  /** How long it may then stay silent before its database is taken over. Default `OWNER_SILENT_MS`. */
  readonly ownerSilentMs?: number | undefined;
}

/**
 * Opens a SQLite database in memory, kept in IndexedDB when asked: a batch is acknowledged when its
 * statements are durable in a journal, which a snapshot replaces now and then.
 *
 * What is kept is one database for all tabs of the origin: the tab that holds the Web Lock owns it and serves the
 * others, and when it ends the next one takes over. In a browser without Web Locks or BroadcastChannel the tab that
 * opened it last writes, and the one before is told so (`busy`).
 *
 * Where IndexedDB is denied or missing the database is in memory and `storage.reason` says why.
 * Rejects with `SqlError`: `corrupt` when what is stored cannot be trusted or is another program's (it is left as it is). A newer release's is
 * `database_too_new`, an unknown option `invalid_argument`.
 *
 * @example
 * const database = await openSqljs({ storage: { indexedDB: 'sessions' }, locateFile: () => '/sql-wasm-browser.wasm' });
 */
export async function openSqljs(given: SqljsOptions = {}): Promise<SqljsDatabase> {
  checkSqljs('openSqljs', given);
  const module = loading(given);
  const options = { ...given, module };
  if (options.storage === undefined || options.storage === 'memory') return openIn(options, memoryStore());
  const name = options.storage.indexedDB;
  const openStore = (): Promise<JournalStore> => openIndexedDbStore(name, factoryOf(options));
  let store: JournalStore;
  try {
    // First: where storage is denied, so are locks.
    store = await openStore();
  } catch (error) {
    // There it is, and must not be passed over.
    if (RehydrateError.is(error) || error instanceof SqlError) throw error;
    const { name: kind, message } = error as { name?: string; message?: string };
    const reason = `The browser does not let this page keep data (${[kind, message].filter(Boolean).join(': ')}).`;
    return openIn(options, memoryStore(), { storage: { kind: 'memory', reason } });
  }
  const storage = { kind: 'indexeddb', name } as const;
  const locks = options.locks === undefined ? (globalThis.navigator as Navigator | undefined)?.locks : options.locks;
  if (!locks || typeof BroadcastChannel === 'undefined') return openIn(options, store, { storage });
  await store.close();
  const owners = await tabOwners(locks);
  const lock = `rehydrate:sqljs:${name}`;
  const shared = new SharedDatabase({
    name,
    lock,
    locks,
    channel: new BroadcastChannel(lock),
    owners,
    quietMs: options.ownerQuietMs ?? OWNER_QUIET_MS,
    silentMs: options.ownerSilentMs ?? OWNER_SILENT_MS,
    open: async () => openIn(options, await openStore(), { storage, owners }),
    openAt: async (n) => loadAt(await openStore(), (stored) => module.then((sqljs) => copyAt(sqljs, stored, n, name))),
  });
  try {
    await Promise.all([shared.started, module]);
    return shared;
  } catch (error) {
    await shared.close();
    throw error;
  }
}

export interface SqljsSalvage extends SqljsCopy {
  /** What is wrong with the batch after `n`; null when nothing is. */
  readonly problem: string | null;
}

/**
 * A read-only copy of what can be trusted in a database that is `corrupt`: everything before the first
 * damaged batch. Changes nothing. Rejects where not even the snapshot can be read.
 *
 * @example
 * const saved = await salvageSqljs({ storage: { indexedDB: 'sessions' } });
 * const rows = await saved.query('SELECT session_id FROM acp_sessions');
 */
export async function salvageSqljs(given: SqljsOptions & { readonly storage: { readonly indexedDB: string } }): Promise<SqljsSalvage> {
  checkSqljs('salvageSqljs', given);
  const name = given.storage.indexedDB;
  const module = loading(given);
  return loadAt(await openIndexedDbStore(name, factoryOf(given)), async ({ snapshot, records, problem }) => ({
    ...copyAt(await module, { snapshot, records }, records.at(-1)?.n ?? snapshot.n, name),
    problem,
  }));
}

/**
 * Deletes what is stored under the name, sound or not. A page that has it open is cut off from it.
 *
 * @example
 * await discardSqljs('sessions'); // the next openSqljs begins with an empty database
 */
export async function discardSqljs(name: string, factory: IDBFactory | undefined = factoryOf({})): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    if (!factory) return resolve();
    const deleting = factory.deleteDatabase(name);
    deleting.onsuccess = () => resolve();
    deleting.onerror = () => reject(toStorageError(deleting.error, name));
  });
}

function checkSqljs(call: string, options: SqljsOptions): void {
  checkOptions(call, options, [
    'module', 'locateFile', 'wasmBinary', 'storage', 'snapshotAfterBytes', 'onProblem', 'indexedDB', 'locks', 'ownerQuietMs', 'ownerSilentMs',
  ]); // prettier-ignore
  const { storage } = options;
  if (storage === undefined || storage === 'memory') return;
  if (typeof storage === 'object') checkOptions('storage', storage, ['indexedDB'], ['indexedDB']);
  const name: unknown = storage.indexedDB;
  if (typeof name !== 'string' || name === '')
    throw invalid(`storage is 'memory' or { indexedDB: NAME }; it is ${shown(storage)}.`, { options: ['storage'] });
}

type LoadingOptions = SqljsOptions & { readonly module: Promise<SqljsModule> };

/** Begins to load sql.js; a failure is heard where it is awaited. */
function loading(options: SqljsOptions): Promise<SqljsModule> {
  const module = loadSqljs(options);
  module.catch(() => undefined);
  return module;
}

async function openIn(
  options: LoadingOptions,
  store: JournalStore,
  place: Partial<Pick<DatabaseParts, 'storage' | 'owners'>> = {},
): Promise<JournalledDatabase> {
  try {
    return await openDatabase({
      store,
      owners: pageOwners(),
      storage: { kind: 'memory' },
      ...place,
      module: await options.module,
      snapshotAfterBytes: options.snapshotAfterBytes ?? SNAPSHOT_AFTER_BYTES,
      onProblem: options.onProblem ?? ((problem) => console.warn(problem)),
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Does not become the writer. */
async function loadAt<T>(store: JournalStore, read: (stored: Stored) => Promise<T>): Promise<T> {
  try {
    return await read(await store.load());
  } finally {
    await store.close();
  }
}

/** Reading `globalThis.indexedDB` may throw where cookies are blocked. */
const factoryOf = ({ indexedDB }: SqljsOptions): IDBFactory | undefined => indexedDB ?? (globalThis.indexedDB as IDBFactory | undefined);
