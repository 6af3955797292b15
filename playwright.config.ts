import { defineConfig } from '@playwright/test';
import { chromiumArgs, installedChromium } from './scripts/support/chromium.mjs';

/** Of SQLite's WebAssembly most pages run little and not for long: to compile all of it, and then better, costs them a fifth. */
const BRIEF = '--js-flags=--wasm-lazy-compilation --liftoff-only';

/** axe is compiled anew for each page, and is done with it before what better code would save is what it cost: two fifths of its time. */
const AXE = /axe\.spec\.ts$/;
const PLAIN = `${BRIEF} --no-maglev --no-opt`;

/** What is killed at any instant must have kept its promise each time. */
const KILLED = /(?:durable|killed|tabs)\.spec\.ts$/;

// `npm test` installs one where there is none, and names it.
const LAUNCH = { executablePath: installedChromium() ?? undefined, args: chromiumArgs() };

const browser = (...args: string[]) => ({
  browserName: 'chromium' as const,
  launchOptions: { ...LAUNCH, args: [...LAUNCH.args, ...args] },
});

export default defineConfig({
  testDir: 'tests/e2e',
  testMatch: '**/*.spec.ts',
  outputDir: 'test-results',
  fullyParallel: true,
  workers: 2,
  // A machine that stands still for seconds is no fault of the page; Playwright names what needed its second run.
  retries: process.env['CI'] ? 1 : 0,
  forbidOnly: Boolean(process.env['CI']),
  timeout: 240_000,
  expect: { timeout: 60_000 },
  // The same server as `npm start`, on a free port; its address comes in REHYDRATE_URL.
  globalSetup: './tests/support/e2e-setup.mjs',
  use: {
    baseURL: process.env['REHYDRATE_URL'],
    storageState: process.env['REHYDRATE_BROWSER'] === undefined ? undefined : JSON.parse(process.env['REHYDRATE_BROWSER']),
    // What moves costs a quarter of a processor while it does; playground-first.spec.ts sees it move.
    contextOptions: { reducedMotion: 'reduce' },
    // Recording costs each test a good part of its time.
    trace: 'on-first-retry',
  },
  projects: [
    { name: 'chromium', testIgnore: [KILLED, AXE], use: browser(BRIEF) },
    { name: 'axe', testMatch: AXE, use: browser(PLAIN) },
    { name: 'killed', testMatch: KILLED, retries: 0, use: browser() },
  ],
});
