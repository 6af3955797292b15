/** What a browser downloads for the engine alone: the engine, and nothing of anybody else's. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

const ENGINE = fileURLToPath(new URL('../../../src/engine', import.meta.url));

it('the engine, bundled for a browser in one piece, holds neither the SDK nor its schemas', async () => {
  const { metafile, outputFiles } = await build({
    entryPoints: [`${ENGINE}/index.ts`],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  expect(
    Object.keys(metafile.inputs).filter((file) => !fileURLToPath(new URL(file, `file://${process.cwd()}/`)).startsWith(`${ENGINE}/`)),
  ).toEqual([]);
  // A bundle that lost its code to tree-shaking would hold nothing foreign either.
  expect(outputFiles[0]!.text).toContain('session/request_permission');
  expect(outputFiles[0]!.text).toContain('CREATE TABLE acp_sessions');
});
