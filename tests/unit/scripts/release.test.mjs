import { describe, expect, test } from 'vitest';
import { changelogSection, distTag, provenanceProblem, releaseRefusals } from '../../../scripts/support/release.mjs';

const HERE = 'a'.repeat(40);
const ELSEWHERE = 'b'.repeat(40);
const good = {
  name: 'thing',
  version: '1.2.3',
  dependencies: { ws: '8.0.0' },
  locked: { version: '1.2.3', dependencies: { ws: '8.0.0' } },
  changes: [],
  unpinned: [],
  changelog: '# Changes\n\n## 1.2.3\n\nIt works.\n\n## 1.2.2\n\nIt did not.\n',
  head: HERE,
  tagged: HERE,
  tagsHere: ['v1.2.3'],
  published: false,
};

describe('what is published', () => {
  test('a tagged, clean, pinned tree with its changes written down', () => {
    expect(releaseRefusals(good, { needsTag: true })).toEqual([]);
  });

  test.each([
    ['a change', { changes: [' M src/a.ts'] }, /changes that are in no commit: M src\/a\.ts\./],
    ['many changes', { changes: Array.from({ length: 9 }, (_, i) => `?? ${i}`) }, /\?\? 4 and 4 more/],
    ['a dependency that is not pinned', { unpinned: ['.: ws is a range: ^8'] }, /not pinned: \.: ws is a range/],
    ['no lockfile', { locked: null }, /no package-lock\.json/],
    [
      'a lockfile of another version',
      { locked: { ...good.locked, version: '1.2.2' } },
      /package-lock\.json has the version 1\.2\.2, package\.json 1\.2\.3/,
    ],
    ['a lockfile of other dependencies', { dependencies: { ws: '8.0.1' } }, /other dependencies than package\.json: ws/],
    ['a dependency the lockfile has and package.json not', { dependencies: {} }, /other dependencies than package\.json: ws/],
    ['no section in the changes', { changelog: '# Changes\n\n## Unreleased\n\nSome.\n' }, /no section “## 1\.2\.3”/],
    ['a section of another version alone', { changelog: '## 1.2.30\n\nSome.\n' }, /no section/],
    ['an empty section', { changelog: '## 1.2.3\n\n## 1.2.2\n\nSome.\n' }, /nothing under “## 1\.2\.3”/],
    ['no tag', { tagged: null, tagsHere: [] }, /no tag v1\.2\.3.*git tag v1\.2\.3/],
    ['a tag on another commit', { tagged: ELSEWHERE, tagsHere: [] }, /tag v1\.2\.3 names b{12}, and a{12} is checked out/],
    [
      'another version’s tag on this commit',
      { tagsHere: ['v1.2.3', 'v1.3.0'] },
      /tagged v1\.3\.0, and package\.json has the version 1\.2\.3/,
    ],
    ['a version that is there already', { published: true }, /thing@1\.2\.3 is published already/],
    ['no version', { version: '^1.2.3' }, /no exact version/],
  ])('not with %s', (_, change, message) => {
    const refusals = releaseRefusals({ ...good, ...change }, { needsTag: true });
    expect(refusals).toEqual([expect.stringMatching(message)]);
  });

  test('all that is wrong is said at once', () => {
    expect(releaseRefusals({ ...good, changes: ['?? a'], tagged: null, published: true }, { needsTag: true })).toHaveLength(3);
  });

  test('a registry that does not answer is no reason against it', () => {
    expect(releaseRefusals({ ...good, published: null }, { needsTag: true })).toEqual([]);
  });

  test('a dry run may come before the tag, and not before a tag that is elsewhere', () => {
    expect(releaseRefusals({ ...good, tagged: null, tagsHere: [] }, { needsTag: false })).toEqual([]);
    expect(releaseRefusals({ ...good, tagged: ELSEWHERE, tagsHere: [] }, { needsTag: false })).toHaveLength(1);
  });
});

test.each([
  ['## 1.2.3', 'text'],
  ['## [1.2.3]', 'text'],
  ['## v1.2.3 – 2027-01-31', 'text'],
  ['## 1.2.3-rc.1', null],
  ['## 1.2.3.4', null],
  ['### 1.2.3', null],
])('the section “%s”', (heading, expected) => {
  expect(changelogSection(`# Changes\n\n${heading}\n\ntext\n`, '1.2.3')).toBe(expected);
});

test('a preview does not become the version everybody gets', () => {
  expect([distTag('1.2.3'), distTag('1.2.3-rc.1')]).toEqual(['latest', 'next']);
});

describe('provenance', () => {
  const github = { GITHUB_ACTIONS: 'true', ACTIONS_ID_TOKEN_REQUEST_URL: 'https://token.example/' };
  test.each([
    ['GitHub', { repository: 'x', env: github }, null],
    ['GitLab', { repository: 'x', env: { GITLAB_CI: 'true', SIGSTORE_ID_TOKEN: 't' } }, null],
    ['no repository', { repository: undefined, env: github }, /names no repository/],
    ['no CI', { repository: 'x', env: {} }, /no identity to sign with/],
    ['a job without the permission', { repository: 'x', env: { GITHUB_ACTIONS: 'true' } }, /id-token: write/],
  ])('%s', (_, given, expected) => {
    const problem = provenanceProblem(given);
    if (expected === null) expect(problem).toBeNull();
    else expect(problem).toMatch(expected);
  });
});
