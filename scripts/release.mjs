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
import { ROOT, inRoot } from './support/paths.mjs';
import { distTag, provenanceProblem, releaseRefusals } from './support/release.mjs';
import { main, run, SetupError } from './support/run.mjs';
import { setUp } from './support/setup.mjs';

const readJson = (file) => (existsSync(inRoot(file)) ? JSON.parse(readFileSync(inRoot(file), 'utf8')) : null);
const lines = (text) => text.split('\n').filter((line) => line.trim() !== '');

/** Runs a program to its end and gives what it printed; `null` when it failed and `orNull` is set. */
async function output(command, args, { orNull = false } = {}) {
  const { code, output: text } = await run(command, args, { stdio: 'capture' });
  if (code === 0) return text;
  if (orNull) return null;
  throw new SetupError(`“${command} ${args.join(' ')}” failed:\n${text}`);
}

async function gather(manifest) {
  const { name, version, dependencies = {} } = manifest;
  const commit = async (revision) =>
    (await output('git', ['rev-parse', '--verify', '--quiet', `${revision}^{commit}`], { orNull: true }))?.trim() ?? null;
  const head = await commit('HEAD');
  if (!head) throw new SetupError(`${ROOT} is not a git checkout with a commit; a release is of a commit.`);
  const pinned = await run(process.execPath, [inRoot('scripts/deps-status.mjs')], { stdio: 'capture' });
  return {
    name,
    version,
    dependencies,
    locked: readJson('package-lock.json')?.packages?.[''] ?? null,
    changes: lines(await output('git', ['status', '--porcelain', '--untracked-files=all'])),
    unpinned: pinned.code === 0 ? [] : lines(pinned.output),
    changelog: existsSync(inRoot('CHANGELOG.md')) ? readFileSync(inRoot('CHANGELOG.md'), 'utf8') : '',
    head,
    tagged: await commit(`refs/tags/v${version}`),
    tagsHere: lines(await output('git', ['tag', '--points-at', 'HEAD', '--list', 'v[0-9]*'])),
    published: await isPublished(name, version),
  };
}

/** null: the registry did not say. Publishing a version twice fails there in any case. */
async function isPublished(name, version) {
  const { code, output: text } = await run(
    'npm',
    ['view', `${name}@${version}`, 'version', '--json', '--loglevel=error', '--fetch-retries=0'],
    { stdio: 'capture' },
  );
  if (code === 0) return text.includes(version);
  return /E404/.test(text) ? false : null;
}

/** Packs into a directory; gives the archive's path and what npm tells about it. */
async function pack(directory) {
  const text = await output('npm', ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', directory]);
  const told = JSON.parse(text.slice(text.search(/^[[{]/m)));
  const [about] = Array.isArray(told) ? told : Object.values(told);
  return { ...about, archive: path.join(directory, about.filename) };
}

/** Everything the manifest points at has to be in the archive. */
function missing({ exports, bin }, files) {
  const targets = [
    ...Object.values(exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target))),
    ...Object.values(bin),
  ];
  return targets.map((target) => path.posix.normalize(target)).filter((target) => !files.some((file) => file.path === target));
}

await main(async () => {
  const { values } = parseArgs({
    options: { 'dry-run': { type: 'boolean' }, check: { type: 'boolean' }, 'without-provenance': { type: 'boolean' } },
  });
  const dryRun = values['dry-run'] === true;
  const manifest = readJson('package.json');
  const facts = await gather(manifest);
  const refusals = releaseRefusals(facts, { needsTag: !dryRun });
  const unproven = values['without-provenance'] ? null : provenanceProblem({ repository: manifest.repository, env: process.env });
  if (unproven && !dryRun) refusals.push(unproven);
  if (refusals.length > 0)
    throw new SetupError([`${facts.name} ${facts.version} is not published:`, ...refusals.map((each) => `- ${each}`)].join('\n'));
  if (facts.published === null)
    console.error('The registry could not be asked whether this version is there already; it refuses a second one itself.');
  if (dryRun && facts.tagged === null) console.error(`Still to do: git tag v${facts.version}`);
  if (dryRun && unproven) console.error(`Still to do: ${unproven}`);
  if (values.check) return void console.log(`${facts.name} ${facts.version} may be published.`);

  // Whatever dist/ holds, what is published is built now.
  rmSync(inRoot('dist/.build-hash'), { force: true });
  await setUp();
  const directory = mkdtempSync(path.join(tmpdir(), 'release-'));
  try {
    const packed = await pack(directory);
    const lost = missing(manifest, packed.files);
    if (lost.length > 0) throw new SetupError(`The archive lacks what package.json points at: ${lost.join(', ')}.`);
    const changed = lines(await output('git', ['status', '--porcelain']));
    if (changed.length > 0) throw new SetupError(`Building changed the tree: ${changed.join(', ')}. Commit what it makes, or ignore it.`);
    for (const file of packed.files) console.log(`${String(file.size).padStart(9)}  ${file.path}`);
    console.log(
      `${facts.name} ${facts.version}: ${packed.files.length} files, ${Math.round(packed.size / 1000)} kB packed, ${Math.round(packed.unpackedSize / 1000)} kB unpacked, ${packed.integrity}`,
    );

    const publish = [
      'publish',
      packed.archive,
      '--access',
      'public',
      '--tag',
      distTag(facts.version),
      ...(values['without-provenance'] ? [] : ['--provenance']),
    ];
    if (dryRun) return void console.log(`Nothing was published. It would be: npm ${publish.join(' ')}`);
    const { code } = await run('npm', publish);
    if (code !== 0) throw new SetupError(`npm publish failed with ${code}; its output is above.`);
    console.log(`${facts.name} ${facts.version} is published as ${distTag(facts.version)}.`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
