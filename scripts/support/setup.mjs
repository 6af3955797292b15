/**
 * The set-up: packages, a Node that is new enough, and the built library. Idempotent and quiet. It runs on Node 20 and before anything is
 * installed, so that a fresh clone needs nothing else.
 */
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const inRoot = (...parts) => path.join(ROOT, ...parts);

/** Where scripts leave what they computed; never committed. */
export const STATE_DIR = inRoot('.setup');

/** The Node that everything after the set-up runs on. */
export const PROJECT_NODE = inRoot('node_modules/.bin/node');

/** The oldest Node that can run this set-up at all, and the oldest that can run the sources as they are. */
const [BOOTSTRAP_NODE, WANTED_NODE] = [20, 24];
const majorOf = (version) => Number(version.replace(/^v/, '').split('.')[0]);
const say = (line) => console.error(line);

/** A failure that a person can act on: printed without a stack. */
export class SetupError extends Error {
  name = 'SetupError';
}

/** Runs a script's body: a `SetupError` is its message alone, anything else its stack; both exit 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error);
    process.exit(1);
  }
}

/** Everything a checkout needs before any of its commands can work, and then the rest of the script on the checkout's own Node. */
export async function setUp() {
  // Set by a command that did this already, and by people who look after node_modules themselves.
  if (process.env.REHYDRATE_SKIP_INSTALL === '1') await ensureLibrary();
  else {
    if (majorOf(process.versions.node) < BOOTSTRAP_NODE)
      throw new SetupError(`Node ${process.versions.node} is too old to start with; Node ${BOOTSTRAP_NODE} or newer is needed.`);
    await withLock('setup', async () => {
      await ensureInstalled(ROOT, 'the packages; this takes a minute');
      await ensureNode();
      await ensureLibrary();
      // So that `npx rehydrate` is this checkout's command.
      link(inRoot('dist/cli/rehydrate.js'), inRoot('node_modules/.bin/rehydrate'));
    });
  }
  await continueOnProjectNode();
}

/**
 * Brings `dir/node_modules` in step with `dir/package-lock.json`.
 *
 * @param {string} dir
 * @param {string} what for the person who waits
 */
export async function ensureInstalled(dir, what) {
  const read = (file) => (existsSync(path.join(dir, file)) ? JSON.parse(readFileSync(path.join(dir, file), 'utf8')) : null);
  const lock = read('package-lock.json');
  if (!lock) throw new SetupError(`${path.join(dir, 'package-lock.json')} is missing: this is not a whole checkout.`);
  const difference = () => installDifference(lock, read('node_modules/.package-lock.json'));
  const before = difference();
  if (before === null) return;
  say(`Installing ${what} (${before}) …`);
  const npm = (...args) => run('npm', [...args, '--no-audit', '--no-fund'], { cwd: dir, stdio: 'capture' });
  let { code, output } = await npm('ci');
  // It refuses a lockfile that lacks some other platform's optional packages, which npm itself leaves out where it cannot see them.
  if (code !== 0 && output.includes('npm ci')) ({ code, output } = await npm('install', '--no-save'));
  const after = code === 0 ? difference() : 'its output is above';
  if (after === null) return;
  process.stderr.write(output);
  throw new SetupError(
    `npm did not install ${dir}: ${after}. It needs the package registry, about 800 MB of disk, and the right to write there. ` +
      'If package.json was changed, run “npm install” and commit the lockfile; else delete node_modules and run the command again.',
  );
}

/**
 * Compares a lockfile with the one npm leaves in node_modules when an install is complete. Asking
 * what is installed, instead of keeping a stamp, also holds after `npm i` by hand.
 *
 * @returns {string | null} null when in step, else the first difference in words.
 */
export function installDifference(lock, installed) {
  if (!installed) return 'nothing is installed yet';
  for (const [where, wanted] of Object.entries(lock.packages ?? {})) {
    if (where === '' || wanted.link) continue;
    const found = installed.packages?.[where];
    // What is left out of them is another platform's.
    if (!found && !(wanted.optional || wanted.devOptional || wanted.peer)) return `${where} is missing`;
    if (found && found.version !== wanted.version) return `${where} is ${found.version}, the lockfile says ${wanted.version}`;
    if (found?.integrity && wanted.integrity && found.integrity !== wanted.integrity) return `${where} is not the package of the lockfile`;
  }
  return null;
}

