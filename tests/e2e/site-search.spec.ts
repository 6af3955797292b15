import { expect, test } from '@playwright/test';

/** What one would type, and the page that must be among the first three. */
const QUESTIONS = [
  ['agent forgot conversation', /troubleshoot|faq|what-it-is|unknown-sessions/],
  ['session_busy', /errors|troubleshoot/],
  ['idempotency key', /create-and-prompt|host|types/],
  ['unknown session', /unknown-sessions|resume-decision/],
  ['kill -9', /processes|storage|sessions-and-persistence|agent/],
  ['token origin bridge', /bridge|security/],
  ['transcriptBytes', /limits/],
  ['acp_turns', /schema/],
  ['respondPermission', /permissions|host/],
  ['rivetkit cluster', /rivetkit-cluster/],
  ['docker container', /production|processes/],
  ['encryption at rest', /production/],
  ['opentelemetry', /observe/],
  ['delete old sessions', /growth|back-up/],
  ['database adapter', /guides\/database|layers|database-port/],
  ['acpx', /compare/],
  ['langgraph', /compare/],
  ['gemini', /agents|compatibility/],
  ['zed', /editors/],
  ['test my client', /guides\/test|guides\/client/],
  ['delete a session', /faq|growth|back-up|command/],
  ['how to make my agent resumable', /guides\/agent|doctor|compatibility/],
  ['license', /install/],
  ['where is the database stored', /faq|command|back-up|node/],
  ['what is ACP', /what-it-is|glossary|faq/],
  ['sesion resume', /resume-decision|native-resume|resume-report/],
  ['claude', /agents\/claude-agent/],
  ['opencode', /agents\/opencode/],
  ['sign in to my agent', /agents/],
] as const;

test.beforeEach(async ({ page }) => {
  await page.goto('/start/quick-start/');
});

test('each question finds its page among the first three', async ({ page }) => {
  await page.getByRole('button', { name: 'Search' }).click();
  const field = page.getByRole('searchbox', { name: 'Search' });
  const pages = page.getByRole('dialog').locator('li > a:first-child');
  for (const [question, hoped] of QUESTIONS) {
    // What the question before it found is gone, so what comes is this one's.
    await field.fill('');
    await expect(pages).toHaveCount(0);
    await field.fill(question);
    await expect(pages.first()).toBeVisible();
    const found = await pages.evaluateAll((links) => links.slice(0, 3).map((link) => (link as HTMLAnchorElement).pathname));
    expect.soft(found.join(' '), question).toMatch(hoped);
  }
});

test('a result names its page once, and sections below it', async ({ page }) => {
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox', { name: 'Search' }).fill('agent forgot');
  const results = page.getByRole('dialog').locator('li');
  await expect(results.first()).toBeVisible();
  const names = await results.evaluateAll((found) =>
    found.map((result) => [...result.querySelectorAll('a')].map((link) => link.textContent)),
  );
  for (const each of names) expect(new Set(each).size, each.join()).toBe(each.length);
  expect(await results.allTextContents()).not.toContainEqual(expect.stringMatching(/Markdown\. /));
});

test('by keyboard alone: open, type, go down, follow', async ({ page }) => {
  await page.keyboard.press('Control+k');
  const field = page.getByRole('searchbox', { name: 'Search' });
  await expect(field).toBeFocused();
  await field.fill('sleep and wake');
  await expect(page.getByRole('dialog').getByRole('link').first()).toBeVisible();
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('dialog').getByRole('link').first()).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await expect(field).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/sleep-and-wake/);
});

test('Enter goes to the first result of what is written, also while another question’s are listed', async ({ page }) => {
  await page.keyboard.press('Control+k');
  const field = page.getByRole('searchbox', { name: 'Search' });
  await field.fill('rivetkit cluster');
  await expect(page.getByRole('dialog').getByRole('link').first()).toBeVisible();
  await field.fill('sleep and wake');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/sleep-and-wake/);
});

test('Escape closes it and gives the focus back', async ({ page }) => {
  const button = page.getByRole('button', { name: 'Search' });
  await button.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(button).toBeFocused();
});

test('what is not there is said to be not there', async ({ page }) => {
  await page.keyboard.press('Control+k');
  await page.getByRole('searchbox', { name: 'Search' }).fill('zzxxqqy');
  await expect(page.getByRole('status').filter({ hasText: 'Nothing found' })).toBeVisible();
});

test('an index that cannot be loaded is said, and asked for again', async ({ page }) => {
  await page.route('**/pagefind/**', (route) => route.abort());
  const button = page.getByRole('button', { name: 'Search' });
  await button.click();
  await expect(page.getByText('The search index could not be loaded')).toBeVisible();
  await page.keyboard.press('Escape');
  await page.unroute('**/pagefind/**');
  await button.click();
  await page.getByRole('searchbox', { name: 'Search' }).fill('lease');
  await expect(page.getByRole('dialog').getByRole('link').first()).toBeVisible();
});

test('nothing of the search is loaded before it is asked for', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto('/guides/client/');
  await page.waitForLoadState('networkidle');
  expect(asked.filter((url) => url.includes('/pagefind/'))).toEqual([]);
});
