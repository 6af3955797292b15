import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { NODE, ROOT, run } from './support/run.ts';

const tool = (name: string, args: readonly string[]) => run(path.join(import.meta.dirname, 'node_modules/.bin', name), args, { cwd: ROOT });

test('publint has nothing to say, suggestions included', async () => {
  const { code, out, err } = await tool('publint', ['run', inject('tarball'), '--strict', '--level', 'suggestion']);
  expect(out + err).toContain('All good!');
  expect(code).toBe(0);
});

/** `esm-only` leaves out what cannot be: `require` before Node 22, and resolution from before `exports`. */
test('are the types wrong? Not for any entry', async () => {
  const { code, out, err } = await tool('attw', [inject('tarball'), '--profile', 'esm-only', '--format', 'json']);
  const { analysis } = JSON.parse(out) as {
    analysis: { entrypoints: Record<string, { resolutions: Record<string, { resolution?: { fileName: string } }> }> };
  };
  expect(Object.keys(analysis.entrypoints).length).toBeGreaterThan(10);
  for (const [entry, { resolutions }] of Object.entries(analysis.entrypoints)) {
    for (const kind of ['node16-esm', 'bundler'])
      expect(resolutions[kind]?.resolution?.fileName, `${entry}, ${kind}`).toMatch(/\.(?:d\.ts|json)$/);
  }
  expect({ code, err }).toEqual({ code: 0, err: '' });
});

test('knip finds no unused file, export or dependency', async () => {
  const { code, out, err } = await run(
    NODE,
    [
      path.join(import.meta.dirname, 'node_modules/knip/bin/knip.js'),
      '--directory',
      ROOT,
      '--config',
      'tests/package/knip.ts',
      '--no-progress',
      '--no-config-hints',
    ],
    { cwd: ROOT },
  );
  expect(out + err).toBe('');
  expect(code).toBe(0);
});
