/**
 * The contract of the `SqlDatabase` port as a suite, for people who write adapters. It is handed the
 * test runner's `describe` and `it`, and brings its own assertions.
 *
 *     sqlDatabaseContract({ name: 'my adapter', describe, it, open: async () => ({ database: await openMine() }) });
 */
import type { Row, SqlDatabase, SqlValue, Statement } from '../engine/ports.ts';
import { ensure, rejects, same } from './assertions.ts';
import { checkValues } from './sql-contract-values.ts';
import type { ContractTest, SqlAbilities, SqlSubject } from './sql-subject.ts';

export interface SqlContractOptions {
  /** Named in the suite's title. */
  readonly name: string;
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  /** Called once for each test. */
  readonly open: () => Promise<SqlSubject>;
  /** What this store cannot do, and the engine does without. It must then really fail, so that a version that can is noticed. */
  readonly has?: SqlAbilities;
}

const TABLE = 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER CHECK (size >= 0)) STRICT';
const insert = (id: SqlValue, name: SqlValue, size: SqlValue = 1): Statement => ({
  sql: 'INSERT INTO item (id, name, size) VALUES (?, ?, ?)',
  params: [id, name, size],
});
const names = async (database: SqlDatabase): Promise<SqlValue[]> =>
  (await database.query('SELECT name FROM item ORDER BY id')).map((row) => row['name']!);

/**
 * Declares the suite that every `SqlDatabase` must pass, with the runner's own `describe` and `it`.
 *
 * @example
 * sqlDatabaseContract({ name: 'mine', describe, it, open: async () => ({ database: openMine(':memory:') }) });
 */
export function sqlDatabaseContract(options: SqlContractOptions): void {
  const test = (name: string, body: (database: SqlDatabase, subject: SqlSubject) => Promise<void>): void => {
    options.it(name, async () => {
      const subject = await options.open();
      try {
        await subject.database.batch([{ sql: TABLE }]);
        await body(subject.database, subject);
      } finally {
        await subject.database.close();
        await subject.dispose?.();
      }
    });
  };

  options.describe(`SqlDatabase contract: ${options.name}`, () => {
    results(test);
    atomicity(test);
    order(test);
    refusals(test);
    checkValues(test, options.has ?? {});
    sizes(test);
    endings(test);
  });
}

function results(test: ContractTest): void {
  test('a batch gives the rows of each statement, in order', async (database) => {
    const given = await database.batch([
      insert(1, 'a', 5),
      { sql: 'UPDATE item SET size = size + ? RETURNING id, size AS "new size"', params: [2] },
      { sql: 'SELECT name FROM item WHERE id = ?', params: [9] },
      { sql: 'DELETE FROM item RETURNING name' },
    ]);
    same(given, [{ rows: [] }, { rows: [{ id: 1, 'new size': 7 }] }, { rows: [] }, { rows: [{ name: 'a' }] }], 'results');
  });
  test('an empty batch gives no results', async (database) => same(await database.batch([]), [], 'results'));
  test('a guard in front stops the whole batch, and one that holds lets it through', async (database) => {
    await database.batch([{ sql: 'CREATE TABLE guard (holds INTEGER NOT NULL CHECK (holds = 1)) STRICT' }, insert(1, 'a', 3)]);
    const guarded = (size: number): Statement[] => [
      { sql: 'INSERT INTO guard SELECT count(*) FROM item WHERE id = 1 AND size = ?', params: [size] },
      { sql: 'DELETE FROM guard' },
      { sql: 'UPDATE item SET size = size + 1 WHERE id = 1' },
    ];
    await database.batch(guarded(3));
    await rejects(database.batch(guarded(3)), 'constraint', 'a guard that does not hold');
    same(await database.query('SELECT size FROM item'), [{ size: 4 }], 'rows');
  });
  test('has what the engine’s SQL uses: JSON, upserts, WITHOUT ROWID, partial indexes, recursion', async (database) => {
    await database.batch([
      { sql: 'CREATE TABLE pair (k TEXT PRIMARY KEY, v TEXT) STRICT, WITHOUT ROWID' },
      { sql: 'CREATE INDEX some ON item (name) WHERE size > 3' },
      {
        sql: "INSERT INTO pair SELECT json_extract(value, '$.k'), json_extract(value, '$.v') FROM json_each(?)",
        params: ['[{"k":"a","v":"1"},{"k":"b","v":"2"}]'],
      },
      { sql: 'INSERT INTO pair VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v', params: ['a', '3'] },
    ]);
    same(
      await database.query('SELECT * FROM pair ORDER BY k'),
      [
        { k: 'a', v: '3' },
        { k: 'b', v: '2' },
      ],
      'rows',
    );
    same(
      await database.query(
        'WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT sum(i) AS total FROM n',
        [100],
      ),
      [{ total: 5050 }],
      'sum',
    );
  });
  test('statements used before see a changed schema', async (database) => {
    await database.batch([insert(1, 'a')]);
    const all = 'SELECT * FROM item';
    same(await database.query(all), [{ id: 1, name: 'a', size: 1 }], 'before');
    await database.batch([{ sql: "ALTER TABLE item ADD COLUMN colour TEXT DEFAULT 'red'" }]);
    same(await database.query(all), [{ id: 1, name: 'a', size: 1, colour: 'red' }], 'after');
  });
}

