/** Whether an install tomorrow brings the same packages as one today. */

const EXACT = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;
const ALIAS = /^npm:.+@(\d.*)$/;

/** Why a version in package.json is not exact, or null. */
export function rangeProblem(range) {
  if (EXACT.test(range) || EXACT.test(ALIAS.exec(range)?.[1] ?? '')) return null;
  if (/^(file|link|portal|workspace):/.test(range)) return 'is a path';
  if (/^(git|github:|gitlab:|bitbucket:)|\.git(#|$)|^[\w.-]+\/[\w.-]+(#|$)/.test(range)) return 'comes from git';
  if (/^https?:/.test(range)) return 'is an address';
  return 'is a range';
}

/**
 * @param {Record<string, any>} manifest package.json
 * @param {Record<string, any> | null} lock package-lock.json
 * @returns {string[]} one line for each dependency that is not pinned
 */
export function unpinned(manifest, lock) {
  const problems = [];
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    for (const [name, range] of Object.entries(manifest[kind] ?? {})) {
      const problem = rangeProblem(range);
      if (problem) problems.push(`${name} ${problem}: ${range}`);
    }
  }
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
  const packages = lock?.packages ?? {};
  return Object.entries(packages).flatMap(([where, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !folders(where).some((folder) => packages[`${folder}node_modules/${name}`]))
      .map(([name, version]) => `${where || 'package.json'} wants ${name} ${version} on some platform, and the lockfile does not have it`),
  );
}

/** Where Node looks for a package's dependencies: its own folder, then those around it, each with a slash at its end. */
function folders(where) {
  const inner = where === '' ? '' : `${where}/`;
  const ends = [...inner.matchAll(/(?:^|\/)node_modules\//g)].map((match) => (match.index === 0 ? 0 : match.index + 1));
  return [inner, ...ends.map((end) => inner.slice(0, end))];
}
