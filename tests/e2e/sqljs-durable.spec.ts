import { expect } from '@playwright/test';
import { crash, test } from './support/sqljs-fixture.ts';
import { appending, NAME, state } from './support/sqljs-appending.ts';

/** A tenth of the rounds in the ordinary run. */
const ROUNDS = process.env['FAULTS'] === 'full' ? 60 : 6;

for (const kind of ['memory', 'stored', 'served'] as const) {
  test(`the port's contract holds in a browser: ${kind}`, async ({ newTab }) => {
    const page = await newTab();
    const { passed, failed } = await page.evaluate((each) => sql.contract(each), kind);
    // What sql.js itself cannot do (see tests/contract/sql.test.ts). It must still fail, so that a version that can is noticed.
    expect(failed).toEqual([expect.stringMatching(/^values come back as they went in: text that starts with a byte order mark: /)]);
    expect(passed).toBeGreaterThan(30);
  });
}

test('what was acknowledged is there after a reload', async ({ newTab }) => {
  const page = await newTab();
  await page.evaluate(async (name) => {
    const database = await sql.open({ storage: { indexedDB: name } });
    await database.batch([{ sql: 'CREATE TABLE t (a TEXT, b BLOB) STRICT' }]);
    await database.batch([{ sql: 'INSERT INTO t VALUES (?, ?)', params: ['ä\0€', new Uint8Array([0, 255])] }]);
  }, NAME);
  await page.reload();
  const rows = await page.evaluate(async (name) => {
    const database = await sql.open({ storage: { indexedDB: name } });
    return [database.storage, await database.query('SELECT a, hex(b) AS b FROM t')];
  }, NAME);
  expect(rows).toEqual([{ kind: 'indexeddb', name: NAME }, [{ a: 'ä\0€', b: '00FF' }]]);
});

test('I12: never two writing transactions at once, for which a killed Chromium would delete everything', async ({ newTab }) => {
  const page = await newTab();
  const [most, snapshots] = await page.evaluate(async (name) => {
    let [open, most, snapshots] = [0, 0, 0];
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (this: IDBDatabase, ...given: Parameters<typeof transaction>) {
      const begun = transaction.apply(this, given);
      if (begun.mode !== 'readwrite') return begun;
      most = Math.max(most, ++open);
      if ([...begun.objectStoreNames].join() === 'chunks') snapshots += 1;
      for (const end of ['complete', 'abort']) begun.addEventListener(end, () => (open -= 1));
      return begun;
    };
    const database = await sql.open({ storage: { indexedDB: name }, snapshotAfterBytes: 1 });
    await database.batch([{ sql: 'CREATE TABLE t (a TEXT) STRICT' }]);
    for (let i = 0; i < 200; i++) await database.batch([{ sql: 'INSERT INTO t VALUES (?)', params: ['x'.repeat(500)] }]);
    await database.close();
    return [most, snapshots];
  }, NAME);
  expect(most).toBe(1);
  // Snapshots were written while commits went on.
  expect(snapshots).toBeGreaterThan(3);
});

test('I12: a tab that dies in the middle of a commit, or of a snapshot, loses nothing acknowledged', async ({ newTab }) => {
  test.setTimeout(60_000 + ROUNDS * 40_000);
  let before = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const page = await newTab();
    // Every other round a snapshot is nearly always under way.
    const { acknowledged, next } = await appending(page, round % 2 ? 5_000 : 4_000_000);
    await next();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 250));
    await crash(page);
    const known = acknowledged();
    const after = await newTab();
    const { head, rows, top, twins } = await state(after);
    expect(head).toBeGreaterThanOrEqual(known);
    expect([rows, top, twins]).toEqual([head, head, head]);
    expect(head).toBeGreaterThan(before);
    before = head;
    await after.close();
  }
});

test('I1: a full quota rolls the batch back, says so, and lets go on once there is room', async ({ newTab, sqljsUrl }) => {
  const page = await newTab();
  const session = await page.context().newCDPSession(page);
  // Before anything is stored: the browser remembers for a while how much room there was.
  await session.send('Storage.overrideQuotaForOrigin', { origin: sqljsUrl, quotaSize: 3_000_000 });
  await page.evaluate(async (name) => {
    const database = await sql.open({ storage: { indexedDB: name } });
    await database.batch([{ sql: 'CREATE TABLE t (a TEXT) STRICT' }]);
    sql.database = database as never;
  }, NAME);
  const fill = () =>
    page.evaluate(async () => {
      for (let i = 0; i < 200; i++) {
        // The browser compresses what it stores: only noise takes the room it seems to.
        const text = Array.from(crypto.getRandomValues(new Uint8Array(60_000)), (byte) => byte.toString(36)).join('');
        const error = await sql.database
          .batch([{ sql: 'INSERT INTO t VALUES (?)', params: [text] }])
          .catch((each: unknown) => each as { kind: string; message: string });
        if ('kind' in error)
          return {
            kind: error.kind,
            message: error.message,
            stored: i,
            rows: (await sql.database.query('SELECT count(*) AS n FROM t'))[0]!['n'],
          };
      }
      return { kind: 'none', message: '', stored: 200, rows: 200 };
    });
  const full = await fill();
  expect(full).toMatchObject({ kind: 'full', message: expect.stringContaining('storage is full') });
  expect(full.rows).toBe(full.stored);
  await session.send('Storage.overrideQuotaForOrigin', { origin: sqljsUrl });
  await page.evaluate(() => sql.database.batch([{ sql: "INSERT INTO t VALUES ('after')" }]));
  await page.reload();
  const rows = await page.evaluate(
    async (name) =>
      (await sql.open({ storage: { indexedDB: name } })).query('SELECT count(*) AS n, max(a) AS last FROM t WHERE length(a) < 10'),
    NAME,
  );
  expect(rows).toEqual([{ n: 1, last: 'after' }]);
});

test('a page the browser denies storage to works in memory and can say why', async ({ newTab }) => {
  const page = await newTab({ path: '/denied' });
  const seen = await page.evaluate(async (name) => {
    const found = [];
    for (const database of [
      await sql.open({ storage: { indexedDB: name }, locks: null }),
      await sql.open({ storage: { indexedDB: name } }),
    ]) {
      await database.batch([{ sql: 'CREATE TABLE t (a)' }, { sql: 'INSERT INTO t VALUES (1)' }]);
      found.push({ storage: database.storage, rows: await database.query('SELECT a FROM t') });
    }
    return found;
  }, NAME);
  const expected = { storage: { kind: 'memory', reason: expect.stringContaining('SecurityError') }, rows: [{ a: 1 }] };
  expect(seen).toEqual([expected, expected]);
});
