/** The contract of the `SqlDatabase` port as a suite for any test runner, with its own assertions. */
import { checkOptions } from '../engine/check-options.ts';
import type { Row, SqlDatabase, SqlValue, Statement } from '../engine/ports.ts';
import { ensure, rejects, same } from './assertions.ts';

export interface SqlSubject {
  /** Fresh and empty. */
  readonly database: SqlDatabase;
  /** Opens what `database` stored again, after it was closed. Leave out where nothing outlives it. */
  readonly reopen?: () => Promise<SqlDatabase>;
  /** Called after each test, whether or not `database` was closed. */
  readonly dispose?: () => Promise<void> | void;
}

export interface SqlAbilities {
  /** Text may begin with a byte-order mark. Default true. Where it is dropped, titles and workspace files lose it. */
  readonly markedText?: boolean;
  /**
   * Text may hold the character NUL. Default true. Where a text is cut there, as by many drivers, the log loses nothing, because it is JSON;
   * titles, workspace files and what search finds lose the rest.
   */
  readonly nulText?: boolean;
  /** A blob may be empty. Default true. The engine stores none. */
  readonly emptyBlobs?: boolean;
}

type ContractTest = (name: string, body: (database: SqlDatabase, subject: SqlSubject) => Promise<void>) => void;

export interface SqlContractOptions {
  /** Named in the suite's title. */
  readonly name: string;
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  /** Called once for each test. */
  readonly open: () => Promise<SqlSubject>;
  /** What this store cannot do, and the engine does without. It must then really fail, so that a version that can is noticed. */
  readonly has?: SqlAbilities | undefined;
}

const TABLE = 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER CHECK (size >= 0)) STRICT';
const insert = (id: SqlValue, name: SqlValue, size: SqlValue = 1): Statement => ({
  sql: 'INSERT INTO item (id, name, size) VALUES (?, ?, ?)',
  params: [id, name, size],
});
type Sql = string | Statement;
const run = (database: SqlDatabase, ...statements: readonly Sql[]) =>
  database.batch(statements.map((statement) => (typeof statement === 'string' ? { sql: statement } : statement)));
const gives = async (database: SqlDatabase, sql: string, rows: readonly Row[], params: readonly SqlValue[] = []): Promise<void> =>
  same(await database.query(sql, params), rows, `the rows of ${sql}`);
const holds = async (database: SqlDatabase, names: readonly string[]): Promise<void> =>
  same(
    (await database.query('SELECT name FROM item ORDER BY id')).map(({ name }) => name),
    names,
    'the names of the items',
  );

/**
 * Declares the suite that every `SqlDatabase` must pass, with the runner's own `describe` and `it`.
 *
 * @example
 * sqlDatabaseContract({ name: 'mine', describe, it, open: async () => ({ database: openMine(':memory:') }) });
 */
