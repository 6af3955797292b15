import { describe, expect, test } from 'vitest';
import { rangeProblem, unpinned } from '../../../scripts/support/pinned.mjs';

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
