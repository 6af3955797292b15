/**
 * Finds or installs a Chromium for the browser tests: one that is installed, else Playwright's, else Debian's. The headless shell is preferred,
 * because the whole browser needs more than twice the processor time for a page.
 */
import { existsSync, globSync } from 'node:fs';
import { inRoot, projectEnv, PROJECT_NODE, run, SetupError } from './setup.mjs';

// Not the script in /usr/bin, which starts the browser as a child and would leave it running when killed.
const SHELL = '/usr/lib/chromium/chromium-headless-shell';
const INSTALLED = [
  SHELL,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** `REHYDRATE_CHROMIUM` names one that is elsewhere; `whole` leaves out the shell. */
export function installedChromium({ whole = false } = {}) {
  const known = [process.env.REHYDRATE_CHROMIUM, ...INSTALLED.filter((file) => !whole || file !== SHELL)];
  return known.find((file) => file && existsSync(file)) ?? null;
}

/** Chromium has no sandbox as root. That is acceptable, because the tests use no outside network. */
export function chromiumArgs() {
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return [...sandbox, '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
}

/** The shell that Playwright installs. */
async function playwrightChromium() {
  const { chromium } = await import('@playwright/test');
  const shells = chromium
    .executablePath()
    .replace(/chromium-(\d+).*/s, 'chromium_headless_shell-$1/*/{headless_shell,chrome-headless-shell}');
  return globSync(shells)[0] ?? null;
}

/** @returns {Promise<string>} the path of a Chromium, installed now if there was none. */
export async function ensureChromium() {
  const find = async () => installedChromium() ?? (await playwrightChromium());
  const there = await find();
  if (there) return there;
  console.error('Installing Chromium for the browser tests …');
  const env = projectEnv({ PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '10000', DEBIAN_FRONTEND: 'noninteractive' });
  let said = '';
  for (const [program, ...args] of [
    [PROJECT_NODE, inRoot('node_modules/@playwright/test/cli.js'), 'install', '--only-shell', 'chromium'],
    ['apt-get', 'update'],
    ['apt-get', 'install', '-y', '--no-install-recommends', '--no-remove', 'chromium-headless-shell'],
  ]) {
    said += (await run(program, args, { stdio: 'capture', env })).output;
    const installed = await find();
    if (installed) return installed;
  }
  throw new SetupError(
    `${said}\nNo Chromium for the browser tests, and none could be installed; what was tried is above. Install Chromium, or name one in REHYDRATE_CHROMIUM.`,
  );
}
