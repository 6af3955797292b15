/** What stands under the name in IndexedDB is not ours to read, or what is given for a database is none: it is said, and nothing is touched. */
import { describe, expect, it } from 'vitest';
import { openSqljs, salvageSqljs, type SqljsOptions } from '../../src/adapters/sqljs/index.ts';
import { indexedDB, insert, module, open, texts, withLog } from './sql-sqljs-support.ts';

/** Somebody else opens the database, in a version of theirs. */
async function openElsewhere(version: number, ...stores: string[]): Promise<void> {
  const opening = indexedDB.open('test', version);
  opening.onupgradeneeded = () => stores.forEach((name) => opening.result.createObjectStore(name));
  await new Promise((resolve) => (opening.onsuccess = resolve));
  opening.result.close();
}
const storesOf = async () => {
  const opening = indexedDB.open('test');
  await new Promise((resolve) => (opening.onsuccess = resolve));
  opening.result.close();
  return [opening.result.version, [...opening.result.objectStoreNames]];
};

describe('what was stored is not passed over for an empty database in memory', () => {
  it.each([{}, { locks: null }] satisfies SqljsOptions[])('that of a newer release: %j', async (options) => {
    const database = await withLog();
    await database.batch([insert('a')]);
    await database.close();
    await openElsewhere(7);
    const refused = { code: 'database_too_new', message: expect.stringContaining('Nothing was changed') as string };
    await expect(open(options)).rejects.toMatchObject(refused);
    await expect(salvageSqljs({ module, indexedDB, storage: { indexedDB: 'test' } })).rejects.toMatchObject(refused);
    expect((await storesOf())[0]).toBe(7);
  });

  it.each([{}, { locks: null }] satisfies SqljsOptions[])('that of another program: %j', async (options) => {
    await openElsewhere(1, 'todos');
    await expect(open(options)).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringMatching(/another program.*todos/s) as string,
    });
    expect(await storesOf()).toEqual([1, ['todos']]);
  });
});

it.each([undefined, 'SQLite format 3', new ArrayBuffer(4_096), [1, 2]])('what is imported is bytes, not %o', async (given) => {
  const database = await withLog();
  await database.batch([insert('kept')]);
  await expect(database.importFile(given as never)).rejects.toMatchObject({
    kind: 'corrupt',
    message: expect.stringContaining('Uint8Array') as string,
  });
  expect(await texts(database)).toEqual(['kept']);
});

it.each(['indexeddb', {}, { indexedDB: '' }, { indexedDB: 5 }, null])('a place that is none is refused: %j', async (storage) => {
  await expect(openSqljs({ module, indexedDB, storage: storage as never })).rejects.toMatchObject({ code: 'invalid_argument' });
  expect(await indexedDB.databases()).toEqual([]);
});

it.each([{}, () => undefined, 'sql.js'])('a module that is not sql.js, or was not initialised, is told: %o', async (given) => {
  await expect(openSqljs({ module: given as never })).rejects.toMatchObject({
    name: 'SqlError',
    message: expect.stringContaining('await initSqlJs') as string,
  });
});
