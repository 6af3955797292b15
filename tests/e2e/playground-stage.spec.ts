/**
 * One screen: what a step speaks of is inside it when it happens, at a laptop's size and at a phone's; and every scenario to its end, by
 * hand as by running, with agents in workers.
 */
import { expect, test, type Locator } from '@playwright/test';
import { SCENARIOS } from '../../playground/scenarios/index.ts';
import type { Scenario, Step } from '../../playground/scenarios/types.ts';
import { FAULTS } from '../../playground/state/lesson.ts';
import { PlaygroundPage } from './playground-page.ts';

const SIZES = [
  { width: 1366, height: 768 },
  { width: 390, height: 844 },
] as const;

/** All of it is on the screen, and nothing had to be scrolled. */
async function onScreen(pg: PlaygroundPage, what: Locator, name: string): Promise<void> {
  const { width, height } = pg.page.viewportSize()!;
  await expect
    .poll(async () => {
      const box = await what.boundingBox();
      return box !== null && box.x >= 0 && box.y >= 0 && box.x + box.width <= width + 1 && box.y + box.height <= height + 1;
    }, `${name} is on the screen`)
    .toBe(true);
  expect(await pg.page.evaluate(() => scrollY), name).toBe(0);
}

/** What a person would press for a step, pressed. */
async function byHand(pg: PlaygroundPage, step: Step): Promise<void> {
  const { do: press, what = '' } = step;
  switch (press) {
    case 'send': {
      await onScreen(pg, pg.prompt, 'Prompt');
      // A prompt that failed was given back, and stands there instead.
      if ((await pg.prompt.inputValue()) === '') {
        const write = pg.button(`Write “${what}”`);
        await onScreen(pg, write, 'what the step says');
        expect(await write.evaluate((one) => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight)).toBe(true);
      }
      await pg.prompt.fill(what);
      await onScreen(pg, pg.button('Send'), 'Send');
      return pg.button('Send').click();
    }
    case 'allow':
    case 'reject': {
      const button = pg.button(press === 'allow' ? 'Allow' : 'Reject');
      await onScreen(pg, button, press);
      return button.click();
    }
    case 'policy':
      await onScreen(pg, pg.combobox('Policy'), 'Policy');
      await pg.combobox('Policy').selectOption(what);
      return;
    case 'open':
      return pg.region('Editor').getByRole('button', { name: 'Open it in the editor' }).click();
    case 'ask': {
      const editor = pg.region('Editor');
      await editor.getByRole('textbox').fill(what);
      await onScreen(pg, editor.getByRole('button', { name: 'Ask from the editor' }), 'Ask from the editor');
      return editor.getByRole('button', { name: 'Ask from the editor' }).click();
    }
    case 'create':
      return pg.page.getByRole('button', { name: /^Run step/ }).click();
    default: {
      const button = pg.page.getByRole('button', { name: FAULTS[press][0], exact: true });
      await onScreen(pg, button, FAULTS[press][0]);
      return button.click();
    }
  }
}

/** From its beginning to its end, by the button that does the next step. */
async function runs(pg: PlaygroundPage, { name, agent, steps, end }: Scenario, done: (index: number) => Promise<void>): Promise<void> {
  await pg.button('Start over').click();
  for (const index of steps.keys()) {
    await pg.button(`Run step ${index + 1} of ${steps.length}`).click();
    await done(index);
  }
  await expect(pg.button('All steps done')).toBeDisabled();
  await expect(pg.page.locator('.rp-end')).toContainText(end);
  await expect.poll(() => new URL(pg.page.url()).hash).toBe(`#v=1&scenario=${name}&agent=${agent}&step=${steps.length}`);
}