function atomicity(test: ContractTest): void {
  const bad = insert(100, 'dup');
  for (const [where, at] of [
    ['first', 0],
    ['in the middle', 2],
    ['last', 4],
  ] as const) {
    test(`a violated constraint rolls everything back: ${where}`, async (database) => {
      await database.batch([insert(99, 'dup')]);
      const batch = [insert(1, 'a'), insert(2, 'b'), { sql: 'CREATE TABLE extra (x TEXT) STRICT' }, { sql: 'PRAGMA user_version = 7' }];
      batch.splice(at, 0, bad);
      await rejects(database.batch(batch), 'constraint', 'the batch');
      same(await names(database), ['dup'], 'rows');
      same(await database.query("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'extra'"), [{ n: 0 }], 'tables');
      same(await database.query('PRAGMA user_version'), [{ user_version: 0 }], 'user_version');
      await database.batch([insert(3, 'c')]);
      same(await names(database), ['c', 'dup'], 'rows of the next batch');
    });
  }
  test('every kind of constraint is reported as one', async (database) => {
    await database.batch([insert(1, 'a'), { sql: 'CREATE TABLE part (of INTEGER NOT NULL REFERENCES item (id)) STRICT' }]);
    await rejects(database.batch([insert(1, 'b')]), 'constraint', 'PRIMARY KEY');
    await rejects(database.batch([insert(2, 'a')]), 'constraint', 'UNIQUE');
    await rejects(database.batch([insert(2, null)]), 'constraint', 'NOT NULL');
    await rejects(database.batch([insert(2, 'b', -1)]), 'constraint', 'CHECK');
    await rejects(database.batch([insert(2, 'b', 'many')]), 'constraint', 'the type of a STRICT column');
    await rejects(database.batch([{ sql: 'INSERT INTO part VALUES (?)', params: [5] }]), 'constraint', 'FOREIGN KEY');
    same(await names(database), ['a'], 'rows');
  });
  test('a constraint that is checked at the end rolls everything back', async (database) => {
    await database.batch([{ sql: 'CREATE TABLE late (of INTEGER REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED) STRICT' }]);
    await rejects(database.batch([{ sql: 'INSERT INTO late VALUES (1)' }]), 'constraint', 'a reference to nothing');
    await database.batch([{ sql: 'INSERT INTO late VALUES (1)' }, insert(1, 'a')]);
    same(await database.query('SELECT of FROM late'), [{ of: 1 }], 'rows');
  });
  test('a statement that is no SQL rolls everything back', async (database) => {
    await rejects(database.batch([insert(1, 'a'), { sql: 'INSER INTO item' }]), 'other', 'the batch');
    await rejects(database.batch([insert(1, 'a'), { sql: 'SELECT * FROM missing' }]), 'other', 'the batch');
    same(await names(database), [], 'rows');
  });
  test('a failing query changes nothing and is followed by others', async (database) => {
    await rejects(database.query('SELECT missing FROM item'), 'other', 'the query');
    same(await database.query('SELECT 1 AS one'), [{ one: 1 }], 'rows');
  });
}

