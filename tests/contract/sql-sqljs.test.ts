import { describe, expect, it, vi } from 'vitest';
import { discardSqljs, salvageSqljs } from '../../src/adapters/sqljs/index.ts';
import { CHUNK_BYTES, openIndexedDbStore } from '../../src/adapters/sqljs/indexeddb.ts';
import { encodeRecord, readRecords } from '../../src/adapters/sqljs/journal.ts';
import { dump, failing, indexedDB, insert, module, open, stores, texts, withLog } from './sql-sqljs-support.ts';

it('says so when sql.js cannot be loaded, and leaves the database free for the next try', async () => {
  const broken = { module: Promise.reject(new Error('404')) };
  await expect(open(broken)).rejects.toMatchObject({
    name: 'SqlError',
    message: expect.stringMatching(/sql\.js could not be loaded \(404\)/) as string,
  });
  await expect(open({ ...broken, storage: 'memory' })).rejects.toMatchObject({ name: 'SqlError' });
  await withLog();
});

describe('a sql.js database that cannot be stored', () => {
  it.each<[string, IDBFactory]>([
    [
      'denied',
      {
        open: () => {
          throw new DOMException('cookies are blocked', 'SecurityError');
        },
      } as never,
    ],
    ['missing', null as never],
  ])('is in memory, and says why: %s', async (_, factory) => {
    const saved = globalThis.indexedDB;
    if (!factory) globalThis.indexedDB = undefined as never;
    try {
      const database = await withLog({ indexedDB: factory });
      expect(database.storage).toMatchObject({
        kind: 'memory',
        reason: expect.stringMatching(/SecurityError: cookies are blocked|NotSupportedError/) as string,
      });
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

  it.each([
    ['QuotaExceededError', 'full'],
    ['UnknownError', 'io'],
  ])('I1: %s rolls the batch back and is told as %s', async (name, kind) => {
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
    // What fails is the last step, which would have made the pieces count.
    const broken = { name: undefined as string | undefined, when: (names: readonly string[]) => names.length === 3 };
    const database = await withLog({
      indexedDB: failing(broken),
      snapshotAfterBytes: 3_000,
      onProblem: (problem) => problems.push(problem),
    });
    broken.name = 'QuotaExceededError';
    for (let i = 0; i < 40; i++) await database.batch([insert('x'.repeat(200))]);
    // The snapshot may still be on its way: it fails beside the batches.
    await expect.poll(() => problems[0]).toMatchObject({ kind: 'full' });
    await expect.poll(async () => (await dump())[1]?.length).toBe(0);
    broken.name = undefined;
    for (let i = 0; i < 80; i++) await database.batch([insert('x'.repeat(200))]);
    await expect.poll(async () => (await database.journal()).base.n).toBeGreaterThan(0);
    await database.close();
    const again = await open();
    expect(await texts(again)).toHaveLength(120);
  });

  it('of a snapshot that fails halfway no piece stays', async () => {
    let room = Infinity;
    const broken = { name: 'QuotaExceededError', when: (names: readonly string[]) => names.join() === 'chunks' && room-- <= 0 };
    const store = await openIndexedDbStore('test', failing(broken));
    const sound = { n: 0, at: 0, bytes: new Uint8Array(2 * CHUNK_BYTES), answers: [] };
    expect(await store.claim(await store.load())).toBe(true);
    await store.replace(sound);
    for (const pieces of [0, 3, 4]) {
      room = pieces;
      await expect(store.replace({ ...sound, bytes: new Uint8Array(5 * CHUNK_BYTES) })).rejects.toMatchObject({ kind: 'full' });
    }
    expect((await dump())[1]).toHaveLength(2);
    expect((await store.load()).snapshot.bytes).toHaveLength(2 * CHUNK_BYTES);
    await store.close();
  });

  /** The next request of this kind on this store throws at once, as a full disk or a lost process makes it. */
  const throwOnce = (method: 'put' | 'delete', store: string): void => {
    const original = IDBObjectStore.prototype[method] as (...of: unknown[]) => IDBRequest;
    const spy = vi.spyOn(IDBObjectStore.prototype, method).mockImplementation(function (this: IDBObjectStore, ...of: unknown[]) {
      if (this.name !== store) return original.apply(this, of) as never;
      spy.mockRestore();
      throw new DOMException('as the test wants it', 'QuotaExceededError');
    });
  };

  it.each([
    ['put', 'chunks'],
    ['put', 'meta'],
    ['delete', 'journal'],
    ['delete', 'chunks'],
  ] as const)('I1: a snapshot whose %s on %s throws replaces nothing', async (method, name) => {
    const store = await openIndexedDbStore('test', indexedDB);
    await store.claim(await store.load());
    await store.replace({ n: 0, at: 0, bytes: new Uint8Array(9), answers: [] });
    await store.append(encodeRecord({ n: 1, at: 1, statements: [insert('a')] }));
    const before = await dump();
    throwOnce(method, name);
    await expect(store.replace({ n: 1, at: 2, bytes: new Uint8Array(8), answers: [] })).rejects.toMatchObject({
      name: 'SqlError',
      kind: 'full',
    });
    expect(await dump()).toEqual(before);
    await store.close();
  });

  it.each([
    ['put', 'meta'],
    ['delete', 'chunks'],
  ] as const)('I9: whoever’s %s on %s throws is not the writer', async (method, name) => {
    const [first, second] = [await openIndexedDbStore('test', indexedDB), await openIndexedDbStore('test', indexedDB)];
    await first.claim(await first.load());
    const before = await dump();
    const loaded = await second.load();
    throwOnce(method, name);
    await expect(second.claim(loaded)).rejects.toMatchObject({ name: 'SqlError', kind: 'full' });
    expect(await dump()).toEqual(before);
    await first.append(encodeRecord({ n: 1, at: 1, statements: [insert('a')] }));
    await Promise.all([first.close(), second.close()]);
  });

  it('whoever waits for a snapshot is told why it failed, also when its pieces cannot be deleted', async () => {
    const store = await openIndexedDbStore('test', indexedDB);
    await store.claim(await store.load());
    throwOnce('put', 'meta');
    throwOnce('delete', 'chunks');
    await expect(store.replace({ n: 0, at: 0, bytes: new Uint8Array(9), answers: [] })).rejects.toMatchObject({ kind: 'full' });
    expect((await dump())[1]).toHaveLength(1);
    expect(await store.claim(await store.load())).toBe(true);
    expect((await dump())[1]).toHaveLength(0);
    await store.close();
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
  const spoil = (change: (journal: IDBObjectStore) => IDBRequest) =>
    stores('readwrite', (transaction) => change(transaction.objectStore('journal')));
  const record = (n: number): Promise<Record<string, unknown>> =>
    stores('readonly', (transaction) => transaction.objectStore('journal').get(n) as IDBRequest<Record<string, unknown>>);
  it.each<[string, RegExp, () => Promise<unknown>]>([
    ['a record is missing', /Record 3 .* missing/, () => spoil((journal) => journal.delete(3))],
    ['the first record is missing', /Record 1 .* missing/, () => spoil((journal) => journal.delete(1))],
    ['a record is cut', /Record 3 .* damaged/, () => spoil((journal) => journal.put({ n: 3 }))],
    [
      'a record is out of place',
      /Record 5 .* missing|Record 5 .* damaged/,
      async () =>
        spoil(
          (
            (found) => (journal) =>
              journal.put({ ...found, n: 6 })
          )(await record(2)),
        ),
    ],
    [
      'the snapshot lacks a piece',
      /pieces/,
      () =>
        stores('readwrite', (transaction) =>
          transaction.objectStore('meta').put({ id: 'x', n: 0, at: 0, bytes: 5, chunks: 1, answers: [] }, 'snapshot'),
        ),
    ],
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

describe('what can be done about it', () => {
  it('everything before the damage can be saved, and the rest discarded', async () => {
    const database = await withLog();
    for (const text of ['a', 'b', 'c']) await database.batch([insert(text)]);
    await database.close();
    await stores('readwrite', (transaction) => transaction.objectStore('journal').delete(3));
    const options = { module, indexedDB, storage: { indexedDB: 'test' } };
    const saved = await salvageSqljs(options);
    expect([saved.n, await texts(saved), saved.problem]).toEqual([2, ['a'], expect.stringContaining('Record 3 of its journal is missing')]);
    const bytes = saved.export();
    saved.close();
    await discardSqljs('test', indexedDB);
    const fresh = await open();
    await fresh.importFile(bytes);
    expect(await texts(fresh)).toEqual(['a']);
    await fresh.close();
    const whole = await salvageSqljs(options);
    expect([await texts(whole), whole.problem]).toEqual([['a'], null]);
    whole.close();
  });
});

describe('one writer', () => {
  it('I9: a second page is served by the first while that has the database, and has it after', async () => {
    const first = await withLog();
    const second = await open();
    await second.batch([insert('a')]);
    expect([first.role, second.role, await texts(first)]).toEqual(['owner', 'client', ['a']]);
    await first.close();
    await expect.poll(() => second.role).toBe('owner');
    expect(await texts(second)).toEqual(['a']);
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
    const [first, second] = [await openIndexedDbStore('test', indexedDB), await openIndexedDbStore('test', indexedDB)];
    const [seen, stale] = [await first.load(), await second.load()];
    expect(await first.claim(seen)).toBe(true);
    await first.append(encodeRecord({ n: 2, at: 1, statements: [insert('a')] }));
    expect(await second.claim(stale)).toBe(false);
    await first.append(encodeRecord({ n: 3, at: 1, statements: [insert('b')] }));
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

  it('keep what statements are noted to store, and read records that have no notes', async () => {
    const database = await withLog();
    await database.batch([
      { ...insert('a'), note: 'first' },
      { ...insert('b'), note: 'second' },
      { ...insert('c'), note: 'first' },
      insert('d'),
    ]);
    await database.batch([insert('e')]);
    const { entries } = await database.journal();
    expect(entries.slice(-2).map(({ notes }) => notes)).toEqual([['first', 'second'], []]);
    const { notes: _, ...older } = encodeRecord({ n: 1, at: 1, statements: [insert('a')] });
    expect(readRecords([older], 0)).toEqual({ records: [older], problem: null });
    await database.close();
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
    const whole = await database.export();
    await database.importFile(whole);
    await database.batch([insert('after')]);
    await database.close();
    const [, chunks, journal] = await dump();
    expect([chunks!.length, journal!.length]).toEqual([Math.ceil(whole.length / CHUNK_BYTES), 1]);
    const again = await open();
    expect(await texts(again)).toEqual([large, 'after']);
    await again.close();
  });
});