/** Each step of a scenario as a person does it: it is ticked, and what it speaks of is on the screen. */
async function runsByHand(pg: PlaygroundPage, { steps, look }: Scenario, done: (index: number) => Promise<void>): Promise<void> {
  for (const [index, step] of steps.entries()) {
    await expect(pg.page.locator('.rp-steps [aria-current]')).toBeInViewport({ ratio: 0.95 });
    await byHand(pg, step);
    await done(index);
    await onScreen(pg, pg.status, 'the agent’s status');
    await onScreen(pg, pg.log, 'the conversation');
    if (['Machine', 'Conversation', 'Policy'].includes(look)) continue;
    await onScreen(pg, pg.region(look), look);
    // Of what grows there, what came last is seen.
    const newest = pg.region(look).locator('.rp-frame, [aria-label^="Rows of"] tbody tr').last();
    if ((await newest.count()) > 0) await expect(newest).toBeInViewport();
  }
  await expect(pg.button('All steps done')).toBeVisible();
  await onScreen(pg, pg.page.getByRole('navigation', { name: 'Panels' }).locator('[aria-current=true]'), 'the tab of what is shown');
  // The page itself has nothing to scroll.
  expect(await pg.page.evaluate(() => document.documentElement.scrollHeight - innerHeight)).toBeLessThanOrEqual(0);
}

// On one page in turn: that it loads is most of what this costs.
for (const scenario of SCENARIOS.filter((one) => one.agent !== 'own' && one.steps.length > 0)) {
  test(`“${scenario.title}” by hand at each size, and by running: each step is ticked, and what it speaks of is on the screen`, async ({
    page,
  }) => {
    const [first, ...others] = SIZES;
    await page.setViewportSize(first);
    const pg = new PlaygroundPage(page);
    await page.goto(`/playground/#v=1&scenario=${scenario.name}&agent=${encodeURIComponent(scenario.agent)}`);
    await pg.opened();
    const rows = page.getByRole('list', { name: 'Steps' }).getByRole('listitem');
    const done = (index: number) => expect(rows.nth(index)).toHaveAttribute('data-state', 'done');
    await runsByHand(pg, scenario, done);
    await runs(pg, scenario, done);
    for (const size of others) {
      await page.setViewportSize(size);
      await pg.button('Start over').click();
      await runsByHand(pg, scenario, done);
    }
    expect(pg.problems).toEqual([]);
  });
}

test('on a phone, too, a card says what its lesson shows', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.button('All lessons').click();
  await expect(page.getByRole('dialog').getByText('Watch the machine: after Sleep')).toHaveCSS('clip-path', 'none');
});

test('what the next step is done with is marked, and “Show it” points at what the lesson is about', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=load-replay&agent=load');
  await page.getByRole('button', { name: 'Write “My boat is called Argo.”' }).click();
  await expect(pg.prompt).toHaveValue('My boat is called Argo.');
  await expect(pg.button('Send')).toHaveAttribute('data-next', 'true');
  await pg.button('Send').click();
  await expect(pg.page.getByRole('button', { name: 'Sleep', exact: true })).toHaveAttribute('data-next', 'true');
  await pg.button('Timeline').click();
  await pg.button('Show it').click();
  await expect(pg.region('Wire')).toHaveAttribute('data-outlined', 'true');
  await expect(pg.region('Wire')).toBeInViewport({ ratio: 0.9 });
});

test('a question to an agent that is live again is no dead end: the steps say what to do again', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=native-resume&agent=native');
  await pg.say('My cat is called Ada.');
  await pg.button('Skip').click();
  await pg.say('What is my cat called?');
  await expect(page.getByText('The agent was still live. Do step 2 again first.')).toBeVisible();
  await pg.button('Run step 2 of 3').click();
  await pg.button('Run step 3 of 3').click();
  await expect(pg.button('All steps done')).toBeVisible();
  await pg.button('Start over').click();
  await expect(pg.button('Run step 1 of 3')).toBeVisible();
  await expect(pg.log).not.toContainText('Ada');
});

