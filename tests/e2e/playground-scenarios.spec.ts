/** A scenario as a thing to share and to walk about in; each runs to its end in playground-stage.spec.ts. */
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

test('a link to a step brings what was on screen to another browser', async ({ page, browser, baseURL }) => {
  // Six resumes in two pages: as long as the machine needs for them.
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=transcript-fallback&agent=amnesiac');
  for (let step = 1; step <= 3; step++) await pg.button(`Run step ${step} of 4`).click();
  await pg.tier('transcript');
  await expect(pg.button('Run step 4 of 4')).toBeEnabled();
  await pg.button('Share').click();
  const link = await page.getByRole('textbox', { name: 'Link' }).inputValue();
  expect(new URL(link).hash).toBe('#v=1&scenario=transcript-fallback&agent=amnesiac&step=3');

  const other = new PlaygroundPage(await (await browser.newContext({ baseURL: baseURL! })).newPage());
  await other.page.goto(link);
  // A whole page, and three steps in it.
  await expect(other.button('Run step 4 of 4')).toBeEnabled({ timeout: 120_000 });
  await other.tier('transcript');
  await expect(other.answer).toContainText('Your garden: Eden');
  await other.page.context().close();
});

test('steps can be skipped, and the scenario begun again', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=native-resume&agent=native');
  await pg.button('Skip').click();
  await expect(pg.button('Run step 2 of 3')).toBeVisible();
  await pg.button('Start over').click();
  await expect(pg.button('Run step 1 of 3')).toBeVisible();
});
