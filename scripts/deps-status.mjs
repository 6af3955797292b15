/** `npm run deps:status`: checks that every install brings the same packages. Prints `pinned`; or else what is not pinned, and fails. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { inRoot, ROOT } from './support/setup.mjs';

const EXACT = /^(?:npm:.+@)?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** @returns {string[]} one line for each dependency that is not pinned */
export function unpinned(manifest, lock) {
  const problems = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
    Object.entries(manifest[kind] ?? {})
      .filter(([, version]) => !EXACT.test(version))
      .map(([name, version]) => `${name} is not an exact version: ${version}`),
  );
  if (!lock) return [...problems, 'there is no package-lock.json'];
  for (const [where, { link, resolved = '', integrity, inBundle }] of Object.entries(lock.packages ?? {}))
    if (where.includes('node_modules/') && !integrity && !inBundle && !(link && manifest.workspaces?.includes(resolved)))
      problems.push(`${where} has no integrity in the lockfile${resolved && `: it comes from ${resolved}`}`);
  return problems;
}

/**
 * Finds optional packages that are missing in the lockfile. npm leaves out those that it could not see, such as the programs of other platforms,
 * and then never installs them: there the install succeeds, but the program fails.
 *
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

/** The problems of the root, and of test folders with packages of their own. */
export function problems() {
  return globSync(['package.json', 'tests/*/package.json'], { cwd: ROOT }).flatMap((file) => {
    const dir = path.dirname(file);
    const read = (name) => (existsSync(inRoot(dir, name)) ? JSON.parse(readFileSync(inRoot(dir, name), 'utf8')) : null);
    const lock = read('package-lock.json');
    // `npm start` must work on every platform, but the test folders only where their programs are tested.
    return [...unpinned(read('package.json'), lock), ...(dir === '.' ? leftOut(lock) : [])].map((problem) => `${dir}: ${problem}`);
  });
}

if (import.meta.main) {
  const found = problems();
  console.log(found.join('\n') || 'pinned');
  process.exitCode = found.length === 0 ? 0 : 1;
}
