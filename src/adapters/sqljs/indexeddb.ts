/** The journal's store in IndexedDB. */
import { RehydrateError } from '../../engine/errors.ts';
import { SqlError } from '../../engine/ports.ts';
import { within } from '../../engine/waiting.ts';
import { corrupt, toStorageError } from './errors.ts';
import { randomId } from '../../engine/random-id.ts';
import { type Answer, EMPTY, type JournalRecord, type JournalStore, type Snapshot, readRecords } from './journal.ts';

/**
 * The object stores. `journal` has one record for each batch, by its number. `chunks` has the snapshot in pieces, by [snapshot id, index], so
 * that writing a large one does not block the page for long. In `meta`, `snapshot` says which chunks are valid, and `writer` who may write.
 */
const VERSION = 1;
const STORES = ['meta', 'chunks', 'journal'] as const;
type StoreName = (typeof STORES)[number];

/** The size of a piece. A commit may have to wait while one is written. */
export const CHUNK_BYTES = 256 * 1024;

/** How long opening may take. After that the database is kept in memory instead. */
const OPEN_MS = 10_000;

/**
 * How long IndexedDB may take to answer a transaction, in milliseconds. It must be exceeded twice in a row, because a page that was frozen sees
 * the timeout before it sees the answer.
 */
export const STORAGE_SILENT_MS = 30_000;

const NO_CHUNKS = '';

interface SnapshotMeta {
  /** Unique, so that two writers never mix their pieces. */
  readonly id: string;
  readonly n: number;
  readonly at: number;
  readonly bytes: number;
  readonly chunks: number;
  readonly answers: readonly Answer[];
}

/**
 * Opens the named database, or creates it. Rejects with the error of IndexedDB, with `NotSupportedError` if there is none, with
 * `database_too_new`, or with a `SqlError` `corrupt` if the database is another program's.
 */
export async function openIndexedDbStore(name: string, factory: IDBFactory | undefined): Promise<JournalStore> {
  if (!factory) throw new DOMException('this browser offers no IndexedDB here', 'NotSupportedError');
  const opening = factory.open(name, VERSION);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore('meta');
    opening.result.createObjectStore('chunks');
    opening.result.createObjectStore('journal', { keyPath: 'n' });
  };
  const database = await inTime(opening).catch((error: unknown) => {
    if ((error as Partial<DOMException> | null)?.name !== 'VersionError') throw error;
    const message = `IndexedDB has the database ${name} in a version later than ${VERSION}, of a newer release or another program. Nothing was changed. Update acp-rehydrate, or use another name.`;
    throw new RehydrateError('database_too_new', message, { known: VERSION }, { cause: error });
  });
  const stores = [...database.objectStoreNames];
  if (STORES.every((store) => stores.includes(store))) return storeIn(database, name);
  database.close();
  const theirs = stores.length === 0 ? 'nothing' : `the stores ${stores.join(', ')}`;
  throw new SqlError('corrupt', `Database ${name}: it is another program's, with ${theirs} in it. Nothing was changed: use another name.`);
}

