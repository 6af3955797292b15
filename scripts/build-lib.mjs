/** Builds dist/ with tsc, dist/browser/ from that, and the agents of the tests, when what they are made of has changed. */
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { ensureMade, inRoot, main, PROJECT_NODE, run, SetupError, STATE_DIR } from './support/setup.mjs';

const SOURCES = [
  'src/{engine,adapters,bridge,server,cli,testing}/**',
  'tsconfig.{base,build}.json',
  'scripts/build-lib.mjs',
  'node_modules/{typescript,esbuild}/package.json',
];

/** Entries of the package that have a use in a page, as folders of the build. */
const BROWSER_ENTRIES = ['engine', 'adapters/sqljs', 'adapters/websocket', 'adapters/worker'];

const COMMON = { bundle: true, format: 'esm', sourcemap: true, logLevel: 'warning' };
const PAGE = { ...COMMON, minify: true, platform: 'browser', target: 'es2024' };

/** The folder is made beside dist/, from where source maps name the sources as they do from dist/. */
async function make(built) {
  const tsc = await run(PROJECT_NODE, [inRoot('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', built]);
  if (tsc.code !== 0) throw new SetupError('The library was not built; dist/ is as it was.');
  chmodSync(path.join(built, 'cli/rehydrate.js'), 0o755);

  // For pages without npm: no import by a bare name, which a page could only resolve with an import map, and a worker not at all. sql.js stays
  // outside, as an optional peer with a licence and a release of its own: an import map may name it where the page gives none.
  await build({
    ...PAGE,
    stdin: {
      contents: BROWSER_ENTRIES.map((entry) => `export * from './${entry}/index.js';`).join('\n'),
      resolveDir: built,
      sourcefile: 'acp-rehydrate.js',
    },
    external: ['sql.js'],
    outfile: path.join(built, 'browser/acp-rehydrate.js'),
  });
  // A scripted agent for `new Worker(…, { type: 'module' })`.
  const agent = path.join(built, 'testing/agents/worker.js');
  await build({ ...PAGE, sourcemap: false, entryPoints: [agent], outfile: path.join(built, 'browser/agent.js') });
  // As one file that needs no other, in its place, so that who bundles the library can put it beside the bundle.
  const guard = path.join(built, 'adapters/stdio/guard-process.js');
  await build({ ...COMMON, platform: 'node', target: 'node22', entryPoints: [guard], outfile: guard, allowOverwrite: true });
}

/** The programs that tests start again and again, each as one file: that starts in half the time. */
const TEST_AGENTS = { 'agents/stdio': 'src/testing/agents/stdio.ts', 'agents/noting': 'tests/faults/engine-host/agent.ts' };
const makeTestAgents = (outdir) =>
  build({ ...COMMON, sourcemap: false, platform: 'node', target: 'node24', entryPoints: TEST_AGENTS, outdir });

await main(async () => {
  await ensureMade(path.join(STATE_DIR, 'testing'), [...SOURCES, 'tests/faults/engine-host/**', 'package-lock.json'], makeTestAgents);
  console.log((await ensureMade(inRoot('dist'), SOURCES, make)) ? 'dist/ is built.' : 'dist/ is up to date.');
});
