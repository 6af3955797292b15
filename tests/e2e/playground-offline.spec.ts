/** Once loaded, the page needs no network: agents start, die and come back, and the console reads. */
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

test('everything goes on offline', async ({ page, context }) => {
  const pg = new PlaygroundPage(page);
  // Fetched when all else is there, for a query that is made offline.
  const consoleScript = page.waitForResponse(/sql\.worker/);
  await pg.open();
  await pg.say('My cat is called Ada.');
  await (await consoleScript).finished();
  await page.waitForLoadState('networkidle');
  await context.setOffline(true);
  await pg.button('Sleep').click();
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
  await pg.tier('resume');
  await page.getByRole('textbox', { name: 'SQL' }).press('Enter');
  await expect(pg.region('Database').getByRole('group', { name: 'Query result' })).toContainText('turn_started');
});

test('a reload needs no network either, and the session is there', async ({ page, context }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  // Its parts are kept once the page has all of them.
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await expect
    .poll(() =>
      page.evaluate(async () => (await (await caches.open('rehydrate-playground')).keys()).some(({ url }) => url.endsWith('.wasm'))),
    )
    .toBe(true);
  await context.setOffline(true);
  await page.reload();
  await pg.ready();
  await expect(pg.log).toContainText('My cat is called Ada.');
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
});
