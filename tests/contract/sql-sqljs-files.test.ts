import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Commit } from '../../src/adapters/sqljs/index.ts';
import { insert, open, texts, withLog } from './sql-sqljs-support.ts';

describe('the time machine', () => {
  it.each(['memory', { indexedDB: 'test' }] as const)('shows every batch and every state since the last snapshot: %s', async (storage) => {
    const began = Date.now();
    const database = await withLog({ storage });
    await database.batch([insert('a'), { sql: 'SELECT 1' }, insert('b')]);
    await database.batch([{ sql: 'SELECT count(*) FROM log' }]);
    await database.batch([{ sql: 'UPDATE log SET text = upper(text)' }]);
    const { base, entries } = await database.journal();
    expect(base).toEqual({ n: 0, at: 0 });
    expect(entries.map(({ n, statements }) => [n, statements.length])).toEqual([
      [1, 1],
      [2, 2],
      [3, 1],
    ]);
    for (const { at } of entries) expect(at).toBeGreaterThanOrEqual(began);
    expect(entries[1]!.statements).toEqual([insert('a'), insert('b')]);
    const states = [];
    for (const n of [1, 2, 3]) {
      const copy = await database.openAt(n);
      states.push(await texts(copy));
      expect(() => copy.query('DELETE FROM log')).toThrow('changes the database');
      copy.close();
    }
    expect(states).toEqual([[], ['a', 'b'], ['A', 'B']]);
    for (const n of [-1, 4, 1.5])
      await expect(database.openAt(n)).rejects.toMatchObject({ kind: 'other', message: expect.stringContaining('from 0 to 3') as string });
    const fork = await database.openAt(2);
    await database.importFile(fork.export());
    fork.close();
    expect(await texts(database)).toEqual(['a', 'b']);
    expect((await database.journal()).base.n).toBe(4);
    await database.close();
  });
});

describe('the journal from a batch on', () => {
  it.each(['memory', { indexedDB: 'since' }] as const)('has what came after it, and where it begins: %s', async (storage) => {
    const database = await withLog({ storage });
    for (const text of ['a', 'b', 'c']) await database.batch([insert(text)]);
    const after = async (n?: number) => {
      const { base, entries } = await database.journal(n);
      return [base.n, ...entries.map((entry) => entry.n)];
    };
    expect(await after()).toEqual([0, 1, 2, 3, 4]);
    expect(await after(0)).toEqual([0, 1, 2, 3, 4]);
    expect(await after(2)).toEqual([0, 3, 4]);
    expect(await after(4)).toEqual([0]);
    expect(await after(9)).toEqual([0]);
    expect((await database.journal(3)).entries[0]!.statements).toEqual([insert('c')]);
    // An import is where the journal begins anew: what was asked from before it comes from there.
    await database.importFile(await database.export());
    await database.batch([insert('d')]);
    expect([await after(2), await after(5), await after(6)]).toEqual([[5, 6], [5, 6], [5]]);
    await database.close();
  });
});

describe('a batch sets nothing that its journal could not bring back', () => {
  it.each([
    'ignore_check_constraints = ON',
    'query_only = ON',
    'foreign_keys(0)',
    'writable_schema = 1',
    'recursive_triggers = OFF',
    'main.defer_foreign_keys = ON',
    'wal_checkpoint',
  ])('PRAGMA %s is refused, and nothing of its batch is there', async (pragma) => {
    const database = await withLog({ storage: { indexedDB: 'settings' } });
    const before = await texts(database);
    await expect(database.batch([insert('with it'), { sql: `PRAGMA ${pragma}` }])).rejects.toMatchObject({
      kind: 'other',
      message: expect.stringContaining('sets up the connection') as string,
    });
    expect(await texts(database)).toEqual(before);
    await database.batch([insert('after it'), { sql: 'PRAGMA application_id = 7' }, { sql: 'PRAGMA table_info(log)' }]);
    await database.close();
    const again = await open({ storage: { indexedDB: 'settings' } });
    expect(await texts(again)).toEqual([...before, 'after it']);
    await again.close();
  });
});

describe('a batch stores nothing that its journal would not bring back', () => {
  it.each([
    'INSERT INTO log (text) VALUES (hex(randomblob(8)))',
    'UPDATE log SET text = CURRENT_TIMESTAMP',
    "CREATE TABLE stamped (a TEXT, at TEXT DEFAULT (strftime('%f', 'now')))",
    'CREATE TRIGGER t AFTER INSERT ON log BEGIN UPDATE log SET text = random(); END',
  ])('%s is refused, and nothing of its batch is there', async (sql) => {
    const database = await withLog();
    await expect(database.batch([insert('with it'), { sql }])).rejects.toMatchObject({
      kind: 'other',
      message: expect.stringContaining('give it as a parameter') as string,
    });
    expect(await texts(database)).toEqual([]);
    expect(await database.query('SELECT random() IS NOT NULL AS yes')).toEqual([{ yes: 1 }]);
    await database.batch([{ sql: 'CREATE TABLE time (a)' }, { sql: 'INSERT INTO time (a) VALUES (1)' }]);
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
    await database.importFile(readFileSync(file));
    await database.batch([insert('after')]);
    await database.close();
    const again = await open();
    expect(await texts(again)).toEqual(['from the tab', 'from the file', 'after']);
    expect(await again.query('PRAGMA user_version')).toEqual([{ user_version: 3 }]);
    expect(await again.query('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }]);
    await again.close();
  });

  it('refuses to import what is no sound database, or what its journal could not keep, and keeps what was there', async () => {
    const database = await withLog();
    await database.batch([insert('kept'), ...Array.from({ length: 200 }, (_, i) => insert(`row ${i} ${'z'.repeat(100)}`))]);
    const good = await database.export();
    const damaged = good.slice().fill(0xee, 5_000, 9_000);
    for (const bytes of [
      new Uint8Array(0),
      new TextEncoder().encode('SQLite format 3\0'),
      new Uint8Array(9_000),
      good.slice(0, 6_000),
      damaged,
    ]) {
      await expect(database.importFile(bytes)).rejects.toMatchObject({ kind: 'corrupt' });
    }
    const other = new DatabaseSync(path.join(directory, 'other.sqlite'));
    other.exec('CREATE TABLE stamped (at TEXT DEFAULT CURRENT_TIMESTAMP)');
    other.close();
    await expect(database.importFile(readFileSync(path.join(directory, 'other.sqlite')))).rejects.toThrow('a journal cannot keep');
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
    expect(told.map(({ n }) => n)).toEqual([2, 3, 4]);
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
