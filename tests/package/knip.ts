/** What knip is told: what is begun from outside, and what is fetched by folders of their own. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const tests = path.resolve(import.meta.dirname, '..');

/** Packages of the test folders that have a package.json of their own: theirs to install, not the root's to list. */
const ofFolders = readdirSync(tests).flatMap((folder) => {
  const file = path.join(tests, folder, 'package.json');
  return existsSync(file) ? Object.keys((JSON.parse(readFileSync(file, 'utf8')) as { dependencies?: object }).dependencies ?? {}) : [];
});

export default {
  entry: [
    // The package.
    'src/engine/index.ts',
    'src/adapters/*/index.ts',
    'src/bridge/index.ts',
    'src/server/index.ts',
    'src/testing/index.ts',
    'src/cli/rehydrate.ts',
    // Started as programs.
    'src/testing/agents/{stdio,worker}.ts',
    'src/adapters/stdio/guard-process.ts',
    'scripts/*.mjs',
    'tests/support/e2e-setup.mjs',
    'examples/**/*.ts',
    'tests/**/*.mjs',
    'tests/bench/bridge/host.ts',
    'tests/{agents-compat/run,compare/run,opencode/record,rivetkit/support/*runner}.ts',
    'tests/faults/engine-host/{agent,host}.ts',
    'tests/integration/engine/fixtures/make.ts',
    // Found by their place or their name.
    'src/site/{overrides,routes}/**/*.{astro,ts}',
    'src/site/route-data.ts',
    'content/docs/**/*.mdx',
    'tests/**/*.{test,spec}.ts',
    'tests/*/vitest.config.ts',
    'tests/package/{knip,support/setup}.ts',
  ],
  project: [
    'src/**/*.{ts,tsx,astro}',
    'playground/**/*.{ts,tsx}',
    'scripts/**/*.{mjs,js}',
    'tests/**/*.{ts,mjs}',
    'examples/**/*.ts',
    'content/**/*.mdx',
  ],
  // A limit is exported so that it can be named elsewhere, and a type because a signature has it: used at home is used.
  ignoreExportsUsedInFile: true,
  // The engine's command line comes with rivetkit.
  ignoreDependencies: [...ofFolders, '@rivetkit/engine-cli'],
  ignoreBinaries: ['script', 'mkfifo', 'setpriv'],
};
