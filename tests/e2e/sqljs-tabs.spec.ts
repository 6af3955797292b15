import { expect, type Page } from '@playwright/test';
import { COUNTS, crash, test, type State } from './support/sqljs-fixture.ts';

const NAME = 'shared';
const ROUNDS = process.env['FAULTS'] === 'full' ? 40 : 4;

type Quick = { ownerQuietMs?: number; ownerSilentMs?: number };

/** Opens the shared database in a tab; the first one there makes its tables. */
async function share(page: Page, options: Quick = {}): Promise<string> {
  return page.evaluate(
    async ([name, given]) => {
      sql.database = await sql.open({ storage: { indexedDB: name }, ...given });
      if ((await sql.database.query('SELECT 1 FROM sqlite_schema')).length === 0) await sql.database.batch(SCHEMA);
      return sql.database.role;
    },
    [NAME, options] as const,
  );
}

const role = (page: Page): Promise<string> => page.evaluate(() => sql.database.role);
const counts = (page: Page): Promise<State> =>
  page.evaluate(async (query) => (await sql.database.query(query))[0] as unknown as State, COUNTS);

/** Appends one batch; gives its number. */
const append = (page: Page, who: string): Promise<number> =>
  page.evaluate(
    (name) =>
      new Promise<number>((resolve, reject) => {
        const stop = sql.append(sql.database, name, (seq) => {
          resolve(seq);
          throw new Error('enough');
        });
        stop.catch((error: Error) => error.message === 'enough' || reject(error));
      }),
    who,
  );

test('one tab owns the database and the others use it; every tab hears of every change', async ({ newTab }) => {
  const [first, second, third] = [await newTab(), await newTab(), await newTab()];
  expect([await share(first), await share(second), await share(third)]).toEqual(['owner', 'client', 'client']);
  for (const page of [first, second, third]) {
    await page.evaluate(() => {
      const told: number[] = [];
      Object.assign(globalThis, { told });
      sql.database.onCommit(({ n }) => told.push(n));
    });
  }
  expect([await append(second, 'b'), await append(first, 'a'), await append(third, 'c')]).toEqual([1, 2, 3]);
  for (const page of [first, second, third]) {
    await expect.poll(() => page.evaluate(() => (globalThis as unknown as { told: number[] }).told)).toEqual([2, 3, 4]);
    expect(await counts(page)).toEqual({ head: 3, rows: 3, top: 3, twins: 3 });
  }
  const journal = await second.evaluate(async () => {
    const { entries } = await sql.database.journal();
    const copy = await sql.database.openAt(entries.at(-1)!.n - 1);
    return [entries.length, copy.query('SELECT seq FROM head')];
  });
  expect(journal).toEqual([4, [{ seq: 2 }]]);
  const error = await second.evaluate(() =>
    sql.database.batch([{ sql: 'INSERT INTO head VALUES (NULL)' }]).catch((each: { name: string; kind: string }) => [each.name, each.kind]),
  );
  expect(error).toEqual(['SqlError', 'constraint']);
});

test('when the owner closes, the next tab takes over, and calls under way are done once', async ({ newTab }) => {
  const [first, second] = [await newTab(), await newTab()];
  await share(first);
  await share(second);
  const calls = second.evaluate(() =>
    Promise.all(
      Array.from(
        { length: 30 },
        async () => (await sql.database.batch([{ sql: 'UPDATE head SET seq = seq + 1 RETURNING seq' }]))[0]!.rows[0]!['seq'],
      ),
    ),
  );
  await first.close();
  expect(await calls).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  // The first may have done them all before it closed.
  await expect.poll(() => role(second)).toBe('owner');
  const third = await newTab();
  expect(await share(third)).toBe('client');
  expect(await counts(third)).toMatchObject({ head: 30 });
  await second.evaluate(() => sql.database.close());
  await expect.poll(() => role(third)).toBe('owner');
});

