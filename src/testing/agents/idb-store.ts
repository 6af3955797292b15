/** The agents' store in a browser: an IndexedDB database for each agent, separate from the host's. */
import type { AgentVariant } from './variants.ts';
import { storeOn, type SessionStore, type StoreLine } from './store.ts';

const LINES = 'lines';

/**
 * The database in which an agent keeps its sessions unless it is told another.
 *
 * @example
 * const store = await indexedDbStore(agentStoreName('native'));
 */
export function agentStoreName(variant: AgentVariant): string {
  return `scripted-agent-${variant}`;
}

/**
 * Opens the store. Several pages may hold it open; deleting the database closes them.
 *
 * @example
 * await serveInWorker(await workerAgent(self), { variant: 'native', store: await indexedDbStore('mine') });
 */
export async function indexedDbStore(name: string): Promise<SessionStore> {
  const open = indexedDB.open(name, 2);
  open.onupgradeneeded = () => {
    for (const old of open.result.objectStoreNames) open.result.deleteObjectStore(old);
    open.result.createObjectStore(LINES, { autoIncrement: true });
  };
  const database = await result(open);
  database.onversionchange = () => database.close();

  // One at a time, because a Chromium that is killed with two unfinished writing transactions deletes all data of the origin.
  let written: Promise<unknown> = Promise.resolve();
  const write = (work: (lines: IDBObjectStore) => void): Promise<void> => {
    const writing = written.then(() => {
      const transaction = database.transaction(LINES, 'readwrite');
      work(transaction.objectStore(LINES));
      return done(transaction);
    });
    written = writing.catch(() => undefined);
    return writing;
  };
  return storeOn({
    read: () => result<StoreLine[]>(database.transaction(LINES, 'readonly').objectStore(LINES).getAll()),
    append: (lines) =>
      write((store) => {
        for (const line of lines) store.add(line);
      }),
    clear: () => write((store) => store.clear()),
  });
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed without a reason'));
  });
}

function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB aborted without a reason'));
  });
}
