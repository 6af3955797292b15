/** The Node that everything runs on: a package of `scripts/node`, whose lockfile says what it must contain for each platform. */
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { ensureInstalled } from './install.mjs';
import { PROJECT_NODE, inRoot } from './paths.mjs';
import { SetupError, run } from './run.mjs';

/** Older ones cannot run the sources as they are. */
const WANTED = 24;

const FOLDER = inRoot('scripts/node');

/** Puts it where `npm run` and `npx` find it first, and the `rehydrate` command when an older Node runs that. */
export async function ensureNode(say) {
  await ensureInstalled(FOLDER, { say, what: `Node ${WANTED} for this checkout` });
  const { optionalDependencies } = JSON.parse(readFileSync(path.join(FOLDER, 'package.json'), 'utf8'));
  const folder = Object.keys(optionalDependencies)
    .map((name) => path.join(FOLDER, 'node_modules', name))
    .find((one) => existsSync(one));
  const pinned = folder && path.join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  // Where none of the packages runs (another processor, another C library), the system's own is taken if it is new enough.
  for (const program of [pinned, process.execPath]) {
    if (program === undefined || Number(await versionOf(program)) < WANTED) continue;
    link(program, PROJECT_NODE);
    if (program === pinned) link(folder, inRoot('node_modules/node'));
    return;
  }
  throw new SetupError(
    `Node ${WANTED} does not run here: ${pinned ?? `no package of ${FOLDER} is for ${process.platform} ${process.arch}`}. ` +
      `Install Node ${WANTED} or newer, and run the command with it.`,
  );
}

/** The major version; 0 for a program that does not run. */
async function versionOf(program) {
  const { code, output } = await run(program, ['--version'], { stdio: 'capture' });
  return code === 0 ? output.trim().replace(/^v(\d+).*$/s, '$1') : '0';
}

function link(to, from) {
  const target = path.relative(path.dirname(from), to);
  const there = lstatSync(from, { throwIfNoEntry: false });
  if (there?.isSymbolicLink() && readlinkSync(from) === target) return;
  mkdirSync(path.dirname(from), { recursive: true });
  rmSync(from, { force: true, recursive: true });
  symlinkSync(target, from);
}
