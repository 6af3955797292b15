/**
 * Runs the programs of test folders that have packages of their own:
 *
 *   npm run compat [-- PACKAGE…]   the doctor against real agents; writes content/data/compat/*.json
 *   npm run compare                others that keep sessions beside this package; writes content/data/compare.json
 *   npm run lighthouse             Lighthouse's scores of prose pages on an emulated phone
 */
import { globSync } from 'node:fs';
import { ensureInstalled, inRoot, main, PROJECT_NODE, run } from './support/setup.mjs';

await main(async () => {
  const [folder, ...args] = process.argv.slice(2);
  const dir = inRoot('tests', folder);
  await ensureInstalled(dir, `what tests/${folder} needs`);
  process.exitCode = (await run(PROJECT_NODE, [...globSync(`${dir}/run.*`), ...args])).code;
});
