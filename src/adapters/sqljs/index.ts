/** The `SqlDatabase` port on sql.js: SQLite in a browser tab, kept in IndexedDB. */
import { SqlError } from '../../engine/ports.ts';
import {
  checkImport,
  copyAt,
  type DatabaseParts,
  openDatabase,
  SNAPSHOT_AFTER_BYTES,
  type JournalledDatabase,
  type SqljsCopy,
  type SqljsDatabase,
} from './database.ts';
import { toStorageError } from './errors.ts';
import { openIndexedDbStore } from './indexeddb.ts';
import { loadSqljs, type SqljsModule, type SqljsSource } from './module.ts';
import { pageOwners, tabOwners } from './owners.ts';
import { MemoryStore, type JournalStore } from './journal.ts';
import { OWNER_QUIET_MS, OWNER_SILENT_MS, SharedDatabase, type SharedSqljsDatabase } from './tabs.ts';

export {
  type Commit,
  type ImportOptions,
  type Journal,
  type JournalEntry,
  SNAPSHOT_AFTER_BYTES,
  type SqljsCopy,
  type SqljsDatabase,
  type SqljsStorage,
} from './database.ts';
export type { SqljsModule, SqljsSource } from './module.ts';
export { tabOwners } from './owners.ts';
export { OWNER_QUIET_MS, OWNER_SILENT_MS, type SharedSqljsDatabase, type TabRole } from './tabs.ts';

export interface SqljsOptions extends SqljsSource {
  /** Where it is kept: for as long as the page lives (the default), or in the IndexedDB of this name. */
  readonly storage?: 'memory' | { readonly indexedDB: string };
  /** Least size of the journal, in bytes, before a snapshot replaces it. Default `SNAPSHOT_AFTER_BYTES`. */
  readonly snapshotAfterBytes?: number;
  /** Told when a snapshot could not be written; the journal stays and it is tried again. Default: a warning on the console. */
  readonly onProblem?: (problem: SqlError) => void;
  /** Milliseconds since the epoch, for the journal. Default `Date.now`. */
  readonly now?: () => number;
  /** Default: the browser's. */
  readonly indexedDB?: IDBFactory;
  /** Default: the browser's Web Locks, where there are any; null does without. */
  readonly locks?: LockManager | null;
}

export interface SharedSqljsOptions extends SqljsOptions {
  readonly storage: { readonly indexedDB: string };
  /** How long the owner may leave a question unanswered before it is asked whether it is there. Default `OWNER_QUIET_MS`. */
  readonly ownerQuietMs?: number;
  /** How long it may then stay silent before its database is taken over. Default `OWNER_SILENT_MS`. */
  readonly ownerSilentMs?: number;
}

/**
 * Opens a SQLite database in memory, kept in IndexedDB when asked: a batch is acknowledged when its
 * statements are durable in a journal, which a snapshot replaces now and then.
 *
 * Where IndexedDB is denied or missing the database is in memory and `storage.reason` says why.
 * Rejects with `SqlError`: `corrupt` when what is stored cannot be trusted (it is left as it is),
 * `busy` when another tab has the database open (see `openSharedSqljs`).
 *
 * @example
 * const database = await openSqljs({ storage: { indexedDB: 'sessions' }, locateFile: () => '/sql-wasm-browser.wasm' });
 */
export async function openSqljs(given: SqljsOptions = {}): Promise<SqljsDatabase> {
  const options = { ...given, module: loading(given) };
  if (options.storage === undefined || options.storage === 'memory') return openIn(options);
  const name = options.storage.indexedDB;
  // First of all: where storage is denied, so are locks.
  const store = await tryStore(options, name);
  if ('reason' in store) return openIn(options, { reason: store.reason });
  const locks = locksOf(options);
  let release = async (): Promise<void> => undefined;
  try {
    if (locks) release = await takeLock(locks, name);
    return await openIn(options, { name, store, owners: locks ? await tabOwners(locks) : pageOwners(), release });
  } catch (error) {
    await store.close();
    await release();
    throw error;
  }
}

/**
 * Like `openSqljs` with IndexedDB, for all tabs of the origin at once: the tab that holds the Web Lock
 * owns the database and serves the others, and when it ends the next one takes over. In a browser
 * without Web Locks or BroadcastChannel it is `openSqljs`; where nothing can be stored each tab has
 * a database in memory of its own, and `storage.reason` says so.
 *
 * @example
 * const database = await openSharedSqljs({ storage: { indexedDB: 'sessions' }, locateFile: () => '/sql-wasm-browser.wasm' });
 */
