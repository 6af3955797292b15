/** `npm run lighthouse`: Lighthouse's scores of prose pages on an emulated phone, for the performance page. */
import { ensureInstalled } from './support/install.mjs';
import { PROJECT_NODE, inRoot } from './support/paths.mjs';
import { continueOnProjectNode, main, projectEnv, run } from './support/run.mjs';
import { setUp } from './support/setup.mjs';

await main(async () => {
  await setUp();
  await continueOnProjectNode();
  await ensureInstalled(inRoot('tests/lighthouse'), { say: console.error, what: 'Lighthouse; 180 MB' });
  process.exitCode = (await run(PROJECT_NODE, [inRoot('tests/lighthouse/run.mjs')], { env: projectEnv() })).code;
});
