import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import initSqlJs from 'sql.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openIndexedDbStore } from '../../src/adapters/sqljs/indexeddb.ts';
import { encodeRecord } from '../../src/adapters/sqljs/record.ts';
import { openSqljs, type Commit, type SqljsDatabase, type SqljsModule, type SqljsOptions } from '../../src/adapters/sqljs/index.ts';

const module = (await initSqlJs()) as unknown as SqljsModule;
let indexedDB: IDBFactory;
const opened: SqljsDatabase[] = [];
beforeEach(() => {
  indexedDB = new IDBFactory();
});
afterEach(() => Promise.all(opened.splice(0).map((database) => database.close())));

async function open(options: SqljsOptions = {}): Promise<SqljsDatabase> {
  const database = await openSqljs({ module, indexedDB, storage: { indexedDB: 'test' }, ...options });
  opened.push(database);
  return database;
}
const insert = (text: string) => ({ sql: 'INSERT INTO log (text) VALUES (?)', params: [text] });
const texts = async (database: { query: SqljsDatabase['query'] | ((sql: string) => readonly object[]) }) => (await database.query('SELECT text FROM log ORDER BY id')).map((row) => (row as { text: string }).text);

async function withLog(options: SqljsOptions = {}): Promise<SqljsDatabase> {
  const database = await open(options);
  await database.batch([{ sql: 'CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT) STRICT' }]);
  return database;
}

/** What lies in IndexedDB, and a way to spoil it. */
async function stores<T>(mode: IDBTransactionMode, work: (transaction: IDBTransaction) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open('test');
  await new Promise((resolve) => (opening.onsuccess = resolve));
  const request = work(opening.result.transaction(['meta', 'chunks', 'journal'], mode));
  await new Promise((resolve) => (request.onsuccess = resolve));
  opening.result.close();
  return request.result;
}
const dump = () => Promise.all(['meta', 'chunks', 'journal'].map((name) => stores('readonly', (transaction) => transaction.objectStore(name).getAll())));

/** An IndexedDB whose writing transactions (on `broken.store`) fail with this error while `broken.name` is set. */
function failing(broken: { name: string | undefined; store?: string }): IDBFactory {
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
                const { name, store } = broken;
                if (of[1] === 'readwrite' && name !== undefined && (store === undefined || transaction.objectStoreNames.contains(store))) {
                  Object.defineProperty(transaction, 'error', { get: () => new DOMException('as the test wants it', name) });
                  queueMicrotask(() => transaction.abort());
                }
                return transaction;
              };
            });
            return request;
          },
  });
}

it('says so when sql.js cannot be loaded, and leaves the database free for the next try', async () => {
  const broken = { module: Promise.reject(new Error('404')) };
  await expect(open(broken)).rejects.toMatchObject({ name: 'SqlError', message: expect.stringMatching(/sql\.js could not be loaded \(404\)/) as string });
  await expect(open({ ...broken, storage: 'memory' })).rejects.toMatchObject({ name: 'SqlError' });
  await withLog();
});

