/** Several tabs: one owns the database, the others follow live and can take over (I9). */
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

test('a second tab follows live, is told whose the session is, and takes it over', async ({ context }) => {
  const first = new PlaygroundPage(await context.newPage());
  await first.open();
  await first.say('My cat is called Ada.');
  const second = new PlaygroundPage(await context.newPage());
  await second.open();
  await expect(second.log).toContainText('Noted. Your cat: Ada.');
  await expect(second.region('Database')).toContainText('Another tab owns the database');
  // Live in the first: seen here as it happens.
  await first.say('My dog is called Argos.');
  await expect(second.log).toContainText('Noted. Your dog: Argos.');
  await expect(second.page.getByText('The session is live in another tab.')).toBeVisible();
  await second.send('What is my cat called?');
  await expect(second.page.locator('.rp-said .rp-problem')).toContainText(/tab/);
  await expect(second.prompt).toHaveValue('What is my cat called?');
  await second.button('Take over').click();
  await expect(first.status).toHaveText('asleep');
  await expect(second.button('Take over')).toHaveCount(0);
  await expect(second.prompt).toBeFocused();
  await second.say('What is my cat called?');
  await expect(second.answer).toContainText('Your cat: Ada');
  await second.tier('resume');
  await expect(first.log).toContainText('Your cat: Ada (');
});

test('a second tab shows that the agent runs, and its Allow and Cancel reach it', async ({ context }) => {
  const first = new PlaygroundPage(await context.newPage());
  await first.open();
  await first.say('My cat is called Ada.');
  const second = new PlaygroundPage(await context.newPage());
  await second.open();
  await expect(second.status).toHaveText('live');
  await expect(second.region('Machine')).toContainText('The agent runs in another tab');
  await expect(second.button('Kill agent')).toBeDisabled();
  await first.send('Ask for permission');
  await second.button('Allow').click();
  await first.turnEnded('Ask for permission');
  await first.send('Count to 5000');
  await expect(second.status).toHaveText('prompting');
  await expect(second.button('Take over, and end its turn')).toBeVisible();
  await second.button('Cancel turn').click();
  await expect(first.log).toContainText('The turn was cancelled.');
  await expect(second.log).toContainText('The turn was cancelled.');
});

test('when the tab that owns the database dies, another goes on with everything', async ({ context }) => {
  const pages = [];
  for (let i = 0; i < 3; i++) {
    const pg = new PlaygroundPage(await context.newPage());
    await pg.open();
    pages.push(pg);
    if (i === 0) await pg.say('My cat is called Ada.');
  }
  const [first, second, third] = pages as [PlaygroundPage, PlaygroundPage, PlaygroundPage];
  await expect(third.log).toContainText('Noted. Your cat: Ada.');
  const elsewhere = second.page.getByText('The session is live in another tab.');
  await expect(elsewhere).toBeVisible();
  const cdp = await context.newCDPSession(first.page);
  const crashed = first.page.waitForEvent('crash');
  void cdp.send('Page.crash').catch(() => undefined);
  await crashed;
  await first.page.close();
  // The browser lets go of what a dead tab held in its own time.
  await expect(elsewhere).toHaveCount(0);
  await second.say('What is my cat called?');
  await expect(second.answer).toContainText('Your cat: Ada');
  await expect(third.log).toContainText('Your cat: Ada (');
});

test('a reset in one tab starts the others afresh', async ({ context }) => {
  const first = new PlaygroundPage(await context.newPage());
  await first.open();
  await first.say('My cat is called Ada.');
  const second = new PlaygroundPage(await context.newPage());
  await second.open();
  await expect(second.log).toContainText('Ada');
  await second.button('Reset').click();
  await second.confirmReset();
  await expect(second.log).toContainText('Nothing has been said yet.');
  await expect(first.log).toContainText('Nothing has been said yet.');
  await first.ready();
  await first.say('My dog is called Argos.');
  await expect(first.log).toContainText('Noted. Your dog: Argos.');
});