test('I12: owners that crash in the middle of commits: nothing acknowledged is missing, nothing is done twice', async ({ newTab }) => {
  test.setTimeout(60_000 + ROUNDS * 20_000);
  let owner = await newTab();
  await share(owner);
  for (let round = 0; round < ROUNDS; round++) {
    const [client, watcher] = [await newTab(), await newTab()];
    await share(client);
    await share(watcher);
    for (const [page, who] of [
      [owner, 'owner'],
      [client, 'client'],
      [watcher, 'watcher'],
    ] as const) {
      await page.evaluate((name) => {
        const told: number[] = [];
        Object.assign(globalThis, { told });
        void sql.append(sql.database, name, (seq) => told.push(seq));
      }, `${who} ${round}`);
    }
    const told = (page: Page): Promise<number[]> => page.evaluate(() => (globalThis as unknown as { told: number[] }).told);
    await expect.poll(async () => (await told(client)).length).toBeGreaterThan(2);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
    await crash(owner);
    await expect.poll(async () => [await role(client), await role(watcher)].sort()).toEqual(['client', 'owner']);
    // Both go on: through the crash, with the calls that were under way in it.
    for (const page of [client, watcher]) {
      const before = (await told(page)).length;
      await expect.poll(async () => (await told(page)).length).toBeGreaterThan(before + 2);
    }
    const acknowledged = { client: await told(client), watcher: await told(watcher) };
    const found = await client.evaluate(async (r) => {
      const seqs = async (who: string) =>
        (await sql.database.query('SELECT seq FROM log WHERE who = ? ORDER BY seq', [who])).map(({ seq }) => Number(seq));
      return { client: await seqs(`client ${r}`), watcher: await seqs(`watcher ${r}`) };
    }, round);
    for (const who of ['client', 'watcher'] as const) {
      const missing = acknowledged[who].filter((seq) => !found[who].includes(seq));
      expect(missing).toEqual([]);
      // Each tab has one call under way at a time: an answer lost and done again would leave a row nobody was told of.
      const upTo = acknowledged[who].at(-1)!;
      expect(found[who].filter((seq) => seq <= upTo)).toEqual(acknowledged[who]);
    }
    const { head, rows, top, twins } = await counts(client);
    expect([rows, top, twins]).toEqual([head, head, head]);
    const next = (await role(client)) === 'owner' ? client : watcher;
    await (next === client ? watcher : client).close();
    await next.reload();
    await share(next);
    owner = next;
  }
});

test('an owner that is frozen is taken over from, and comes back as a client', async ({ newTab }) => {
  const [first, second] = [await newTab(), await newTab()];
  // Quicker than by default, and still so slow that a tab that only waits for its turn is not taken for a frozen one.
  const quick = { ownerQuietMs: 1_000, ownerSilentMs: 4_000 };
  await share(first, quick);
  await share(second, quick);
  expect(await append(second, 'b')).toBe(1);
  // Stopped as by a debugger: it keeps its lock, and answers nothing.
  const session = await first.context().newCDPSession(first);
  await session.send('Debugger.enable');
  const paused = new Promise((resolve) => session.once('Debugger.paused', resolve));
  await session.send('Debugger.pause');
  const underWay = first.evaluate(() => sql.database.batch([{ sql: 'UPDATE head SET seq = seq + 10' }]).then(() => 'done'));
  await paused;
  expect(await append(second, 'b')).toBe(2);
  expect(await role(second)).toBe('owner');
  await session.send('Debugger.resume');
  await session.send('Debugger.disable');
  expect(await underWay).toBe('done');
  await expect.poll(() => role(first)).toBe('client');
  expect(await append(first, 'a')).toBe(13);
  expect((await counts(second)).head).toBe(13);
});

test('I9: a host’s tab is dead to others once it is gone, and alive until then', async ({ newTab }) => {
  const [first, second] = [await newTab(), await newTab()];
  await share(first);
  await share(second);
  const owner = await first.evaluate(() => {
    sql.database.owners!.opened('h');
    return { hostId: 'h', ...sql.database.owners!.self };
  });
  const alive = () => second.evaluate((who) => sql.database.owners!.alive(who), owner);
  expect(await alive()).toBe(true);
  await crash(first);
  await expect.poll(alive).toBe(false);
});
