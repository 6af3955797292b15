/** An agent that asks, prints and floods as no scripted one does, over a bridge of its own. */
import { expect, test } from './support/own-bridge.ts';

test('every answer an agent offers can be given, by keyboard too', async ({ odd: { pg }, page }) => {
  const question = page.getByRole('group', { name: 'The agent asks for permission' });
  const reply = pg.log.locator('.rp-message[data-who="agent"]').last();
  const ask = async (which: string) => {
    await pg.send(`ask ${which}`);
    await expect(question).toBeVisible();
  };
  await ask('many');
  await expect(question).toContainText('Delete everything');
  await expect(question.getByRole('menuitem')).toHaveText(['Yes, and never ask again', 'Never', 'Let me edit it first']);
  await expect(question).toContainText('Allow answers “Yes, this once”. Reject answers “Not now”.');
  await pg.button('Allow').click();
  await expect(reply).toContainText('The answer was once.');
  await ask('many');
  await pg.button('Reject').click();
  await expect(reply).toContainText('The answer was no.');
  // From Reject one Tab reaches the others, arrows walk among them, and one more Tab leaves.
  await ask('many');
  await pg.button('Reject').focus();
  await page.keyboard.press('Tab');
  await expect(question.getByRole('menuitem').first()).toBeFocused();
  await page.keyboard.press('ArrowLeft');
  await expect(question.getByRole('menuitem').last()).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(pg.prompt).toBeFocused();
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(reply).toContainText('The answer was edit.');
  await expect(pg.prompt).toBeFocused();
  await ask('odd');
  await expect(pg.button('Allow')).toBeDisabled();
  await question.getByRole('menuitem', { name: 'Escalate' }).click();
  await expect(reply).toContainText('The answer was only.');
  await ask('odd');
  await pg.button('Reject').click();
  await expect(reply).toContainText('The answer was cancelled.');
  expect(pg.problems).toEqual([]);
});

test('a dropped connection reads as disconnected, and the tree behind the bridge is gone', async ({ odd: { pg, events }, page }) => {
  await pg.say('hello');
  const opened = events.find((event) => event.event === 'opened')!;
  await pg.button('Drop connection').click();
  await expect(pg.status).toHaveText('dead');
  await expect(pg.region('Machine')).toContainText('was disconnected: the connection was dropped by hand');
  await expect(pg.log).toContainText('was disconnected');
  // The exit is only told once the bridge says that the tree is gone.
  expect(() => process.kill((opened as { pid: number }).pid, 0)).toThrow('ESRCH');
  expect(events.filter((event) => event.event === 'closed')).toHaveLength(1);
  await pg.say('hello again');
  await expect(pg.report.locator('[data-tier]')).toHaveAttribute('data-tier', 'transcript');
  await page.keyboard.press('Escape');
});

test('a bridge that ends is said to be gone, and none is taken in its place', async ({ odd: { bridge, pg }, page }) => {
  await pg.say('hello');
  await bridge.close();
  await expect(page.getByRole('alert')).toContainText('Bridge is gone');
  await expect(pg.status).toHaveText('dead');
  await expect(pg.combobox('Agent')).toHaveValue('bridge:odd');
});

test('nothing an agent prints acts, wherever it is shown', async ({ odd: { pg }, page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const away: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('evil.example')) away.push(request.url());
  });
  await page.evaluate(() => navigator.clipboard.writeText('mine'));
  const title = await page.title();
  await pg.send('hostile');
  await expect(pg.log).toContainText('That was all.');
  await expect(pg.status).toHaveText('live');
  // Everywhere it stands: terminal, wire, tables, transcript, the list of sessions.
  await pg.region('Terminal').scrollIntoViewIfNeeded();
  await expect(pg.region('Terminal').locator('.xterm-rows')).toContainText('That was all.');
  await expect(pg.region('Transcript')).toContainText('That was all.');
  await expect(pg.region('Wire').locator('summary').last()).toContainText('end_turn');
  await pg.region('Wire').locator('summary').last().click();
  expect(await page.title()).toBe(title);
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('mine');
  expect(await page.locator('.rp').locator('img, script, iframe, object, a[href^="javascript"], a[href*="evil"]').count()).toBe(0);
  await expect(pg.combobox('Session')).toContainText('Fine');
  const sessions = await pg.combobox('Session').innerText();
  for (const mark of ['\u001b', '\u202e']) expect(sessions).not.toContain(mark);
  expect(await pg.log.locator('.rp-who').allInnerTexts()).toEqual(expect.arrayContaining(['You', 'Agent']));
  expect(away).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  // The database is as it was, and the session goes on.
  await pg.say('still there?');
  await expect(pg.log).toContainText('You said: still there?');
  await expect.poll(() => pg.rowCount('acp_sessions')).toBe(1);
  expect(pg.problems).toEqual([]);
});

test('ten thousand updates of every kind leave the page usable', async ({ odd: { pg }, page }) => {
  await pg.send('flood');
  await expect(pg.log).toContainText('The flood is over.', { timeout: 120_000 });
  await expect(pg.status).toHaveText('live');
  expect(await pg.log.locator('.rp-message').count()).toBeLessThanOrEqual(200);
  expect(await pg.region('Wire').getByRole('listitem').count()).toBeLessThanOrEqual(200);
  await pg.say('still there?');
  await expect(pg.log).toContainText('You said: still there?');
  expect(await page.evaluate(() => document.querySelectorAll('.rp *').length)).toBeLessThan(6_000);
});
