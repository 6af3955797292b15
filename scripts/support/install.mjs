/** The npm packages: whether node_modules is what package-lock.json says, and making it so. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { SetupError, run } from './run.mjs';

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
    if (!found) {
      if (wanted.optional || wanted.devOptional || wanted.peer) continue; // another platform's
      return `${where} is missing`;
    }
    if (found.version !== wanted.version) return `${where} is ${found.version}, the lockfile says ${wanted.version}`;
    if (wanted.integrity && found.integrity && found.integrity !== wanted.integrity) {
      return `${where} is not the package of the lockfile`;
    }
  }
  return null;
}

const readJson = async (file) => (existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : null);

/** Why an install failed, for a person. */
export function explainInstallFailure(output) {
  if (/E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT)|network/i.test(output)) {
    return 'npm could not reach the package registry. Check the network (or the proxy npm is set to), then run the command again.';
  }
  if (/EACCES|EPERM/.test(output)) return 'npm may not write here. Check who owns the checkout and its node_modules.';
  if (/ENOSPC/.test(output)) return 'The disk is full; the packages take about 800 MB.';
  return 'npm install failed; its output is above.';
}

/**
 * Brings `dir/node_modules` in step with `dir/package-lock.json`.
 *
 * @param {string} dir
 * @param {{ say: (line: string) => void, what: string }} options
 * @returns {Promise<boolean>} whether anything was installed.
 */
export async function ensureInstalled(dir, { say, what }) {
  const lock = await readJson(path.join(dir, 'package-lock.json'));
  if (!lock) throw new SetupError(`${path.join(dir, 'package-lock.json')} is missing: this is not a whole checkout.`);
  const difference = () =>
    readJson(path.join(dir, 'node_modules/.package-lock.json')).then((installed) => installDifference(lock, installed));
  const before = await difference();
  if (before === null) return false;
  say(`Installing ${what} (${before}) …`);
  const options = { cwd: dir, stdio: 'capture' };
  let { code, output } = await run('npm', ['ci', '--no-audit', '--no-fund'], options);
  // It refuses a lockfile that lacks some other platform's optional packages, which npm itself leaves out where it cannot see them.
  if (code !== 0 && output.includes('npm ci'))
    ({ code, output } = await run('npm', ['install', '--no-save', '--no-audit', '--no-fund'], options));
  if (code !== 0) {
    process.stderr.write(output);
    throw new SetupError(explainInstallFailure(output));
  }
  const after = await difference();
  if (after !== null)
    throw new SetupError(
      `npm install ended well, but ${after}. If package.json was changed, run “npm install” and commit the lockfile; else delete ${dir}/node_modules and run the command again.`,
    );
  return true;
}
