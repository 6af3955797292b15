/** The first minute: everything is there by its name, and a session dies and comes back. */
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

test.use({ contextOptions: { reducedMotion: 'no-preference' } });

test('every part has its name', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  for (const name of ['Scenario', 'Agent', 'Policy']) await expect(pg.combobox(name)).toBeVisible();
  for (const name of ['Prompt', 'SQL']) await expect(page.getByRole('textbox', { name })).toBeVisible();
  for (const name of [
    'Send',
    'Cancel turn',
    'Sleep',
    'Wake',
    'Kill agent',
    'Drop connection',
    'Delete agent store',
    'Fork from here',
    'Return to now',
    'Reset',
    'Share',
    'Export database',
    'Import database',
  ]) {
    await expect(pg.button(name)).toBeVisible();
  }
  for (const name of ['Terminal', 'Machine', 'Wire', 'Database', 'Transcript', 'Resume report', 'Timeline'])
    await expect(pg.region(name)).toBeVisible();
  await expect(pg.log).toBeVisible();
  await expect(pg.status).toHaveText('asleep');
  expect(pg.problems).toEqual([]);
});

test('a prompt can be typed before anything is loaded, and is sent when it is', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  // The database's engine comes after the prompt; the page does not wait for it.
  const { promise: typed, resolve: come } = Promise.withResolvers<void>();
  await page.route('**/*.wasm', async (route) => {
    await typed;
    await route.continue();
  });
  await page.goto('/playground/#v=1&scenario=free&agent=native');
  await pg.send('My cat is called Ada.');
  await expect(page.getByText('The prompt is sent as soon as the database is open.')).toBeVisible();
  await expect(pg.log).toContainText('My cat is called Ada.');
  await expect(pg.log).not.toContainText('Nothing has been said yet');
  come();
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
});

test('what was said before Sleep is known after it', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  await pg.tier('new');
  await pg.button('Sleep').click();
  await expect(pg.status).toHaveText('asleep');
  await pg.button('Wake').click();
  // Waking is lazy: the host is there, which Sleep needs, and no agent yet.
  await expect(pg.button('Sleep')).toBeEnabled();
  await expect(pg.status).toHaveText('asleep');
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
  await pg.tier('resume');
  await pg.button('Sleep').click();
  await pg.say('And what is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
  await pg.tier('resume');
  expect(pg.problems).toEqual([]);
});

test('a part that cannot load is named, with what to do', async ({ page }) => {
  await page.route('**/*.wasm', (route) => route.abort());
  await page.goto('/playground/');
  await expect(page.getByRole('alert')).toContainText('Database could not load');
  await expect(page.getByRole('alert')).toContainText('Reload the page');
  // Walking to another link meanwhile is no error of its own.
  const errors: Error[] = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.evaluate(() => (location.hash = '#v=1&scenario=load-replay&agent=load'));
  await expect(page.locator('.rp-said .rp-problem')).not.toBeEmpty();
  expect(errors).toEqual([]);
});

test('a browser without WebAssembly is told so, and not that its storage is at fault', async ({ page }) => {
  await page.addInitScript(() => void Reflect.deleteProperty(globalThis, 'WebAssembly'));
  await page.goto('/playground/');
  await expect(page.getByRole('alert')).toContainText('This browser does not run SQLite');
  await expect(page.getByText('Your sessions are in this browser')).toHaveCount(0);
});

test('the terminal can be typed in, and left with Tab', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  const input = await pg.terminalLine();
  await page.keyboard.type('My dog is called Argos.');
  await page.keyboard.press('Enter');
  await expect(pg.log).toContainText('Noted. Your dog: Argos.');
  await expect(pg.region('Terminal').locator('.xterm-rows')).toContainText('Noted. Your dog: Argos.');
  await page.keyboard.press('Tab');
  await expect(input).not.toBeFocused();
  await expect(pg.region('Wire').getByRole('searchbox')).toBeFocused();
  // After a reload the same stands there, and nothing before it.
  const before = await pg.terminalRows();
  expect(before[0]).toMatch(/^new: /);
  await page.reload();
  await pg.ready();
  await pg.terminalLine();
  await expect.poll(() => pg.terminalRows()).toEqual(before);
});

test('permission is asked, allowed and rejected', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.send('Ask for permission');
  await pg.button('Allow').click();
  await expect(pg.status).toHaveText('live');
  await expect(pg.button('Allow')).toHaveCount(0);
  await expect(pg.prompt).toBeFocused();
  await pg.send('Ask for permission');
  await pg.button('Reject').focus();
  await page.keyboard.press('Enter');
  await expect(pg.status).toHaveText('live');
  await expect(pg.button('Reject')).toHaveCount(0);
  await expect(pg.prompt).toBeFocused();
});

test('a turn can be cancelled', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.send('Count to 500');
  await expect(pg.status).toHaveText('prompting');
  await pg.button('Cancel turn').click();
  await expect(pg.status).toHaveText('live');
  await expect(pg.log).toContainText('The turn was cancelled.');
});

test('the SQL console reads a copy, and harms nothing', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  const before = await pg.settledEvents();
  const sql = page.getByRole('textbox', { name: 'SQL' });
  await sql.fill('DELETE FROM acp_session_events; SELECT count(*) AS left FROM acp_session_events');
  await sql.press('Enter');
  await expect(pg.region('Database').getByRole('group', { name: 'Query result' })).toContainText('left');
  await expect(pg.region('Database').getByRole('group', { name: 'Query result' }).getByRole('cell')).toHaveText(['0']);
  await sql.fill('SELECT 9223372036854775807 AS largest');
  await sql.press('Enter');
  await expect(pg.region('Database').getByRole('group', { name: 'Query result' }).getByRole('cell')).toHaveText(['9223372036854775807']);
  await sql.fill('SELECT nonsense');
  await sql.press('Enter');
  await expect(pg.region('Database')).toContainText('no such column');
  await sql.fill('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n');
  await sql.press('Enter');
  await expect(pg.region('Database')).toContainText('The query was stopped');
  expect(await pg.settledEvents()).toBe(before);
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
});

test('an element that is added restyles what it touches, and not the page', async ({ browser, page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  await pg.terminalLine();
  const restyled = async (): Promise<number> => {
    await browser.startTracing(page, { categories: ['devtools.timeline'] });
    await page.evaluate(() => {
      const added = document.createElement('span');
      document.querySelector('.rp-log-items')!.append(added);
      // Makes the browser style it now, as the terminal does when it measures a letter.
      added.getBoundingClientRect();
      added.remove();
    });
    const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
      traceEvents: { name: string; args: { elementCount?: number } }[];
    };
    return Math.max(0, ...traceEvents.filter(({ name }) => name === 'UpdateLayoutTree').map(({ args }) => args.elementCount ?? 0));
  };
  // What streams in beside it may restyle more: the least of a few counts.
  const counts = [await restyled(), await restyled(), await restyled()];
  expect(Math.min(...counts)).toBeGreaterThan(0);
  expect(Math.min(...counts)).toBeLessThan(50);
});