describe('a sql.js database that cannot be stored', () => {
  it.each<[string, IDBFactory]>([
    ['denied', { open: () => { throw new DOMException('cookies are blocked', 'SecurityError'); } } as never],
    ['missing', null as never],
  ])('is in memory, and says why: %s', async (_, factory) => {
    const saved = globalThis.indexedDB;
    if (!factory) globalThis.indexedDB = undefined as never;
    try {
      const database = await withLog({ indexedDB: factory });
      expect(database.storage).toMatchObject({ kind: 'memory', reason: expect.stringMatching(/SecurityError: cookies are blocked|NotSupportedError/) as string });
      await database.batch([insert('a')]);
      expect(await texts(database)).toEqual(['a']);
      await database.close();
    } finally {
      globalThis.indexedDB = saved;
    }
  });

  it('says so plainly when it can be, or was asked to be in memory', async () => {
    const stored = await open();
    expect(stored.storage).toEqual({ kind: 'indexeddb', name: 'test' });
    const memory = await open({ storage: 'memory' });
    expect(memory.storage).toEqual({ kind: 'memory' });
    await Promise.all([stored.close(), memory.close()]);
  });

  it.each([['QuotaExceededError', 'full'], ['UnknownError', 'io']])('I1: %s rolls the batch back and is told as %s', async (name, kind) => {
    const broken = { name: undefined as string | undefined };
    const database = await withLog({ indexedDB: failing(broken) });
    await database.batch([insert('a')]);
    broken.name = name;
    await expect(database.batch([insert('b')])).rejects.toMatchObject({ name: 'SqlError', kind });
    expect(await texts(database)).toEqual(['a']);
    await expect(database.reset()).rejects.toMatchObject({ kind });
    expect(await texts(database)).toEqual(['a']);
    broken.name = undefined;
    await database.batch([insert('c')]);
    await database.close();
    const again = await open();
    expect(await texts(again)).toEqual(['a', 'c']);
    await again.close();
  });

  it('a snapshot that cannot be written is told, and costs nothing', async () => {
    const problems: unknown[] = [];
    const broken = { name: undefined as string | undefined, store: 'chunks' };
    const database = await withLog({ indexedDB: failing(broken), snapshotAfterBytes: 3_000, onProblem: (problem) => problems.push(problem) });
    broken.name = 'QuotaExceededError';
    for (let i = 0; i < 40; i++) await database.batch([insert('x'.repeat(200))]);
    expect(problems[0]).toMatchObject({ kind: 'full' });
    broken.name = undefined;
    for (let i = 0; i < 80; i++) await database.batch([insert('x'.repeat(200))]);
    expect((await database.journal()).base.n).toBeGreaterThan(0);
    await database.close();
    const again = await open();
    expect(await texts(again)).toHaveLength(120);
  });

  it('on a full disk what is stored can still be read, and written once there is room', async () => {
    const before = await withLog();
    await before.batch([insert('a')]);
    await before.close();
    const broken = { name: 'QuotaExceededError' as string | undefined };
    const database = await open({ indexedDB: failing(broken) });
    expect(await texts(database)).toEqual(['a']);
    await expect(database.batch([insert('b')])).rejects.toMatchObject({ kind: 'full' });
    broken.name = undefined;
    await database.batch([insert('c')]);
    expect(await texts(database)).toEqual(['a', 'c']);
  });
});

describe('I12: a journal that cannot be trusted', () => {
  const spoil = (change: (journal: IDBObjectStore) => IDBRequest) => stores('readwrite', (transaction) => change(transaction.objectStore('journal')));
  const record = (n: number): Promise<Record<string, unknown>> => stores('readonly', (transaction) => transaction.objectStore('journal').get(n) as IDBRequest<Record<string, unknown>>);
  it.each<[string, RegExp, () => Promise<unknown>]>([
    ['a record is missing', /Record 3 .* missing/, () => spoil((journal) => journal.delete(3))],
    ['the first record is missing', /Record 1 .* missing/, () => spoil((journal) => journal.delete(1))],
    ['a record is cut', /Record 3 .* damaged/, () => spoil((journal) => journal.put({ n: 3 }))],
    ['a parameter changed', /Record 3 .* checksum/, async () => {
      const found = await record(3);
      await spoil((journal) => journal.put({ ...found, calls: [[0, 'other']] }));
    }],
    ['a record of another database', /Record 5 .* (checksum|missing)/, async () => {
      const found = await record(2);
      await spoil((journal) => journal.put({ ...found, n: 5 }));
    }],
    ['the snapshot lacks a piece', /pieces/, () => stores('readwrite', (transaction) => transaction.objectStore('meta').put({ id: 'x', n: 0, at: 0, sum: 0, bytes: 5, chunks: 1, answers: [] }, 'snapshot'))],
  ])('%s: corrupt, and nothing is touched', async (_, message, damage) => {
    const database = await withLog();
    for (const text of ['a', 'b', 'c']) await database.batch([insert(text)]);
    await database.close();
    await damage();
    const before = await dump();
    await expect(open()).rejects.toMatchObject({ name: 'SqlError', kind: 'corrupt', message: expect.stringMatching(message) as string });
    expect(await dump()).toEqual(before);
  });
});