function storeIn(database: IDBDatabase, label: string): JournalStore {
  const writer = randomId();
  let chunkSet = NO_CHUNKS;
  let gone = false;
  let written: Promise<unknown> = Promise.resolve();
  const leave = (): void => {
    gone = true;
    database.close();
  };
  // The database is being deleted, or the browser has cleared the site's data. The next batch will fail for that.
  database.onversionchange = leave;
  database.onclose = leave;

  function begin(stores: readonly StoreName[], mode: IDBTransactionMode): IDBTransaction {
    if (gone) throw new SqlError('io', `Database ${label}: its storage was deleted or taken away by the browser. Reload the page.`);
    try {
      return database.transaction(stores, mode, { durability: 'strict' });
    } catch (error) {
      throw toStorageError(error, label);
    }
  }

  let silent = false;
  /**
   * Fails work that IndexedDB does not answer; it may be stored or not. From then on nothing more is stored, so that the page and the store do
   * not diverge.
   */
  async function answered<T>(work: Promise<T>): Promise<T> {
    const done = work.then((value) => ({ value }));
    const answer = (await within(done, STORAGE_SILENT_MS)) ?? (await within(done, STORAGE_SILENT_MS));
    if (answer) return answer.value;
    silent = true;
    leave();
    throw new SqlError(
      'io',
      `Database ${label}: the browser’s storage did not answer within ${(2 * STORAGE_SILENT_MS) / 1000} s. What was under way may be stored or not. Reload the page.`,
    );
  }

  async function read<T>(stores: readonly StoreName[], ask: (transaction: IDBTransaction) => Promise<T>): Promise<T> {
    const transaction = begin(stores, 'readonly');
    try {
      return await answered(ask(transaction));
    } catch (error) {
      throw toStorageError(error, label);
    }
  }

  /**
   * Runs one writing transaction, which is durable when this resolves; if it rejects, nothing was stored. They run one at a time, because a
   * Chromium that is killed with two of them unfinished finds the database corrupt at its next start, and deletes all data of the origin.
   */
  function write(stores: readonly StoreName[], ask: (transaction: IDBTransaction) => unknown): Promise<void> {
    const done = written.then(async () => {
      const transaction = begin(stores, 'readwrite');
      const ended = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(new Error('the transaction was aborted'));
      });
      try {
        await answered(Promise.all([ended, ask(transaction)]));
      } catch (reason) {
        if (silent) throw reason;
        try {
          transaction.abort();
        } catch {
          // Already aborted.
        }
        await ended.catch(() => undefined);
        throw toStorageError(transaction.error ?? reason, label);
      }
    });
    written = done.catch(() => undefined);
    return done;
  }

  /** The same, but fails if another writer has taken over, for example because this tab was frozen. */
  function writeFenced(stores: readonly StoreName[], ask: (transaction: IDBTransaction) => void): Promise<void> {
    return write(stores, (transaction) => {
      const fenced = result(transaction.objectStore('meta').get('writer')).then((now) => {
        if (now !== writer)
          throw new SqlError('busy', `Database ${label}: another tab has taken it over. The batch was not stored: reload this page.`);
      });
      return Promise.all([fenced, (async () => ask(transaction))()]);
    });
  }

  async function replace(id: string, { bytes: given, ...snapshot }: Snapshot): Promise<void> {
    const bytes = given ?? new Uint8Array(0);
    const chunks = Math.ceil(bytes.length / CHUNK_BYTES);
    // Commits may come between the pieces, which become valid only with the last transaction.
    for (let i = 0; i < chunks; i++) {
      await write(['chunks'], (transaction) =>
        transaction.objectStore('chunks').put(bytes.slice(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES), [id, i]),
      );
    }
    const meta: SnapshotMeta = { ...snapshot, id, bytes: bytes.length, chunks };
    await writeFenced(STORES, (transaction) => {
      transaction.objectStore('meta').put(meta, 'snapshot');
      transaction.objectStore('journal').delete(IDBKeyRange.upperBound(snapshot.n));
      transaction.objectStore('chunks').delete(keysOf(chunkSet));
    });
    chunkSet = id;
  }

  /**
   * Deletes the pieces of a snapshot that failed, which on a full disk take up room that is needed. A failure of this is ignored: the caller is
   * told why the snapshot failed.
   */
  async function forget(id: string): Promise<void> {
    const forgotten = write(['meta', 'chunks'], async (transaction) => {
      const found = await snapshotIn(transaction);
      // Unless the browser has stored what it reported as aborted: then these pieces are the database.
      if (found?.id !== id) transaction.objectStore('chunks').delete(keysOf(id));
    });
    await forgotten.catch(() => undefined);
  }

  return {
    load: () =>
      read(STORES, async (transaction) => {
        const [found, records] = await Promise.all([
          snapshotIn(transaction),
          result(transaction.objectStore('journal').getAll() as IDBRequest<unknown[]>),
        ]);
        const chunks = found ? await result(transaction.objectStore('chunks').getAll(keysOf(found.id)) as IDBRequest<unknown[]>) : [];
        chunkSet = found?.id ?? NO_CHUNKS;
        const snapshot = found ? { n: found.n, at: found.at, bytes: join(found, chunks, label), answers: found.answers } : EMPTY;
        return { snapshot, ...readRecords(records, snapshot.n) };
      }),
    since: (n) =>
      read(['meta', 'journal'], async (transaction) => {
        const [base = EMPTY, records] = await Promise.all([
          snapshotIn(transaction),
          result(transaction.objectStore('journal').getAll(IDBKeyRange.lowerBound(n, true)) as IDBRequest<JournalRecord[]>),
        ]);
        return { base, records };
      }),
    async claim(loaded) {
      let unchanged = true;
      await write(STORES, async (transaction) => {
        const meta = transaction.objectStore('meta');
        const [snapshot, last] = await Promise.all([
          snapshotIn(transaction),
          result(transaction.objectStore('journal').openKeyCursor(null, 'prev')),
        ]);
        const base = snapshot?.n ?? 0;
        unchanged = base === loaded.snapshot.n && Number(last?.key ?? base) === (loaded.records.at(-1)?.n ?? base);
        if (!unchanged) return;
        meta.put(writer, 'writer');
        // Delete the pieces of unfinished snapshots.
        const chunks = transaction.objectStore('chunks');
        chunks.delete(IDBKeyRange.upperBound([chunkSet], true));
        chunks.delete(IDBKeyRange.lowerBound([chunkSet, []]));
      });
      return unchanged;
    },
    append: (record) => writeFenced(['meta', 'journal'], (transaction) => transaction.objectStore('journal').add(record)),
    async replace(snapshot) {
      const id = randomId();
      try {
        await replace(id, snapshot);
      } catch (error) {
        await forget(id);
        throw error;
      }
    },
    get isSilent() {
      return silent;
    },
    close: async () => leave(),
  };
}

function join(meta: SnapshotMeta, chunks: readonly unknown[], label: string): Uint8Array | null {
  if (chunks.length !== meta.chunks || !chunks.every((chunk) => chunk instanceof Uint8Array))
    throw corrupt(label, `Its snapshot has ${chunks.length} of ${meta.chunks} pieces.`);
  const length = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (length !== meta.bytes) throw corrupt(label, `Its snapshot has ${length} of ${meta.bytes} bytes.`);
  if (length === 0) return null;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

const snapshotIn = (transaction: IDBTransaction): Promise<SnapshotMeta | undefined> =>
  result(transaction.objectStore('meta').get('snapshot') as IDBRequest<SnapshotMeta | undefined>);

/** The keys of a snapshot's pieces. (Arrays sort after all numbers.) */
const keysOf = (id: string): IDBKeyRange => IDBKeyRange.bound([id], [id, []]);

/** Limits the wait, because with a broken browser profile no event may ever come. A database that opens later is closed again. */
async function inTime(opening: IDBOpenDBRequest): Promise<IDBDatabase> {
  const database = await within(result(opening), OPEN_MS);
  if (database) return database;
  opening.addEventListener('success', () => opening.result.close());
  throw new DOMException(`it did not open within ${OPEN_MS} ms`, 'TimeoutError');
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the request failed'));
  });
}
