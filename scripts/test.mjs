/**
 * `npm test`: runs everything, and ends with one line of counts.
 *
 *   npm test                     all stages
 *   npm test -- unit e2e         these stages only
 *   FAULTS=full npm test         every fault, not a tenth of them
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { ensureChromium } from './support/chromium.mjs';
import { endWithChildren, ensureInstalled, inRoot, main, PROJECT_NODE, projectEnv, run, SetupError, STATE_DIR } from './support/setup.mjs';
import { ensureSite } from './support/site-build.mjs';

const VITEST = inRoot('node_modules/vitest/vitest.mjs');
const PLAYWRIGHT = inRoot('node_modules/@playwright/test/cli.js');
const TSC = inRoot('node_modules/typescript/bin/tsc');

/** At least two. By default Vitest leaves one processor free, which is half of two. */
const WORKERS = Math.max(2, os.availableParallelism() - 1);

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * `failures` has the tests that passed at their second run, too.
 * @typedef {{ passed: number, skipped: number, failures: { name: string, why: string }[] }} Report
 */

/** @param {Counts[]} all @returns {Counts} */
export const sum = (all) => {
  const of = (name) => all.reduce((total, counts) => total + counts[name], 0);
  return { passed: of('passed'), failed: of('failed'), skipped: of('skipped') };
};

export const closingLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

const AGAIN = ' (passed at its second run)';
const isAgain = ({ name }) => name.endsWith(AGAIN);

/** A file that could not be loaded has no tests in it, and is one failure. @returns {Report} */
export const vitestReport = ({ testResults, numPassedTests, numPendingTests, numTodoTests }) => ({
  passed: numPassedTests,
  skipped: numPendingTests + numTodoTests,
  failures: testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults
      .filter((test) => test.status === 'failed' || test.failureMessages?.length > 0)
      .map(({ status: ended, fullName, failureMessages = [] }) => ({
        name: `${name} > ${fullName}${ended === 'passed' ? AGAIN : ''}`,
        why: failureMessages.join('\n'),
      }));
    return status === 'failed' && failed.length === 0 ? [{ name, why: message }] : failed;
  }),
});

/** An error outside of tests, such as a server that did not start, is a failure. @returns {Report} */
export function playwrightReport({ stats: { expected, flaky, skipped }, suites = [], errors }) {
  const inSuite = ({ suites: inner = [], specs = [] }) => [
    ...inner.flatMap(inSuite),
    ...specs.flatMap(({ file, line, title, tests }) =>
      tests
        .filter(({ status }) => status === 'unexpected' || status === 'flaky')
        .map(({ status, results }) => ({
          name: `${file}:${line} > ${title}${status === 'flaky' ? AGAIN : ''}`,
          why: results.flatMap((result) => (result.errors ?? []).map(({ message }) => message)).join('\n'),
        })),
    ),
  ];
  const outside = errors.map(({ message }) => ({ name: 'outside of tests', why: message }));
  return { passed: expected + flaky, skipped, failures: [...outside, ...suites.flatMap(inSuite)] };
}

/**
 * A runner that says it failed has at least one failure; one that left no report or ran nothing has not passed.
 *
 * @param {Report | null} report @returns {Counts}
 */
export function settle(code, report) {
  const { passed, skipped, failures: told } = report ?? { passed: 0, skipped: 0, failures: [] };
  const failed = told.filter((failure) => !isAgain(failure)).length;
  return { passed, skipped, failed: Math.max(failed, code === 0 && passed > 0 ? 0 : 1) };
}

/** Repeated at the end, where people look. @type {Report['failures']} */
const failures = [];

const lastOf = (output) => output.trimEnd().split('\n').slice(-40).join('\n');

async function counted(name, reportOf, args, { env, stdio } = {}) {
  const file = path.join(STATE_DIR, 'reports', `${name}.json`);
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(file, { force: true });
  const { code, output } = await run(PROJECT_NODE, args(file), { env: projectEnv(env?.(file)), stdio });
  process.stdout.write(output);
  const report = existsSync(file) ? reportOf(JSON.parse(readFileSync(file, 'utf8'))) : null;
  const told = report?.failures ?? [];
  failures.push(...told);
  if (code !== 0 && told.every(isAgain))
    failures.push({ name, why: lastOf(output) || `The runner ended with ${code}; what it said is above.` });
  return settle(code, report);
}

