/** `npm run compat [-- PACKAGE…]`: runs the doctor against real agents and writes content/data/compat/*.json. */
import path from 'node:path';
import { ensureInstalled } from './support/install.mjs';
import { PROJECT_NODE, inRoot } from './support/paths.mjs';
import { continueOnProjectNode, main, run } from './support/run.mjs';
import { setUp } from './support/setup.mjs';

await main(async () => {
  await setUp();
  await continueOnProjectNode();
  const dir = inRoot('tests/agents-compat');
  await ensureInstalled(dir, { say: console.error, what: 'the agents; 1.4 GB' });
  // Nothing of the person's own: no keys, no configuration.
  const PATH = [inRoot('node_modules/.bin'), path.join(dir, 'node_modules/.bin'), process.env.PATH ?? ''].join(':');
  const { code } = await run(PROJECT_NODE, [path.join(dir, 'run.ts'), ...process.argv.slice(2)], {
    env: { PATH, LANG: process.env.LANG ?? 'C.UTF-8', TERM: 'dumb' },
  });
  process.exitCode = code;
});
