/** Pages on a test platform: opened, reloaded, and closed behind each test. */
import { afterEach } from 'vitest';
import { createPlayground, type Playground } from '../../../playground/state/playground.ts';
import { testPlatform, type TestPlatform } from './platform.ts';

const opened: Playground[] = [];
afterEach(async () => {
  for (const pg of opened.splice(0)) await pg.dispose();
});

/** One whose start the test watches itself. */
export function begin(platform: TestPlatform): { readonly pg: Playground; readonly started: Promise<void> } {
  const pg = createPlayground({ platform });
  opened.push(pg);
  return { pg, started: pg.start() };
}

export async function open(platform: TestPlatform): Promise<Playground> {
  const { pg, started } = begin(platform);
  await started;
  return pg;
}

export async function closePage(pg: Playground): Promise<void> {
  await pg.dispose();
  opened.splice(opened.indexOf(pg), 1);
}

/** As a closed page: nothing live is left, and what a browser keeps is kept. */
export async function reload(pg: Playground, platform: TestPlatform): Promise<[Playground, TestPlatform]> {
  await closePage(pg);
  const next = testPlatform(platform);
  return [await open(next), next];
}

export const withAgent = (agent: string): TestPlatform => Object.assign(testPlatform(), { hash: `#v=1&scenario=free&agent=${agent}` });
export const free = (): TestPlatform => withAgent('native');
export const said = (pg: Playground): string =>
  pg.view.value.items.map((item) => ('pieces' in item ? item.pieces.join('') : '')).join('\n');
