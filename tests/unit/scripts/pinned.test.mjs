import { describe, expect, test } from 'vitest';
import { leftOut, rangeProblem, unpinned } from '../../../scripts/support/pinned.mjs';

describe('what is not pinned is named', () => {
  test.each([
    ['1.2.3', null],
    ['1.2.3-beta.1', null],
    ['npm:other@1.2.3', null],
    ['^1.2.3', 'is a range'],
    ['~1.2.3', 'is a range'],
    ['1.x', 'is a range'],
    ['*', 'is a range'],
    ['latest', 'is a range'],
    ['', 'is a range'],
    ['npm:other@^1.2.3', 'is a range'],
    ['file:../other', 'is a path'],
    ['link:../other', 'is a path'],
    ['git+https://example.org/a.git', 'comes from git'],
    ['someone/something', 'comes from git'],
    ['https://example.org/a.tgz', 'is an address'],
  ])('%s', (range, problem) => {
    expect(rangeProblem(range)).toBe(problem);
  });

  test('linked, git and unverified entries of the lockfile', () => {
    const lock = {
      packages: {
        '': {},
        'node_modules/good': { version: '1.0.0', integrity: 'sha512-x' },
        'node_modules/linked': { link: true, resolved: '../linked' },
        'node_modules/cloned': { version: '1.0.0', resolved: 'git+ssh://example.org/a.git' },
        'node_modules/bare': { version: '1.0.0' },
      },
    };
    expect(unpinned({ dependencies: { good: '1.0.0' } }, lock)).toEqual([
      'node_modules/linked is linked',
      'node_modules/cloned comes from git+ssh://example.org/a.git',
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
    ['in another', { 'node_modules/tool': { optionalDependencies }, 'node_modules/a/node_modules/tool-darwin-arm64': {} }, 1],
    ['nowhere', { 'node_modules/tool': { optionalDependencies } }, 1],
    ['nowhere, of the project itself', { '': { optionalDependencies } }, 1],
  ])('%s', (_, packages, count) => {
    expect(leftOut({ packages })).toHaveLength(count);
  });

  test('in words', () => {
    expect(leftOut({ packages: { 'node_modules/tool': { optionalDependencies } } })).toEqual([
      'node_modules/tool wants tool-darwin-arm64 1.0.0 on some platform, and the lockfile does not have it',
    ]);
    expect(leftOut(null)).toEqual([]);
  });
});