describe('one writer', () => {
  it('I9: a second page is refused while the first has the database, and served after', async () => {
    const first = await withLog();
    await expect(open()).rejects.toMatchObject({ kind: 'busy' });
    await first.close();
    await (await open()).close();
  });

  it('I9: without Web Locks, the page that opened last writes, and the one before is told', async () => {
    const first = await withLog({ locks: null });
    await first.batch([insert('a')]);
    const second = await open({ locks: null });
    await expect(first.batch([insert('lost?')])).rejects.toMatchObject({ kind: 'busy' });
    await expect(first.reset()).rejects.toMatchObject({ kind: 'busy' });
    await second.batch([insert('b')]);
    expect([await texts(first), await texts(second)]).toEqual([['a'], ['a', 'b']]);
    await Promise.all([first.close(), second.close()]);
    const third = await open();
    expect(await texts(third)).toEqual(['a', 'b']);
    await third.close();
  });

  it('I9: nobody becomes the writer of what has changed since it was loaded', async () => {
    await (await withLog()).close();
    const [first, second] = [await openIndexedDbStore('test', indexedDB, 'test'), await openIndexedDbStore('test', indexedDB, 'test')];
    const [seen, stale] = [await first.load(), await second.load()];
    expect(await first.claim(seen)).toBe(true);
    await first.append(encodeRecord({ n: 2, at: 1, statements: [insert('a')] }, seen.records[0]!.sum));
    expect(await second.claim(stale)).toBe(false);
    await first.append(encodeRecord({ n: 3, at: 1, statements: [insert('b')] }, (await first.load()).records[1]!.sum));
    expect(await second.claim(await second.load())).toBe(true);
    await Promise.all([first.close(), second.close()]);
    expect(await texts(await open())).toEqual(['a', 'b']);
  });

  it('says so when the browser takes the storage away', async () => {
    const database = await withLog();
    await new Promise((resolve) => (indexedDB.deleteDatabase('test').onsuccess = resolve));
    await expect(database.batch([insert('a')])).rejects.toMatchObject({ kind: 'io' });
    expect(await texts(database)).toEqual([]);
    await database.close();
  });
});

