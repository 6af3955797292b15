/**
 * Checks the spelling (British English) of every page as it is read, and of the texts outside the site. Correct words that no dictionary has go
 * into tests/spelling/words.txt.
 */
import { ensureInstalled, inRoot, main, PROJECT_NODE, projectEnv, ROOT, run } from './support/setup.mjs';
import { ensureSite } from './support/site-build.mjs';

const BESIDE = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'CLAUDE.md',
  'SECURITY.md',
  'examples/README.md',
  'playground/scenarios/*.ts',
];

const own = (name) => inRoot('tests/spelling', name);

async function check(root, ...globs) {
  const options = ['--no-progress', '--no-gitignore', '--show-suggestions', '--config', own('cspell.json'), '--root', root];
  const args = [own('node_modules/cspell/bin.mjs'), 'lint', ...options, ...globs];
  return (await run(PROJECT_NODE, args, { env: projectEnv({ NO_COLOR: '1' }) })).code;
}

await main(async () => {
  await ensureInstalled(own(''), 'the spell checker; 15 MB');
  const codes = [await check(await ensureSite(), '**/*.md'), await check(ROOT, ...BESIDE)];
  process.exitCode = Math.max(...codes);
});
