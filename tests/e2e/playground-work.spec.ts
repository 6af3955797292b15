/** Working in the page: the session's files, and the terminal as a place to write. */
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

test('what an agent in the tab wrote is in the session’s files: over sleep, in an agent that lost its session, and nobody else’s', async ({
  page,
}) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=free&agent=amnesiac');
  await pg.say('write file notes.txt: Ada likes fish');
  await expect(pg.log).toContainText('I wrote notes.txt.');
  await expect.poll(() => pg.rowCount('workspace_files')).toBe(1);
  await pg.button('Sleep').click();
  await expect(pg.status).toHaveText('asleep');
  await page.reload();
  await pg.ready();
  await pg.say('read file notes.txt');
  await pg.tier('transcript');
  await expect(pg.answer).toContainText('Ada likes fish');
  await pg
    .region('Database')
    .getByRole('button', { name: /^workspace_files/ })
    .click();
  await expect(pg.region('Database').getByRole('table').first()).toContainText('/workspace/notes.txt');
  await pg.combobox('Session').selectOption('');
  await pg.say('read file notes.txt');
  await expect(pg.answer).toContainText('could not read notes.txt');
});

test('the terminal takes several lines, sends only on Enter, and knows what was said', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  const input = await pg.terminalLine();
  await page.keyboard.insertText('say one\ntwo');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('three');
  await expect(pg.prompt).toHaveValue('say one\ntwo\nthree');
  await expect(pg.status).toHaveText('asleep');
  await page.keyboard.press('Enter');
  await pg.turnEnded('three');
  await expect(pg.log.locator('.rp-message[data-who="user"] .rp-text')).toHaveText('say one\ntwo\nthree');

  // What was said is there again, from either place, and what was being written comes back after it.
  await pg.say('My cat is called Ada.');
  await input.fill('What is');
  await page.keyboard.press('ArrowUp');
  await expect(input).toHaveValue('My cat is called Ada.');
  await page.keyboard.press('ArrowUp');
  await expect(input).toHaveValue('say one\ntwo\nthree');
  // In a text of several lines Up goes to the line above first.
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(input).toHaveValue('My cat is called Ada.');
  await page.keyboard.press('ArrowDown');
  await expect(input).toHaveValue('What is');
  await page.keyboard.type(' my cat called?');
  await page.keyboard.press('Enter');
  await expect(pg.log).toContainText('Your cat: Ada (');
  await expect(pg.region('Terminal').locator('.xterm-rows')).toContainText('Your cat: Ada (');
});

test('what the terminal could not send comes back into it, with why', async ({ page }) => {
  // Both answers have to be on it.
  await page.setViewportSize({ width: 1280, height: 1000 });
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&agent=crash-initialize');
  const input = await pg.terminalLine();
  const shown = async () => (await pg.terminalRows()).join(' ');
  await page.keyboard.type('Are you there?');
  await page.keyboard.press('Enter');
  await expect.poll(shown).toMatch(/⚠ Agent "crash-initialize" exited with code 3/);
  await expect(input).toHaveValue('Are you there?');
  // It can be sent again as it stands.
  await page.keyboard.press('Enter');
  await expect.poll(async () => (await shown()).match(/⚠/g)?.length).toBe(2);
  await expect(input).toHaveValue('Are you there?');
});

test('what the terminal sends stays to be seen while the agent starts, and stands there once when it is stored', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=free&agent=hang-new');
  const waiting = pg.region('Terminal').locator('.rp-terminal > p');
  const input = await pg.terminalLine();
  await page.keyboard.type('Are you there?');
  await page.keyboard.press('Enter');
  await expect(pg.region('Machine').getByText('Asking the agent for a new session.')).toBeVisible();
  await expect(waiting).toHaveText('› Are you there?');
  await page.keyboard.press('Control+C');
  await expect(pg.region('Terminal').locator('.xterm-rows')).toContainText('was cancelled before the session was live');
  // Given back, and sent to another agent.
  await expect(waiting).toHaveCount(0);
  await expect(input).toHaveValue('Are you there?');
  await pg.combobox('Agent').selectOption('native');
  await expect(pg.log).toContainText('Nothing has been said yet');
  await input.focus();
  await page.keyboard.press('Enter');
  await pg.turnEnded('Are you there?');
  await expect.poll(async () => (await pg.terminalRows()).filter((row) => row.startsWith('› Are you there?'))).toHaveLength(1);
  await expect(waiting).toHaveCount(0);
});

for (const [button, status, words] of [
  ['Kill agent', 'dead', 'ended with SIGKILL'],
  ['Drop connection', 'dead', 'dropped'],
  ['Cancel turn', 'asleep', 'cancelled before the session was live'],
] as const) {
  test(`${button} works while a session is being created, and what was typed is there to be sent again`, async ({ page }) => {
    const pg = new PlaygroundPage(page);
    await pg.open('#v=1&scenario=free&agent=hang-new');
    await pg.send('Are you there?');
    await expect(pg.region('Machine').getByRole('listitem').filter({ hasText: 'session/new' })).toContainText('asking');
    await pg.button(button).click();
    await expect(pg.prompt).toHaveValue('Are you there?');
    await expect(page.locator('.rp-said .rp-problem')).toContainText(words);
    await expect(pg.status).toHaveText(status);
    await expect(pg.button('Send')).toBeEnabled();
    // Asked of the database itself: the panel of tables may not have come to it yet.
    const sql = page.getByRole('textbox', { name: 'SQL' });
    await sql.fill('SELECT count(*) FROM acp_sessions');
    await sql.press('Enter');
    await expect(page.getByRole('group', { name: 'Query result' }).getByRole('cell')).toHaveText(['0']);
    expect(pg.problems).toEqual([]);
  });
}
