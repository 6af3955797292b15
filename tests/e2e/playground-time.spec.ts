/** Going back, going on from there, and coming back. */
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

const sliderOf = (pg: PlaygroundPage) => pg.region('Timeline').getByRole('slider');

/** How many moments there are, once the timeline, which follows the commits at its own pace, ends with the end of a turn it had not yet. */
async function momentsAfter(pg: PlaygroundPage, before: number): Promise<number> {
  let moments = 0;
  await expect
    .poll(async () => {
      const words = await sliderOf(pg).getAttribute('aria-valuetext');
      moments = Number(/^(\d+) of \1: .*the turn ended$/.exec(words ?? '')?.[1] ?? 0);
      return moments;
    })
    .toBeGreaterThan(before);
  return moments;
}

/** Tells the agent of a cat, then of a dog. Gives how many moments that makes. */
async function tellTwo(pg: PlaygroundPage): Promise<number> {
  await pg.say('My cat is called Ada.');
  const first = await momentsAfter(pg, 0);
  await pg.say('My dog is called Argos.');
  return momentsAfter(pg, first);
}

/** Goes back to the end of the first of two turns, and waits until that is what is shown. */
async function backToFirst(pg: PlaygroundPage, moments: number): Promise<void> {
  const slider = sliderOf(pg);
  await slider.focus();
  for (let at = moments - 1, words: string | null = ''; !words?.endsWith('the turn ended'); at--) {
    await pg.page.keyboard.press('ArrowLeft');
    await expect(slider).toHaveAttribute('aria-valuetext', new RegExp(`^${at} of ${moments}: `));
    words = await slider.getAttribute('aria-valuetext');
  }
  await expect(pg.page.getByText('You are looking at the past.')).toBeVisible();
  // Every moment passed on the way knew of the dog.
  await expect(pg.log).not.toContainText('Argos');
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
}

test('a moment of the past shows its tables, transcript and conversation, and now returns', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  const moments = await tellTwo(pg);
  const now = await pg.settledEvents();
  await backToFirst(pg, moments);
  await expect(pg.region('Transcript')).toContainText('Ada');
  await expect(pg.region('Transcript')).not.toContainText('Argos');
  expect(await pg.settledEvents()).toBeLessThan(now);
  await expect(pg.button('Send')).toBeDisabled();
  // In the middle of that turn, too: what is over cannot be cancelled.
  await page.keyboard.press('ArrowLeft');
  await expect(pg.status).toHaveText('prompting');
  await expect(pg.button('Cancel turn')).toBeDisabled();
  await pg.button('Return to now').click();
  await expect(pg.log).toContainText('Argos');
  expect(await pg.settledEvents()).toBe(now);
});

test('a fork goes on from a moment, knows nothing of what came later, and leaves the main line as it was', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await backToFirst(pg, await tellTwo(pg));
  await pg.button('Fork from here').click();
  await expect(pg.region('Timeline')).toContainText('fork 1');
  await expect(pg.page.getByText('This is a fork.')).toBeVisible();
  await expect(pg.page.getByText('You are in fork 1')).toBeVisible();
  await pg.say('What do you remember?');
  await pg.tier('transcript');
  await expect(pg.answer).toContainText('Ada');
  await expect(pg.answer).not.toContainText('Argos');
  await page.reload();
  await pg.ready();
  await expect(pg.region('Timeline')).toContainText('fork 1');
  await pg.button('Return to now').click();
  await expect(pg.log).toContainText('Argos');
  await pg.say('What is my dog called?');
  await pg.tier('resume');
  await expect(pg.answer).toContainText('Your dog: Argos');
});
