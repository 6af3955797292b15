/**
 * What a browser downloads for the engine alone, minified and compressed. The promise is 25 kB gzip. What a page loads for
 * `createHost` keeps it; what only a resume and the record need (telling refusals apart, matching replays, rendering
 * the transcript) is a part of its own, which the host fetches when it opens. Together they are about 51 kB.
 */
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { beforeAll, describe, expect, it } from 'vitest';

const ENGINE = fileURLToPath(new URL('../../../src/engine', import.meta.url));
const PROMISED_BYTES = 25_000;
/** As it is, with a little room: growth past it is to be noticed. */
const WHOLE_BYTES = 53_000;

const gzipped = (code: string | Uint8Array): number => gzipSync(code, { level: 9 }).length;

interface Chunk {
  readonly fileName: string;
  readonly code: string;
  readonly isEntry: boolean;
  readonly imports: readonly string[];
  readonly modules: readonly string[];
}

/** A page that imports `createHost` from the main entry, as Vite builds it: with what Vite adds to load a part later. */
async function built(): Promise<readonly Chunk[]> {
  const result = await vite({
    root: ENGINE,
    configFile: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'a page',
        resolveId: (id) => (id === 'page' ? '\0page' : null),
        load: (id) => (id === '\0page' ? `export { createHost } from ${JSON.stringify(`${ENGINE}/index.ts`)}` : null),
      },
    ],
    build: { write: false, minify: true, target: 'es2022', rollupOptions: { input: 'page', preserveEntrySignatures: 'strict' } },
  });
  const outputs = (Array.isArray(result) ? result : [result]).flatMap((each) => ('output' in each ? each.output : []));
  return outputs.flatMap((chunk) => (chunk.type === 'chunk' ? [{ ...chunk, modules: Object.keys(chunk.modules) }] : []));
}

describe('the engine, bundled for a browser by itself', () => {
  let chunks: readonly Chunk[];
  let first: Set<Chunk>;
  beforeAll(async () => {
    chunks = await built();
    const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
    first = new Set(chunks.filter((chunk) => chunk.isEntry));
    for (const chunk of first) for (const name of chunk.imports) first.add(byName.get(name)!);
  });

  it('holds neither the SDK nor its schemas', () => {
    const foreign = chunks.flatMap((chunk) => chunk.modules).filter((id) => !id.startsWith(`${ENGINE}/`) && !id.startsWith('\0'));
    expect(foreign).toEqual([]);
  });

  it('is under the promised 25 kB in what a page loads first', () => {
    const text = [...first].map((chunk) => chunk.code).join('');
    // A bundle that lost its code to tree-shaking would be small too.
    expect(text).toContain('session/request_permission');
    expect(text).toContain('CREATE TABLE acp_sessions');
    const bytes = [...first].reduce((sum, chunk) => sum + gzipped(chunk.code), 0);
    expect(bytes, `${bytes} bytes gzip`).toBeLessThan(PROMISED_BYTES);
  });

  it('with what a resume needs does not grow unnoticed', () => {
    const later = chunks.filter((chunk) => !first.has(chunk));
    expect(later.map((chunk) => chunk.code).join('')).toContain('session/resume');
    const bytes = chunks.reduce((sum, chunk) => sum + gzipped(chunk.code), 0);
    expect(bytes, `${bytes} bytes gzip`).toBeLessThan(WHOLE_BYTES);
  });

  it('in one piece, as a bundler makes it that does not split, neither', async () => {
    const { outputFiles } = await esbuild({
      entryPoints: [`${ENGINE}/index.ts`],
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      write: false,
      logLevel: 'silent',
    });
    const bytes = gzipped(outputFiles[0]!.contents);
    expect(bytes, `${bytes} bytes gzip`).toBeLessThan(WHOLE_BYTES);
  });
});
