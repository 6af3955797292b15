/** `npm run deps:status`: prints `pinned`, or what is not, and then fails. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { leftOut, unpinned } from './support/pinned.mjs';
import { ROOT, inRoot } from './support/paths.mjs';

/** Every package of the checkout: the root, its Node, and the test folders that have their own. */
const packages = [
  ROOT,
  inRoot('scripts/node'),
  ...readdirSync(inRoot('tests'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => inRoot('tests', entry.name)),
].filter((dir) => existsSync(path.join(dir, 'package.json')));

const problems = packages.flatMap((dir) => {
  const read = (file) => (existsSync(path.join(dir, file)) ? JSON.parse(readFileSync(path.join(dir, file), 'utf8')) : null);
  const lock = read('package-lock.json');
  // `npm start` is for every platform; what the test folders bring is for those their programs are tested on.
  const forAll = !dir.startsWith(inRoot('tests'));
  return [...unpinned(read('package.json'), lock), ...(forAll ? leftOut(lock) : [])].map(
    (problem) => `${path.relative(ROOT, dir) || '.'}: ${problem}`,
  );
});

for (const problem of problems) console.log(problem);
if (problems.length === 0) console.log('pinned');
process.exitCode = problems.length === 0 ? 0 : 1;
