import { test as base, type BrowserContext, type Page } from '@playwright/test';
import { serveSqljsPage } from './sqljs-server.ts';

/** Pages of one origin that hold sql.js; each test has an empty browser profile. */
export const test = base.extend<{ newTab: (options?: { path?: string }) => Promise<Page> }, { sqljsUrl: string }>({
  sqljsUrl: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads the names of the fixtures from the pattern
    async ({}, use) => {
      const server = await serveSqljsPage();
      await use(server.url);
      await server.stop();
    },
    { scope: 'worker' },
  ],
  newTab: async ({ context, sqljsUrl }, use) => {
    await use(({ path = '/' } = {}) => openTab(context, sqljsUrl + path));
  },
});

export async function openTab(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** Ends a tab as a crash does: nothing in it runs any more. */
export async function crash(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent('crash');
  session.send('Page.crash').catch(() => undefined);
  await crashed;
  await page.close();
}

/** What the tests must find after any end: every acknowledged batch, whole, and no half of another. */
export interface State {
  readonly head: number;
  readonly rows: number;
  readonly top: number | null;
  readonly twins: number;
}

/** Opens the database of a page (this runs there), shared or not, and reads its state. */
export const COUNTS =
  'SELECT (SELECT seq FROM head) AS head, (SELECT count(*) FROM log) AS rows, (SELECT max(seq) FROM log) AS top, (SELECT count(*) FROM twin) AS twins';
