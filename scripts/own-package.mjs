/**
 * Programs of test folders that have packages of their own, too large for everyone's install:
 *
 *   npm run compat [-- PACKAGE…]   the doctor against real agents; writes content/data/compat/*.json
 *   npm run compare                others that keep sessions beside this package; writes content/data/compare.json
 *   npm run lighthouse             Lighthouse's scores of prose pages on an emulated phone, for the performance page
 */
import path from 'node:path';
import { ensureInstalled, inRoot, main, PROJECT_NODE, projectEnv, run, setUp } from './support/setup.mjs';

/** By folder: its program, and what it is given of the environment. */
const PROGRAMS = {
  'agents-compat': {
    program: 'run.ts',
    what: 'the agents; 3 GB',
    // Nothing of the person's own: no keys, no configuration.
    env: (dir) => ({
      PATH: [inRoot('node_modules/.bin'), path.join(dir, 'node_modules/.bin'), process.env.PATH ?? ''].join(':'),
      LANG: process.env.LANG ?? 'C.UTF-8',
      TERM: 'dumb',
    }),
  },
  compare: { program: 'run.ts', what: 'what is compared', env: () => projectEnv() },
  lighthouse: { program: 'run.mjs', what: 'Lighthouse; 180 MB', env: () => projectEnv() },
};

await main(async () => {
  await setUp();
  const [folder, ...args] = process.argv.slice(2);
  const { program, what, env } = PROGRAMS[folder];
  const dir = inRoot('tests', folder);
  await ensureInstalled(dir, what);
  process.exitCode = (await run(PROJECT_NODE, [path.join(dir, program), ...args], { env: env(dir) })).code;
});
