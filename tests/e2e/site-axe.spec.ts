/**
 * Every page of the sitemap, by axe, at a desk in one theme and as narrow as the smallest phone in the other; and nothing of it makes the
 * browser complain. A theme changes colours and nothing else, and a width changes of the text itself nothing but what has to be scrolled.
 * What stands around the text is the same on every page, on a phone too: one page of each kind is looked at in all of them.
 */
import { expect, test, type Page } from '@playwright/test';
import { defects, type Passed } from './support/axe.ts';
import { complaints, sitemapPaths } from './site-support/watch.ts';

const DESK = { width: 1440, height: 900 };
const PARTS = 6;
const PHONE = { width: 320, height: 700 };
/** Tablets, and windows with one and both of the columns beside the text. */
const BETWEEN = [768, 1024, 1152, 1366];

/** The playground has its own checks: it is an application, and busy while it starts. */
const isProse = (path: string) => path !== '/playground/';

const THEMES = ['light', 'dark'] as const;

const COLOUR_RULES = ['color-contrast', 'link-in-text-block'];

const MISSING = '/nowhere/';

/** One page of each kind: the home page, prose with code and tables, one with a playground in it, a missing one. */
const KINDS = ['/', '/reference/bridge/', '/start/quick-start/', MISSING];

/** What becomes of a page’s own text in the other theme, and in a narrow window. */
const OTHER_RULES = [...COLOUR_RULES, 'scrollable-region-focusable'];

/** What stands around the text is looked at on one page of each kind. */
const around = (path: string) => (KINDS.includes(path) ? {} : { exclude: 'header.header, nav.sidebar' });

/** The page in its window, and what stands in the text in its column, beside which the list of headings is. */
async function tooWide(page: Page, path: string): Promise<readonly string[]> {
  const wide = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const column = document.querySelector('.sl-markdown-content');
    const end = column?.getBoundingClientRect().right ?? 0;
    const tables = [...(column?.querySelectorAll('table') ?? [])].map((table) => Math.floor(table.getBoundingClientRect().right - end));
    return { window: scrollWidth - clientWidth, column: Math.max(0, ...tables) };
  });
  return Object.entries(wide).flatMap(([what, by]) =>
    by > 0 ? [`${path} is ${by} px wider than its ${what} at ${page.viewportSize()?.width} px`] : [],
  );
}

async function inTheme(page: Page, colorScheme: (typeof THEMES)[number]): Promise<void> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  await page.locator(`html[data-theme=${colorScheme}]`).waitFor();
}

/** All parts' that one worker runs; a second run has a worker of its own. */
const passed: Readonly<Record<(typeof THEMES)[number], Passed>> = { light: new Set(), dark: new Set() };

// In parts, so that they run side by side.
for (let part = 0; part < PARTS; part++) {
  test(`no page has a defect that axe finds, is wider than the window, or makes the browser complain (${part + 1} of ${PARTS})`, async ({
    page,
  }) => {
    test.setTimeout(600_000);
    const every = [...(await sitemapPaths(page)).filter(isProse), MISSING];
    expect(every).toEqual(expect.arrayContaining([...KINDS]));
    const paths = every.filter((_, index) => index % PARTS === part);
    expect(paths).not.toEqual([]);
    const complained = complaints(page);
    const all: string[] = [];
    const look = async (path: string, where: string, asked: Parameters<typeof defects>[1]) =>
      all.push(...(await tooWide(page, path)), ...(await defects(page, asked)).map((one) => `${path} ${where}, ${one}`));
    for (const path of paths) {
      await page.setViewportSize(DESK);
      await page.goto(path);
      await inTheme(page, 'light');
      await look(path, 'at a desk', { ...around(path), passed: passed.light });
      for (const width of BETWEEN) {
        await page.setViewportSize({ ...DESK, width });
        all.push(...(await tooWide(page, path)));
      }
      // The same page on: that one loads, and is looked at, is what this costs.
      await page.setViewportSize(PHONE);
      await inTheme(page, 'dark');
      await look(path, 'narrow and dark', { ...around(path), rules: OTHER_RULES, passed: passed.dark });
    }
    expect([...all, ...complained.filter((one) => !one.includes(MISSING))]).toEqual([]);
  });
}

test('one page of each kind, opened on a phone and in either theme, has no defect that axe finds and makes no browser complain', async ({
  page,
}) => {
  test.setTimeout(600_000);
  const complained = complaints(page);
  const all: string[] = [];
  for (const path of KINDS) {
    await page.setViewportSize(PHONE);
    await page.goto(path);
    all.push(...(await tooWide(page, path)));
    for (const theme of THEMES) {
      await inTheme(page, theme);
      all.push(...(await defects(page)).map((one) => `${path} on a phone in ${theme}, ${one}`));
    }
    await page.setViewportSize(DESK);
    all.push(...(await defects(page, { rules: COLOUR_RULES })).map((one) => `${path} at a desk in ${THEMES.at(-1)}, ${one}`));
  }
  expect([...all, ...complained.filter((one) => !one.includes(MISSING))]).toEqual([]);
});

test('the open search has no defect that axe finds', async ({ page }) => {
  await page.goto('/start/quick-start/');
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox', { name: 'Search' }).fill('lease');
  await expect(page.getByRole('dialog').getByRole('link').first()).toBeVisible();
  expect(await defects(page)).toEqual([]);
});
