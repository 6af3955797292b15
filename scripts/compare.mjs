/** `node scripts/compare.mjs`: runs others that keep sessions beside this package and writes content/data/compare.json. */
import path from 'node:path';
import { ensureInstalled } from './support/install.mjs';
import { PROJECT_NODE, inRoot } from './support/paths.mjs';
import { continueOnProjectNode, main, run } from './support/run.mjs';
import { setUp } from './support/setup.mjs';

await main(async () => {
  await setUp();
  await continueOnProjectNode();
  const dir = inRoot('tests/compare');
  await ensureInstalled(dir, { say: console.error, what: 'what is compared' });
  const { code } = await run(PROJECT_NODE, [path.join(dir, 'run.ts')], {});
  process.exitCode = code;
});
