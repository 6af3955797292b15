/** Builds dist/ and the test programs, if their sources have changed. */
import { chmodSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { ensureMade, inRoot, main, PROJECT_NODE, run, SetupError, STATE_DIR } from './support/setup.mjs';

const SOURCES = [
  'src/{engine,adapters,bridge,server,cli,testing}/**',
  'tsconfig.{base,build}.json',
  'scripts/build-lib.mjs',
  'node_modules/{typescript,esbuild}/package.json',
];

/** The entries that are useful in a page. */
const BROWSER_ENTRIES = ['engine', 'adapters/sqljs', 'adapters/websocket', 'adapters/worker'];

const GUARD = inRoot('src/adapters/stdio/guard-process.ts');

const COMMON = { bundle: true, format: 'esm', sourcemap: true, logLevel: 'warning' };
const NODE = { ...COMMON, platform: 'node', target: 'node22' };
const PAGE = { ...COMMON, minify: true, platform: 'browser', target: 'es2024' };

/** Made beside dist/, so that source maps name the sources as they do from dist/. */
async function make(built) {
  const tsc = await run(PROJECT_NODE, [inRoot('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', built]);
  if (tsc.code !== 0) throw new SetupError('The library was not built; dist/ is as it was.');

  // Bundled into a few files, because this command is started for every prompt in a shell, and finding a hundred modules was a third of its
  // start. The result is readable, so source maps would only repeat the sources.
  const command = { rehydrate: inRoot('src/cli/rehydrate.ts'), 'guard-process': GUARD };
  await build({ ...NODE, sourcemap: false, splitting: true, packages: 'external', entryPoints: command, outdir: path.join(built, 'cli') });
  chmodSync(path.join(built, 'cli/rehydrate.js'), 0o755);

  // For pages without npm, so without bare imports, which need an import map and do not work in a worker. sql.js, with a licence and
  // releases of its own, stays outside: an import map may name it.
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
  // One file that needs no other, so that a bundler can put it beside the bundle.
  await build({ ...NODE, entryPoints: [GUARD], outfile: path.join(built, 'adapters/stdio/guard-process.js'), allowOverwrite: true });
}

/** The programs that tests start again and again, each as one file. */
const TEST_PROGRAMS = {
  'agents/stdio': 'src/testing/agents/stdio.ts',
  'agents/noting': 'tests/faults/engine-host/agent.ts',
  host: 'tests/faults/engine-host/host.ts',
  'guard-process': GUARD,
};

const lazily = (make) => {
  let made;
  return new Proxy({}, { get: (_, key) => (made ??= make())[key] });
};

/** Makes the ACP SDK's schemas on first use: a start needs only a few, and making all of them is a fifth of it. */
const lazySchemas = {
  name: 'lazy-schemas',
  setup({ onLoad, onResolve }) {
    const aSchema = /^export const (\w+) = ([^]*?);$(?=\n(?:\/\*\*|export|\/\/#))/gm;
    onLoad({ filter: /\/v1\/schema\/zod\.gen\.js$/ }, ({ path: file }) => ({
      contents: `const lazily = ${lazily};\n${readFileSync(file, 'utf8').replace(aSchema, 'export const $1 = lazily(() => $2);')}`,
    }));
    // The guards are made of schemas, and no agent needs them.
    onResolve({ filter: /\/guards\.gen\.js$/ }, ({ resolveDir, path: file }) => ({
      path: path.join(resolveDir, file),
      sideEffects: false,
    }));
  },
};

const makeTestPrograms = (outdir) => build({ ...NODE, sourcemap: false, plugins: [lazySchemas], entryPoints: TEST_PROGRAMS, outdir });

await main(async () => {
  const ofTests = ['tests/{faults/engine-host,support}/**', 'package-lock.json'];
  await ensureMade(path.join(STATE_DIR, 'testing'), [...SOURCES, ...ofTests], makeTestPrograms);
  console.log((await ensureMade(inRoot('dist'), SOURCES, make)) ? 'dist/ is built.' : 'dist/ is up to date.');
});
