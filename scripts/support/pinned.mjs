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
