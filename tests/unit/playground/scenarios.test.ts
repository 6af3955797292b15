/** Every scenario to its end, on the shipped engine: what a step promises is what happens. */
import { afterEach, describe, expect, it } from 'vitest';
import { SCENARIOS } from '../../../playground/scenarios/index.ts';
import { createPlayground, type Playground } from '../../../playground/state/playground.ts';
import { testPlatform } from './platform.ts';

let open: Playground | null = null;
afterEach(async () => {
  await open?.dispose();
  open = null;
});

describe('scenarios', () => {
  for (const scenario of SCENARIOS.filter((one) => one.agent !== 'own')) {
    it(`“${scenario.title}” runs to its end as written`, async () => {
      const platform = testPlatform();
      platform.hash = `#v=1&scenario=${scenario.name}`;
      const pg = (open = createPlayground({ platform }));
      await pg.start();
      expect(pg.choice.scenario.value.name).toBe(scenario.name);
      expect(pg.choice.agent.value).toBe(scenario.agent);
      for (let i = 0; i < scenario.steps.length; i++) await pg.runner.runNext();
      expect(pg.lesson.progress.value).toEqual(scenario.steps.map(() => ({ state: 'done', why: '' })));
      expect(platform.hash).toBe(`#v=1&scenario=${scenario.name}&agent=${scenario.agent}&step=${scenario.steps.length}`);
    });
  }

  it('names are unique and fit a link', () => {
    const names = SCENARIOS.map((scenario) => scenario.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z][a-z-]*$/);
  });

  it('without a bridge, “own-agent” says what it needs and runs nothing', async () => {
    const platform = testPlatform();
    platform.hash = '#v=1&scenario=own-agent';
    const pg = (open = createPlayground({ platform }));
    await pg.start();
    expect(pg.runner.blocked.value).toMatch(/connect a bridge/);
    await pg.runner.runNext();
    expect(pg.session.id.value).toBeNull();
  });
});
