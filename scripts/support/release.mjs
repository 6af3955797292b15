/** Whether this tree may be published: one decision from facts, so that each refusal is a row of a table. */

const VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

/**
 * @typedef {object} ReleaseFacts
 * @property {string} name
 * @property {string} version of package.json
 * @property {{ version?: string, dependencies?: Record<string, string> } | null} locked the root of package-lock.json
 * @property {Record<string, string>} dependencies of package.json
 * @property {string[]} changes what `git status --porcelain` lists
 * @property {string[]} unpinned what `npm run deps:status` lists
 * @property {string} changelog its text
 * @property {string} head the commit that is checked out
 * @property {string | null} tagged the commit that the version's tag names; null when there is no such tag
 * @property {string[]} tagsHere the version tags that name `head`
 * @property {boolean | null} published whether the registry has the version; null when it could not be asked
 */

/**
 * Why it may not be published: each with what is wrong and what to do. Empty when it may.
 *
 * @param {ReleaseFacts} facts
 * @param {{ needsTag: boolean }} options a dry run may come before the tag
 * @returns {string[]}
 */
export function releaseRefusals(facts, { needsTag }) {
  const { name, version, locked, changes, unpinned, changelog, head, tagged, tagsHere, published } = facts;
  const tag = `v${version}`;
  if (!VERSION.test(version))
    return [`package.json has the version “${version}”, which is no exact version. Set one, such as 1.2.3 or 1.2.3-rc.1.`];
  const refusals = [];
  const refuse = (text) => refusals.push(text);

  if (changes.length > 0) refuse(`The tree has changes that are in no commit: ${few(changes)}. Commit or remove them.`);
  if (unpinned.length > 0) refuse(`Dependencies are not pinned: ${few(unpinned)}. See “npm run deps:status”.`);
  const lockProblem = lockfileProblem(facts);
  if (lockProblem) refuse(`package-lock.json ${lockProblem}. Run “npm install”, and commit it.`);
  if (!locked) refuse('There is no package-lock.json. Run “npm install”, and commit it.');
  const section = changelogSection(changelog, version);
  if (section === null) refuse(`CHANGELOG.md has no section “## ${version}”. Write what changed.`);
  else if (section === '') refuse(`CHANGELOG.md has nothing under “## ${version}”. Write what changed.`);
  if (tagged !== null && tagged !== head)
    refuse(
      `The tag ${tag} names ${tagged.slice(0, 12)}, and ${head.slice(0, 12)} is checked out. Check out the tag, or set another version.`,
    );
  if (tagged === null && needsTag) refuse(`There is no tag ${tag}. Tag the commit that is to be published: git tag ${tag}`);
  const others = tagsHere.filter((each) => each !== tag);
  if (others.length > 0)
    refuse(`This commit is tagged ${others.join(', ')}, and package.json has the version ${version}. One of the two is wrong.`);
  if (published === true) refuse(`${name}@${version} is published already, and a version is published once. Set another version.`);
  return refusals;
}

/** What keeps a package from carrying a proof of where it was built; null when nothing does. */
export function provenanceProblem({ repository, env }) {
  if (!repository)
    return 'package.json names no repository, which the proof has to be about. Set “repository”, or publish with --without-provenance.';
  const identity = (env.GITHUB_ACTIONS && env.ACTIONS_ID_TOKEN_REQUEST_URL) || (env.GITLAB_CI && env.SIGSTORE_ID_TOKEN);
  if (!identity)
    return 'There is no identity to sign with: run this in CI (GitHub: “id-token: write”, GitLab: SIGSTORE_ID_TOKEN), or publish with --without-provenance.';
  return null;
}

/** The text of a version's section; null when there is none. A date may follow the version. */
export function changelogSection(changelog, version) {
  const sections = changelog.split(/^(?=## )/m);
  const found = sections.find((section) => new RegExp(`^## \\[?v?${version.replaceAll('.', '\\.')}\\]?(?![\\w.-])`).test(section));
  return found === undefined ? null : found.replace(/^.*\n?/, '').trim();
}

/** The dist-tag people get the version by: a preview is nobody's `latest`. */
export const distTag = (version) => (version.includes('-') ? 'next' : 'latest');

/** How the lockfile is of another package.json, or null. */
function lockfileProblem({ version, locked, dependencies }) {
  if (!locked) return null;
  if (locked.version !== version) return `has the version ${locked.version ?? 'of nothing'}, package.json ${version}`;
  const lockedDependencies = locked.dependencies ?? {};
  const differing = [...new Set([...Object.keys(dependencies), ...Object.keys(lockedDependencies)])].filter(
    (name) => dependencies[name] !== lockedDependencies[name],
  );
  return differing.length > 0 ? `has other dependencies than package.json: ${differing.join(', ')}` : null;
}

function few(items) {
  const shown = items
    .slice(0, 5)
    .map((item) => item.trim())
    .join(', ');
  return items.length > 5 ? `${shown} and ${items.length - 5} more` : shown;
}