test('the process that died is struck out, and another stands after it', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  const processes = page.getByRole('list', { name: 'Processes' }).getByRole('listitem');
  await expect(processes).toHaveText(['process 1 native']);
  await pg.button('Kill agent').click();
  await expect(processes.locator('del')).toHaveText(['process 1']);
  await pg.say('What is my cat called?');
  await expect(processes).toHaveCount(2);
  await expect(processes.nth(1)).toHaveText('process 2 native');
  const way = page.getByRole('list', { name: 'The way of the last prompt' }).getByRole('listitem');
  await expect(way).toHaveText([/1 stored, yes/, /2 sent, yes/, /3 answer stored, yes/, /4 shown, yes/]);
  await pg.button('Sleep').click();
  await expect(way.first()).toHaveText(/not yet/);
});

test('a resume that failed has its report, and the ones before it stay in the list', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=strict-policy&agent=amnesiac');
  for (let step = 1; step <= 4; step++) await pg.button(`Run step ${step} of 6`).click();
  await expect(pg.report.locator('.rp-verdict')).toHaveText('not asked');
  await expect(pg.report).toContainText('The session did not come back.');
  await expect(pg.report.getByRole('combobox').locator('option')).toHaveText([/^1: not asked, new/, /^2: not asked, failed/]);
  for (const step of [5, 6]) await pg.button(`Run step ${step} of 6`).click();
  await pg.tier('transcript');
  const reports = pg.report.getByRole('combobox').locator('option');
  await expect(reports).toHaveCount(3);
  await page.reload();
  await pg.ready();
  await expect(reports).toHaveText([/^1: not asked, new/, /^2: not asked, failed/, /^3: not asked, transcript/]);
});

test('a liar’s success is a claim, and its frames are a press away', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=free&agent=liar-resume');
  await pg.say('My dog is called Argos.');
  await pg.button('Sleep').click();
  await pg.say('What is my dog called?');
  await pg.tier('resume');
  await expect(pg.report.locator('.rp-verdict')).toHaveText('claimed');
  await pg.report.getByRole('button', { name: 'its frames' }).click();
  await expect(pg.region('Wire').getByRole('searchbox')).toHaveValue('session/resume');
  await expect(pg.region('Wire')).toBeInViewport({ ratio: 0.9 });
});

test('the terminal is one key away, and can take the stage', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await page.keyboard.press('Control+`');
  await expect(page.getByRole('textbox', { name: 'Terminal input' })).toBeFocused();
  await expect(pg.region('Terminal')).toBeInViewport({ ratio: 0.9 });
  const before = (await pg.region('Terminal').boundingBox())!.height;
  await pg.button('Larger').click();
  await expect(pg.button('Larger')).toBeInViewport({ ratio: 1 });
  await expect.poll(async () => (await pg.region('Terminal').boundingBox())!.height).toBeGreaterThan(before * 1.5);
  await expect(pg.status).toBeInViewport();
});

/** Where everything is that a second click could hit. */
const places = (pg: PlaygroundPage) =>
  pg.page
    .locator('.rp-bar .rp-button')
    .evaluateAll((all) => all.map((one) => [one.textContent, Math.round(one.getBoundingClientRect().y)]));

