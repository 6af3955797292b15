/** What package.json says of the package, against what is in the checkout. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { overview } from '../../src/cli/table.ts';
import { OPTIONAL_PACKAGES } from '../../src/cli/table.ts';
import { NAME, VERSION } from '../../src/engine/version.ts';

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string) => readFileSync(file(path), 'utf8');

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<'types' | 'default', string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
}
const manifest = JSON.parse(read('package.json')) as Manifest;
const peers = Object.keys(manifest.peerDependencies);
const entries = Object.keys(manifest.exports);

test('agents are told the package’s own name and version', () => {
  expect([NAME, VERSION]).toEqual([(JSON.parse(read('package.json')) as { name: string }).name, manifest.version]);
});

describe('optional parts', () => {
  test.each(peers)('%s is an optional peer, and nobody gets it unasked', (name) => {
    expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
    expect(Object.keys(manifest.dependencies)).not.toContain(name);
  });

  test('the help names each of them, and how to install it', () => {
    expect(OPTIONAL_PACKAGES.map(([name]) => name).sort()).toEqual(peers.toSorted());
    for (const name of peers) expect(overview()).toMatch(new RegExp(`${name} .*npm install ${name}`));
  });
});

describe('entries', () => {
  test.each(entries.filter((entry) => entry !== './package.json'))(
    '%s has types and a source, and the changes and the library page name it',
    (entry) => {
      const target = manifest.exports[entry];
      if (typeof target !== 'object') throw new Error(`${entry} should have conditions`);
      // A consumer takes the first condition that fits: `types` must be before `default`.
      expect(Object.keys(target)).toEqual(['types', 'default']);
      expect(target.types).toBe(target.default.replace(/\.js$/, '.d.ts'));
      expect(existsSync(file(target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')))).toBe(true);
      const name = `\`${entry.replace(/^\./, 'acp-rehydrate')}\``;
      expect(read('CHANGELOG.md')).toContain(name);
      expect(read('content/docs/reference/library.mdx')).toContain(name);
    },
  );
});

test('the changes have a section for this version', () => {
  expect(read('CHANGELOG.md')).toMatch(new RegExp(`^## ${manifest.version.replaceAll('.', '\\.')}\\b`, 'm'));
});
