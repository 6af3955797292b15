/**
 * A Chromium for the browser tests: the one that is there, else Playwright's own, else Debian's. Its headless shell before the whole
 * browser: that draws windows nobody sees, and a page costs it more than twice the processor time.
 */
import { existsSync, globSync } from 'node:fs';
import { inRoot, projectEnv, PROJECT_NODE, run, SetupError } from './setup.mjs';

// The program itself: what is in /usr/bin starts it as a child, which a killed parent leaves alive.
const SHELL = '/usr/lib/chromium/chromium-headless-shell';
const DEBIANS = '/usr/bin/chromium';
const INSTALLED = [
  SHELL,
  DEBIANS,
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The path of an installed Chromium, or null. `REHYDRATE_CHROMIUM` names one that is elsewhere. `whole`: not its shell, which nobody sits at. */
export function installedChromium({ whole = false } = {}) {
  const known = [process.env.REHYDRATE_CHROMIUM, ...INSTALLED.filter((file) => !whole || file !== SHELL)];
  return known.find((file) => file && existsSync(file)) ?? null;
}

/** What starts Chromium without a sandbox it may not have and without talking to its maker. */
export function chromiumArgs() {
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return [...sandbox, '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
}

/** Playwright's own, and its shell, which lies beside it. */
async function playwrightChromium() {
  const { chromium } = await import('@playwright/test');
  const whole = chromium.executablePath();
  const shells = whole.replace(/chromium-(\d+).*/s, 'chromium_headless_shell-$1/*/{headless_shell,chrome-headless-shell}');
  return [...globSync(shells), whole].find((file) => existsSync(file)) ?? null;
}

/** @returns {Promise<string>} the path of a Chromium, installed now if there was none; beside Debian's its shell, where that can be had. */
export async function ensureChromium() {
  const find = async () => installedChromium() ?? (await playwrightChromium());
  let found = await find();
  // What was named is meant.
  const isDebians = found === DEBIANS && process.env.REHYDRATE_CHROMIUM !== found && process.getuid?.() === 0;
  if (found && !isDebians) return found;
  console.error('Installing Chromium for the browser tests …');
  const env = projectEnv({ PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '10000', DEBIAN_FRONTEND: 'noninteractive' });
  const apt = (...args) => ['apt-get', '-o', 'Acquire::http::Timeout=10', '-o', 'Acquire::Retries=1', ...args];
  const aptInstall = (name) => apt('install', '-y', '--no-install-recommends', '--no-remove', name);
  let said = '';
  const itsShell = [apt('update'), aptInstall('chromium-headless-shell')];
  const playwrights = [PROJECT_NODE, inRoot('node_modules/@playwright/test/cli.js'), 'install', '--only-shell', 'chromium'];
  // An older Debian has no shell of its own.
  for (const [program, ...args] of isDebians ? itsShell : [playwrights, ...itsShell, aptInstall('chromium')]) {
    said += (await run(program, args, { stdio: 'capture', env })).output;
    const now = await find();
    if (now !== found) return now;
  }
  if (found) return found;
  throw new SetupError(
    `${said}\nNo Chromium for the browser tests, and none could be installed; what was tried is above. Install Chromium, or name one in REHYDRATE_CHROMIUM.`,
  );
}