function order(test: ContractTest): void {
  test('calls run in the order they were made', async (database) => {
    const seen: Promise<readonly Row[]>[] = [];
    const batches: Promise<unknown>[] = [];
    for (let i = 1; i <= 20; i++) {
      batches.push(database.batch([insert(i * 2, `n${i}`), insert(i * 2 + 1, `m${i}`)]));
      seen.push(database.query('SELECT count(*) AS n FROM item'));
    }
    await Promise.all(batches);
    same(
      (await Promise.all(seen)).map((rows) => rows[0]!['n']),
      Array.from({ length: 20 }, (_, i) => (i + 1) * 2),
      'counts',
    );
  });
  test('numbers taken with RETURNING have no gaps and no repeats, however many ask at once', async (database) => {
    await database.batch([insert(1, 'counter', 0)]);
    const taken = await Promise.all(
      Array.from({ length: 50 }, () => database.batch([{ sql: 'UPDATE item SET size = size + 1 RETURNING size' }])),
    );
    same(
      taken.map((each) => each[0]!.rows[0]!['size']),
      Array.from({ length: 50 }, (_, i) => i + 1),
      'numbers',
    );
  });
  test('I2: a query never sees a batch that was not acknowledged', async (database) => {
    for (let i = 1; i <= 20; i++) {
      let acknowledged = false;
      const batch = database.batch([insert(i, `n${i}`)]).then(() => (acknowledged = true));
      const rows = await database.query('SELECT 1 FROM item WHERE id = ?', [i]);
      ensure(rows.length === 0 || acknowledged, 'the row was seen before its batch was acknowledged');
      await batch;
    }
  });
  test('a failed batch does not disturb those around it', async (database) => {
    const calls = await Promise.allSettled([
      database.batch([insert(1, 'a')]),
      database.batch([insert(2, 'b'), insert(1, 'again')]),
      database.batch([insert(3, 'c')]),
    ]);
    same(
      calls.map((call) => call.status),
      ['fulfilled', 'rejected', 'fulfilled'],
      'outcomes',
    );
    same(await names(database), ['a', 'c'], 'rows');
  });
}

function refusals(test: ContractTest): void {
  test('a query does not write', async (database) => {
    for (const sql of [
      "INSERT INTO item VALUES (1, 'a', 1)",
      "WITH x AS (SELECT 1) INSERT INTO item SELECT 1, 'a', 1 FROM x RETURNING id",
      'DROP TABLE item',
      'PRAGMA user_version = 9',
    ]) {
      await rejects(database.query(sql), ['other', 'readonly'], sql);
    }
    same(await names(database), [], 'rows');
    same(await database.query('PRAGMA user_version'), [{ user_version: 0 }], 'user_version');
    await database.batch([insert(1, 'a')]);
  });
  test('a query cannot change the connection or the database', async (database) => {
    await database.batch([
      ...Array.from({ length: 100 }, (_, i) => insert(i, `n${i}`)),
      { sql: 'CREATE TABLE part (of INTEGER NOT NULL REFERENCES item (id)) STRICT' },
    ]);
    const before = await database.query('PRAGMA foreign_keys');
    for (const set of [
      'foreign_keys = OFF',
      'main.foreign_keys(OFF)',
      '"foreign_keys" == 0',
      'query_only /* ( */ = OFF',
      'ignore_check_constraints = ON',
      'user_version(9)',
      'main . [user_version] = 9',
      'incremental_vacuum',
      'optimize',
      'wal_checkpoint',
      'shrink_memory',
    ]) {
      // Some act as soon as they are prepared, and EXPLAIN does not hold them back.
      for (const verb of ['PRAGMA', 'EXPLAIN PRAGMA', 'explain query plan pragma'])
        await rejects(database.query(`${verb} ${set}`), ['other', 'readonly'], `${verb} ${set}`);
    }
    // Whether it is refused or has nothing to do, it stores nothing.
    await database.query('SELECT * FROM pragma_optimize(65538)').catch(() => undefined);
    same(await database.query("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'sqlite_stat1'"), [{ n: 0 }], 'tables');
    same(await database.query('PRAGMA foreign_keys'), before, 'foreign_keys');
    same(await database.query('PRAGMA user_version'), [{ user_version: 0 }], 'user_version');
    await rejects(database.batch([{ sql: 'INSERT INTO part VALUES (500)' }]), 'constraint', 'FOREIGN KEY');
    await rejects(database.batch([insert(500, 'x', -1)]), 'constraint', 'CHECK');
    same(
      (await database.query('PRAGMA main.table_info(item)')).map((row) => row['name']),
      ['id', 'name', 'size'],
      'what it may read',
    );
    same(await database.query('PRAGMA quick_check(1)'), [{ quick_check: 'ok' }], 'what it may read');
  });
  test('a batch is one transaction: it may not end it, nor open another', async (database) => {
    for (const sql of [
      'COMMIT',
      'end transaction',
      ' -- well\n rollback',
      '/* so */ BEGIN',
      'SAVEPOINT s',
      'RELEASE s',
      'VACUUM',
      "ATTACH ':memory:' AS other",
    ]) {
      await rejects(database.batch([insert(1, 'a'), { sql }]), 'other', sql);
    }
    same(await names(database), [], 'rows');
  });
  test('a text is one statement', async (database) => {
    await rejects(database.batch([{ sql: 'DELETE FROM item; DROP TABLE item' }]), 'other', 'two statements');
    await rejects(database.query('  -- nothing\n'), 'other', 'no statement');
    same(await database.query("SELECT ';' AS semicolon; -- done;"), [{ semicolon: ';' }], 'a trailing semicolon');
    await database.batch([
      { sql: "CREATE TRIGGER seen AFTER INSERT ON item BEGIN UPDATE item SET size = 9; UPDATE item SET name = name || '!'; END;" },
      insert(1, 'a'),
    ]);
    same(await database.query('SELECT * FROM item'), [{ id: 1, name: 'a!', size: 9 }], 'rows after a trigger');
  });
  test('parameters must be as many as the statement has, and of a kind that can be stored', async (database) => {
    await rejects(database.query('SELECT ? AS a, ? AS b', [1]), 'other', 'one too few');
    await rejects(database.query('SELECT ? AS a', [1, 2]), 'other', 'one too many');
    for (const value of [undefined, true, Number.NaN, {}, new Date(0)]) {
      await rejects(database.batch([insert(1, 'a'), insert(2, value as never)]), 'other', `a parameter that is ${String(value)}`);
    }
    same(await names(database), [], 'rows');
    same(await database.query("SELECT '?' AS mark, ? AS a -- ?", ['x']), [{ mark: '?', a: 'x' }], 'question marks that are no parameters');
  });
}