export function sqlDatabaseContract(options: SqlContractOptions): void {
  checkOptions('sqlDatabaseContract', options, ['name', 'describe', 'it', 'open', 'has']);
  checkOptions('has', options.has, ['markedText', 'nulText', 'emptyBlobs']);
  const test: ContractTest = (name, body) => {
    options.it(name, async () => {
      const subject = await options.open();
      try {
        await run(subject.database, TABLE);
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
    const given = await run(
      database,
      insert(1, 'a', 5),
      { sql: 'UPDATE item SET size = size + ? RETURNING id, size AS "new size"', params: [2] },
      { sql: 'SELECT name FROM item WHERE id = ?', params: [9] },
      'DELETE FROM item RETURNING name',
    );
    same(given, [{ rows: [] }, { rows: [{ id: 1, 'new size': 7 }] }, { rows: [] }, { rows: [{ name: 'a' }] }], 'results');
  });
  test('an empty batch gives no results', async (database) => same(await database.batch([]), [], 'results'));
  test('a guard in front stops the whole batch, and one that holds lets it through', async (database) => {
    await run(database, 'CREATE TABLE guard (holds INTEGER NOT NULL CHECK (holds = 1)) STRICT', insert(1, 'a', 3));
    const guarded = (size: number): Sql[] => [
      { sql: 'INSERT INTO guard SELECT count(*) FROM item WHERE id = 1 AND size = ?', params: [size] },
      'DELETE FROM guard',
      'UPDATE item SET size = size + 1 WHERE id = 1',
    ];
    await run(database, ...guarded(3));
    await rejects(run(database, ...guarded(3)), 'constraint', 'a guard that does not hold');
    await gives(database, 'SELECT size FROM item', [{ size: 4 }]);
  });
  test('has what the engine’s SQL uses: JSON, upserts, WITHOUT ROWID, partial indexes, recursion', async (database) => {
    await run(
      database,
      'CREATE TABLE pair (k TEXT PRIMARY KEY, v TEXT) STRICT, WITHOUT ROWID',
      'CREATE INDEX some ON item (name) WHERE size > 3',
      {
        sql: "INSERT INTO pair SELECT json_extract(value, '$.k'), json_extract(value, '$.v') FROM json_each(?)",
        params: ['[{"k":"a","v":"1"},{"k":"b","v":"2"}]'],
      },
      { sql: 'INSERT INTO pair VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v', params: ['a', '3'] },
    );
    await gives(database, "SELECT group_concat(k || v, ' ') AS pairs FROM (SELECT * FROM pair ORDER BY k)", [{ pairs: 'a3 b2' }]);
    const counting = 'WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT sum(i) AS total FROM n';
    await gives(database, counting, [{ total: 5050 }], [100]);
  });
  test('statements used before see a changed schema', async (database) => {
    await run(database, insert(1, 'a'));
    const all = 'SELECT * FROM item';
    await gives(database, all, [{ id: 1, name: 'a', size: 1 }]);
    await run(database, "ALTER TABLE item ADD COLUMN colour TEXT DEFAULT 'red'");
    await gives(database, all, [{ id: 1, name: 'a', size: 1, colour: 'red' }]);
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
      await run(database, insert(99, 'dup'));
      const batch: Sql[] = [insert(1, 'a'), insert(2, 'b'), 'CREATE TABLE extra (x TEXT) STRICT', 'PRAGMA user_version = 7'];
      batch.splice(at, 0, bad);
      await rejects(run(database, ...batch), 'constraint', 'the batch');
      await holds(database, ['dup']);
      await gives(database, "SELECT count(*) AS n FROM sqlite_schema WHERE name = 'extra'", [{ n: 0 }]);
      await gives(database, 'PRAGMA user_version', [{ user_version: 0 }]);
      await run(database, insert(3, 'c'));
      await holds(database, ['c', 'dup']);
    });
  }
  test('every kind of constraint is reported as one', async (database) => {
    await run(database, insert(1, 'a'), 'CREATE TABLE part (of INTEGER NOT NULL REFERENCES item (id)) STRICT');
    for (const [what, statement] of [
      ['PRIMARY KEY', insert(1, 'b')],
      ['UNIQUE', insert(2, 'a')],
      ['NOT NULL', insert(2, null)],
      ['CHECK', insert(2, 'b', -1)],
      ['the type of a STRICT column', insert(2, 'b', 'many')],
      ['FOREIGN KEY', { sql: 'INSERT INTO part VALUES (?)', params: [5] }],
    ] as const)
      await rejects(run(database, statement), 'constraint', what);
    await holds(database, ['a']);
  });
  test('a constraint that is checked at the end rolls everything back', async (database) => {
    await run(database, 'CREATE TABLE late (of INTEGER REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED) STRICT');
    await rejects(run(database, 'INSERT INTO late VALUES (1)'), 'constraint', 'a reference to nothing');
    await run(database, 'INSERT INTO late VALUES (1)', insert(1, 'a'));
    await gives(database, 'SELECT of FROM late', [{ of: 1 }]);
  });
  test('a statement that is no SQL rolls everything back', async (database) => {
    await rejects(run(database, insert(1, 'a'), 'INSER INTO item'), 'other', 'the batch');
    await rejects(run(database, insert(1, 'a'), 'SELECT * FROM missing'), 'other', 'the batch');
    await holds(database, []);
  });
  test('a failing query changes nothing and is followed by others', async (database) => {
    await rejects(database.query('SELECT missing FROM item'), 'other', 'the query');
    await gives(database, 'SELECT 1 AS one', [{ one: 1 }]);
  });
}

function order(test: ContractTest): void {
  test('calls run in the order they were made', async (database) => {
    const seen: Promise<readonly Row[]>[] = [];
    const batches: Promise<unknown>[] = [];
    for (let i = 1; i <= 20; i++) {
      batches.push(run(database, insert(i * 2, `n${i}`), insert(i * 2 + 1, `m${i}`)));
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
    await run(database, insert(1, 'counter', 0));
    const taken = await Promise.all(Array.from({ length: 50 }, () => run(database, 'UPDATE item SET size = size + 1 RETURNING size')));
    same(
      taken.map((each) => each[0]!.rows[0]!['size']),
      Array.from({ length: 50 }, (_, i) => i + 1),
      'numbers',
    );
  });
  test('I2: a query never sees a batch that was not acknowledged', async (database) => {
    for (let i = 1; i <= 20; i++) {
      let acknowledged = false;
      const batch = run(database, insert(i, `n${i}`)).then(() => (acknowledged = true));
      const rows = await database.query('SELECT 1 FROM item WHERE id = ?', [i]);
      ensure(rows.length === 0 || acknowledged, 'the row was seen before its batch was acknowledged');
      await batch;
    }
  });
  test('a failed batch does not disturb those around it', async (database) => {
    const calls = await Promise.allSettled([
      run(database, insert(1, 'a')),
      run(database, insert(2, 'b'), insert(1, 'again')),
      run(database, insert(3, 'c')),
    ]);
    same(
      calls.map((call) => call.status),
      ['fulfilled', 'rejected', 'fulfilled'],
      'outcomes',
    );
    await holds(database, ['a', 'c']);
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
    await holds(database, []);
    await gives(database, 'PRAGMA user_version', [{ user_version: 0 }]);
    await run(database, insert(1, 'a'));
  });
  test('a query cannot change the connection or the database', async (database) => {
    await run(
      database,
      ...Array.from({ length: 100 }, (_, i) => insert(i, `n${i}`)),
      'CREATE TABLE part (of INTEGER NOT NULL REFERENCES item (id)) STRICT',
    );
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
      // Some act when they are prepared, which EXPLAIN does not hold back.
      for (const verb of ['PRAGMA', 'EXPLAIN PRAGMA', 'explain query plan pragma'])
        await rejects(database.query(`${verb} ${set}`), ['other', 'readonly'], `${verb} ${set}`);
    }
    // It may be refused or find nothing to do: it stores nothing.
    await database.query('SELECT * FROM pragma_optimize(65538)').catch(() => undefined);
    await gives(database, "SELECT count(*) AS n FROM sqlite_schema WHERE name = 'sqlite_stat1'", [{ n: 0 }]);
    await gives(database, 'PRAGMA foreign_keys', before);
    await gives(database, 'PRAGMA user_version', [{ user_version: 0 }]);
    await rejects(run(database, 'INSERT INTO part VALUES (500)'), 'constraint', 'FOREIGN KEY');
    await rejects(run(database, insert(500, 'x', -1)), 'constraint', 'CHECK');
    same((await database.query('PRAGMA main.table_info(item)')).length, 3, 'the columns that it may read');
    await gives(database, 'PRAGMA quick_check(1)', [{ quick_check: 'ok' }]);
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
      await rejects(run(database, insert(1, 'a'), { sql }), 'other', sql);
    }
    await holds(database, []);
  });
  test('a text is one statement', async (database) => {
    await rejects(run(database, 'DELETE FROM item; DROP TABLE item'), 'other', 'two statements');
    await rejects(database.query('  -- nothing\n'), 'other', 'no statement');
    await gives(database, "SELECT ';' AS semicolon; -- done;", [{ semicolon: ';' }]);
    await run(
      database,
      "CREATE TRIGGER seen AFTER INSERT ON item BEGIN UPDATE item SET size = 9; UPDATE item SET name = name || '!'; END;",
      insert(1, 'a'),
    );
    await gives(database, 'SELECT * FROM item', [{ id: 1, name: 'a!', size: 9 }]);
  });
  test('parameters must be as many as the statement has, and of a kind that can be stored', async (database) => {
    await rejects(database.query('SELECT ? AS a, ? AS b', [1]), 'other', 'one too few');
    await rejects(database.query('SELECT ? AS a', [1, 2]), 'other', 'one too many');
    for (const value of [undefined, true, Number.NaN, {}, new Date(0)]) {
      await rejects(run(database, insert(1, 'a'), insert(2, value as never)), 'other', `a parameter that is ${String(value)}`);
    }
    await holds(database, []);
    await gives(database, "SELECT '?' AS mark, ? AS a -- ?", [{ mark: '?', a: 'x' }], ['x']);
  });
}

