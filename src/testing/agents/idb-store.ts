/** The agents' store in a browser: one IndexedDB database for an agent, apart from the host's. */
import type { AgentVariant } from './variants.ts';
import type { SessionHead, SessionStore, StoredEntry } from './store.ts';

/**
 * The database in which an agent keeps its sessions unless it is told another.
 *
 * @example
 * const store = await indexedDbStore(agentStoreName('native'));
 */
export function agentStoreName(variant: AgentVariant): string {
  return `scripted-agent-${variant}`;
}

interface EntryRow {
  readonly sessionId: string;
  readonly entry: StoredEntry;
}

/**
 * Opens the store. Several pages may hold it open; deleting the database closes them.
 *
 * @example
 * await serveInWorker(await workerAgent(self), { variant: 'native', store: await indexedDbStore('mine') });
 */
export async function indexedDbStore(name: string): Promise<SessionStore> {
  const open = indexedDB.open(name, 1);
  open.onupgradeneeded = () => {
    open.result.createObjectStore('sessions', { keyPath: 'sessionId' });
    open.result.createObjectStore('entries', { autoIncrement: true }).createIndex('sessionId', 'sessionId');
    open.result.createObjectStore('flags');
  };
  const database = await result(open);
  database.onversionchange = () => database.close();

  // One at a time: a Chromium killed with two unfinished writing transactions of one database deletes all that the origin stored.
  let written: Promise<unknown> = Promise.resolve();
  const write = (stores: readonly string[], work: (transaction: IDBTransaction) => void): Promise<void> => {
    const writing = written.then(() => {
      const transaction = database.transaction([...stores], 'readwrite');
      work(transaction);
      return done(transaction);
    });
    written = writing.catch(() => undefined);
    return writing;
  };
  const entriesOf = (transaction: IDBTransaction, sessionId: string) =>
    transaction.objectStore('entries').index('sessionId').getAll(sessionId);
  return {
    async get(sessionId) {
      const transaction = database.transaction(['sessions', 'entries'], 'readonly');
      const head = result<SessionHead | undefined>(transaction.objectStore('sessions').get(sessionId));
      const rows = result<EntryRow[]>(entriesOf(transaction, sessionId));
      const found = await head;
      return found ? { ...found, entries: (await rows).map((row) => row.entry) } : null;
    },
    list: () => result<SessionHead[]>(database.transaction('sessions', 'readonly').objectStore('sessions').getAll()),
    put: (head) => write(['sessions'], (transaction) => transaction.objectStore('sessions').put(head)),
    append: (sessionId, entries) =>
      write(['entries'], (transaction) => {
        for (const entry of entries) transaction.objectStore('entries').add({ sessionId, entry } satisfies EntryRow);
      }),
    delete: (sessionId) =>
      write(['sessions', 'entries'], (transaction) => {
        transaction.objectStore('sessions').delete(sessionId);
        const keys = transaction.objectStore('entries').index('sessionId').getAllKeys(sessionId);
        keys.onsuccess = () => keys.result.forEach((key) => transaction.objectStore('entries').delete(key));
      }),
    flag: async (flag) => (await result<unknown>(database.transaction('flags', 'readonly').objectStore('flags').get(flag))) === true,
    setFlag: (flag, value) => write(['flags'], (transaction) => transaction.objectStore('flags').put(value, flag)),
    clear: () =>
      write(['sessions', 'entries', 'flags'], (transaction) => {
        for (const store of ['sessions', 'entries', 'flags']) transaction.objectStore(store).clear();
      }),
  };
}

/**
 * Empties an agent's store, as a user would by deleting its directory. Works while the agent runs.
 *
 * @example
 * await clearAgentStore('native'); // the agent has forgotten everything
 */
export async function clearAgentStore(variant: AgentVariant): Promise<void> {
  const store = await indexedDbStore(agentStoreName(variant));
  await store.clear();
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
