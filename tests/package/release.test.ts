/**
 * `npm run release` in a checkout of its own, against a registry on this machine: each thing it refuses, a dry run, and a
 * publication that goes nowhere else.
 */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startRegistry, type Registry } from './support/registry.ts';
import { must, NODE, ROOT, run, strangersEnv, type Ran } from './support/run.ts';

const VERSION = (JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
let directory: string;
let checkout: string;
let registry: Registry;
let start: string;

const git = (...args: string[]) =>
  must(
    'git',
    [
      '-c',
      'user.name=Test',
      '-c',
      'user.email=test@example.invalid',
      '-c',
      'commit.gpgsign=false',
      '-c',
      'tag.gpgsign=false',
      '-c',
      'core.hooksPath=/dev/null',
      ...args,
    ],
    { cwd: checkout },
  );

/** Nothing of a CI around it, and no registry but ours. */
function outside(): NodeJS.ProcessEnv {
  const inherited = Object.entries(strangersEnv()).filter(
    ([name]) => !/^(?:CI$|GITHUB_|ACTIONS_|GITLAB_|SIGSTORE_|NPM_|npm_config_)/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    NPM_CONFIG_USERCONFIG: path.join(directory, 'npmrc'),
    npm_config_registry: registry.url,
  };
}

/** As far as it goes before npm is told to publish. */
const checked = (): Promise<Ran> => run(NODE, ['scripts/release.mjs'], { cwd: checkout, env: outside() });
/** With npm's own options behind it. */
const release = (...args: string[]): Promise<Ran> => run('npm', ['run', 'release', '--', ...args], { cwd: checkout, env: outside() });

/** Changes files of the checkout, and commits that unless it is the point that it is not. */
async function change(file: string, edit: (text: string) => string, commit = true): Promise<void> {
  const full = path.join(checkout, file);
  const before = existsSync(full) ? readFileSync(full, 'utf8') : '';
  const after = edit(before);
  if (after === before) throw new Error(`${file} is as it was.`);
  writeFileSync(full, after);
  if (commit) await git('commit', '--quiet', '-m', 'Change', '--', file);
}

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'release-'));
  checkout = path.join(directory, 'checkout');
  mkdirSync(checkout);
  const files = (await must('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT }))
    .split('\0')
    .filter((file) => file && existsSync(path.join(ROOT, file)));
  for (const file of files) {
    mkdirSync(path.dirname(path.join(checkout, file)), { recursive: true });
    copyFileSync(path.join(ROOT, file), path.join(checkout, file));
  }
  // A folder of links: the build keeps what it is working on beside them.
  mkdirSync(path.join(checkout, 'node_modules'));
  for (const name of readdirSync(path.join(ROOT, 'node_modules')))
    if (name !== '.cache') symlinkSync(path.join(ROOT, 'node_modules', name), path.join(checkout, 'node_modules', name));
  // As if it had been built there: a release builds it anew in any case.
  for (const made of ['dist', ...['dist.made-of', 'testing', 'testing.made-of'].map((name) => path.join('.setup', name))])
    cpSync(path.join(ROOT, made), path.join(checkout, made), { recursive: true });
  await git('init', '--quiet');
  await git('add', '--all');
  await git('commit', '--quiet', '-m', 'All');
  start = (await git('rev-parse', 'HEAD')).trim();
  registry = await startRegistry();
  writeFileSync(path.join(directory, 'npmrc'), `registry=${registry.url}\n${registry.url.replace(/^http:/, '')}:_authToken=nobodys\n`);
});
afterAll(async () => {
  await registry?.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  await git('reset', '--quiet', '--hard', start);
  await git('clean', '--quiet', '-fd');
  for (const tag of (await git('tag')).split('\n').filter(Boolean)) await git('tag', '--delete', tag);
});