/**
 * The Node of `scripts/node`, whose lockfile says what it must contain for each platform, put where `npm run` and `npx` find it first, and the
 * `rehydrate` command when an older Node runs that.
 */
export async function ensureNode() {
  const folder = inRoot('scripts/node');
  await ensureInstalled(folder, `Node ${WANTED_NODE} for this checkout`);
  const { optionalDependencies } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const brought = Object.keys(optionalDependencies)
    .map((name) => path.join(folder, 'node_modules', name))
    .find((one) => existsSync(one));
  const pinned = brought && path.join(brought, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  // Where none of the packages runs (another processor, another C library), the system's own is taken if it is new enough.
  for (const program of [pinned, process.execPath]) {
    if (program === undefined) continue;
    const { code, output } = await run(program, ['--version'], { stdio: 'capture' });
    if (code !== 0 || majorOf(output) < WANTED_NODE) continue;
    link(program, PROJECT_NODE);
    if (program === pinned) link(brought, inRoot('node_modules/node'));
    return;
  }
  throw new SetupError(
    `Node ${WANTED_NODE} does not run here: ${pinned ?? `no package of ${folder} is for ${process.platform} ${process.arch}`}. ` +
      `Install Node ${WANTED_NODE} or newer, and run the command with it.`,
  );
}

function link(to, from) {
  const target = path.relative(path.dirname(from), to);
  const there = lstatSync(from, { throwIfNoEntry: false });
  if (there?.isSymbolicLink() && readlinkSync(from) === target) return;
  mkdirSync(path.dirname(from), { recursive: true });
  rmSync(from, { force: true, recursive: true });
  symlinkSync(target, from);
}

/** Builds dist/; the build itself sees when there is nothing to do. */
async function ensureLibrary() {
  const { code, output } = await run(PROJECT_NODE, [inRoot('scripts/build-lib.mjs')], { stdio: 'capture' });
  if (code === 0) return;
  process.stderr.write(output);
  throw new SetupError('The library did not build; the compiler’s output is above.');
}

/** One at a time of what has this name: two that install into the same node_modules would tear it apart. The lock of one that died is free. */
export async function withLock(name, work) {
  const file = path.join(STATE_DIR, `${name}.lock`);
  mkdirSync(STATE_DIR, { recursive: true });
  for (let waited = false; !taken(file); waited = true) {
    if (!waited) say(`Waiting for another ${name} of this checkout …`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.removeListener('exit', release);
    release();
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
    // Its owner is gone, or has let go of it between our two looks.
    if (error.code === 'ESRCH') rmSync(file, { force: true });
    else if (error.code !== 'EPERM' && error.code !== 'ENOENT') throw error;
  }
  return false;
}

/** The environment of everything we start: the checkout's own programs first on PATH. */
export function projectEnv(extra = {}) {
  return { ...process.env, ...extra, PATH: `${inRoot('node_modules/.bin')}:${process.env.PATH ?? ''}` };
}

/** What `run` has started and has not ended yet. */
const running = new Set();

/** Passes a signal on to what is running and then goes the same way. */
export function endWithChildren() {
  for (const [signal, code] of Object.entries({ SIGTERM: 143, SIGHUP: 129, SIGINT: 130 })) {
    process.once(signal, () => {
      for (const child of running) child.kill(signal);
      process.exit(code);
    });
  }
}

/**
 * Runs a program to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, stdio?: 'inherit' | 'capture' }} [options]
 * @returns {Promise<{ code: number, output: string }>} `code` is 127 when it could not start.
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

/** Does nothing when this already is a Node that is new enough, else runs the script there, passes signals on, and exits as it did. */
async function continueOnProjectNode() {
  if (majorOf(process.versions.node) >= WANTED_NODE) return;
  const child = spawn(PROJECT_NODE, process.argv.slice(1), {
    cwd: process.cwd(),
    env: projectEnv({ REHYDRATE_SKIP_INSTALL: '1' }),
    // The channel tells the child when this process is gone, however it went.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  // Ctrl-C reaches the child too, as it is in our group; a signal sent to this process alone does not.
  const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of forwarded) process.on(name, () => name !== 'SIGINT' && child.kill(name));
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (...how) => resolve(how));
  });
  if (signal === null) process.exit(code);
  for (const name of forwarded) process.removeAllListeners(name);
  process.kill(process.pid, signal);
  return new Promise(() => {});
}