describe('snapshots', () => {
  it('that were never finished are cleared away', async () => {
    await (await withLog()).close();
    await stores('readwrite', (transaction) => transaction.objectStore('chunks').put(new Uint8Array(9), ['unfinished', 0]));
    const database = await open();
    expect((await dump())[1]).toEqual([]);
    await database.importFile(await database.export());
    await database.close();
    await stores('readwrite', (transaction) => transaction.objectStore('chunks').put(new Uint8Array(9), ['0', 0]));
    await stores('readwrite', (transaction) => transaction.objectStore('chunks').put(new Uint8Array(9), ['~', 0]));
    const again = await open();
    expect((await dump())[1]).toHaveLength(1);
    expect(await texts(again)).toEqual([]);
  });

  it('replace the journal they cover, and nothing is lost or doubled on the way', async () => {
    let database = await withLog({ snapshotAfterBytes: 4_000 });
    const expected: string[] = [];
    for (let i = 0; i < 120; i++) {
      expected.push(`${i} ${'x'.repeat(100)}`);
      await database.batch([insert(expected.at(-1)!)]);
      if (i % 37 !== 36) continue;
      await database.close();
      database = await open({ snapshotAfterBytes: 4_000 });
      expect(await texts(database)).toEqual(expected);
    }
    const { base, entries } = await database.journal();
    expect(base.n).toBeGreaterThan(1);
    expect(base.n + entries.length).toBe(121);
    await database.close();
  });

  it('stand in for batches that would come out differently when run again', async () => {
    const database = await withLog();
    await database.batch([{ sql: 'INSERT INTO log (text) VALUES (hex(randomblob(8)))' }]);
    await database.batch([{ sql: "CREATE TABLE stamped (a TEXT, at TEXT DEFAULT (strftime('%f', 'now')), r INTEGER DEFAULT (random())) STRICT" }]);
    await database.batch([{ sql: 'INSERT INTO stamped (a) VALUES (?) RETURNING at', params: ['x'] }]);
    await database.batch([insert('plain')]);
    const before = [await texts(database), await database.query('SELECT * FROM stamped')];
    await expect(database.batch([{ sql: 'INSERT INTO stamped (a) VALUES (1)' }, { sql: 'INSERT INTO log (id) VALUES (1)' }])).rejects.toMatchObject({ kind: 'constraint' });
    await database.close();
    const again = await open();
    expect([await texts(again), await again.query('SELECT * FROM stamped')]).toEqual(before);
    await again.close();
  });

  it('that are still being written never bring back what was replaced meanwhile', async () => {
    const database = await withLog({ snapshotAfterBytes: 5_000_000 });
    for (let i = 0; i < 6; i++) await database.batch([insert('y'.repeat(1_000_000))]);
    await database.reset();
    await database.close();
    const again = await withLog();
    expect(await texts(again)).toEqual([]);
  });

  it('of a large database come in pieces, and old pieces go', async () => {
    const database = await withLog();
    const large = 'y'.repeat(3_000_000);
    await database.batch([insert(large)]);
    await database.importFile(await database.export());
    await database.importFile(await database.export());
    await database.batch([insert('after')]);
    await database.close();
    const [, chunks, journal] = await dump();
    expect([chunks!.length, journal!.length]).toEqual([3, 1]);
    const again = await open();
    expect(await texts(again)).toEqual([large, 'after']);
    await again.close();
  });
});

describe('the time machine', () => {
  it.each(['memory', { indexedDB: 'test' }] as const)('shows every batch and every state since the last snapshot: %s', async (storage) => {
    let at = 1_000;
    const database = await withLog({ storage, now: () => (at += 10) });
    await database.batch([insert('a'), { sql: 'SELECT 1' }, insert('b')]);
    await database.batch([{ sql: 'SELECT count(*) FROM log' }]);
    await database.batch([{ sql: 'UPDATE log SET text = upper(text)' }]);
    const { base, entries } = await database.journal();
    expect(base).toEqual({ n: 0, at: 0 });
    expect(entries.map(({ n, at, statements }) => [n, at, statements.length])).toEqual([[1, 1010, 1], [2, 1020, 2], [3, 1030, 1]]);
    expect(entries[1]!.statements).toEqual([insert('a'), insert('b')]);
    const states = [];
    for (const n of [1, 2, 3]) {
      const copy = await database.openAt(n);
      states.push(await texts(copy));
      expect(() => copy.query('DELETE FROM log')).toThrow('changes the database');
      copy.close();
    }
    expect(states).toEqual([[], ['a', 'b'], ['A', 'B']]);
    for (const n of [-1, 4, 1.5]) await expect(database.openAt(n)).rejects.toMatchObject({ kind: 'other', message: expect.stringContaining('from 0 to 3') as string });
    const fork = await database.openAt(2);
    await database.importFile(fork.export());
    fork.close();
    expect(await texts(database)).toEqual(['a', 'b']);
    expect((await database.journal()).base.n).toBe(4);
    await database.close();
  });
});

