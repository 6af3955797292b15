import { describe, expect, test } from 'vitest';
import { leftOut, unpinned } from '../../../scripts/deps-status.mjs';

describe('what is not pinned is named', () => {
  test.each(['1.2.3', '1.2.3-beta.1', 'npm:other@1.2.3'])('%s is exact', (version) => {
    expect(unpinned({ dependencies: { a: version } }, {})).toEqual([]);
  });

  test.each([
    ...['^1.2.3', '~1.2.3', '1.x', '*', 'latest', '', 'npm:other@^1.2.3', 'file:../other', 'link:../other'],
    ...['git+https://example.org/a.git', 'someone/something', 'https://example.org/a.tgz'],
  ])('“%s” is not', (version) => {
    expect(unpinned({ devDependencies: { a: version } }, {})).toEqual([`a is not an exact version: ${version}`]);
  });

  test('linked, git and unverified entries of the lockfile', () => {
    const lock = {
      packages: {
        '': {},
        'node_modules/good': { version: '1.0.0', integrity: 'sha512-x' },
        'node_modules/linked': { link: true, resolved: '../linked' },
        'node_modules/cloned': { version: '1.0.0', resolved: 'git+ssh://example.org/a.git' },
        'node_modules/bare': { version: '1.0.0' },
        'node_modules/ours': { link: true, resolved: 'ours' },
        ours: { version: '1.0.0' },
      },
    };
    expect(unpinned({ dependencies: { good: '1.0.0' }, workspaces: ['ours'] }, lock)).toEqual([
      'node_modules/linked has no integrity in the lockfile: it comes from ../linked',
      'node_modules/cloned has no integrity in the lockfile: it comes from git+ssh://example.org/a.git',
      'node_modules/bare has no integrity in the lockfile',
    ]);
  });

  test('a package without a lockfile', () => {
    expect(unpinned({ devDependencies: { a: '1.0.0' } }, null)).toEqual(['there is no package-lock.json']);
  });
});

describe('an optional package that the lockfile leaves out is named', () => {
  const optionalDependencies = { 'tool-darwin-arm64': '1.0.0' };
  test.each([
    ['beside it', { 'node_modules/tool': { optionalDependencies }, 'node_modules/tool-darwin-arm64': {} }, 0],
    ['in it', { 'node_modules/tool': { optionalDependencies }, 'node_modules/tool/node_modules/tool-darwin-arm64': {} }, 0],
    [
      'beside the one it is in',
      { 'node_modules/a/node_modules/tool': { optionalDependencies }, 'node_modules/a/node_modules/tool-darwin-arm64': {} },
      0,
    ],
    ['at the top', { 'node_modules/@a/b/node_modules/tool': { optionalDependencies }, 'node_modules/tool-darwin-arm64': {} }, 0],
    ['nowhere', { 'node_modules/tool': { optionalDependencies } }, 1],
    ['nowhere, of the project itself', { '': { optionalDependencies } }, 1],
  ])('%s', (_, packages, count) => {
    expect(leftOut({ packages })).toHaveLength(count);
  });

  test('in words', () => {
    expect(leftOut({ packages: { 'node_modules/tool': { optionalDependencies } } })).toEqual([
      'node_modules/tool wants tool-darwin-arm64 on some platform, and the lockfile does not have it',
    ]);
    expect(leftOut(null)).toEqual([]);
  });
});
