/** Over the bridge: the page finds it, its agents are real processes, and a link starts none of them. */
import { expect, test } from '@playwright/test';
import { SCENARIOS } from '../../playground/scenarios/index.ts';
import { PlaygroundPage } from './playground-page.ts';

/** Names with a colon cannot stand in the bridge's addresses. */
const overTheBridge = SCENARIOS.filter((one) => one.bridge && one.steps.length > 0 && one.agent !== 'own' && !one.agent.includes(':'));

test('a bridged agent is chosen first, and comes back after Sleep', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await page.goto('/playground/');
  await pg.ready();
  await expect(pg.combobox('Agent')).toHaveValue('bridge:native');
  await pg.say('My cat is called Ada.');
  await pg.button('Sleep').click();
  await expect(pg.status).toHaveText('asleep');
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText('Your cat: Ada');
  await pg.tier('resume');
  await expect(pg.button('Delete agent store')).toBeDisabled();
  // The token is nowhere in the page.
  const { token } = (await page.evaluate(async () => (await fetch('/__rehydrate/bridge.json')).json())) as { token: string };
  expect(token).toMatch(/^[\w-]{43}$/);
  expect(await page.content()).not.toContain(token);
  expect(page.url()).not.toContain(token);
  expect(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain(token);
  const bytes = await page.evaluate(async () => (await indexedDB.databases()).map((one) => one.name).join());
  expect(bytes).not.toContain(token);
});

for (const scenario of overTheBridge) {
  test(`“${scenario.title}” runs to its end over the bridge`, async ({ page }) => {
    const pg = new PlaygroundPage(page);
    await pg.open(`#v=1&scenario=${scenario.name}&agent=bridge:${scenario.agent}`);
    for (let step = 1; step <= scenario.steps.length; step++) {
      await pg.button(`Run step ${step} of ${scenario.steps.length}`).click();
      await expect(
        page
          .getByRole('list', { name: 'Steps' })
          .getByRole('listitem')
          .nth(step - 1),
      ).toHaveAttribute('data-state', 'done');
    }
    await expect(page.locator('.rp-end')).toContainText(scenario.end);
  });
}

test('a link to a step sends nothing to a bridged agent', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=native-resume&agent=bridge:native&step=3');
  await expect(page.getByText('nothing is sent by itself')).toBeVisible();
  await expect(pg.status).toHaveText('asleep');
  await expect(pg.region('Wire')).toContainText('Nothing has crossed the wire');
  await expect(pg.button('Run step 1 of 3')).toBeEnabled();
});

test('killed and dropped agents read as dead, and come back', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=free&agent=bridge:native');
  await pg.say('My cat is called Ada.');
  for (const how of ['Kill agent', 'Drop connection']) {
    await pg.button(how).click();
    await expect(pg.status).toHaveText('dead');
    await pg.say('What is my cat called?');
    await expect(pg.answer).toContainText('Your cat: Ada');
    await pg.tier('resume');
  }
});

test('the bridge can be explained, let go and connected by hand, and a wrong token is refused in words', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=free&agent=bridge:native');
  const { url, token } = (await page.evaluate(async () => (await fetch('/__rehydrate/bridge.json')).json())) as {
    url: string;
    token: string;
  };
  await pg.button('About the bridge').click();
  await expect(page.getByRole('dialog')).toContainText(url);
  await expect(page.getByRole('dialog')).toContainText('Ctrl-C');
  await pg.button('Disconnect bridge').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Bridge address').fill(url);
  await dialog.getByLabel('Token').fill('A'.repeat(43));
  await dialog.getByRole('button', { name: 'Connect', exact: true }).click();
  await expect(dialog).toContainText(/bridge at .* (refused|did not)/i);
  await dialog.getByLabel('Token').fill(token);
  await dialog.getByRole('button', { name: 'Connect', exact: true }).click();
  await expect(dialog).toContainText('Connected to');
  await page.keyboard.press('Escape');
  await pg.combobox('Agent').selectOption('bridge:native');
  await pg.say('My cat is called Ada.');
});

test('a bridged agent that is chosen while a link’s steps run gets none of them', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await page.evaluate(() => {
    const watch = new MutationObserver(() => {
      if (document.querySelector<HTMLElement>('.rp-steps li')?.dataset['state'] !== 'running') return;
      watch.disconnect();
      const agent = [...document.querySelectorAll('select')].find((one) =>
        [...one.options].some((option) => option.value === 'bridge:native'),
      )!;
      agent.value = 'bridge:native';
      agent.dispatchEvent(new Event('change', { bubbles: true }));
    });
    watch.observe(document.body, { subtree: true, childList: true, attributes: true });
    location.hash = '#v=1&scenario=native-resume&agent=native&step=3';
  });
  await expect(pg.combobox('Agent')).toHaveValue('bridge:native');
  // The step that ran has come to its end, and none runs after it: the next one can be run by hand.
  await expect(pg.button('Run step 1 of 3')).toBeEnabled();
  await expect(page.getByRole('list', { name: 'Steps' }).locator('li[data-state=waiting]')).toHaveCount(3);
  await expect(pg.log).not.toContainText('Ada');
  await pg.say('What is my cat called?');
  await expect(pg.answer).toContainText("I don't know your cat.");
  await expect(pg.log).not.toContainText('Ada');
});
