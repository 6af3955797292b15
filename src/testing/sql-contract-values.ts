import type { SqlDatabase, SqlValue } from '../engine/ports.ts';
import type { ContractTest, SqlAbilities } from './sql-subject.ts';
import { ensure, same } from './assertions.ts';

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

/** Every value comes back as it went in, with the type it had. */
export function checkValues(test: ContractTest, { markedText = true, nulText = true, emptyBlobs = true }: SqlAbilities): void {
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
      same(
        rows,
        values.map((v) => ({ v, type: storage })),
        name,
      );
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
    same(await database.query('SELECT ? AS v, ? IS NULL AS is_null', [null, null]), [{ v: null, is_null: 1 }], 'null');
  });
  test('small whole numbers are integers wherever they are bound', async (database) => {
    same(
      await database.query("SELECT typeof(?) AS type, json_array(?) AS json, 'n' || ? AS text", [5, 5, 5]),
      [{ type: 'integer', json: '[5]', text: 'n5' }],
      'numbers',
    );
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
