/**
 * Run by `npm run release`, and by `npm publish`: refuses a tree that is not exactly the version it claims to be, and builds the library anew.
 * What npm and the registry refuse themselves is not checked here.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { problems } from './deps-status.mjs';
import { inRoot, main, PROJECT_NODE, run, SetupError } from './support/setup.mjs';

const text = (file) => (existsSync(inRoot(file)) ? readFileSync(inRoot(file), 'utf8') : '');

/** The lines of git's output; none if git fails. */
async function git(...args) {
  const { code, output } = await run('git', args, { stdio: 'capture' });
  return code === 0 ? output.split('\n').flatMap((line) => line.trim() || []) : [];
}

const few = (items) => items.slice(0, 5).join(', ') + (items.length > 5 ? ` and ${items.length - 5} more` : '');

await main(async () => {
  const { name, version } = JSON.parse(text('package.json'));
  const locked = JSON.parse(text('package-lock.json') || '{}').version;
  const section = text('CHANGELOG.md')
    .split(/^(?=## )/m)
    .find((each) => each.split(/[\s[\]]+/)[1] === version);
  const changes = await git('status', '--porcelain', '--untracked-files=all');
  const unpinned = problems();
  const tag = `v${version}`;
  const tags = await git('tag', '--points-at', 'HEAD', '--list', 'v[0-9]*');

  const refusals = [
    changes.length > 0 && `The tree has changes that are in no commit: ${few(changes)}. Commit or remove them.`,
    unpinned.length > 0 && `Dependencies are not pinned: ${few(unpinned)}. See “npm run deps:status”.`,
    locked !== version && `package-lock.json has the version ${locked}, package.json ${version}. Run “npm install”, and commit it.`,
    !section?.replace(/^.*\n?/, '').trim() && `CHANGELOG.md has no section “## ${version}” with words in it. Write what changed.`,
    tags.join() !== tag &&
      `This commit has to have the tag ${tag} and no other version’s; it has ${tags.join(', ') || 'none'}. Check out the tagged commit, or tag this one: git tag ${tag}`,
  ].filter(Boolean);
  if (refusals.length > 0) throw new SetupError([`${name} ${version} is not published:`, ...refusals].join('\n- '));

  rmSync(inRoot('dist'), { recursive: true, force: true });
  const { code } = await run(PROJECT_NODE, [inRoot('scripts/build-lib.mjs')]);
  if (code !== 0) throw new SetupError('The library did not build; the compiler’s output is above.');
});
