/** Going back, going on from there, and coming back. */
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

test('a moment of the past shows its tables, transcript and conversation, and now returns', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  await pg.say('My dog is called Argos.');
  const slider = pg.region('Timeline').getByRole('slider');
  const now = await pg.settledEvents();
  await expect(pg.region('Timeline')).toContainText('the turn ended');
  // Back to the end of the first turn.
  await slider.focus();
  for (let i = 0; i < 30 && (await pg.log.innerText()).includes('Argos'); i++) {
    await page.keyboard.press('ArrowLeft');
    await expect(pg.region('Timeline').getByText('the past')).toBeVisible();
    await page.waitForTimeout(50);
  }
  await expect(pg.log).toContainText('Ada');
  await expect(pg.log).not.toContainText('Argos');
  await expect(pg.region('Transcript')).toContainText('Ada');
  await expect(pg.region('Transcript')).not.toContainText('Argos');
  expect(await pg.settledEvents()).toBeLessThan(now);
  await expect(pg.button('Send')).toBeDisabled();
  await pg.button('Return to now').click();
  await expect(pg.log).toContainText('Argos');
  expect(await pg.settledEvents()).toBe(now);
});

test('a fork goes on from a moment, knows nothing of what came later, and leaves the main line as it was', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  await pg.say('My dog is called Argos.');
  const slider = pg.region('Timeline').getByRole('slider');
  await expect(pg.region('Timeline')).toContainText('the turn ended');
  await slider.focus();
  for (let i = 0; i < 30 && (await pg.log.innerText()).includes('Argos'); i++) {
    await page.keyboard.press('ArrowLeft');
    await page.waitForTimeout(50);
  }
  await pg.button('Fork from here').click();
  await expect(pg.region('Timeline')).toContainText('fork 1');
  await pg.say('What do you remember?');
  await pg.tier('transcript');
  const answer = pg.log.locator('.rp-message[data-who="agent"]').last();
  await expect(answer).toContainText('Ada');
  await expect(answer).not.toContainText('Argos');
  await page.reload();
  await pg.ready();
  await expect(pg.region('Timeline')).toContainText('fork 1');
  await pg.button('Return to now').click();
  await expect(pg.log).toContainText('Argos');
  await pg.say('What is my dog called?');
  await pg.tier('resume');
  await expect(pg.log).toContainText('Your dog: Argos');
});
