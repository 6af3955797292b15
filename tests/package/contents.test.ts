import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { ROOT } from './support/run.ts';

const root = path.join(inject('nodeProject'), 'node_modules/acp-rehydrate');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(path.join(root, name)).isFile());
const read = (name: string) => readFileSync(path.join(root, name), 'utf8');
const ending = (...endings: string[]) => files.filter((name) => endings.some((each) => name.endsWith(each)));

/** Room for growth; a file that does not belong there takes more. */
const PACKED_BYTES = 1_800_000;

describe('what is in the package', () => {
  test('dist/, and what npm shows of a package', () => {
    const outside = files.filter((name) => !name.startsWith('dist/'));
    expect(outside.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
    const odd = files.filter((name) => name.startsWith('dist/') && !/\.(?:js|d\.ts|js\.map)$/.test(name));
    expect(odd).toEqual([]);
  });

  test('its size', () => {
    const packed = statSync(inject('tarball')).size;
    const unpacked = files.reduce((sum, name) => sum + statSync(path.join(root, name)).size, 0);
    console.log(`packed ${(packed / 1e3).toFixed(0)} kB, unpacked ${(unpacked / 1e6).toFixed(1)} MB, ${files.length} files`);
    expect(packed).toBeLessThan(PACKED_BYTES);
  });

  test('everything a manifest points at is there, and the command can be executed', () => {
    const manifest = JSON.parse(read('package.json')) as {
      bin: Record<string, string>;
      exports: Record<string, string | Record<string, string>>;
    };
    for (const target of Object.values(manifest.exports))
      for (const file of typeof target === 'string' ? [target] : Object.values(target))
        expect(existsSync(path.join(root, file)), file).toBe(true);
    for (const file of Object.values(manifest.bin)) {
      expect(read(file).split('\n')[0]).toBe('#!/usr/bin/env node');
      expect(statSync(path.join(root, file)).mode & 0o111).toBe(0o111);
    }
  });

  test('nothing of the machine that built it: no path, no registry’s token', () => {
    const told = new RegExp(
      `${[ROOT, homedir(), tmpdir()].map((each) => `${each.replaceAll('.', '\\.')}/[\\w.-]+`).join('|')}|_authToken=\\S+`,
      'g',
    );
    expect(files.flatMap((name) => [...read(name).matchAll(told)].map(([found]) => `${name}: ${found}`))).toEqual([]);
  });

  test('every module has a source map with its sources in it', () => {
    // But for the command's and the worker's.
    const modules = ending('.js').filter((name) => !/^dist\/(cli\/|browser\/agent)/.test(name));
    const wrong = modules.filter((name) => {
      if (read(name).trimEnd().split('\n').at(-1) !== `//# sourceMappingURL=${path.basename(name)}.map`) return true;
      const map = JSON.parse(read(`${name}.map`)) as { sources: string[]; sourcesContent: (string | null)[] };
      // Named as they stand in a checkout, beside dist/.
      const named = map.sources.every((source) => /^src\/[\w/-]+\.ts$/.test(path.posix.join(path.posix.dirname(name), source)));
      return !named || map.sources.length === 0 || !map.sources.every((_, i) => map.sourcesContent[i]);
    });
    expect(modules.length).toBeGreaterThan(100);
    expect(wrong).toEqual([]);
  });

  test('only the entries for Node import modules of Node', () => {
    const node = /^dist\/(?:cli|bridge|adapters\/(?:stdio|node-host|node-sqlite))\/|^dist\/testing\/agents\/(?:stdio|on-stdio|node-store)/;
    expect(ending('.js').filter((name) => !node.test(name) && /(?:from|import\() ?['"]node:/.test(read(name)))).toEqual([]);
  });
});
