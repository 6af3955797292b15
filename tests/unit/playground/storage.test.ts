/** Storage that does not open, or is full: nothing is begun in its place unasked, and nothing is lost. */
import { describe, expect, it } from 'vitest';
import type { Playground } from '../../../playground/state/playground.ts';
import { SqlError } from '../../../src/engine/ports.ts';
import { begin, closePage, free, open, reload, said } from './open-pages.ts';
import { testPlatform, type TestPlatform } from './platform.ts';

describe('where a database that held sessions does not open', () => {
  const broken = (platform: TestPlatform, failures: number, how: 'memory' | 'rejects' = 'memory'): TestPlatform => {
    const next = Object.assign(testPlatform(platform), { hash: platform.hash });
    const openDatabase = next.openDatabase.bind(next);
    let left = failures;
    next.openDatabase = async (branch, bytes) => {
      if (left-- <= 0) return openDatabase(branch, bytes);
      if (how === 'rejects') throw new SqlError('corrupt', 'Its journal is damaged.');
      return Object.assign(await next.openInMemory(), { storage: { kind: 'memory', reason: 'it did not open within 10000 ms' } });
    };
    return next;
  };
  const unopened = async (pg: Playground) => {
    await expect.poll(() => pg.databases.unopened.value).not.toBeNull();
    return pg.databases.unopened.value!;
  };
  const before = async (): Promise<TestPlatform> => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    await closePage(pg);
    return platform;
  };

  it('asks, begins nothing in its place, and shows everything when trying again helps', async () => {
    const platform = broken(await before(), 2);
    const { pg, started } = begin(platform);
    const first = await unopened(pg);
    expect(first.why).toContain('did not open within');
    expect(pg.ready.value).toBe(false);
    expect(pg.session.live.value.items).toEqual([]);
    first.answer('again');
    await expect.poll(() => [null, first].includes(pg.databases.unopened.value)).toBe(false);
    pg.databases.unopened.value!.answer('again');
    await started;
    expect(said(pg)).toContain('Noted. Your cat: Ada.');
    expect(pg.databases.durable.value).toBe(true);
  });

  it('offers what can be read of a damaged one as a file', async () => {
    const platform = broken(await before(), 1, 'rejects');
    const { pg, started } = begin(platform);
    expect((await unopened(pg)).damaged).toBe(true);
    await pg.branches.salvage();
    expect(platform.downloads).toHaveLength(1);
    pg.databases.unopened.value!.answer('again');
    await started;
    expect(said(pg)).toContain('Ada');
  });

  it('goes on in memory when told to, forgets no place, and shows them again when the storage opens', async () => {
    const first = await before();
    const platform = broken(first, 1, 'rejects');
    const { pg, started } = begin(platform);
    expect(await unopened(pg)).toMatchObject({ why: 'Its journal is damaged.', damaged: true });
    pg.databases.unopened.value!.answer('memory');
    await started;
    expect([pg.databases.durable.value, pg.databases.warning.value]).toEqual([false, expect.stringContaining('could not be opened')]);
    await pg.turns.say('My dog is called Argos.');
    expect(platform.stored).toBe(first.stored);
    const [again] = await reload(pg, platform);
    expect(again.databases.durable.value).toBe(true);
    expect(said(again)).toContain('Ada');
    expect(said(again)).not.toContain('Argos');
  });

  it('can be left while it asks', async () => {
    const { pg, started } = begin(broken(await before(), 1));
    await unopened(pg);
    await pg.dispose();
    await expect(started).rejects.toThrow('left');
  });
});

it.each(['page', 'editor'])(
  'a full store in a turn of the %s: it is said, what was stored stays, and the session goes on when there is room',
  async (client) => {
    const platform = free();
    const pg = await open(platform);
    await pg.turns.say('My cat is called Ada.');
    const database = pg.databases.database!;
    const batch = database.batch.bind(database);
    let room = 3;
    Object.assign(database, {
      batch: (statements: never) =>
        room-- > 0 ? batch(statements) : Promise.reject(new SqlError('full', 'The browser’s storage is full.')),
    });
    await (client === 'page' ? pg.turns.say('My dog is called Argos.') : pg.editor.ask('My dog is called Argos.'));
    expect(pg.notices.problem.value).toMatchObject({ code: 'storage_full', message: expect.stringContaining('full') });
    expect(said(pg)).toContain('Noted. Your cat: Ada.');
    room = Infinity;
    expect((await pg.turns.say('My fish is called Jonah.')).error).toBeNull();
    const [again] = await reload(pg, platform);
    expect(said(again)).toContain('Jonah');
    expect(said(again)).toContain('Ada');
  },
);
