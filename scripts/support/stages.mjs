/** What the test command consists of, in the order it runs. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ensureChromium } from './chromium.mjs';
import { ensureInstalled, inRoot, PROJECT_NODE, projectEnv, run, STATE_DIR } from './setup.mjs';

const bin = (name) => inRoot('node_modules', name);
const VITEST = bin('vitest/vitest.mjs');
const PLAYWRIGHT = bin('@playwright/test/cli.js');
const TSC = bin('typescript/bin/tsc');
const ASTRO = bin('astro/bin/astro.mjs');

/** Vitest itself leaves a core free: on two that is half of the machine. The faults are alone: they count processes and files. */
const WORKERS = Math.max(2, os.availableParallelism() - 1);

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @param {Counts[]} all @returns {Counts} */
export const sum = (all) =>
  all.reduce((a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }), {
    passed: 0,
    failed: 0,
    skipped: 0,
  });

/** The last line of the test command. */
export const closingLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

/** Vitest's JSON report. A file that could not even be loaded has no tests in it and counts as one failure. */
export function vitestCounts(report) {
  const broken = (report.testResults ?? []).filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests ?? 0,
    failed: (report.numFailedTests ?? 0) + broken.length,
    skipped: (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0),
  };
}

/**
 * Playwright's JSON report; errors outside tests (a server that did not start) count as failures. One that passed at its
 * second run has passed: the list of the run names it as flaky.
 */
export function playwrightCounts(report) {
  const { expected = 0, unexpected = 0, flaky = 0, skipped = 0 } = report.stats ?? {};
  return { passed: expected + flaky, failed: unexpected + (report.errors ?? []).length, skipped };
}

/**
 * A runner that says it failed has at least one failure, and one that left no report or ran nothing has not passed.
 *
 * @param {{ code: number, counts: Counts | null }} outcome
 * @returns {Counts}
 */
export function settle({ code, counts }) {
  if (!counts) return { passed: 0, failed: 1, skipped: 0 };
  const good = code === 0 && counts.passed > 0;
  return good || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

/** Runs a runner that writes its report to a file, and counts what it wrote. */
async function counted(name, countsOf, start) {
  const file = path.join(STATE_DIR, 'reports', `${name}.json`);
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(file, { force: true });
  const { code } = await start(file);
  return settle({ code, counts: existsSync(file) ? countsOf(JSON.parse(readFileSync(file, 'utf8'))) : null });
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

function vitest(name, args, env = {}) {
  return counted(name, vitestCounts, (file) =>
    run(PROJECT_NODE, [VITEST, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...args], {
      env: projectEnv(env),
    }),
  );
}

function playwright(name) {
  return counted(name, playwrightCounts, async (file) => {
    const chromium = await ensureChromium(console.error);
    const env = projectEnv({ PLAYWRIGHT_JSON_OUTPUT_NAME: file, REHYDRATE_CHROMIUM: chromium });
    return run(PROJECT_NODE, [PLAYWRIGHT, 'test', '--reporter=list,json'], { env });
  });
}

/** What each folder with packages of its own is waiting for. */
const installs = new Map();

/** One folder after the other: an install is mostly waiting, for the network and the disk, and can be done beside other stages. */
function install(name) {
  if (!installs.has(name)) {
    const before = [...installs.values()].at(-1) ?? Promise.resolve();
    const next = before.catch(() => undefined).then(() => ensureInstalled(inRoot('tests', name), `what tests/${name} needs`));
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

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {() => Promise<Counts>} run
 * @property {boolean} [beside] it uses one core, and can run at the same time as its neighbours of the kind
 * @property {() => unknown} [ahead] what can be begun when the whole command begins
 */

/** @type {Stage[]} */
export const STAGES = [
  // `astro sync` writes the types of the content that the site's sources are checked against.
  {
    name: 'typecheck',
    beside: true,
    run: () =>
      check([
        [ASTRO, 'sync'],
        ...['tsconfig.json', 'src/engine/tsconfig.json', 'tests/opencode/tsconfig.json', 'tests/agents-compat/tsconfig.json'].map(
          (project) => [TSC, '-p', project],
        ),
      ]),
  },
  { name: 'lint', beside: true, run: () => check([['run', '--silent', 'lint']], 'npm') },
  { name: 'deps', beside: true, run: () => check([[inRoot('scripts/deps-status.mjs')]]) },
  ...['unit', 'contract', 'integration'].map((name) => ({
    name,
    run: () => vitest(name, ['--project', name, `--maxWorkers=${WORKERS}`]),
  })),
  // What holds in both versions of ACP once more, with agents and clients that speak v2: in two ways of reaching them, with few deaths.
  {
    name: 'v2',
    run: async () => {
      const parts = [
        'integration/engine',
        'integration/model',
        'contract/server/memory',
        'contract/server/connect',
        'contract/worker.test',
      ];
      const projects = ['--project', 'integration', '--project', 'contract'];
      return sum([
        await vitest('v2', [...projects, ...parts.map((part) => `tests/${part}`), `--maxWorkers=${WORKERS}`], { ACP: 'v2' }),
        await vitest('v2-faults', ['--project', 'faults', 'tests/faults/engine-kill', 'tests/faults/server'], {
          ACP: 'v2',
          FAULTS: process.env.FAULTS ?? 'few',
        }),
      ]);
    },
  },
  {
    name: 'faults',
    run: () => vitest('faults', ['--project', 'faults'], { FAULTS: process.env.FAULTS ?? 'tenth' }),
  },
  ...['opencode', 'claude', 'codex', 'rivetkit', 'clients', 'package', 'lighthouse'].map((name) => ({
    name,
    ahead: () => install(name),
    run: () => ownPackage(name, { typed: name === 'rivetkit' || name === 'clients' }),
  })),
  { name: 'e2e', run: () => playwright('e2e') },
  { name: 'docs', run: () => check([[inRoot('scripts/docs-check-spelling.mjs')], [inRoot('scripts/docs-check.mjs')]]) },
];