describe('export, import, reset', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-sqljs-'));
    return () => rmSync(directory, { recursive: true, force: true });
  });

  it('an export is a SQLite file like any other, and one made elsewhere can be imported, WAL mode too', async () => {
    const database = await withLog();
    await database.batch([insert('from the tab'), { sql: 'PRAGMA user_version = 3' }]);
    const file = path.join(directory, 'exported.sqlite');
    writeFileSync(file, await database.export());
    const native = new DatabaseSync(file);
    expect(native.prepare('PRAGMA integrity_check').get()).toMatchObject({ integrity_check: 'ok' });
    expect(native.prepare('SELECT text FROM log').all()).toMatchObject([{ text: 'from the tab' }]);
    native.exec("PRAGMA journal_mode = WAL; INSERT INTO log (text) VALUES ('from the file')");
    native.close();
    const { readFileSync } = await import('node:fs');
    await database.importFile(readFileSync(file));
    await database.batch([insert('after')]);
    await database.close();
    const again = await open();
    expect(await texts(again)).toEqual(['from the tab', 'from the file', 'after']);
    expect(await again.query('PRAGMA user_version')).toEqual([{ user_version: 3 }]);
    expect(await again.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }]);
    await again.close();
  });

  it('refuses to import what is no sound database, or what the caller does not want, and keeps what was there', async () => {
    const database = await withLog();
    await database.batch([insert('kept'), ...Array.from({ length: 200 }, (_, i) => insert(`row ${i} ${'z'.repeat(100)}`))]);
    const good = await database.export();
    const damaged = good.slice().fill(0xee, 5_000, 9_000);
    for (const bytes of [new Uint8Array(0), new TextEncoder().encode('SQLite format 3\0'), new Uint8Array(9_000), good.slice(0, 6_000), damaged]) {
      await expect(database.importFile(bytes)).rejects.toMatchObject({ kind: 'corrupt' });
    }
    const check = (copy: { query(sql: string): readonly object[] }): void => {
      expect(copy.query('SELECT count(*) AS n FROM log')).toEqual([{ n: 201 }]);
      throw new Error('too new');
    };
    await expect(database.importFile(good, { check })).rejects.toThrow('too new');
    expect((await texts(database))[0]).toBe('kept');
    await database.batch([insert('still writable')]);
    await database.close();
    const again = await open();
    expect((await texts(again)).at(-1)).toBe('still writable');
    await again.close();
  });

  it('reset leaves an empty database, here and after a reload, and every change is told once', async () => {
    const database = await withLog();
    const told: Commit[] = [];
    const stop = database.onCommit((commit) => told.push(commit));
    await database.batch([insert('a')]);
    await database.query('SELECT 1');
    await database.batch([{ sql: 'SELECT 1' }]);
    await expect(database.batch([insert('b'), { sql: 'nonsense' }])).rejects.toMatchObject({ kind: 'other' });
    await database.importFile(await database.export());
    await database.reset();
    expect(told.map(({ n, kind }) => [n, kind])).toEqual([[2, 'batch'], [3, 'import'], [4, 'reset']]);
    stop();
    expect(await database.query('SELECT name FROM sqlite_schema')).toEqual([]);
    await database.close();
    const again = await withLog();
    expect(await texts(again)).toEqual([]);
    expect(told).toHaveLength(3);
    await again.close();
  });
});

describe('owners', () => {
  it('I9: a tab is alive while it holds its lock; a host closed in this tab is not', async () => {
    const database = await open();
    const owners = database.owners!;
    const owner = { ...owners.self, hostId: 'h' };
    expect(owner).toMatchObject({ kind: 'tab' });
    expect(await owners.alive(owner)).toBe(false);
    owners.opened('h');
    expect(await owners.alive(owner)).toBe(true);
    owners.closed('h');
    expect(await owners.alive(owner)).toBe(false);
    let letGo = (): void => undefined;
    const other = { hostId: 'x', kind: 'tab', lock: 'rehydrate:tab:other' };
    const released = navigator.locks.request(other.lock, () => new Promise<void>((resolve) => (letGo = resolve)));
    await expect.poll(() => owners.alive(other)).toBe(true);
    letGo();
    await released;
    expect(await owners.alive(other)).toBe(false);
    expect(await owners.alive({ hostId: 'x', kind: 'process', pid: 1 })).toBe('unknown');
    await database.close();
  });
});
