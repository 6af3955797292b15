/**
 * Publishes the package, or says why not.
 *
 *   npm run release                          builds, packs and publishes with provenance
 *   npm run release -- --dry-run             the same without publishing; also before there is a tag
 *   npm run release -- --check               only whether it may be published
 *   npm run release -- --without-provenance  where no CI can vouch for the build
 *
 * What is published is the archive that was packed and looked at here. Run `npm test` before.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { inRoot, main, run, SetupError, setUp } from './support/setup.mjs';

await main(async () => {
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({ options: { 'dry-run': flag, check: flag, 'without-provenance': flag } });
  const dryRun = values['dry-run'];
  await setUp();
  const manifest = JSON.parse(text('package.json'));
  const { name, version } = manifest;
  const [refusals, notes] = [[], []];

  await checkTree(manifest, refusals, dryRun ? notes : refusals);
  const unproven = values['without-provenance'] ? null : provenanceProblem(manifest, process.env);
  if (unproven) (dryRun ? notes : refusals).push(unproven);
  const there = await run('npm', ['view', `${name}@${version}`, 'version', '--loglevel=error', '--fetch-retries=0'], { stdio: 'capture' });
  if (there.code === 0 && there.output.includes(version))
    refusals.push(`${name}@${version} is published already, and a version is published once. Set another version.`);
  if (refusals.length > 0) throw new SetupError([`${name} ${version} is not published:`, ...refusals].join('\n- '));
  if (there.code !== 0 && !there.output.includes('E404'))
    console.error('The registry could not be asked whether this version is there already; it refuses a second one itself.');
  for (const note of notes) console.error(`Still to do: ${note}`);
  if (values.check) return void console.log(`${name} ${version} may be published.`);

  const directory = mkdtempSync(path.join(tmpdir(), 'release-'));
  try {
    const packed = await pack(directory);
    for (const file of packed.files) console.log(`${String(file.size).padStart(9)}  ${file.path}`);
    const [size, unpacked] = [packed.size, packed.unpackedSize].map((bytes) => Math.round(bytes / 1000));
    console.log(`${name} ${version}: ${packed.files.length} files, ${size} kB packed, ${unpacked} kB unpacked, ${packed.integrity}`);
    // A preview is nobody's `latest`.
    const tag = version.includes('-') ? 'next' : 'latest';
    const publish = ['publish', packed.archive, '--access', 'public', '--tag', tag];
    if (!values['without-provenance']) publish.push('--provenance');
    if (dryRun) return void console.log(`Nothing was published. It would be: npm ${publish.join(' ')}`);
    const { code } = await run('npm', publish);
    if (code !== 0) throw new SetupError(`npm publish failed with ${code}; its output is above.`);
    console.log(`${name} ${version} is published as ${tag}.`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

function text(file) {
  return existsSync(inRoot(file)) ? readFileSync(inRoot(file), 'utf8') : '';
}

/** What a program printed, line by line; nothing when it failed. */
async function lines(command, ...args) {
  const { code, output } = await run(command, args, { stdio: 'capture' });
  return code === 0 ? output.split('\n').filter((line) => line.trim() !== '') : [];
}

/** Whether this tree, as it is, is the version that it says: each refusal with what to do. A dry run may come before the tag. */
async function checkTree({ version }, refusals, untagged) {
  const { problems } = await import('./deps-status.mjs');
  const few = (items) => items.slice(0, 5).join(', ') + (items.length > 5 ? ` and ${items.length - 5} more` : '');
  const changes = (await lines('git', 'status', '--porcelain', '--untracked-files=all')).map((line) => line.trim());
  if (changes.length > 0) refusals.push(`The tree has changes that are in no commit: ${few(changes)}. Commit or remove them.`);
  const unpinned = problems();
  if (unpinned.length > 0) refusals.push(`Dependencies are not pinned: ${few(unpinned)}. See “npm run deps:status”.`);
  const locked = text('package-lock.json') && JSON.parse(text('package-lock.json')).version;
  if (locked !== version)
    refusals.push(
      locked
        ? `package-lock.json has the version ${locked}, package.json ${version}. Run “npm install”, and commit it.`
        : 'There is no package-lock.json. Run “npm install”, and commit it.',
    );
  const section = text('CHANGELOG.md')
    .split(/^(?=## )/m)
    .find((each) => each.split(/[\s[\]]+/)[1] === version);
  if (!section?.replace(/^.*\n?/, '').trim())
    refusals.push(`CHANGELOG.md has no section “## ${version}” with words in it. Write what changed.`);

  const tag = `v${version}`;
  const [head] = await lines('git', 'rev-parse', 'HEAD');
  const [tagged] = await lines('git', 'rev-parse', '--verify', '--quiet', `refs/tags/${tag}^{commit}`);
  if (!tagged) untagged.push(`There is no tag ${tag}. Tag the commit that is to be published: git tag ${tag}`);
  else if (tagged !== head)
    refusals.push(
      `The tag ${tag} names ${tagged.slice(0, 12)}, and ${head?.slice(0, 12)} is checked out. Check out the tag, or set another version.`,
    );
  const others = (await lines('git', 'tag', '--points-at', 'HEAD', '--list', 'v[0-9]*')).filter((each) => each !== tag);
  if (others.length > 0)
    refusals.push(`This commit is tagged ${others.join(', ')}, and package.json has the version ${version}. One of the two is wrong.`);
}

/** What keeps a package from carrying a proof of where it was built; null when nothing does. */
function provenanceProblem({ repository }, env) {
  if (!repository)
    return 'package.json names no repository, which the proof has to be about. Set “repository”, or publish with --without-provenance.';
  if ((env.GITHUB_ACTIONS && env.ACTIONS_ID_TOKEN_REQUEST_URL) || (env.GITLAB_CI && env.SIGSTORE_ID_TOKEN)) return null;
  return 'There is no identity to sign with: run this in CI with one (GitHub: “id-token: write”), or publish with --without-provenance.';
}

/** Builds what is published now, whatever dist/ holds, and packs it; gives the archive's path and what npm tells about it. */
async function pack(directory) {
  rmSync(inRoot('dist/.build-hash'), { force: true });
  for (const args of [
    ['run', 'build:lib', '--silent'],
    ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', directory],
  ]) {
    const { code, output } = await run('npm', args, { stdio: 'capture' });
    if (code !== 0) throw new SetupError(`“npm ${args.join(' ')}” failed:\n${output}`);
    if (args[0] !== 'pack') continue;
    const told = JSON.parse(output.slice(output.search(/^[[{]/m)));
    const [about] = Array.isArray(told) ? told : Object.values(told);
    return { ...about, archive: path.join(directory, about.filename) };
  }
}
