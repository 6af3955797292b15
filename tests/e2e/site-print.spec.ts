/** A page on paper: what is for a screen is gone, and dark ink stands on white even for a reader of the dark theme. */
import { expect, test } from '@playwright/test';

const ARCHITECTURE = '/reference/advanced/architecture/sessions-and-persistence/';

test.use({ colorScheme: 'dark', viewport: { width: 794, height: 1123 } });

/** How light a colour is, from 0 to 1. */
const lightness = (colour: string) => {
  const [r = 0, g = 0, b = 0] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
};

test.beforeEach(async ({ page }) => {
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
});

test('menus, search, buttons and small playgrounds stay off the paper', async ({ page }) => {
  await page.goto(`${ARCHITECTURE}transcript/`);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  for (const gone of [
    page.getByRole('navigation', { name: 'Main' }),
    page.getByRole('button'),
    page.locator('rehydrate-try'),
    page.locator('theme-select'),
  ]) {
    await expect(gone.filter({ visible: true })).toHaveCount(0);
  }
});

for (const [what, path, part] of [
  ['prose', `${ARCHITECTURE}transcript/`, '.sl-markdown-content p'],
  ['a table', `${ARCHITECTURE}transcript/`, 'td'],
  ['a diagram of steps', `${ARCHITECTURE}transcript/`, '.seq li > span'],
  ['code', '/start/tutorial/', '.expressive-code pre .code span'],
  ['a command', '/start/tutorial/', '.expressive-code .is-terminal pre .code span'],
] as const) {
  test(`${what} is dark on white`, async ({ page }) => {
    await page.goto(path);
    const colours = await page.locator(part).evaluateAll((found) => found.map((each) => getComputedStyle(each).color));
    expect(colours.length).toBeGreaterThan(0);
    expect(colours.filter((colour) => lightness(colour) > 0.4)).toEqual([]);
    expect(lightness(await page.locator('body').evaluate((body) => getComputedStyle(body).backgroundColor))).toBeGreaterThan(0.95);
  });
}

test('nothing is wider than the paper, and links to elsewhere say where they lead', async ({ page }) => {
  for (const path of ['/start/tutorial/', '/reference/schema/', `${ARCHITECTURE}unknown-sessions/`]) {
    await page.goto(path);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), path).toBe(0);
    const cut = await page.locator('pre').evaluateAll((blocks) => blocks.filter((block) => block.scrollWidth > block.clientWidth).length);
    expect(cut, path).toBe(0);
  }
  await page.goto('/start/compare/');
  const link = page.getByRole('main').locator('a[href^="https://"]').first();
  const address = await link.getAttribute('href');
  expect(await link.evaluate((each) => getComputedStyle(each, '::after').content)).toContain(address);
});
