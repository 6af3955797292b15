/** The set-up: packages, a Node that is new enough, and the built library. Idempotent and quiet. */
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { ensureInstalled } from './install.mjs';
import { withLock } from './lock.mjs';
import { ensureNode } from './node.mjs';
import { PROJECT_NODE, ROOT, inRoot } from './paths.mjs';
import { SetupError, projectEnv, run } from './run.mjs';

/** The oldest Node that can run this set-up at all. */
const BOOTSTRAP_NODE = 20;

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
    await ensureNode(say);
    await ensureLibrary();
    linkCommand();
  });
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
