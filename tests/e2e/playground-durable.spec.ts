/** What was acknowledged is there after a reload, a closed tab and a crashed one (I2, I12). */
import { readFile } from 'node:fs/promises';
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

test('a reload keeps the session, its history and the agent’s memory', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  await expect(pg.combobox('Session')).toHaveValue(/^free-/);
  const session = await pg.combobox('Session').inputValue();
  await page.reload();
  await pg.ready();
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
  await expect(pg.status).toHaveText('asleep');
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
  await pg.tier('resume');
  await expect(pg.combobox('Session')).toHaveValue(session);
});

test('a scenario goes on after a reload where it stood', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=native-resume&agent=native');
  await pg.button('Run step 1 of 3').click();
  await pg.button('Run step 2 of 3').click();
  await expect(pg.button('Run step 3 of 3')).toBeEnabled();
  await page.reload();
  await pg.ready();
  await pg.button('Run step 3 of 3').click();
  await expect(pg.button('All steps done')).toBeVisible();
  await pg.tier('resume');
});

for (const [round, pause] of [15, 60, 140, 260, 420].entries()) {
  test(`a tab that dies ${pause} ms into an answer loses nothing it showed, round ${round + 1}`, async ({ context }) => {
    const page = await context.newPage();
    const pg = new PlaygroundPage(page);
    await pg.open();
    await pg.say('My cat is called Ada.');
    await pg.send('Count to 200');
    await expect(pg.status).toHaveText('prompting');
    await page.waitForTimeout(pause);
    const shown = await pg.log.innerText();
    // A renderer that is killed gets no chance to tidy up.
    const cdp = await context.newCDPSession(page);
    const crashed = page.waitForEvent('crash');
    void cdp.send('Page.crash').catch(() => undefined);
    await crashed;
    await page.close();

    const again = new PlaygroundPage(await context.newPage());
    await again.open();
    await expect(again.log).toContainText('The turn was interrupted.');
    const lines = shown.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('You') && !line.startsWith('Agent'));
    for (const line of lines) await expect(again.log).toContainText(line.trim());
    await again.say('What is my cat called?');
    await expect(again.answer).toContainText('Your cat: Ada');
  });
}

test('a database goes out as a SQLite file and comes back in', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  const download = page.waitForEvent('download');
  await pg.button('Export database').click();
  const file = await (await download).path();

  await pg.button('Reset').click();
  await expect(page.getByRole('dialog')).toContainText('1 session');
  await pg.confirmReset();
  await expect(pg.log).not.toContainText('Ada');

  const chooser = page.waitForEvent('filechooser');
  await pg.button('Import database').click();
  await (await chooser).setFiles(file);
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
  // Its agent’s own store went with the reset, so the record is what brings it back.
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
  await pg.tier('transcript');
});

test('what is no database is refused, and nothing is changed', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  const chooser = page.waitForEvent('filechooser');
  await pg.button('Import database').click();
  await (await chooser).setFiles({ name: 'x.sqlite', mimeType: 'application/octet-stream', buffer: Buffer.from('not a database at all') });
  await expect(pg.region('Database').getByRole('alert')).toContainText('not a SQLite database');
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
});

test('a database of a newer release is refused, nothing of it stays, and the session goes on', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  const download = page.waitForEvent('download');
  await pg.button('Export database').click();
  const whole = await readFile(await (await download).path());
  const newer = Buffer.from(whole);
  newer.writeUInt32BE(99, 60);
  const databases = () =>
    page.evaluate(async () => (await indexedDB.databases()).map((one) => one.name).filter((name) => name!.includes('fork')));
  for (const [buffer, why] of [
    [newer, 'schema version is 99'],
    [whole.subarray(0, whole.length - 8_192), 'not opened'],
  ] as const) {
    await page.locator('input[type=file]').setInputFiles({ name: 'x.sqlite', mimeType: 'application/octet-stream', buffer });
    await expect(pg.region('Database').getByRole('alert')).toContainText(why);
    await expect.poll(databases).toEqual([]);
    await pg.say('What is my cat called?');
    await expect(pg.answer).toContainText('Your cat: Ada (');
  }
  await pg.button('Reset').click();
  await expect(page.getByRole('dialog')).toContainText('1 session');
});