const TEXTS = ['', ' ', 'it\'s "quoted" `so`', 'ä€𝄞👩‍👩‍👧', '\r\n\t\u2028', '{"json":[1,null]}', '1', 'NULL', 'a mark \ufeff inside'];
const NUL = ['nul \0 inside', '\u0000'];
const MARKED = ['\ufeffa mark in front', '\ufeff', '\ufeff\ufefftwo'];
const NUMBERS = [
  0,
  1,
  -1,
  127,
  128,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  2 ** 32,
  2 ** 48,
  1_700_000_000_000,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
];
const FLOATS = [0.5, -1.25, 1e-300, Math.PI];
const LARGE = [2 ** 63, -1e19, 1.7976931348623157e308];
const BLOBS = [
  new Uint8Array(0),
  new Uint8Array([0]),
  Uint8Array.from({ length: 256 }, (_, i) => i),
  new Uint8Array([9, 8, 7, 6]).subarray(1, 3),
];

function checkValues(test: ContractTest, { markedText = true, nulText = true, emptyBlobs = true }: SqlAbilities): void {
  const roundTrip = (name: string, column: string, values: readonly SqlValue[], storage: string, able = true): void => {
    const title = `values come back as they went in: ${name}`;
    if (!able) {
      test(`${title} — not in this store`, async (database) => {
        const kept = await comesBack(database).then(
          () => true,
          () => false,
        );
        ensure(!kept, `${name} come back as they went in, although the store is said not to be able to`);
      });
      return;
    }
    test(title, comesBack);
    async function comesBack(database: SqlDatabase): Promise<void> {
      await database.batch([
        { sql: `CREATE TABLE value (i INTEGER PRIMARY KEY, v ${column}) STRICT` },
        ...values.map((value, i) => ({ sql: 'INSERT INTO value VALUES (?, ?)', params: [i, value] })),
      ]);
      const rows = await database.query('SELECT v, typeof(v) AS type FROM value ORDER BY i');
      const given = values.map((v) => ({ v, type: storage }));
      same(rows, given, name);
      const returned = await database.batch(
        values.map((value) => ({ sql: 'UPDATE value SET v = v WHERE v = ? RETURNING v', params: [value] })),
      );
      same(
        returned.map(({ rows: [row] }) => row?.['v']),
        values,
        `${name}, found by value`,
      );
    }
  };
  roundTrip('text', 'TEXT', TEXTS, 'text');
  roundTrip('text that starts with a byte order mark', 'TEXT', MARKED, 'text', markedText);
  roundTrip('text with the character NUL', 'TEXT', NUL, 'text', nulText);
  roundTrip('whole numbers up to 2^53', 'INTEGER', NUMBERS, 'integer');
  roundTrip('floats', 'REAL', FLOATS, 'real');
  roundTrip('floats of 2^63 and more', 'REAL', LARGE, 'real');
  if (!emptyBlobs) roundTrip('empty blobs', 'BLOB', BLOBS.slice(0, 1), 'blob', false);
  roundTrip('blobs', 'BLOB', emptyBlobs ? BLOBS : BLOBS.slice(1), 'blob');
  test('values come back as they went in: null', async (database) => {
    await gives(database, 'SELECT ? AS v, ? IS NULL AS is_null', [{ v: null, is_null: 1 }], [null, null]);
  });
  test('small whole numbers are integers wherever they are bound', async (database) => {
    const bound = { type: 'integer', json: '[5]', text: 'n5' };
    await gives(database, "SELECT typeof(?) AS type, json_array(?) AS json, 'n' || ? AS text", [bound], [5, 5, 5]);
  });
  test('a blob that is given back is not shared', async (database) => {
    const bytes = new Uint8Array([1, 2, 3]);
    await database.batch([{ sql: 'CREATE TABLE value (v BLOB) STRICT' }, { sql: 'INSERT INTO value VALUES (?)', params: [bytes] }]);
    const [first] = await database.query('SELECT v FROM value');
    (first!['v'] as Uint8Array).fill(9);
    bytes.fill(7);
    const [second] = await database.query('SELECT v FROM value');
    same(second!['v'], new Uint8Array([1, 2, 3]), 'blob');
    ensure(second!['v'] instanceof Uint8Array, 'a blob is a Uint8Array');
  });
}

