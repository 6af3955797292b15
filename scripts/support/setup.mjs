/**
 * Prepares the checkout, knows where things are in it, and runs programs. This must work on Node 20, and before anything is installed. What needs
 * a newer Node is started afterwards, with `PROJECT_NODE`.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const inRoot = (...parts) => path.join(ROOT, ...parts);

/** Where scripts leave what they computed; never committed. */
export const STATE_DIR = inRoot('.setup');

/** The Node that everything after the set-up runs on; `npm run` and `npx` find it first. The workspace scripts/node brings it. */
export const PROJECT_NODE = inRoot('node_modules/.bin/node');

/** The oldest Node that runs the sources as they are. */
const WANTED_NODE = 24;
const isWanted = (version) => Number(/^v?(\d+)/.exec(version)?.[1]) >= WANTED_NODE;

/** An error that a person can act on, so it is printed without a stack. */
export class SetupError extends Error {
  name = 'SetupError';
}

export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error);
    process.exit(1);
  }
}

/** What a checkout needs before any other command works: its packages, a Node that is new enough, the built library. */
export const setUp = () =>
  withLock('setup', async () => {
    await ensureInstalled(ROOT, 'the packages; this takes a minute');
    await ensureNode();
    const { code, output } = await run(PROJECT_NODE, [inRoot('scripts/build-lib.mjs')], { stdio: 'capture' });
    if (code !== 0) throw new SetupError(`${output}\nThe library did not build; the compiler’s output is above.`);
    // So that `npx rehydrate` is this checkout's command.
    link(inRoot('dist/cli/rehydrate.js'), inRoot('node_modules/.bin/rehydrate'));
  });

/**
 * Brings `dir/node_modules` in step with `dir/package-lock.json`.
 *
 * @param {string} what for the person who waits
 */
export async function ensureInstalled(dir, what) {
  const read = (file) => (existsSync(path.join(dir, file)) ? JSON.parse(readFileSync(path.join(dir, file), 'utf8')) : null);
  const missing = () => notInstalled(read('package-lock.json'), read('node_modules/.package-lock.json'));
  const before = missing();
  if (before === null) return;
  console.error(`Installing ${what} (${before} is not there) …`);
  const npm = (...args) => run('npm', [...args, '--no-audit', '--no-fund'], { cwd: dir, stdio: 'capture' });
  let { code, output } = await npm('ci');
  // `npm ci` refuses a lockfile without the optional packages of another platform, although npm itself leaves out those it cannot see.
  if (code !== 0 && output.includes('npm ci')) ({ code, output } = await npm('install', '--no-save'));
  if (code === 0 && missing() === null) return;
  throw new SetupError(
    `${output}\nnpm did not install ${dir}: its output is above. It needs the package registry, about 800 MB of disk, and the right to write ` +
      'there. If package.json was changed, run “npm install” and commit the lockfile; else delete node_modules and run the command again.',
  );
}

/**
 * Compares with the lockfile that npm leaves in node_modules after every complete install, by hand, too.
 *
 * @returns {string | null} the first package that is not as the lockfile says
 */
export function notInstalled(lock, installed) {
  if (!installed) return 'node_modules';
  const isMissing = ([where, wanted]) => {
    const found = installed.packages?.[where];
    if (!where.startsWith('node_modules/') || wanted.link) return false;
    // Optional packages that are not there are another platform's.
    if (!found) return !(wanted.optional || wanted.devOptional || wanted.peer);
    return found.version !== wanted.version || (found.integrity && wanted.integrity && found.integrity !== wanted.integrity);
  };
  return Object.entries(lock?.packages ?? {}).find(isMissing)?.[0] ?? null;
}

