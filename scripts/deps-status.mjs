/** `npm run deps:status`: prints `pinned`, or what is not, and then fails: whether an install tomorrow brings the same packages as one today. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './support/setup.mjs';

const EXACT = /^(?:npm:.+@)?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/**
 * @param {Record<string, any>} manifest package.json
 * @param {Record<string, any> | null} lock package-lock.json
 * @returns {string[]} one line for each dependency that is not pinned
 */
export function unpinned(manifest, lock) {
  const problems = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
    Object.entries(manifest[kind] ?? {})
      .filter(([, version]) => !EXACT.test(version))
      .map(([name, version]) => `${name} is not an exact version: ${version}`),
  );
  if (!lock) return [...problems, 'there is no package-lock.json'];
  for (const [where, entry] of Object.entries(lock.packages ?? {})) {
    if (where === '') continue;
    if (entry.link) problems.push(`${where} is linked`);
    else if (/^(git|file:)/.test(entry.resolved ?? '')) problems.push(`${where} comes from ${entry.resolved}`);
    else if (!entry.integrity && !entry.inBundle) problems.push(`${where} has no integrity in the lockfile`);
  }
  return problems;
}

/**
 * npm installs no optional package that its lockfile does not have, and leaves out of one what the registry it was made
 * with lacked: the program of another platform, above all. There the install succeeds and the program fails.
 *
 * @param {Record<string, any> | null} lock package-lock.json
 * @returns {string[]} one line for each optional package that is named and not there
 */
export function leftOut(lock) {
  const packages = Object.entries(lock?.packages ?? {});
  const there = new Set(packages.map(([where]) => where.split('node_modules/').at(-1)));
  return packages.flatMap(([where, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !there.has(name))
      .map(([name, version]) => `${where || 'package.json'} wants ${name} ${version} on some platform, and the lockfile does not have it`),
  );
}

/** Of every package of the checkout: the root, its Node, and the test folders that have their own. */
export function problems() {
  return globSync(['package.json', 'scripts/node/package.json', 'tests/*/package.json'], { cwd: ROOT }).flatMap((file) => {
    const dir = path.dirname(file);
    const read = (name) => {
      const full = path.join(ROOT, dir, name);
      return existsSync(full) ? JSON.parse(readFileSync(full, 'utf8')) : null;
    };
    const lock = read('package-lock.json');
    // `npm start` is for every platform; what the test folders bring is for those their programs are tested on.
    const missing = dir.startsWith('tests') ? [] : leftOut(lock);
    return [...unpinned(read('package.json'), lock), ...missing].map((problem) => `${dir}: ${problem}`);
  });
}

if (import.meta.main) {
  const found = problems();
  console.log(found.join('\n') || 'pinned');
  process.exitCode = found.length === 0 ? 0 : 1;
}