// A window that is wide, one that is a phone's, and one in which the page scrolls.
for (const [width, height] of [
  [1024, 768],
  [390, 844],
  [360, 740],
] as const) {
  test(`what is said about a turn comes and goes, and every button stays where it is, at ${width} × ${height}`, async ({ page }) => {
    await page.setViewportSize({ width, height });
    const pg = new PlaygroundPage(page);
    await pg.open();
    await pg.say('My cat is called Ada.');
    const problem = page.locator('.rp-said .rp-problem');
    for (const dock of ['open', 'large', 'closed']) {
      if (dock === 'large') await pg.button('Larger').click();
      if (dock === 'closed') {
        await pg.button('Larger').click();
        await page.getByRole('navigation', { name: 'Panels' }).locator('[aria-current=true]').click();
      }
      await expect(page.locator('.rp-page')).toHaveAttribute('data-dock', dock);
      await pg.send('crash');
      await expect(problem).not.toBeEmpty();
      await expect(pg.status).toHaveText('dead');
      await expect(problem).toBeInViewport();
      const before = await places(pg);
      // The notice goes: what is pressed next was under the pointer before.
      const went = page.evaluate(
        (css) =>
          new Promise<unknown>((resolve) => {
            const notice = document.querySelector(css)!;
            new MutationObserver(() => {
              if (notice.textContent === '')
                resolve(
                  [...document.querySelectorAll('.rp-bar .rp-button')].map((one) => [
                    one.textContent,
                    Math.round(one.getBoundingClientRect().y),
                  ]),
                );
            }).observe(notice, { childList: true, subtree: true });
          }),
        '.rp-said .rp-problem',
      );
      await pg.prompt.fill('What is my cat called?');
      await pg.button('Send').click();
      expect([dock, await went]).toEqual([dock, before]);
      // The conversation itself is not seen beside a large panel.
      await expect(pg.button('Cancel turn')).toBeDisabled();
      await expect(pg.status).toHaveText('live');
    }
  });
}

for (const [width, height] of [
  [1366, 768],
  [1024, 768],
  [390, 844],
  [384, 844],
  [320, 740],
] as const) {
  test(`neither what an agent does nor a second process moves a button, at ${width} × ${height}`, async ({ page }) => {
    await page.setViewportSize({ width, height });
    const pg = new PlaygroundPage(page);
    await pg.open('#v=1&scenario=transcript-fallback&agent=amnesiac');
    // Each place that a button has in any frame, wherever the page is scrolled to.
    const seen = await page.evaluateHandle(() => {
      const all = new Set<string>();
      const look = () => {
        const tops = [...document.querySelectorAll('.rp-run, .rp-bar .rp-button, .rp-dock-tab')].map((one) =>
          Math.round(one.getBoundingClientRect().y + scrollY),
        );
        all.add(tops.join());
        requestAnimationFrame(look);
      };
      look();
      return all;
    });
    await pg.say('My cat is called Ada.');
    await pg.button('Sleep').click();
    await pg.say('What is my cat called?');
    await pg.button('Kill agent').click();
    await expect(pg.status).toHaveText('dead');
    await pg.send('Ask for permission');
    await pg.button('Reject').click();
    await pg.turnEnded('Ask for permission');
    // Two in a row, which have more to say of their end.
    for (const lost of ['once', 'twice']) {
      await pg.button('Drop connection').click();
      await expect(pg.status).toHaveText('dead');
      await pg.say(`Lost ${lost}`);
    }
    // What is written has its room there from the start.
    await pg.prompt.fill('My cat is called Ada. '.repeat(20));
    expect(await seen.evaluate((all) => [...all])).toHaveLength(1);
  });
}

test('the second click of a double click breaks nothing', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.button('Crash mid-turn').dblclick();
  await expect(pg.button('Crash mid-turn')).toHaveAttribute('aria-pressed', 'true');
});

test('the newest words stay in view when a question takes their room, and an upward scroll is left alone', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await page.setViewportSize({ width: 1366, height: 768 });
  await pg.open();
  for (let i = 1; i <= 4; i++) await pg.say(`My cat ${i} is called Ada.`);
  await pg.send('Ask for permission');
  await expect(pg.button('Allow')).toBeVisible();
  await expect(pg.log.locator('.rp-message').last()).toBeInViewport({ ratio: 0.9 });
  await pg.log.hover();
  await page.mouse.wheel(0, -300);
  const first = pg.log.getByText('My cat 3 is called Ada.', { exact: true });
  await expect(first).toBeInViewport();
  await pg.button('Allow').click();
  await pg.turnEnded('Ask for permission');
  await expect(first).toBeInViewport();
});