/** Where no package of scripts/node runs (another processor, another C library), a system's Node that is new enough is taken. */
async function ensureNode() {
  const { output } = await run(PROJECT_NODE, ['--version'], { stdio: 'capture' });
  if (isWanted(output)) {
    // An older Node that runs our command looks for the package of that name beside it, as in an install.
    const brought = path.dirname(path.dirname(realpathSync(PROJECT_NODE)));
    if (brought.startsWith(path.join(realpathSync(ROOT), path.sep))) link(brought, inRoot('node_modules/node'));
    return;
  }
  if (!isWanted(process.version))
    throw new SetupError(
      `No package of scripts/node runs on ${process.platform} ${process.arch}. Install Node ${WANTED_NODE} or newer, and run the command with it.`,
    );
  link(process.execPath, PROJECT_NODE);
}

/** A link that is right already is left alone, because an editor may be starting the command through it. */
function link(to, from) {
  const target = path.relative(path.dirname(from), to);
  if (lstatSync(from, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(from) === target) return;
  rmSync(from, { force: true, recursive: true });
  symlinkSync(target, from);
}

/**
 * Makes a folder again if its sources have changed, and then replaces the old one in one step.
 *
 * @param {readonly string[]} sources patterns; names and contents count
 * @param {(making: string) => Promise<void>} make
 * @returns {Promise<boolean>} whether it was made now
 */
export async function ensureMade(dir, sources, make) {
  const { globSync } = await import('node:fs');
  const hash = createHash('sha256');
  for (const file of globSync(sources, { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort())
    hash
      .update(`${path.relative(ROOT, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  const wanted = hash.digest('hex');
  const stamp = path.join(STATE_DIR, `${path.basename(dir)}.made-of`);
  const isMade = () => existsSync(dir) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  if (isMade()) return false;
  return withLock(path.basename(dir), async () => {
    if (isMade()) return false;
    const making = `${dir}.making`;
    const before = `${dir}.before`;
    for (const old of [making, before]) rmSync(old, { recursive: true, force: true });
    await make(making);
    if (existsSync(dir)) renameSync(dir, before);
    renameSync(making, dir);
    writeFileSync(stamp, wanted);
    rmSync(before, { recursive: true, force: true });
    return true;
  });
}

/** Takes a lock, because two installs into the same node_modules would destroy it. The lock of a process that died is free. */
async function withLock(name, work) {
  const file = path.join(STATE_DIR, `${name}.lock`);
  mkdirSync(STATE_DIR, { recursive: true });
  for (let waited = false; !taken(file); waited = true) {
    if (!waited) console.error(`Waiting for another ${name} of this checkout …`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function taken(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    const owner = Number(readFileSync(file, 'utf8'));
    if (owner > 0) process.kill(owner, 0);
  } catch (error) {
    // The owner has died, or has released the lock since we looked.
    if (error.code === 'ESRCH') rmSync(file, { force: true });
    else if (error.code !== 'EPERM' && error.code !== 'ENOENT') throw error;
  }
  return false;
}

/** The environment for programs, in which those of the checkout are found first. */
export const projectEnv = (extra = {}) => ({
  ...process.env,
  ...extra,
  PATH: `${inRoot('node_modules/.bin')}:${process.env.PATH ?? ''}`,
});

const running = new Set();

/** Passes a signal on to what is running, then ends by it, too. */
export function endWithChildren() {
  for (const [signal, code] of Object.entries({ SIGTERM: 143, SIGHUP: 129, SIGINT: 130 }))
    process.once(signal, () => {
      for (const child of running) child.kill(signal);
      process.exit(code);
    });
}

/**
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, stdio?: 'inherit' | 'capture' }} [options]
 * @returns {Promise<{ code: number, output: string }>} `code` is 127 when it could not start
 */
export function run(command, args, { cwd = ROOT, env = projectEnv(), stdio = 'inherit' } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: stdio === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk) => (output += chunk));
    const end = (code, more = '') => {
      running.delete(child);
      resolve({ code, output: output + more });
    };
    child.once('error', (error) => end(127, `${error.message}\n`));
    child.once('close', (code) => end(code ?? 1));
  });
}
