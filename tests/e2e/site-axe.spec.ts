/**
 * Every page of the sitemap, by axe, in both themes, at a desk and on the smallest phone; and nothing of it makes the browser complain. A
 * theme changes colours and nothing else: the second one is asked for its colours. What stands around the text is the same on every page, on
 * a phone too, and is looked at on one page of each kind; of the text itself a phone changes nothing but what has to be scrolled.
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

/** What becomes of a page’s own text when the window gets narrow, and is not the same on all pages. */
const NARROW_RULES = ['scrollable-region-focusable'];

/** What axe is asked of a page in a theme: all in the first one, in the second one its colours. */
function asked(page: Page, path: string, theme: (typeof THEMES)[number]): AxeBuilder {
  const builder = KINDS.includes(path) ? axe(page) : axe(page).exclude('header.header').exclude('nav.sidebar');
  return theme === THEMES[0] ? builder : builder.withRules(COLOUR_RULES);
}

async function found(builder: AxeBuilder, where: string): Promise<readonly string[]> {
  const { violations } = await builder.analyze();
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${where}, ${id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
  );
}

async function tooWide(page: Page, path: string): Promise<readonly string[]> {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  return wide > 0 ? [`${path} is ${wide} px wider than a window of ${page.viewportSize()?.width} px`] : [];
}

/** A page in the window it was opened in. */
async function violations(page: Page, path: string): Promise<readonly string[]> {
  const all = [...(await tooWide(page, path))];
  for (const colorScheme of THEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.locator(`html[data-theme=${colorScheme}]`).waitFor();
    all.push(...(await found(asked(page, path, colorScheme), `${path} in ${colorScheme}`)));
  }
  return all;
}

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
    const all: string[] = [];
    for (const path of paths) {
      await page.setViewportSize(DESK);
      await page.goto(path);
      all.push(...(await violations(page, path)));
      // The same page on: that one loads is a good part of what a look at it costs.
      await page.setViewportSize(PHONE);
      all.push(...(await tooWide(page, path)), ...(await found(axe(page).withRules(NARROW_RULES), `${path}, narrow`)));
    }
    expect([...all, ...complained.filter((one) => !one.includes(MISSING))]).toEqual([]);
  });
}

test('one page of each kind, opened on a phone, has no defect that axe finds and makes no browser complain', async ({ page }) => {
  test.setTimeout(300_000);
  await page.setViewportSize(PHONE);
  const complained = complaints(page);
  const all: string[] = [];
  for (const path of KINDS) {
    await page.goto(path);
    all.push(...(await violations(page, path)));
  }
  expect([...all, ...complained.filter((one) => !one.includes(MISSING))]).toEqual([]);
});

test('the open search has no defect that axe finds', async ({ page }) => {
  await page.goto('/start/quick-start/');
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox', { name: 'Search' }).fill('lease');
  await expect(page.getByRole('dialog').getByRole('link').first()).toBeVisible();
  expect(await found(axe(page), 'the open search')).toEqual([]);
});
