/** `npm start` lets in the browser that opens the printed address; any other one plays with the agents of the tab, and is told how. */
import { expect, test } from '@playwright/test';
import { startChild, type StartedChild } from '../support/start-child.mjs';
import { PlaygroundPage } from './playground-page.ts';

let server: StartedChild;
test.beforeAll(async () => {
  server = await startChild();
});
test.afterAll(() => server?.stop());

test('the printed address leads to the playground with the agents of this machine, and stays out of the page', async ({ browser }) => {
  const context = await browser.newContext({ storageState: { cookies: [], origins: [] } });
  const pg = new PlaygroundPage(await context.newPage());
  await pg.page.goto(server.address);
  await pg.ready();
  expect(new URL(pg.page.url()).pathname).toBe('/playground/');
  await expect(pg.combobox('Agent')).toHaveValue('bridge:native');
  await pg.say('My cat is called Ada.');
  const secret = server.address.split('/').at(-1)!;
  expect(await pg.page.content()).not.toContain(secret);
  // Scripts of the page cannot read what lets it in.
  expect(await pg.page.evaluate(() => document.cookie)).not.toContain('rehydrate');
  // Other tabs of this browser are in, too; and so is the same address again.
  const other = new PlaygroundPage(await context.newPage());
  await other.page.goto(server.address);
  await other.ready();
  await expect(other.combobox('Agent').locator('option[value="bridge:native"]')).toBeAttached();
  await context.close();
});

test('npm start is started anew: an open page says what to open, a reloaded one keeps its conversation, and both go on when let in', async ({
  browser,
}) => {
  const before = await startChild();
  const context = await browser.newContext({ storageState: { cookies: [], origins: [] } });
  const pg = new PlaygroundPage(await context.newPage());
  const { page } = pg;
  await page.goto(before.address);
  await pg.ready();
  await pg.say('My cat is called Ada.');
  await before.stop();
  const after = await startChild(['--port', new URL(before.url).port]);
  try {
    await expect(page.getByRole('alert')).toContainText('Open the page at the address that it printed this time');
    await page.reload();
    await pg.ready();
    await expect(pg.log).toContainText('Noted. Your cat: Ada.');
    await expect(pg.combobox('Agent')).toHaveValue('bridge:native');
    await expect(page.getByText('is behind a bridge, which is not connected')).toBeVisible();
    await pg.send('What is my cat called?');
    await expect(page.locator('.rp-said .rp-problem')).toContainText('none is connected');
    await page.goto(after.address);
    await pg.ready();
    await expect(page.getByText('is behind a bridge, which is not connected')).toHaveCount(0);
    await pg.say('What is my cat called?');
    await expect(pg.answer).toContainText('Ada');
  } finally {
    await after.stop();
    await context.close();
  }
});

test('another browser gets no token: its agents run in the tab, and the page says what to open', async ({ browser }) => {
  const context = await browser.newContext({ baseURL: server.url, storageState: { cookies: [], origins: [] } });
  const page = await context.newPage();
  const pg = new PlaygroundPage(page);
  await page.goto('/playground/');
  await pg.ready();
  await expect(pg.combobox('Agent')).toHaveValue('native');
  const status = await page.evaluate(async () => (await fetch('/__rehydrate/bridge.json')).status);
  expect(status).toBe(401);
  await pg.say('My cat is called Ada.');
  await expect(page.getByText('at the address that npm start printed')).toBeVisible();
  await pg.button('Connect a bridge').click();
  await expect(page.getByRole('dialog')).toContainText('at the address that npm start printed');
  await context.close();
});