export async function openSharedSqljs(given: SharedSqljsOptions): Promise<SharedSqljsDatabase> {
  const module = loading(given);
  const options = { ...given, module };
  const name = options.storage.indexedDB;
  const locks = locksOf(options);
  const probe = await tryStore(options, name);
  if (!('reason' in probe)) await probe.close();
  if ('reason' in probe || !locks || typeof BroadcastChannel === 'undefined') {
    const alone = 'reason' in probe ? await openIn(options, { reason: probe.reason }) : await openSqljs(options);
    return Object.assign(alone, { role: 'owner' as const, onRole: () => () => undefined });
  }
  const owners = await tabOwners(locks);
  const withStore = async <T>(use: (store: JournalStore) => Promise<T>): Promise<T> => {
    const store = await openIndexedDbStore(name, factoryOf(options));
    return use(store).catch(async (error: unknown) => {
      await store.close();
      throw error;
    });
  };
  const shared = new SharedDatabase({
    name,
    lock: ownerLock(name),
    locks,
    channel: new BroadcastChannel(ownerLock(name)),
    owners,
    quietMs: options.ownerQuietMs ?? OWNER_QUIET_MS,
    silentMs: options.ownerSilentMs ?? OWNER_SILENT_MS,
    open: () => withStore((store) => openIn(options, { name, store, owners })),
    openAt: (n) =>
      withStore(async (store) => {
        const stored = await store.load();
        await store.close();
        return copyAt(await module, stored, n, name);
      }),
    check: async (bytes, importing) => checkImport(await module, bytes, importing, name),
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
  const name = given.storage.indexedDB;
  const module = loading(given);
  const store = await openIndexedDbStore(name, factoryOf(given));
  try {
    const { problem, ...stored } = await store.salvage();
    return { ...copyAt(await module, stored, stored.records.at(-1)?.n ?? stored.snapshot.n, name), problem };
  } finally {
    await store.close();
  }
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

type LoadingOptions = SqljsOptions & { readonly module: Promise<SqljsModule> };

/** Begins to load sql.js beside everything else; whoever needs it awaits it and hears what went wrong. */
function loading(options: SqljsOptions): Promise<SqljsModule> {
  const module = loadSqljs(options);
  module.catch(() => undefined);
  return module;
}

/** The Web Lock whose holder owns the database of this name; its channel is called the same. */
const ownerLock = (name: string): string => `rehydrate:sqljs:${name}`;

function locksOf(options: SqljsOptions): LockManager | undefined {
  return options.locks === undefined ? (globalThis.navigator as Navigator | undefined)?.locks : (options.locks ?? undefined);
}

/** In memory, with why where something else was asked for; or in the store that has a name. */
async function openIn(
  options: LoadingOptions,
  place: { readonly reason?: string } | ({ readonly name: string } & Pick<DatabaseParts, 'store' | 'owners'> & Partial<DatabaseParts>) = {},
): Promise<JournalledDatabase> {
  return openDatabase({
    store: new MemoryStore(),
    owners: pageOwners(),
    release: async () => undefined,
    ...place,
    storage: 'name' in place ? { kind: 'indexeddb', name: place.name } : { kind: 'memory', ...place },
    module: await options.module,
    snapshotAfterBytes: options.snapshotAfterBytes ?? SNAPSHOT_AFTER_BYTES,
    now: options.now ?? Date.now,
    onProblem: options.onProblem ?? ((problem) => console.warn(problem)),
  });
}

async function tryStore(options: SqljsOptions, name: string): Promise<JournalStore | { reason: string }> {
  try {
    return await openIndexedDbStore(name, factoryOf(options));
  } catch (error) {
    const { name: kind, message } = error as { name?: string; message?: string };
    // Not swallowed: it is what people are told, in `storage.reason`.
    return { reason: `The browser does not let this page keep data (${[kind, message].filter(Boolean).join(': ')}).` };
  }
}

/** Reading the browser's can itself be denied, where cookies are blocked. */
const factoryOf = ({ indexedDB }: SqljsOptions): IDBFactory | undefined => indexedDB ?? (globalThis.indexedDB as IDBFactory | undefined);

function takeLock(locks: LockManager, name: string): Promise<() => Promise<void>> {
  const taken = Promise.withResolvers<() => Promise<void>>();
  const letGo = Promise.withResolvers<void>();
  const released = locks.request(ownerLock(name), { ifAvailable: true }, (lock) => {
    if (!lock)
      throw new SqlError('busy', `Database ${name}: another tab has it open. Close that tab, or share the database with openSharedSqljs.`);
    taken.resolve(async () => {
      letGo.resolve();
      await released;
    });
    return letGo.promise;
  });
  released.catch(taken.reject);
  return taken.promise;
}
