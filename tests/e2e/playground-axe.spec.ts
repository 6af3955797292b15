/** For everyone: axe finds nothing, in every state, theme and width; and all of it works by keyboard. */
import { expect, test, type Locator } from '@playwright/test';
import { PlaygroundPage } from './playground-page.ts';
import { defects, type Passed } from './support/axe.ts';

/** The page around the playground is looked at once; what changes with each state is in the playground. */
const check = async (pg: PlaygroundPage, state: string, passed?: Passed): Promise<void> => {
  expect(await defects(pg.page, { passed, ...(state === 'empty' ? {} : { include: '.rp' }) }), state).toEqual([]);
  // Nothing is wider than the screen.
  expect(await pg.page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${state}: sideways`).toBeLessThanOrEqual(0);
};

// A theme changes colours and nothing else, a width everything else: each is looked at, not each pair.
for (const [colorScheme, width] of [
  ['dark', 320],
  ['light', 768],
  ['dark', 1440],
] as const) {
  test(`axe finds nothing, ${colorScheme}, ${width} px`, async ({ browser, baseURL }) => {
    // A dozen looks at a whole page, on a machine that may be busy.
    test.setTimeout(600_000);
    const context = await browser.newContext({
      baseURL: baseURL!,
      colorScheme,
      viewport: { width, height: 800 },
      hasTouch: width === 320,
      reducedMotion: 'reduce',
    });
    const pg = new PlaygroundPage(await context.newPage());
    const passed: Passed = new Set();
    await pg.open('#v=1&scenario=transcript-fallback&agent=amnesiac');
    await check(pg, 'empty', passed);
    await pg.button('Run step 1 of 4').click();
    await expect(pg.button('Run step 2 of 4')).toBeEnabled();
    await check(pg, 'live', passed);
    await pg.send('Ask for permission');
    await expect(pg.button('Allow')).toBeVisible();
    await check(pg, 'asked for permission', passed);
    await pg.button('Reject').click();
    await expect(pg.status).toHaveText('live');
    await pg.button('Kill agent').click();
    await expect(pg.status).toHaveText('dead');
    await check(pg, 'dead', passed);
    await pg.say('What is my garden called?');
    await pg.tier('transcript');
    await pg.region('Wire').locator('summary').last().click();
    await expect(pg.region('Wire').locator('details[open] pre')).toBeVisible();
    await pg.page.getByRole('textbox', { name: 'SQL' }).press('Enter');
    await expect(pg.region('Database').getByRole('group', { name: 'Query result' })).toBeVisible();
    await check(pg, 'resumed, a frame and a result open', passed);
    await pg.button('Sleep').click();
    await expect(pg.status).toHaveText('asleep');
    await pg.region('Timeline').getByRole('slider').focus();
    await pg.page.keyboard.press('ArrowLeft');
    // The slider moves before the moment is read.
    await expect(pg.page.getByText('You are looking at the past.')).toBeVisible();
    await check(pg, 'in the past', passed);
    await pg.button('Return to now').click();
    for (const name of ['Share', 'Reset', 'About the bridge']) {
      await pg.button(name).click();
      await expect(pg.page.getByRole('dialog')).toBeVisible();
      await check(pg, name, passed);
      await pg.page.keyboard.press('Escape');
      await expect(pg.page.getByRole('dialog')).toHaveCount(0);
    }
    await context.close();
  });
}

test('axe finds nothing in forced colours', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ baseURL: baseURL!, forcedColors: 'active' });
  const pg = new PlaygroundPage(await context.newPage());
  await pg.open();
  await pg.say('My cat is called Ada.');
  await check(pg, 'forced colours');
  await context.close();
});

test('a whole turn, sleep and resume by keyboard alone, with the focus never lost', async ({ page }) => {
  // A hundred presses of Tab, and a look at the whole page after each.
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.prompt.focus();
  await page.keyboard.type('My cat is called Ada.');
  await page.keyboard.press('Enter');
  await pg.turnEnded('My cat is called Ada.');
  await expect(pg.answer).toContainText('Noted. Your cat: Ada.');
  await expect(pg.prompt).toBeFocused();
  await pg.button('Sleep').focus();
  await page.keyboard.press('Enter');
  await expect(pg.status).toHaveText('asleep');
  await expect(pg.button('Sleep')).toBeFocused();
  // Tab walks through the whole page and out of it: no trap, the terminal included.
  const seen = new Set<string>();
  let out = false;
  for (let i = 0; i < 120; i++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      return element === null || element === document.body
        ? 'out'
        : `${element.tagName} ${element.getAttribute('aria-label') ?? element.textContent?.slice(0, 30) ?? ''} ${[...document.querySelectorAll('*')].indexOf(element)}`;
    });
    out = at === 'out';
    if (out) break;
    seen.add(at);
  }
  expect(out).toBe(true);
  expect([...seen].some((at) => at.includes('Terminal input'))).toBe(true);
  expect([...seen].some((at) => at.includes('Frames, newest last'))).toBe(true);
});

test('choosing the policy that a step asks for closes where it stood on a phone, and the focus is kept', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=strict-policy&agent=amnesiac');
  while (!(await pg.combobox('Policy').isVisible())) {
    await page.getByRole('button', { name: /^Run step/ }).click();
    await expect(page.getByRole('button', { name: /^Run step/ })).toBeEnabled();
  }
  await pg.combobox('Policy').focus();
  await pg.combobox('Policy').selectOption('strict');
  await expect(pg.combobox('Policy')).toBeHidden();
  await expect(page.locator('.rp-advanced summary')).toBeFocused();
});

test('a button that gives way to something else hands the keyboard’s focus on', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  const { url, token } = (await page.evaluate(async () => (await fetch('/__rehydrate/bridge.json')).json())) as {
    url: string;
    token: string;
  };
  const press = async (button: Locator) => {
    await button.focus();
    await page.keyboard.press('Enter');
  };
  await pg.say('My cat is called Ada.');
  await page.getByRole('navigation', { name: 'Panels' }).getByRole('button', { name: 'Editor' }).click();
  await press(pg.button('Open it in the editor'));
  await expect(page.getByRole('textbox', { name: 'Words typed in the editor' })).toBeFocused();
  const dialog = page.getByRole('dialog');
  await press(pg.button('All lessons'));
  await press(dialog.getByRole('button', { name: 'An agent that lies' }));
  await expect(pg.button('All lessons')).toBeFocused();
  await press(pg.button('About the bridge'));
  await press(dialog.getByRole('button', { name: 'Disconnect bridge' }));
  await expect(dialog.getByLabel('Bridge address')).toBeFocused();
  await dialog.getByLabel('Bridge address').fill(url);
  await dialog.getByLabel('Token').fill(token);
  await press(dialog.getByRole('button', { name: 'Connect', exact: true }));
  await expect(dialog.getByRole('button', { name: 'Close' })).toBeFocused();
});
