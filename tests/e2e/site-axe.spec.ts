/**
 * Every page of the sitemap, by axe, in both themes, at a desk and on the smallest phone; and nothing of it makes the browser complain. A
 * theme changes colours and nothing else, a width everything else: so the second theme is asked for its colours, and the phone's colours
 * are looked at on one page of each kind, since what only a phone shows is the same on every page.
 */
import { expect, test, type Page } from '@playwright/test';
import type AxeBuilder from '@axe-core/playwright';
import { axe } from './support/axe.ts';
import { complaints, sitemapPaths } from './site-support/watch.ts';

const DESK = { width: 1440, height: 900 };
const PARTS = 6;
const PHONE = { width: 320, height: 700 };

/** The playground has its own checks: it is an application, and busy while it starts. */
const isProse = (path: string) => path !== '/playground/';

const THEMES = ['light', 'dark'] as const;

const COLOUR_RULES = ['color-contrast', 'link-in-text-block'];

const MISSING = '/nowhere/';

/** One page of each kind: the home page, prose with code and tables, one with a playground in it, a missing one. */
const KINDS = ['/', '/reference/bridge/', '/start/quick-start/', MISSING];

/** What axe is asked of a page: all in the first theme; colours in every theme, on a phone only of one page of each kind. */
function asked(page: Page, path: string, theme: (typeof THEMES)[number], phone: boolean): AxeBuilder | null {
  const colours = !phone || KINDS.includes(path);
  // What stands around the text is the same on every page of a kind.
  const builder = KINDS.includes(path) ? axe(page) : axe(page).exclude('header.header').exclude('nav.sidebar');
  if (theme !== THEMES[0]) return colours ? builder.withRules(COLOUR_RULES) : null;
  return colours ? builder : builder.disableRules(COLOUR_RULES);
}

async function violations(page: Page, path: string, phone: boolean): Promise<readonly string[]> {
  await page.goto(path);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  const found = wide > 0 ? [`${path} is ${wide} px wider than the window`] : [];
  for (const colorScheme of THEMES) {
    const builder = asked(page, path, colorScheme, phone);
    if (builder === null) continue;
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.locator(`html[data-theme=${colorScheme}]`).waitFor();
    const { violations: defects } = await builder.analyze();
    found.push(
      ...defects.flatMap(({ id, nodes }) =>
        nodes.map((node) => `${path} in ${colorScheme}, ${id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
      ),
    );
  }
  return found;
}

for (const { name, viewport } of [
  { name: 'at a desk', viewport: DESK },
  { name: 'on a phone', viewport: PHONE },
]) {
  test.describe(name, () => {
    test.use({ viewport });
    // In parts, so that they run side by side.
    for (let part = 0; part < PARTS; part++) {
      test(`no page has a defect that axe finds, is wider than the window, or makes the browser complain (${part + 1} of ${PARTS})`, async ({
        page,
      }) => {
        test.setTimeout(300_000);
        const every = [...(await sitemapPaths(page)).filter(isProse), MISSING];
        expect(every).toEqual(expect.arrayContaining([...KINDS]));
        const paths = every.filter((_, index) => index % PARTS === part);
        expect(paths).not.toEqual([]);
        const complained = complaints(page);
        const found: string[] = [];
        for (const path of paths) found.push(...(await violations(page, path, viewport === PHONE)));
        expect([...found, ...complained.filter((one) => !one.includes(MISSING))]).toEqual([]);
      });
    }
  });
}

test('the open search has no defect that axe finds', async ({ page }) => {
  await page.goto('/start/quick-start/');
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox', { name: 'Search' }).fill('lease');
  await expect(page.getByRole('dialog').getByRole('link').first()).toBeVisible();
  const { violations: found } = await axe(page).analyze();
  expect(found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
});
