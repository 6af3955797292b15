import { expect, test, type Page } from '@playwright/test';
import { sitemapPaths } from './site-support/watch.ts';

const ARCHITECTURE = '/reference/advanced/architecture/sessions-and-persistence/';

/** The page’s clock stands still: what is said for a moment is there for as long as one looks. */
async function stopClock(page: Page): Promise<void> {
  await page.clock.install();
  await page.clock.pauseAt(Date.now() + 60_000);
}

test('a prose page asks for nothing of the playground', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${ARCHITECTURE}transcript/`);
  await page.waitForLoadState('networkidle');
  expect(asked.filter((path) => /wasm|mount|terminal|worker/.test(path))).toEqual([]);
});

test('a small playground runs where it stands', async ({ page }) => {
  await page.goto(`${ARCHITECTURE}transcript/`);
  await page.getByRole('button', { name: 'Run it here' }).click();
  await expect(page.locator('rehydrate-try').getByRole('textbox', { name: 'Prompt' })).toBeVisible();
});

test('the way to the architecture is Reference, Advanced, Architecture, Sessions & Persistence', async ({ page }) => {
  await page.goto('/reference/limits/');
  const nav = page.getByRole('navigation', { name: 'Main' });
  for (const group of ['Reference', 'Advanced', 'Architecture']) await expect(nav.locator('summary', { hasText: group })).toBeVisible();
  await nav.getByRole('link', { name: 'Sessions & Persistence' }).click();
  await expect(page).toHaveURL(ARCHITECTURE);
  await expect(nav.getByRole('link', { name: 'Overview' })).toHaveAttribute('aria-current', 'page');
  for (const heading of ['Layers', 'Create', 'Prompt', 'Sleep and wake', 'Resume', 'Storage', 'What is durable']) {
    await expect(page.getByRole('heading', { name: heading, exact: true, level: 2 })).toBeVisible();
  }
});

test('the words of a diagram stand inside their boxes, and are large enough for a phone', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of ['layers', 'sleep-and-wake', 'create-and-prompt', 'resume-decision', 'storage']) {
    await page.goto(`${ARCHITECTURE}${path}/`);
    const texts = await page.locator('.diagram svg').evaluate((svg) => {
      const boxes = [...svg.querySelectorAll('rect')].map((rect) => rect.getBoundingClientRect());
      return [...svg.querySelectorAll('text')].map((text) => {
        const { left, right, top, bottom, height } = text.getBoundingClientRect();
        const inside = boxes.find(
          (box) => box.left < (left + right) / 2 && (left + right) / 2 < box.right && box.top < top && bottom < box.bottom,
        );
        const around = inside ?? svg.getBoundingClientRect();
        return { text: text.textContent.trim(), fits: around.left <= left && right <= around.right, isReadable: height >= 10 };
      });
    });
    expect(texts.length).toBeGreaterThan(4);
    expect(texts.filter(({ fits, isReadable }) => !fits || !isReadable)).toEqual([]);
  }
});

test('a theme is chosen, kept and taken back', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.goto('/start/what-it-is/');
  const html = page.locator('html');
  await expect(html).toHaveAttribute('data-theme', 'dark');
  const select = page.getByRole('combobox', { name: 'Select theme' });
  await select.selectOption('Light');
  await expect(html).toHaveAttribute('data-theme', 'light');
  await page.goto('/guides/node/');
  await expect(html).toHaveAttribute('data-theme', 'light');
  await select.selectOption('Auto');
  await expect(html).toHaveAttribute('data-theme', 'dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await expect(html).toHaveAttribute('data-theme', 'light');
});

test('by keyboard: past the menu to the content, and through the sidebar', async ({ page }) => {
  await page.goto('/guides/client/');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/#_top$/);
  const summary = page.getByRole('navigation', { name: 'Main' }).locator('summary').first();
  const link = page.getByRole('link', { name: 'What it is', exact: true });
  await expect(link).toBeVisible();
  await summary.focus();
  await page.keyboard.press('Enter');
  await expect(link).toBeHidden();
});

test('on a phone the menu opens, keeps the focus inside, and closes', async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 700 });
  await page.goto('/guides/client/');
  const menu = page.getByRole('button', { name: 'Menu' });
  await menu.click();
  await expect(page.getByRole('link', { name: 'Quick start' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('link', { name: 'Quick start' })).toBeHidden();
});

test('a page that is not there helps on', async ({ page }) => {
  const response = await page.goto('/no/such/page/');
  expect(response?.status()).toBe(404);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('This page is not here');
  await page.getByRole('main').getByRole('link', { name: 'Quick start' }).click();
  await expect(page).toHaveURL('/start/quick-start/');
});

test('a page is copied as the Markdown its twin holds', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await stopClock(page);
  await page.goto('/guides/client/');
  await page.getByRole('button', { name: 'Copy page' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toBe(await (await page.request.get('/guides/client.md')).text());
  expect(copied).toContain('# Add resume to your ACP client');
  expect(copied).toContain('```ts');
});

test('a code block is copied as it is read', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await stopClock(page);
  await page.goto('/start/tutorial/');
  const block = page.locator('.expressive-code figure', { hasText: 'openNodeSqlite' }).first();
  await block.hover();
  await block.getByRole('button', { name: 'Copy' }).click();
  await expect(block.getByRole('button', { name: 'Copied' })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain(
    "import { openNodeSqlite } from 'acp-rehydrate/node-sqlite';\nimport",
  );
});

