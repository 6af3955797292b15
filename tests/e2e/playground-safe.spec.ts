/** What an agent prints, and what a link says, can do nothing but be shown. */
import { expect, test } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';

const HOSTILE =
  '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script> [x](javascript:alert(1)) \u001b]0;owned\u0007 \u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007 \u001b]52;c;b3duZWQ=\u0007 \u001b[2J \u202egnp.exe';

test('escape sequences, markup and links in an answer are only text', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  const title = await page.title();
  await page.evaluate(() => navigator.clipboard.writeText('mine'));
  await pg.send(`say ${HOSTILE}`);
  await expect(pg.button('Cancel turn')).toBeDisabled();
  await expect(pg.answer).toContainText('<script>');
  await expect(pg.answer).toContainText('gnp.exe');
  await expect(pg.status).toHaveText('live');
  // A terminal that is not on screen is not drawn. Once as the prompt, once as the answer.
  await pg.region('Terminal').scrollIntoViewIfNeeded();
  await expect.poll(async () => (await pg.terminalRows()).join('').match(/gnp\.exe/g)?.length).toBe(2);
  expect(await page.title()).toBe(title);
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('mine');
  expect(await pg.log.locator('img, script, a').count()).toBe(0);
  expect(await pg.region('Terminal').locator('a').count()).toBe(0);
  // What came before was not cleared: it is further up.
  await pg.region('Terminal').locator('.xterm-screen').hover();
  await page.mouse.wheel(0, -2_000);
  await expect(pg.region('Terminal').locator('.xterm-rows')).toContainText('Noted');
});

test('a link cannot bring text, a command, an address or a token', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=free&agent=native&step=9&prompt=evil&bridge=ws://evil.example&token=x&sql=DROP');
  await expect(pg.prompt).toHaveValue('');
  await expect(pg.log).not.toContainText('evil');
  await expect(page.getByRole('textbox', { name: 'SQL' })).not.toHaveValue(/DROP/);
  await expect(page).not.toHaveURL(/evil|token/);
});

test('the page runs under its Content-Security-Policy without a violation', async ({ page }) => {
  const violations: string[] = [];
  await page.exposeFunction('reportViolation', (text: string) => void violations.push(text));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      void (window as unknown as { reportViolation(text: string): void }).reportViolation(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  // What is loaded apart has its say, too: the terminal, and the console's worker.
  await pg.terminalLine();
  await page.getByRole('textbox', { name: 'SQL' }).press('Enter');
  await expect(pg.region('Database').getByRole('group', { name: 'Query result' })).toContainText('turn_started');
  expect(violations).toEqual([]);
});