test('the newest rows stay in view, however many come', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await page.setViewportSize({ width: 1366, height: 768 });
  await pg.open();
  await page.getByRole('navigation', { name: 'Panels' }).getByRole('button', { name: 'Database' }).click();
  await pg.say('My cat is called Ada.');
  await pg.say('stream 2000 chunks');
  await pg.settledEvents();
  await expect(pg.region('Database').locator('tbody tr').last()).toContainText('turn_ended');
  await expect(pg.region('Database').locator('tbody tr').last()).toBeInViewport();
  await page.getByRole('navigation', { name: 'Panels' }).getByRole('button', { name: 'Wire' }).click();
  await expect(pg.region('Wire').locator('.rp-frame').last()).toBeInViewport();
  // Room that comes and goes between two frames moves the rows, and is nobody's scrolling.
  await pg
    .region('Wire')
    .getByRole('group', { name: 'Frames' })
    .evaluate((list: HTMLElement) => {
      list.style.maxHeight = '400px';
      void list.scrollTop;
      list.style.maxHeight = '60px';
    });
  await expect(pg.region('Wire').locator('.rp-frame').last()).toBeInViewport();
});

test('a scroll of the panel before, still on its way, does not take back the panel that was asked for', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.button('Timeline').click();
  await expect(pg.region('Timeline')).toBeInViewport({ ratio: 0.9 });
  await page.evaluate(() => {
    const tabs = [...document.querySelectorAll<HTMLElement>('.rp-dock-tab')];
    tabs.find(({ textContent }) => textContent === 'Wire')!.click();
    document.querySelector('.rp-dock-window')!.dispatchEvent(new Event('scroll'));
  });
  await expect(pg.region('Wire')).toBeInViewport({ ratio: 0.9 });
});

test('nothing lies beyond the side of any window, and the panel that is looked at stays', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open();
  await pg.say('My cat is called Ada.');
  const tab = page.getByRole('navigation', { name: 'Panels' }).locator('[aria-current=true]');
  for (const [width, height] of [
    [683, 384],
    [844, 390],
    [1366, 768],
    [320, 568],
    [1024, 600],
    [390, 844],
    [1920, 1080],
  ] as const) {
    await page.setViewportSize({ width, height });
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect([width, height, beyond]).toEqual([width, height, 0]);
    // Nor in a row of buttons that would have to be pushed aside.
    const { x, width: long } = (await pg.button('Connect a bridge').or(pg.button('About the bridge')).boundingBox())!;
    expect(x + long).toBeLessThanOrEqual(width);
    await expect(tab).toHaveText('Resume report');
  }
  // Beside the lesson there is room for what is chosen; elsewhere it would lie over what one looks at.
  await page.setViewportSize({ width: 683, height: 800 });
  await expect(pg.combobox('Agent')).toBeHidden();
});

test('Back returns to the lesson before, as it was left', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await pg.open('#v=1&scenario=native-resume&agent=native');
  await pg.say('My cat is called Ada.');
  await pg.combobox('Scenario').selectOption('load-replay');
  await expect(pg.log).not.toContainText('Ada');
  await page.goBack();
  await expect(pg.combobox('Scenario')).toHaveValue('native-resume');
  await expect(pg.log).toContainText('Noted. Your cat: Ada.');
  await expect(pg.button('Run step 2 of 3')).toBeVisible();
  await page.goForward();
  await expect(pg.combobox('Scenario')).toHaveValue('load-replay');
});

test('the terminal wraps what it tells anew in another width', async ({ page }) => {
  const pg = new PlaygroundPage(page);
  await page.setViewportSize({ width: 1366, height: 768 });
  await pg.open();
  await pg.say('My cat is called Ada.');
  await page.keyboard.press('Control+`');
  await page.setViewportSize({ width: 390, height: 844 });
  // No word of it is cut in two.
  await expect.poll(() => pg.terminalRows()).toContain('new: There was nothing to bring back yet:');
});

