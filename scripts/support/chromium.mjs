/** A Chromium for the browser tests: the one that is there, else Playwright's own, else Debian's. */
import { existsSync } from 'node:fs';
import { inRoot, projectEnv, PROJECT_NODE, run, SetupError } from './setup.mjs';

const INSTALLED = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The path of an installed Chromium, or null. `REHYDRATE_CHROMIUM` names one that is elsewhere. */
export function installedChromium() {
  return [process.env.REHYDRATE_CHROMIUM, ...INSTALLED].find((file) => file && existsSync(file)) ?? null;
}

/** What starts Chromium without a sandbox it may not have and without talking to its maker. */
export function chromiumArgs() {
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return [...sandbox, '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
}

async function playwrightChromium() {
  const { chromium } = await import('playwright-core');
  return existsSync(chromium.executablePath()) ? chromium.executablePath() : null;
}

/** @returns {Promise<string>} the path of a Chromium, installed now if there was none. */
export async function ensureChromium() {
  const find = async () => installedChromium() ?? (await playwrightChromium());
  let found = await find();
  if (!found) console.error('Installing Chromium for the browser tests …');
  const env = projectEnv({ PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '10000', DEBIAN_FRONTEND: 'noninteractive' });
  let said = '';
  for (const [program, ...args] of [
    [PROJECT_NODE, inRoot('node_modules/playwright-core/cli.js'), 'install', 'chromium'],
    ['apt-get', 'update'],
    ['apt-get', 'install', '-y', '--no-install-recommends', 'chromium'],
  ]) {
    if (found) return found;
    said += (await run(program, args, { stdio: 'capture', env })).output;
    found = await find();
  }
  if (found) return found;
  throw new SetupError(
    `${said}\nNo Chromium for the browser tests, and none could be installed; what was tried is above. Install Chromium, or name one in REHYDRATE_CHROMIUM.`,
  );
}