const vitest = (name, args, stdio) =>
  counted(name, vitestReport, (file) => [VITEST, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${file}`, ...args], {
    stdio,
  });

async function playwright(name, stdio) {
  // Remembered, so that later stages need not look for it again.
  process.env.REHYDRATE_CHROMIUM = await ensureChromium();
  // `CI` gives a browser test its second run, see playwright.config.ts.
  const env = (file) => ({ PLAYWRIGHT_JSON_OUTPUT_NAME: file, CI: '1' });
  return counted(name, playwrightReport, () => [PLAYWRIGHT, 'test', '--reporter=list,json'], { env, stdio });
}

/** A stage of commands, which passes or fails as a whole and counts as one test. */
async function check(...commands) {
  let failed = 0;
  for (const [program, ...args] of commands) {
    const { code, output } = await run(program, args, { stdio: 'capture' });
    process.stdout.write(output);
    if (code === 0) continue;
    failures.push({ name: [program, ...args].map((word) => path.basename(word)).join(' '), why: lastOf(output) });
    failed = 1;
  }
  return { passed: 1 - failed, failed, skipped: 0 };
}
const node = (...args) => [PROJECT_NODE, ...args];

/** The installs of test folders with packages of their own, by folder. */
const installs = new Map();

/** Installs one folder after the other, beside other stages, because an install mostly waits. */
function install(name) {
  if (!installs.has(name)) {
    const before = [...installs.values()].at(-1) ?? Promise.resolve();
    const next = before.catch(() => undefined).then(() => ensureInstalled(inRoot('tests', name), `what tests/${name} needs`));
    next.catch(() => undefined); // told by the stage that needs it
    installs.set(name, next);
  }
  return installs.get(name);
}

/** The tests of a folder with packages of its own; `typed` when its types are checked with them. */
const ownPackage = (name, { typed = false } = {}) => ({
  name,
  ahead: () => install(name),
  async run(stdio) {
    await install(name);
    const dir = inRoot('tests', name);
    // Each folder has a cache of its own, because Vitest empties a cache when the lockfile is another one.
    const cache = path.join(dir, 'node_modules', '.vitest-cache');
    const args = ['--config', path.join(dir, 'vitest.config.ts'), '--root', dir, `--fsModuleCachePath=${cache}`];
    const tests = await vitest(name, args, stdio);
    return typed ? sum([await check(node(TSC, '-p', path.join(dir, 'tsconfig.json'))), tests]) : tests;
  },
});
/** Projects of vitest.config.ts. */
const projects = (name, ...names) => ({
  name,
  run: (stdio) => vitest(name, [...[name, ...names].flatMap((one) => ['--project', one]), `--maxWorkers=${WORKERS}`], stdio),
});

/**
 * The stages in the order in which they begin: first those that say most within a minute, then the longest, so that all processors are used to
 * the end.
 *
 * @typedef {object} Stage
 * @property {string} name
 * @property {(stdio: 'inherit' | 'capture') => Promise<Counts>} run
 * @property {() => unknown} [ahead] what can be begun when the whole command begins
 */

/** @type {Stage[]} */
const STAGES = [
  projects('unit'),
  {
    name: 'typecheck',
    run: async () => {
      // The build writes the types of the content, which this checks against. Two builds at once would disturb each other.
      await ensureSite();
      return check(...['', 'src/engine/'].map((folder) => node(TSC, '-p', `${folder}tsconfig.json`)));
    },
  },
  projects('integration', 'engine'),
  {
    name: 'e2e',
    // One of its agents is OpenCode.
    ahead: () => install('opencode'),
    run: async (stdio) => {
      await install('opencode');
      return playwright('e2e', stdio);
    },
  },
  ...['rivetkit', 'opencode'].map((name) => ownPackage(name, { typed: name === 'rivetkit' })),
  projects('faults', 'faults-v2'),
  ...['contract', 'v2'].map((name) => projects(name)),
  { name: 'lint', run: () => check(['npm', 'run', '--silent', 'lint']) },
  ...['package', 'lighthouse', 'clients', 'claude', 'codex'].map((name) => ownPackage(name, { typed: name === 'clients' })),
  { name: 'docs', run: () => check(...['docs-check-spelling', 'docs-check'].map((name) => node(inRoot(`scripts/${name}.mjs`)))) },
  { name: 'deps', run: () => check(node(inRoot('scripts/deps-status.mjs'))) },
];

/** The beginning, without colours. */
const shortened = (why) =>
  stripVTControlCharacters(why)
    .split('\n')
    .slice(0, 40)
    .map((line) => `  ${line.slice(0, 400)}`)
    .join('\n');

async function runStage({ name, run: tests }, stdio) {
  console.log(`\n━━ ${name} begins`);
  const started = performance.now();
  const counts = await tests(stdio).catch((error) => {
    console.error(error instanceof SetupError ? error.message : error);
    failures.push({ name, why: String(error?.message ?? error) });
    return settle(1, null);
  });
  return { name, seconds: (performance.now() - started) / 1000, counts };
}

async function testAll() {
  endWithChildren();
  // A compile cache for the programs that tests start, since compiling is most of what they cost.
  process.env.NODE_COMPILE_CACHE ??= path.join(STATE_DIR, 'compiled');
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !STAGES.some((stage) => stage.name === name));
  if (unknown.length > 0)
    throw new SetupError(`There is no stage ${unknown.join(', ')}. There are: ${STAGES.map(({ name }) => name).join(', ')}.`);
  const chosen = STAGES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  for (const stage of chosen) stage.ahead?.();
  const results = [];
  const runNext = async (stdio) => {
    for (let stage = chosen.shift(); stage; stage = chosen.shift()) results.push(await runStage(stage, stdio));
  };
  // Stages run side by side, because they mostly wait. The first prints as it goes, the others when they are over.
  await Promise.all(['inherit', 'capture', 'capture'].map(runNext));

  if (failures.length > 0) console.log('\n━━ what failed, at its first run or for good');
  for (const { name, why } of failures) console.log(`\n${name.replace(`${inRoot()}${path.sep}`, '')}\n${shortened(why)}`);
  console.log('\n━━ summary');
  for (const { name, seconds, counts } of results) console.log(`${name.padEnd(12)} ${closingLine(counts)} (${seconds.toFixed(0)} s)`);
  const total = sum(results.map(({ counts }) => counts));
  console.log(`\n${closingLine(total)}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

if (import.meta.main) await main(testAll);