// What somebody who comes for the first time wants to do, as the guide writes it down. Each on a laptop's screen and on a phone's, with nothing scrolled.
for (const size of SIZES)
  test.describe(`first tasks, at ${size.width} × ${size.height}`, () => {
    test.use({ viewport: size });
    const unscrolled = async (pg: PlaygroundPage, ...what: Locator[]) => {
      for (const one of what) await onScreen(pg, one, String(one));
    };

    test('make the agent forget, and see what the host does', async ({ page }) => {
      const pg = new PlaygroundPage(page);
      await pg.open();
      await pg.say('My cat is called Ada.');
      await pg.page.getByRole('button', { name: 'Sleep', exact: true }).click();
      await pg.button('Delete agent store').click();
      await pg.say('What is my cat called?');
      await expect(pg.report.locator('.rp-verdict')).toHaveText('refused');
      await unscrolled(pg, pg.answer, pg.report.locator('.rp-verdict'), pg.status);
      await expect(pg.answer).toContainText('Ada');
    });

    test('kill it in the middle of an answer, and go on', async ({ page }) => {
      const pg = new PlaygroundPage(page);
      await pg.open();
      await pg.say('My cat is called Ada.');
      await pg.button('Crash mid-turn').click();
      await pg.send('Count to 20');
      await expect(pg.status).toHaveText('dead');
      const interrupted = pg.log.getByText('The turn was interrupted.');
      await unscrolled(pg, interrupted, pg.status);
      await pg.say('What is my cat called?');
      await unscrolled(pg, pg.answer);
    });

    test('catch an agent that lies, from the cards', async ({ page }) => {
      const pg = new PlaygroundPage(page);
      await pg.open();
      await pg.button('All lessons').click();
      await page.getByRole('dialog').getByRole('button', { name: 'An agent that lies' }).click();
      for (let step = 1; step <= 3; step++) await pg.button(`Run step ${step} of 3`).click();
      await expect(pg.button('All steps done')).toBeVisible();
      await unscrolled(pg, pg.report.getByText('claimed success, and was not believed'), pg.answer);
      await pg.button('All lessons').click();
      await expect(page.getByRole('dialog').getByRole('button', { name: 'An agent that lies' })).toContainText('seen');
    });

    test('read what another agent would be told', async ({ page }) => {
      const pg = new PlaygroundPage(page);
      await pg.open();
      await pg.say('My cat is called Ada.');
      await page.getByRole('navigation', { name: 'Panels' }).getByRole('button', { name: 'Transcript' }).click();
      await pg.button('As it would be sent').click();
      await expect(pg.region('Transcript')).toContainText('My cat is called Ada.');
      await unscrolled(pg, pg.region('Transcript'));
    });

    test('go back, go on from there, and come to both again', async ({ page }) => {
      const pg = new PlaygroundPage(page);
      await pg.open();
      await pg.say('My cat is called Ada.');
      await pg.say('My dog is called Argos.');
      await page.getByRole('navigation', { name: 'Panels' }).getByRole('button', { name: 'Timeline' }).click();
      const story = pg.region('Timeline').getByRole('radiogroup', { name: 'What happened' });
      // The newest moment is now: the prompt is a past one when the end of its turn is told.
      await expect(story.getByText('prompt')).toHaveCount(2);
      await expect(pg.region('Timeline')).toContainText('the turn ended');
      await story.getByText('prompt').last().click();
      await expect(page.getByText('You are looking at the past.')).toBeVisible();
      await expect(pg.log).not.toContainText('Noted. Your dog');
      await unscrolled(pg, pg.button('Fork from here'));
      await pg.button('Fork from here').click();
      await expect(page.getByText('You are in fork 1')).toBeVisible();
      await pg.say('What do you remember?');
      await pg.button('Return to now').click();
      await expect(pg.log).toContainText('Noted. Your dog');
      // The fork is not lost by that.
      await pg.region('Timeline').getByRole('button', { name: 'fork 1' }).click();
      await expect(pg.log).toContainText('What do you remember?');
      await pg.region('Timeline').getByRole('button', { name: 'main line' }).click();
      await expect(pg.log).toContainText('Noted. Your dog');
    });
  });