function sizes(test: ContractTest): void {
  test('a large batch', async (database) => {
    const given = await database.batch(Array.from({ length: 5_000 }, (_, i) => insert(i, `n${i}`)));
    same(given.length, 5_000, 'results');
    same(await database.query('SELECT count(*) AS n, sum(id) AS total FROM item'), [{ n: 5_000, total: 12_497_500 }], 'rows');
  });
  test('many parameters', async (database) => {
    const count = 5_000;
    const rows = await database.query(
      `SELECT ${Array.from({ length: count }, () => '?').join(' + ')} AS total`.replace(
        /(\? \+ ){100}/g,
        (part) => `(${part.slice(0, -3)}) + `,
      ),
      Array.from({ length: count }, () => 1),
    );
    same(rows, [{ total: count }], 'sum');
  });
  test('a long text and a large blob', async (database) => {
    const text = 'ä€𝄞x'.repeat(300_000);
    const bytes = new Uint8Array(3_000_000).map((_, i) => (i * 31) & 255);
    await database.batch([
      { sql: 'CREATE TABLE big (t TEXT, b BLOB) STRICT' },
      { sql: 'INSERT INTO big VALUES (?, ?)', params: [text, bytes] },
    ]);
    const [row] = await database.query('SELECT t, b FROM big');
    ensure(row!['t'] === text, 'the text differs');
    same(row!['b'], bytes, 'blob');
  });
}

function endings(test: ContractTest): void {
  test('what was asked before close is done, and what comes after is refused', async (database) => {
    const before = [database.batch([insert(1, 'a')]), database.query('SELECT count(*) AS n FROM item')] as const;
    const closing = database.close();
    await rejects(database.query('SELECT 1'), 'closed', 'a query after close');
    await rejects(database.batch([insert(2, 'b')]), 'closed', 'a batch after close');
    await rejects(database.batch([]), 'closed', 'an empty batch after close');
    await closing;
    same(await before[1], [{ n: 1 }], 'the query before close');
    await before[0];
    await database.close();
  });
  test('what was acknowledged is there after close and reopen, and nothing else', async (database, { reopen }) => {
    await database.batch([insert(1, 'a'), { sql: 'PRAGMA user_version = 4' }]);
    await rejects(database.batch([insert(2, 'b'), insert(1, 'x')]), 'constraint', 'a batch that fails');
    for (let i = 10; i < 60; i++) await database.batch([insert(i, `n${i}`, i)]);
    await database.close();
    if (!reopen) return;
    for (let round = 0; round < 2; round++) {
      const again = await reopen();
      try {
        same(await again.query('PRAGMA user_version'), [{ user_version: 4 }], 'user_version');
        same(await again.query('SELECT count(*) AS n, sum(size) AS total FROM item'), [{ n: 51 + round, total: 1726 + round }], 'rows');
        await again.batch([insert(100 + round, `later ${round}`)]);
      } finally {
        await again.close();
      }
    }
  });
}
