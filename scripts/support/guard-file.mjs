/** The guard as one file that needs no other, so that who bundles the library can put it beside the bundle. */
import path from 'node:path';
import { build } from 'esbuild';

/** Bundles the guard that tsc built, in its place. */
export async function buildGuardFile(built) {
  const file = path.join(built, 'adapters/stdio/guard-process.js');
  await build({
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    sourcemap: true,
    logLevel: 'warning',
  });
}
