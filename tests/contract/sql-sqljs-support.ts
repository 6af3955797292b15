/** A stored sql.js database in Node, and ways to look at and spoil what lies in its IndexedDB. */
import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import initSqlJs from 'sql.js';
import { afterEach, beforeEach } from 'vitest';
import { openSqljs, type SqljsDatabase, type SqljsModule, type SqljsOptions } from '../../src/adapters/sqljs/index.ts';

export const module: SqljsModule = await initSqlJs();
/** Fresh for each test. */
export let indexedDB: IDBFactory;
const opened: SqljsDatabase[] = [];
beforeEach(() => {
  indexedDB = new IDBFactory();
});
afterEach(() => Promise.all(opened.splice(0).map((database) => database.close())));

export async function open(options: SqljsOptions = {}): Promise<SqljsDatabase> {
  const database = await openSqljs({ module, indexedDB, storage: { indexedDB: 'test' }, ...options });
  opened.push(database);
  return database;
}
export const insert = (text: string) => ({ sql: 'INSERT INTO log (text) VALUES (?)', params: [text] });
export const texts = async (database: { query: SqljsDatabase['query'] | ((sql: string) => readonly object[]) }) =>
  (await database.query('SELECT text FROM log ORDER BY id')).map((row) => (row as { text: string }).text);

export async function withLog(options: SqljsOptions = {}): Promise<SqljsDatabase> {
  const database = await open(options);
  await database.batch([{ sql: 'CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT) STRICT' }]);
  return database;
}

/** What lies in IndexedDB, and a way to spoil it. */
export async function stores<T>(mode: IDBTransactionMode, work: (transaction: IDBTransaction) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open('test');
  await new Promise((resolve) => (opening.onsuccess = resolve));
  const request = work(opening.result.transaction(['meta', 'chunks', 'journal'], mode));
  await new Promise((resolve) => (request.onsuccess = resolve));
  opening.result.close();
  return request.result;
}
export const dump = () =>
  Promise.all(['meta', 'chunks', 'journal'].map((name) => stores('readonly', (transaction) => transaction.objectStore(name).getAll())));

/** An IndexedDB that shows each transaction as it begins. */
function watching(see: (transaction: IDBTransaction) => void): IDBFactory {
  const original = indexedDB.open.bind(indexedDB);
  return new Proxy(indexedDB, {
    get: (target, key) =>
      key !== 'open'
        ? Reflect.get(target, key)
        : (...parameters: Parameters<IDBFactory['open']>) => {
            const request = original(...parameters);
            request.addEventListener('success', () => {
              const database = request.result;
              const begin = database.transaction.bind(database);
              database.transaction = (...of: Parameters<IDBDatabase['transaction']>) => {
                const transaction = begin(...of);
                see(transaction);
                return transaction;
              };
            });
            return request;
          },
  });
}

/** An IndexedDB whose writing transactions (on `broken.store`, `broken.when` it says so) fail with this error while `broken.name` is set. */
export function failing(broken: { name: string | undefined; store?: string; when?: (names: readonly string[]) => boolean }): IDBFactory {
  return watching((transaction) => {
    const { name, store, when } = broken;
    const names = [...transaction.objectStoreNames];
    if (
      transaction.mode !== 'readwrite' ||
      name === undefined ||
      (store !== undefined && !names.includes(store)) ||
      when?.(names) === false
    )
      return;
    Object.defineProperty(transaction, 'error', { get: () => new DOMException('as the test wants it', name) });
    queueMicrotask(() => transaction.abort());
  });
}

/** An IndexedDB whose transactions, while `on`, never tell that they ended, or answer no request. */
export function silenced(silent: { on: boolean }, mode: IDBTransactionMode = 'readwrite'): IDBFactory {
  const never = { set: () => undefined };
  return watching((transaction) => {
    if (!silent.on || transaction.mode !== mode) return;
    for (const name of ['oncomplete', 'onabort']) Object.defineProperty(transaction, name, never);
    if (mode === 'readonly') transaction.objectStore = () => new Proxy({}, { get: () => () => ({}) }) as never;
  });
}
