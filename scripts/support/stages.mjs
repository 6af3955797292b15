/** What the test command consists of, in the order it runs. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ensureChromium } from './chromium.mjs';
import { playwrightCounts, settle, sum, vitestCounts } from './counts.mjs';
import { filesUnder } from './files.mjs';
import { ensureInstalled } from './install.mjs';
import { PROJECT_NODE, STATE_DIR, inRoot } from './paths.mjs';
import { projectEnv, run } from './run.mjs';

const bin = (name) => inRoot('node_modules', name);
const VITEST = bin('vitest/vitest.mjs');
const PLAYWRIGHT = bin('@playwright/test/cli.js');
const TSC = bin('typescript/bin/tsc');
const ASTRO = bin('astro/bin/astro.mjs');

/** Vitest itself leaves a core free: on two that is half of the machine. The faults are alone: they count processes and files. */
const WORKERS = Math.max(2, os.availableParallelism() - 1);

const reportFile = (name) => path.join(STATE_DIR, 'reports', `${name}.json`);

function readReport(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}

function freshReport(name) {
  const file = reportFile(name);
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(file, { force: true });
  return file;
}

/** A command that is right or wrong as a whole counts as one test. */
async function check(commands, program = PROJECT_NODE) {
  let code = 0;
  for (const args of commands) {
    const { code: one, output } = await run(program, args, { stdio: 'capture' });
    process.stdout.write(output);
    code ||= one;
  }
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

async function vitest(name, args, env = {}) {
  const file = freshReport(name);
  const { code } = await run(PROJECT_NODE, [VITEST, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...args], {
    env: projectEnv(env),
  });
  const report = readReport(file);
  return settle({ code, counts: report && vitestCounts(report) });
}

async function playwright(name, args) {
  const file = freshReport(name);
  const chromium = await ensureChromium(console.error);
  const { code } = await run(PROJECT_NODE, [PLAYWRIGHT, 'test', '--reporter=list,json', ...args], {
    env: projectEnv({ PLAYWRIGHT_JSON_OUTPUT_NAME: file, REHYDRATE_CHROMIUM: chromium }),
  });
  const report = readReport(file);
  return settle({ code, counts: report && playwrightCounts(report) });
}

/** What each folder with packages of its own is waiting for. */
const installs = new Map();

/** One folder after the other: an install is mostly waiting, for the network and the disk, and can be done beside other stages. */
function install(name) {
  if (!installs.has(name)) {
    const before = [...installs.values()].at(-1) ?? Promise.resolve();
    const next = before
      .catch(() => undefined)
      .then(() => ensureInstalled(inRoot('tests', name), { say: console.error, what: `what tests/${name} needs` }));
    next.catch(() => undefined); // told by the stage that needs it
    installs.set(name, next);
  }
  return installs.get(name);
}

/** The tests of a folder with packages of its own, too large for everyone's install; `typed` when their types are needed to check it. */
async function ownPackage(name, { typed = false } = {}) {
  const dir = inRoot('tests', name);
  await install(name);
  const tests = await vitest(name, ['--config', path.join(dir, 'vitest.config.ts'), '--root', dir]);
  return typed ? sum([await check([[TSC, '-p', path.join(dir, 'tsconfig.json')]]), tests]) : tests;
}

const docsChecks = () =>
  filesUnder('scripts')
    .filter((file) => /^scripts\/docs-[a-z-]*check[a-z-]*\.mjs$/.test(file))
    .sort();
const has = (folder, ending) => () => filesUnder(folder).some((file) => file.endsWith(ending) && !file.includes('node_modules'));

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {() => boolean} exists false while there is nothing of the kind in the checkout
 * @property {() => Promise<import('./counts.mjs').Counts>} run
 * @property {boolean} [beside] it uses one core, and can run at the same time as its neighbours of the kind
 * @property {() => unknown} [ahead] what can be begun when the whole command begins
 */

/** @type {Stage[]} */
export const STAGES = [
  // `astro sync` writes the types of the content that the site's sources are checked against.
  {
    name: 'typecheck',
    beside: true,
    exists: () => true,
    run: () =>
      check([
        [ASTRO, 'sync'],
        ...['tsconfig.json', 'src/engine/tsconfig.json', 'tests/opencode/tsconfig.json', 'tests/agents-compat/tsconfig.json'].map(
          (project) => [TSC, '-p', project],
        ),
      ]),
  },
  { name: 'lint', beside: true, exists: () => true, run: () => check([['run', '--silent', 'lint']], 'npm') },
  { name: 'deps', beside: true, exists: () => true, run: () => check([[inRoot('scripts/deps-status.mjs')]]) },
  ...['unit', 'contract', 'integration'].map((name) => ({
    name,
    exists: has(`tests/${name}`, '.test.ts'),
    run: () => vitest(name, ['--project', name, `--maxWorkers=${WORKERS}`]),
  })),
  {
    name: 'faults',
    exists: has('tests/faults', '.test.ts'),
    run: () => vitest('faults', ['--project', 'faults'], { FAULTS: process.env.FAULTS ?? 'tenth' }),
  },
  ...['opencode', 'rivetkit', 'package', 'lighthouse'].map((name) => ({
    name,
    exists: () => existsSync(inRoot('tests', name, 'vitest.config.ts')),
    ahead: () => install(name),
    run: () => ownPackage(name, { typed: name === 'rivetkit' }),
  })),
  { name: 'e2e', exists: has('tests/e2e', '.spec.ts'), run: () => playwright('e2e', []) },
  { name: 'docs', exists: () => docsChecks().length > 0, run: () => check(docsChecks().map((file) => [inRoot(file)])) },
];
