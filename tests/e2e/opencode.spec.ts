/** A real agent in the browser: OpenCode behind the bridge, asleep and back, and back again when its store is gone. */
import { expect, test } from '@playwright/test';
import { startChild, type StartedChild } from '../support/start-child.mjs';
import { startModel, userText, type ModelServer } from '../opencode/support/model.ts';
import { openCodeHome, type OpenCodeHome } from '../opencode/support/opencode.ts';
import { processesIn } from '../opencode/support/processes.ts';
import { PlaygroundPage } from './playground-page.ts';

let model: ModelServer;
let opencode: OpenCodeHome;
let server: StartedChild;

test.beforeAll(async () => {
  model = await startModel();
  model.script((request) => [{ text: userText(request).includes('heron') ? 'I know the word heron.' : 'I know nothing.' }]);
  opencode = await openCodeHome({ baseUrl: model.baseUrl });
  const env = Object.entries(opencode.env).map(([name, value]) => `${name}='${value}'`);
  server = await startChild([
    '--cwd',
    opencode.cwd,
    '--agent',
    `opencode=/usr/bin/env ${env.join(' ')} '${opencode.program}' ${opencode.args.join(' ')}`,
  ]);
});

test.afterAll(async () => {
  await server?.stop();
  await model?.close();
  await opencode?.remove();
});

test('OpenCode sleeps and resumes by itself; with its store deleted it goes on from the record, once', async ({ browser }) => {
  test.setTimeout(600_000);
  const context = await browser.newContext({ baseURL: server.url });
  const pg = new PlaygroundPage(await context.newPage());
  await pg.page.goto(server.address);
  await pg.ready();
  await pg.combobox('Agent').selectOption('bridge:opencode');
  const turn = async (text: string): Promise<void> => {
    await pg.send(text);
    // Live first: before the turn begins there is nothing to cancel either, and OpenCode's start may take a minute on a busy machine.
    await expect(pg.status).toHaveText('live', { timeout: 180_000 });
    await expect(pg.button('Cancel turn')).toBeDisabled({ timeout: 180_000 });
  };
  const lastAsked = (): string => userText(model.requests.at(-1)!);
  const told = (): number => lastAsked().split('The codeword is heron.').length - 1;

  await turn('The codeword is heron.');
  await expect(pg.log).toContainText('I know the word heron.');
  expect(processesIn(opencode.home).length).toBeGreaterThan(0);

  await pg.button('Sleep').click();
  await expect(pg.status).toHaveText('asleep');
  await expect.poll(() => processesIn(opencode.home)).toEqual([]);
  await turn('What is the codeword?');
  await pg.tier('resume');
  // The model was told the first turn by OpenCode itself: once, and without a record.
  expect(told()).toBe(1);
  expect(lastAsked()).not.toContain('Record of an earlier conversation');
  const sessionId = await publicId(pg);

  await pg.button('Sleep').click();
  await expect(pg.status).toHaveText('asleep');
  await expect.poll(() => processesIn(opencode.home)).toEqual([]);
  await opencode.loseStore();
  await turn('Do you still know it?');
  await pg.tier('transcript');
  await expect(pg.report).toContainText('session/resume');
  expect(lastAsked()).toContain('Record of an earlier conversation');
  expect(told()).toBe(1);
  expect(await publicId(pg)).toBe(sessionId);

  await turn('And once more?');
  expect(told()).toBe(1);
  expect(model.requests.at(-1)?.messages.filter(({ role }) => role === 'user')).toHaveLength(2);
  expect(pg.problems).toEqual([]);
  await context.close();
  // The page is gone, and with its socket the agent's tree.
  await expect.poll(() => processesIn(opencode.home)).toEqual([]);
});

/** The session's own id, as the database has it: one row, the column by its name. */
async function publicId(pg: PlaygroundPage): Promise<string> {
  const database = pg.region('Database');
  await database.getByRole('button', { name: /^acp_sessions \d+$/ }).click();
  const rows = database.getByRole('table').getByRole('row');
  await expect(rows).toHaveCount(2);
  const column = (await rows.first().getByRole('columnheader').allInnerTexts()).indexOf('session_id');
  const id = await rows.nth(1).getByRole('cell').nth(column).innerText();
  expect(id).toMatch(/^\S{8,}$/);
  return id;
}
