/** A page that appends until it dies, and what must be in the database whatever ended it. */
import type { Page } from '@playwright/test';
import { COUNTS, type State } from './sqljs-fixture.ts';

export const NAME = 'durable';

/** Starts appending in the page; `acknowledged` is what the page told before it died. */
export async function appending(
  page: Page,
  snapshotAfterBytes: number,
): Promise<{ acknowledged: () => number; next: () => Promise<number> }> {
  let last = 0;
  let heard: ((seq: number) => void) | undefined;
  await page.exposeFunction('acknowledge', (seq: number) => {
    last = Math.max(last, seq);
    heard?.(seq);
  });
  await page.evaluate(
    async ([name, bytes]) => {
      const database = await sql.open({ storage: { indexedDB: name }, snapshotAfterBytes: bytes });
      if ((await database.query('SELECT 1 FROM sqlite_schema')).length === 0) await database.batch(SCHEMA);
      void sql.append(database, 'a', (globalThis as unknown as { acknowledge: (seq: number) => void }).acknowledge);
    },
    [NAME, snapshotAfterBytes] as const,
  );
  return { acknowledged: () => last, next: () => new Promise((resolve) => (heard = resolve)) };
}

export async function state(page: Page): Promise<State> {
  return page.evaluate(
    async ([name, query]) => {
      const database = await sql.open({ storage: { indexedDB: name } });
      if (database.storage.kind !== 'indexeddb') throw new Error(`Not kept: ${JSON.stringify(database.storage)}`);
      const [row] = await database.query(query);
      await database.close();
      return row as unknown as State;
    },
    [NAME, COUNTS] as const,
  );
}
