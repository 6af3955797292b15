/** A Chromium for the browser tests: the one that is there, else Playwright's own, else Debian's. */
import { existsSync } from 'node:fs';
import { inRoot, projectEnv, run, SetupError } from './setup.mjs';

const INSTALLED = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The path of an installed Chromium, or null. `REHYDRATE_CHROMIUM` names one that is elsewhere. */
export function installedChromium() {
  return [process.env.REHYDRATE_CHROMIUM, ...INSTALLED].find((file) => file && existsSync(file)) ?? null;
}

/** What starts Chromium without a sandbox it may not have and without talking to its maker. */
export function chromiumArgs() {
  const root = process.getuid?.() === 0;
  return [
    ...(root ? ['--no-sandbox'] : []),
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
}

async function playwrightChromium() {
  const { chromium } = await import('playwright-core');
  const file = chromium.executablePath();
  return file && existsSync(file) ? file : null;
}

/**
 * @param {(line: string) => void} say
 * @returns {Promise<string>} the path of a Chromium, installed now if there was none.
 */
export async function ensureChromium(say) {
  const there = installedChromium() ?? (await playwrightChromium());
  if (there) return there;
  say('Installing Chromium for the browser tests …');
  const playwright = await run(process.execPath, [inRoot('node_modules/playwright-core/cli.js'), 'install', 'chromium'], {
    stdio: 'capture',
    env: projectEnv({ PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '10000' }),
  });
  const downloaded = playwright.code === 0 ? await playwrightChromium() : null;
  if (downloaded) return downloaded;
  let output = playwright.output;
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const update = await run('apt-get', ['update'], { stdio: 'capture', env });
    const install = await run('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], { stdio: 'capture', env });
    output += update.output + install.output;
    const debian = installedChromium();
    if (debian) return debian;
  }
  process.stderr.write(output);
  throw new SetupError(
    'No Chromium for the browser tests, and none could be installed; what was tried is above. Install Chromium, or name one in REHYDRATE_CHROMIUM.',
  );
}