function sizes(test: ContractTest): void {
  test('a large batch', async (database) => {
    const given = await database.batch(Array.from({ length: 5_000 }, (_, i) => insert(i, `n${i}`)));
    same(given.length, 5_000, 'results');
    await gives(database, 'SELECT count(*) AS n, sum(id) AS total FROM item', [{ n: 5_000, total: 12_497_500 }]);
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
    await run(database, 'CREATE TABLE big (t TEXT, b BLOB) STRICT', { sql: 'INSERT INTO big VALUES (?, ?)', params: [text, bytes] });
    await gives(database, 'SELECT t, b FROM big', [{ t: text, b: bytes }]);
  });
}

function endings(test: ContractTest): void {
  test('what was asked before close is done, and what comes after is refused', async (database) => {
    const before = [run(database, insert(1, 'a')), database.query('SELECT count(*) AS n FROM item')] as const;
    const closing = database.close();
    await rejects(database.query('SELECT 1'), 'closed', 'a query after close');
    await rejects(run(database, insert(2, 'b')), 'closed', 'a batch after close');
    await rejects(database.batch([]), 'closed', 'an empty batch after close');
    await closing;
    same(await before[1], [{ n: 1 }], 'the query before close');
    await before[0];
    await database.close();
  });
  test('what was acknowledged is there after close and reopen, and nothing else', async (database, { reopen }) => {
    await run(database, insert(1, 'a'), 'PRAGMA user_version = 4');
    await rejects(run(database, insert(2, 'b'), insert(1, 'x')), 'constraint', 'a batch that fails');
    for (let i = 10; i < 60; i++) await run(database, insert(i, `n${i}`, i));
    await database.close();
    if (!reopen) return;
    for (let round = 0; round < 2; round++) {
      const again = await reopen();
      try {
        await gives(again, 'PRAGMA user_version', [{ user_version: 4 }]);
        await gives(again, 'SELECT count(*) AS n, sum(size) AS total FROM item', [{ n: 51 + round, total: 1726 + round }]);
        await again.batch([insert(100 + round, `later ${round}`)]);
      } finally {
        await again.close();
      }
    }
  });
}
