/** The set-up: packages, a Node that is new enough, and the built library. Idempotent and quiet. */
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { ensureInstalled } from './install.mjs';
import { withLock } from './lock.mjs';
import { PROJECT_NODE, ROOT, inRoot } from './paths.mjs';
import { SetupError, projectEnv, run } from './run.mjs';

/** The oldest Node that can run this set-up at all. */
const BOOTSTRAP_NODE = 20;
/** The Node that the lockfile's `node` package brings. */
const WANTED_NODE = 24;

const say = (line) => console.error(line);

/** Everything a checkout needs before any of its commands can work. */
export async function setUp() {
  // Set by a command that did this already, and by people who look after node_modules themselves.
  if (process.env.REHYDRATE_SKIP_INSTALL === '1') return ensureLibrary();
  const running = Number(process.versions.node.split('.')[0]);
  if (running < BOOTSTRAP_NODE) {
    throw new SetupError(`Node ${process.versions.node} is too old to start with; Node ${BOOTSTRAP_NODE} or newer is needed.`);
  }
  await withLock('setup', say, async () => {
    await ensureInstalled(ROOT, { say, what: 'the packages; this takes a minute' });
    await ensureNode();
    await ensureLibrary();
    linkCommand();
  });
}

async function nodeVersion() {
  if (!existsSync(PROJECT_NODE)) return null;
  const { code, output } = await run(PROJECT_NODE, ['--version'], { stdio: 'capture' });
  return code === 0 ? output.trim().replace(/^v/, '') : null;
}

/** npm may be set to run no install scripts; the `node` package gets its program from one. */
async function ensureNode() {
  const good = (version) => version !== null && Number(version.split('.')[0]) >= WANTED_NODE;
  if (good(await nodeVersion())) return;
  const dir = inRoot('node_modules/node');
  if (!existsSync(path.join(dir, 'installArchSpecificPackage.js'))) {
    throw new SetupError(`${dir} is not the package of the lockfile. Delete node_modules and run the command again.`);
  }
  say(`Fetching Node ${WANTED_NODE} for this checkout …`);
  const { output } = await run(process.execPath, ['installArchSpecificPackage.js'], { cwd: dir, stdio: 'capture', env: process.env });
  const version = await nodeVersion();
  if (good(version)) return;
  process.stderr.write(output);
  throw new SetupError(
    `The checkout's own Node (node_modules/.bin/node) is ${version ?? 'missing'}, ${WANTED_NODE} is needed, and its package did not bring it; ` +
      'npm’s output is above. With a system Node of that version, link it there by hand.',
  );
}

/** Builds dist/; the build itself sees when there is nothing to do. */
async function ensureLibrary() {
  const { code, output } = await run(PROJECT_NODE, [inRoot('scripts/build-lib.mjs')], { stdio: 'capture', env: projectEnv() });
  if (code === 0) return;
  process.stderr.write(output);
  throw new SetupError('The library did not build; the compiler’s output is above.');
}

/** So that `npx rehydrate` is this checkout's command. */
function linkCommand() {
  if (!existsSync(inRoot('dist/cli/rehydrate.js'))) return;
  const link = inRoot('node_modules/.bin/rehydrate');
  if (existsSync(link)) return;
  rmSync(link, { force: true });
  symlinkSync('../../dist/cli/rehydrate.js', link);
}