test('programs find an index, everything in one file, and a twin of every prose page', async ({ page }) => {
  const index = await (await page.request.get('/llms.txt')).text();
  expect(index).toMatch(/^# Rehydrate\n\n> /);
  const twins = [...index.matchAll(/\((\S+\.md)\)/g)].map((match) => new URL(match[1]!).pathname);
  const prose = (await sitemapPaths(page)).filter((path) => !['/', '/playground/'].includes(path));
  expect(twins.map((twin) => twin.replace(/\.md$/, '/')).sort()).toEqual([...prose].sort());
  for (const twin of twins) expect((await page.request.get(twin)).status(), twin).toBe(200);
  expect(await (await page.request.get('/llms-full.txt')).text()).toContain('# Sessions & Persistence');
});

test('every page of the sitemap has a card, an address of its own, a title and a description that no other has', async ({ page }) => {
  const titles: string[] = [];
  const descriptions: string[] = [];
  for (const path of (await sitemapPaths(page)).filter((each) => each !== '/playground/')) {
    const html = await (await page.request.get(path)).text();
    const meta = (pattern: RegExp) => pattern.exec(html)?.[1] ?? `${path} has none`;
    titles.push(meta(/<title>([^<]+)<\/title>/));
    descriptions.push(meta(/<meta name="description" content="([^"]+)"/));
    expect(new URL(meta(/<link rel="canonical" href="([^"]+)"/)).pathname).toBe(path);
    const card = await page.request.get(new URL(meta(/<meta property="og:image" content="([^"]+)"/)).pathname);
    expect(card.headers()['content-type'], path).toBe('image/png');
  }
  expect(new Set(titles).size).toBe(titles.length);
  expect(new Set(descriptions).size).toBe(descriptions.length);
});

test('pages, and the one that is not there, come with the headers the build wrote', async ({ page }) => {
  const headers = Object.entries((await (await page.request.get('/headers.json')).json()) as Record<string, string>);
  expect(headers.map(([name]) => name)).toContain('Content-Security-Policy');
  for (const path of ['/', '/guides/client/', '/playground/', '/no/such/page/']) {
    const sent = (await page.request.get(path)).headers();
    for (const [name, value] of headers) expect(sent[name.toLowerCase()], path).toBe(value);
  }
});

test('pages lead on and back in reading order, and the order leaves none out', async ({ page }) => {
  const prose = (await sitemapPaths(page)).filter((path) => !['/', '/playground/'].includes(path));
  const seen: string[] = [];
  for (let path: string | undefined = '/start/what-it-is/', from = ''; path;) {
    expect(seen, 'no page comes twice').not.toContain(path);
    seen.push(path);
    const html: string = await (await page.request.get(path)).text();
    const leads = (rel: string) => new RegExp(`<a href="([^"]+)" rel="${rel}"`).exec(html)?.[1];
    if (from) expect(leads('prev'), path).toBe(from);
    const next = leads('next');
    // The playground is an application without a footer; the sidebar has the scenarios behind it.
    [from, path] = next === '/playground/' ? [next, '/start/scenarios/'] : [path, next];
  }
  expect(seen.sort()).toEqual([...prose].sort());
});

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });
  test('pages are read and menus open', async ({ page }) => {
    await page.goto(ARCHITECTURE);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Sessions & Persistence');
    await expect(page.getByRole('link', { name: 'Storage & durability' })).toBeVisible();
    await expect(page.getByRole('button', { name: 'Search' })).toBeHidden();
    await page.setViewportSize({ width: 390, height: 800 });
    await page.getByRole('button', { name: 'Menu' }).click();
    await expect(page.getByRole('link', { name: 'Storage & durability' })).toBeVisible();
  });

  test('the playground says what it needs and where to go instead', async ({ page }) => {
    await page.goto('/playground/');
    await expect(page.getByText('needs JavaScript')).toBeVisible();
    await expect(page.getByRole('link', { name: 'quick start' })).toHaveAttribute('href', '/start/quick-start/');
  });
});

test('Markdown twins and llms.txt say that they are UTF-8', async ({ request }) => {
  for (const file of ['/start/quick-start.md', '/llms.txt']) {
    const response = await request.get(file);
    expect(response.ok(), file).toBe(true);
    expect(response.headers()['content-type'], file).toMatch(/charset=utf-8$/);
  }
});

for (const width of [390, 900])
  test(`what was found of real agents is read at ${width} pixels without scrolling sideways, and stays a table to a screen reader`, async ({
    page,
  }) => {
    await page.setViewportSize({ width, height: 844 });
    await page.goto('/reference/compatibility/');
    expect(await page.locator('.compat').evaluate((box) => box.scrollWidth - box.clientWidth)).toBe(0);
    const row = page.getByRole('row', { name: 'Claude agent' });
    await expect(row.getByRole('rowheader')).toBeVisible();
    await expect(row.getByRole('cell')).toHaveCount((await page.getByRole('columnheader').count()) - 1);
    const cells = await page.locator('.compat').ariaSnapshot();
    expect(cells).toMatch(/row "Agent ACP Comes back by [\s\S]*row "Claude agent [\d.]+ 1, 2 resume yes/);
    // Each word of a card stands under what it answers, and one filter leaves those that it names.
    const label = await row
      .getByRole('cell')
      .nth(1)
      .evaluate((cell) => getComputedStyle(cell, '::before').content);
    expect(label).toContain('Comes back by');
    await page.getByRole('radio', { name: 'Come back by load' }).check();
    await expect(row).toBeHidden();
  });
