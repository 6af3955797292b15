/**
 * The files for pages without npm: dist/browser/. They import nothing by a bare name, which a page could
 * only resolve with an import map, and a worker not at all.
 */
import path from 'node:path';
import { build } from 'esbuild';

/** Entries of the package that have a use in a page, as folders of the build. */
const BROWSER_ENTRIES = ['engine', 'adapters/sqljs', 'adapters/websocket', 'adapters/worker'];

/**
 * Bundles what tsc built into `built/browser`: `acp-rehydrate.js`, one module with all names of the browser's
 * entries, and `agent.js`, a scripted agent for `new Worker(…, { type: 'module' })`.
 *
 * sql.js stays outside: it is an optional peer with a licence and a release of its own.
 */
export async function buildBrowserFiles(built) {
  const common = {
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    outdir: path.join(built, 'browser'),
    logLevel: 'warning',
  };
  await build({
    ...common,
    stdin: {
      contents: BROWSER_ENTRIES.map((entry) => `export * from './${entry}/index.js';`).join('\n'),
      resolveDir: built,
      sourcefile: 'acp-rehydrate.js',
    },
    // Only asked for where the page gives no sql.js of its own; then an import map may name it.
    external: ['sql.js'],
    entryNames: 'acp-rehydrate',
    sourcemap: true,
  });
  await build({ ...common, entryPoints: { agent: path.join(built, 'testing/agents/worker.js') } });
}
