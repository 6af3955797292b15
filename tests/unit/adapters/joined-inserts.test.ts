/** Rows of one plain INSERT go to SQLite together; to whoever gave the batch each is a statement of its own. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { joinInserts, manyRows } from '../../../src/adapters/statements.ts';
import type { SqlValue, Statement } from '../../../src/engine/ports.ts';

const INSERT = 'INSERT INTO t (a, b) VALUES (?, ?)';
const row = (...params: SqlValue[]): Statement => ({ sql: INSERT, params });
const rows = (count: number): Statement[] => Array.from({ length: count }, (_, index) => row(index, `${index}`));

async function table() {
  const database = await openNodeSqlite(':memory:');
  onTestFinished(() => database.close());
  await database.batch([{ sql: 'CREATE TABLE t (a INTEGER UNIQUE CHECK (a >= 0), b TEXT) STRICT' }]);
  const stored = async () => (await database.query('SELECT a, b FROM t ORDER BY rowid')).map(({ a, b }) => [a, b]);
  return { database, stored };
}

describe('a batch of inserts', () => {
  it.each<[string, readonly Statement[], readonly number[]]>([
    ['one row', rows(1), [1]],
    ['as many as go together', rows(4), [4]],
    ['more', rows(9), [4, 4, 1]],
    ['another statement between', [...rows(2), { sql: 'DELETE FROM t' }, ...rows(2)], [2, 1, 2]],
    ['what returns rows', [1, 2].map((a) => ({ sql: `${INSERT} RETURNING a`, params: [a, ''] })), [1, 1]],
    ['what replaces', [1, 2].map((a) => ({ sql: 'INSERT OR REPLACE INTO t (a, b) VALUES (?, ?)', params: [a, ''] })), [1, 1]],
    ['numbers for parameters', [1, 2].map((a) => ({ sql: 'INSERT INTO t (a, b) VALUES (?1, ?2)', params: [a, ''] })), [1, 1]],
  ])('%s', (_, statements, counts) => {
    expect(joinInserts(statements, 8).map((joined) => joined.rows.length)).toEqual(counts);
  });

  it('for several rows has their values in a row', () => {
    expect(manyRows(INSERT, 3)).toBe('INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (?, ?)');
  });

  it('gives every statement its result, and every row its place', async () => {
    const { database, stored } = await table();
    const results = await database.batch([...rows(100), { sql: 'SELECT count(*) AS n FROM t' }]);
    expect(results).toHaveLength(101);
    expect(results.at(-1)).toEqual({ rows: [{ n: 100 }] });
    expect(await stored()).toEqual(rows(100).map(({ params }) => params));
  });

  it('with one that SQLite refuses keeps nothing', async () => {
    const { database, stored } = await table();
    for (const wrong of [row(3, 'again'), row(-1, 'checked')])
      await expect(database.batch([...rows(20), wrong])).rejects.toMatchObject({ kind: 'constraint' });
    expect(await stored()).toEqual([]);
  });

  it.each<[string, Statement, string]>([
    ['too few parameters', row(20), 'the statement has 2 parameters and was given 1'],
    ['too many', row(20, 'x', 'y'), 'the statement has 2 parameters and was given 3'],
    ['one that cannot be stored', row(20, NaN), 'parameter 2 is NaN'],
  ])('with %s in one says so of that one, and keeps nothing', async (_, wrong, words) => {
    const { database, stored } = await table();
    await expect(database.batch([...rows(20), wrong, row(21, 'z')])).rejects.toThrow(words);
    await expect(database.batch([...rows(20), row(21, 'z'), wrong])).rejects.toThrow(words);
    expect(await stored()).toEqual([]);
  });
});
