/** `npm run deps:status`: prints `pinned`, or what is not, and then fails: whether an install tomorrow brings the same packages as one today. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { inRoot, ROOT } from './support/setup.mjs';

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
  // A workspace is of this checkout.
  for (const [where, { link, resolved = '', integrity, inBundle }] of Object.entries(lock.packages ?? {}))
    if (where.includes('node_modules/') && !integrity && !inBundle && !(link && manifest.workspaces?.includes(resolved)))
      problems.push(`${where} has no integrity in the lockfile${resolved && `: it comes from ${resolved}`}`);
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
  return packages.flatMap(([where, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !there.has(name))
      .map((name) => `${where || 'package.json'} wants ${name} on some platform, and the lockfile does not have it`),
  );
}

/** Of every package of the checkout: the root, and the test folders that have their own. */
export function problems() {
  return globSync(['package.json', 'tests/*/package.json'], { cwd: ROOT }).flatMap((file) => {
    const dir = path.dirname(file);
    const read = (name) => (existsSync(inRoot(dir, name)) ? JSON.parse(readFileSync(inRoot(dir, name), 'utf8')) : null);
    const lock = read('package-lock.json');
    // `npm start` is for every platform; what the test folders bring is for those their programs are tested on.
    return [...unpinned(read('package.json'), lock), ...(dir === '.' ? leftOut(lock) : [])].map((problem) => `${dir}: ${problem}`);
  });
}

if (import.meta.main) {
  const found = problems();
  console.log(found.join('\n') || 'pinned');
  process.exitCode = found.length === 0 ? 0 : 1;
}
