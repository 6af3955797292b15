/** Working in the page: the session's files, and the terminal as a place to write. */
import { expect, test, type Page } from '@playwright/test';
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

async function paste(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Terminal input' }).evaluate((element, pasted) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', pasted);
    element.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  }, text);
}

test('the terminal takes several lines, sends only on Enter, wraps what is long, and knows what was said', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  const rows = () => pg.terminalRows();
  const input = await pg.terminalLine();
  await paste(page, 'say one\ntwo');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('three');
  await expect.poll(async () => (await rows()).map((row) => row.trim()).filter((row) => row !== '')).toEqual(['› say one', 'two', 'three']);
  await expect(pg.status).toHaveText('asleep');
  await page.keyboard.press('Enter');
  await expect(pg.status).toHaveText('live');
  await expect(pg.log.locator('.rp-message[data-who="user"] .rp-text')).toHaveText('say one\ntwo\nthree');

  // A long line wraps at words and is taken away whole.
  await input.focus();
  const long = Array.from({ length: 30 }, (_, n) => `word${n}`).join(' ');
  await page.keyboard.insertText(long);
  await expect.poll(async () => (await rows()).join(' ').replace(/\s+/g, ' ')).toContain(long);
  await page.keyboard.press('Control+u');
  await expect.poll(async () => (await rows()).join(' ')).not.toContain('word');

  // What was said is there again, from either place.
  await pg.say('My cat is called Ada.');
  const said = async () => (await rows()).filter((row) => row.includes('My cat is called Ada.')).length;
  // The terminal is drawn at its own pace, and knows what it has drawn.
  await expect.poll(said).toBe(1);
  await pg.terminalLine();
  await page.keyboard.press('ArrowUp');
  await expect.poll(said).toBe(2);
  await page.keyboard.press('Control+u');
  await page.keyboard.type('What is my cat called?');
  await page.keyboard.press('Enter');
  await expect(pg.log).toContainText('Your cat: Ada (');
});

test('what the terminal could not send comes back into it, with why', async ({ page }) => {
  // Both answers have to be on it.
  await page.setViewportSize({ width: 1280, height: 1000 });
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&agent=crash-initialize');
  const input = await pg.terminalLine();
  const rows = () => pg.terminalRows();
  const shown = async () => (await rows()).map((row) => row.trim()).join(' ');
  await page.keyboard.type('Are you there?');
  await page.keyboard.press('Enter');
  await expect.poll(shown).toMatch(/⚠ Agent "crash-initialize" exited with code 3 .*› Are you there\?/);
  // It can be sent again as it stands, and what one writes meanwhile is kept after it: sent and
  // written in one task of the page, before the agent can have failed again.
  await input.evaluate((element) => {
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 13, bubbles: true, cancelable: true }));
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', 'Later');
    element.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  });
  await expect.poll(async () => (await shown()).match(/⚠/g)?.length).toBe(2);
  await expect.poll(shown).toMatch(/› Are you there\? Later\s*$/);
});

test('what the terminal sends stays to be seen while the agent starts, and stands there once when it is stored', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=free&agent=hang-new');
  const lines = async () => (await pg.terminalRows()).filter((row) => row.startsWith('› Are you there?')).length;
  await pg.terminalLine();
  await page.keyboard.type('Are you there?');
  await page.keyboard.press('Enter');
  await expect(pg.region('Machine').getByText('Asking the agent for a new session.')).toBeVisible();
  await expect(pg.log).toContainText('Are you there?');
  expect(await lines()).toBe(1);
  await page.keyboard.press('Control+C');
  await expect(pg.region('Terminal').locator('.xterm-rows')).toContainText('was cancelled before the session was there');
  // Given back, and sent to another agent.
  await expect.poll(lines).toBe(1);
  await pg.combobox('Agent').selectOption('native');
  await expect(pg.log).toContainText('Nothing has been said yet');
  await page.getByRole('textbox', { name: 'Terminal input' }).focus();
  await expect.poll(lines).toBe(1);
  await page.keyboard.press('Enter');
  await pg.turnEnded('Are you there?');
  await expect.poll(lines).toBe(1);
});

test('what is written in the terminal and in the prompt box is the same, however long', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.terminalLine();
  const long = 'long '.repeat(2_000);
  await paste(page, long);
  await expect(pg.prompt).toHaveValue(long);
  await pg.prompt.fill('say it here');
  await expect.poll(async () => (await pg.terminalRows()).map((row) => row.trim()).filter((row) => row !== '')).toEqual(['› say it here']);
  await page.getByRole('textbox', { name: 'Terminal input' }).focus();
  await page.keyboard.type(', and there');
  await expect(pg.prompt).toHaveValue('say it here, and there');
  await page.keyboard.press('Enter');
  await pg.turnEnded('say it here, and there');
});

for (const [button, status, words] of [
  ['Kill agent', 'dead', 'ended with SIGKILL'],
  ['Drop connection', 'dead', 'dropped'],
  ['Cancel turn', 'asleep', 'cancelled before the session was there'],
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
