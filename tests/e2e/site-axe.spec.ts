/** Every page of the sitemap, by axe, at a desk and on the smallest phone, each in one theme; page kinds in all four. */
import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';
import { sitemapPaths } from './site-support/watch.ts';

const DESK = { width: 1440, height: 900 };
const PARTS = 4;
const PHONE = { width: 320, height: 700 };

/** The playground has its own checks: it is an application, and busy while it starts. */
const isProse = (path: string) => path !== '/playground/';

async function violations(page: Page, path: string): Promise<readonly string[]> {
  await page.goto(path);
  const { violations: found } = await new AxeBuilder({ page }).analyze();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  return [
    ...found.flatMap(({ id, nodes }) => nodes.map((node) => `${path} ${id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`)),
    ...(wide > 0 ? [`${path} is ${wide} px wider than the window`] : []),
  ];
}

for (const { name, colorScheme, viewport } of [
  { name: 'light at a desk', colorScheme: 'light', viewport: DESK },
  { name: 'dark on a phone', colorScheme: 'dark', viewport: PHONE },
] as const) {
  test.describe(name, () => {
    test.use({ colorScheme, viewport });
    // In parts, so that they run side by side.
    for (let part = 0; part < PARTS; part++) {
      test(`no page has a defect that axe finds, or is wider than the window (${part + 1} of ${PARTS})`, async ({ page }) => {
        test.setTimeout(300_000);
        const paths = (await sitemapPaths(page)).filter(isProse).filter((_, index) => index % PARTS === part);
        expect(paths).not.toEqual([]);
        const found: string[] = [];
        for (const path of paths) found.push(...(await violations(page, path)));
        expect(found).toEqual([]);
      });
    }
  });
}

for (const { name, colorScheme, viewport } of [
  { name: 'dark at a desk', colorScheme: 'dark', viewport: DESK },
  { name: 'light on a phone', colorScheme: 'light', viewport: PHONE },
] as const) {
  test.describe(name, () => {
    test.use({ colorScheme, viewport });
    for (const path of ['/', '/start/tutorial/', '/guides/troubleshoot/', '/reference/library/host/', '/reference/schema/', '/reference/advanced/architecture/sessions-and-persistence/', '/nowhere/']) {
      test(`${path} has no defect that axe finds`, async ({ page }) => {
        expect(await violations(page, path)).toEqual([]);
      });
    }
  });
}

test('the open search has no defect that axe finds', async ({ page }) => {
  await page.goto('/start/quick-start/');
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox', { name: 'Search' }).fill('lease');
  await expect(page.getByRole('dialog').getByRole('link').first()).toBeVisible();
  const { violations: found } = await new AxeBuilder({ page }).analyze();
  expect(found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
});