const refusals: [what: string, prepare: () => Promise<unknown>, message: RegExp][] = [
  ['a changed file', () => change('README.md', (text) => `${text}more\n`, false), /changes that are in no commit: M README\.md/],
  ['a new file', () => change('new.txt', () => 'new\n', false), /changes that are in no commit: \?\? new\.txt/],
  [
    'a dependency that is a range',
    () => change('package.json', (text) => text.replace(/"ws": "(\d)/, '"ws": "^$1')),
    /not pinned: \.: ws is not an exact version/,
  ],
  [
    'a lockfile of another version',
    () => change('package.json', (text) => text.replace(`"version": "${VERSION}"`, '"version": "0.0.1"')),
    new RegExp(`package-lock\\.json has the version ${VERSION}, package\\.json 0\\.0\\.1`),
  ],
  [
    'no lockfile',
    async () => {
      await git('rm', '--quiet', 'package-lock.json');
      await git('commit', '--quiet', '-m', 'Change');
    },
    /package-lock\.json has the version undefined/,
  ],
  [
    'a version without a section in the changes',
    () => change('CHANGELOG.md', (text) => text.replace(`## ${VERSION}`, '## Unreleased')),
    new RegExp(`CHANGELOG\\.md has no section “## ${VERSION}”`),
  ],
  [
    'a tag on another commit',
    async () => {
      await git('tag', `v${VERSION}`);
      await change('README.md', (text) => `${text}more\n`);
    },
    new RegExp(`has to have the tag v${VERSION} and no other version’s; it has none`),
  ],
  ['another version’s tag on the commit', () => git('tag', 'v99.0.0'), /no other version’s; it has v99\.0\.0/],
  ['a tree without a tag', async () => undefined, /has to have the tag v.* and no other version’s; it has none/],
];
test.each(refusals)('refused: %s', async (_, prepare, message) => {
  await prepare();
  const { code, out, err } = await checked();
  expect(err).toMatch(message);
  expect({ code, out }).toEqual({ code: 1, out: '' });
});

test('npm publishes nothing of a tree that is refused, however it is called', async () => {
  for (const args of [
    ['run', 'release', '--', '--provenance=false'],
    ['publish', '--dry-run'],
  ]) {
    const { code, out, err } = await run('npm', args, { cwd: checkout, env: outside() });
    expect(code, args.join(' ')).not.toBe(0);
    expect(out + err).toContain(`has to have the tag v${VERSION}`);
  }
  expect(registry.received).toEqual([]);
});

test('a dry run builds and packs, shows what there would be, and publishes nothing', async () => {
  await git('tag', `v${VERSION}`);
  const stale = path.join(checkout, 'dist/stale.js');
  mkdirSync(path.dirname(stale), { recursive: true });
  writeFileSync(stale, '');
  const { code, out, err } = await release('--dry-run');
  expect(code, out + err).toBe(0);
  for (const file of [
    'package.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
    'dist/engine/index.js',
    'dist/engine/index.d.ts',
    'dist/cli/rehydrate.js',
    'dist/browser/acp-rehydrate.js',
  ])
    expect(out + err).toMatch(new RegExp(` ${file.replaceAll('.', '\\.')}$`, 'm'));
  expect(out + err).not.toMatch(/ dist\/stale| scripts\/.*\.mjs$/m);
  expect(registry.received).toEqual([]);
  expect((await git('status', '--porcelain')).trim()).toBe('');
});

test('without an identity to vouch for the build npm refuses by itself', async () => {
  // The release’s own last command: what is before it was built and refused above.
  const { scripts } = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8')) as { scripts: { release: string } };
  const [program, ...args] = scripts.release.split(' && ').at(-1)!.split(' ');
  expect([program, args]).toEqual(['npm', expect.arrayContaining(['publish', '--provenance'])]);
  const { code, out, err } = await run('npm', args, { cwd: checkout, env: outside() });
  expect(code).not.toBe(0);
  expect(out + err).toMatch(/provenance/i);
  expect(registry.received).toEqual([]);
});

test('a release sends the archive, once', async () => {
  await git('tag', `v${VERSION}`);
  const { code, out, err } = await release('--provenance=false');
  expect(code, out + err).toBe(0);
  expect(registry.received).toHaveLength(1);
  const [sent] = registry.received;
  expect(sent).toMatchObject({ name: 'acp-rehydrate', 'dist-tags': { latest: VERSION } });
  expect(Object.keys(sent!.versions)).toEqual([VERSION]);
  expect(Object.values(sent!._attachments)[0]!.length).toBeGreaterThan(100_000);
});
