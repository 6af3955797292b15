/** The first page: what this is and a way to try it, in one screen; and what it shows is what happens. */
import { expect, test } from '@playwright/test';

for (const viewport of [
  { width: 1440, height: 900 },
  { width: 390, height: 844 },
]) {
  test(`one screen of ${viewport.width} pixels says what this is and has a way to try it`, async ({ page }) => {
    await page.setViewportSize(viewport);
    await page.goto('/');
    await expect(page.getByRole('heading', { level: 1 })).toBeInViewport();
    await expect(page.getByText('may sleep, crash or be replaced')).toBeInViewport();
    await expect(page.getByRole('link', { name: 'Quick start' })).toBeInViewport();
    await expect(page.getByText('Try it: A session sleeps and comes back.')).toBeInViewport();
  });
}

test('what the page shows of a conversation is what is said when it runs', async ({ page }) => {
  await page.goto('/');
  const shown = await page.locator('.exchange li.agent > span').allTextContents();
  expect(shown).toHaveLength(2);
  const box = page.locator('rehydrate-try');
  const tall = () => page.evaluate(() => document.documentElement.scrollHeight);
  const before = await tall();
  await page.getByRole('button', { name: 'Run it here' }).click();
  await expect(page.locator('.exchange')).toHaveCount(0);
  for (const step of [1, 2, 3]) await page.getByRole('button', { name: `Run step ${step} of 3` }).click();
  const conversation = page.getByRole('log', { name: 'Conversation' });
  for (const words of shown) await expect(conversation).toContainText(words);
  await expect(conversation.getByText(/Your cat: Ada/).last()).toBeInViewport();
  // It plays in a frame that does not push the page down.
  expect((await box.locator('.rp').boundingBox())!.height).toBeLessThanOrEqual(300);
  expect(await tall()).toBeLessThanOrEqual(before);
});

for (const { theme, motion, shows } of [
  { theme: 'dark', motion: 'no-preference', shows: 'moving-dark' },
  { theme: 'light', motion: 'reduce', shows: 'still-light' },
] as const) {
  test(`of the playground’s recordings ${shows} is shown and the only one loaded, where motion is “${motion}”`, async ({ page }) => {
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.emulateMedia({ colorScheme: theme, reducedMotion: motion });
    await page.goto('/');
    await page.locator('figure:has(img)').scrollIntoViewIfNeeded();
    const shown = page.locator('figure img').filter({ visible: true });
    await expect(shown).toHaveAttribute('src', `/recording/${shows}.webp`);
    await page.waitForLoadState('networkidle');
    expect(asked.filter((path) => path.startsWith('/recording/'))).toEqual([`/recording/${shows}.webp`]);
    const still = page.getByRole('checkbox', { name: 'Stand still' });
    if (motion === 'reduce') return expect(still).toBeHidden();
    await still.check();
    await expect(shown).toHaveAttribute('src', '/recording/still-dark.webp');
  });
}
