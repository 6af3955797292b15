/**
 * `npm run bench [-- NAME…]`: runs tests/bench/*.mjs, each in a process of its own, prints what they measured, and
 * writes content/data/bench.json, which the site shows. Ratios are measured side by side in one run;
 * absolute figures belong to the machine that is named with them.
 */
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { benchRow } from './support/bench-row.mjs';
import { PROJECT_NODE, inRoot } from './support/paths.mjs';
import { continueOnProjectNode, main, projectEnv, SetupError } from './support/run.mjs';
import { setUp } from './support/setup.mjs';

const FILE = inRoot('content/data/bench.json');

/** The modules' own `{ name, results }`. */
function measure(file) {
  return new Promise((resolve, reject) => {
    const child = fork(inRoot('scripts/support/bench-child.mjs'), [file], { execPath: PROJECT_NODE, execArgv: [], env: projectEnv() });
    let found;
    child.once('message', (message) => (found = message));
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      found ? resolve(found) : reject(new Error(`${path.basename(file)} ended (${signal ?? code}) without a result.`)),
    );
  });
}

await main(async () => {
  await setUp();
  await continueOnProjectNode();
  const all = readdirSync(inRoot('tests/bench'))
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => name.replace(/\.mjs$/, ''));
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new SetupError(`There is no benchmark ${unknown.join(', ')}. There are: ${all.join(', ')}.`);

  const rows = [];
  let broken = 0;
  for (const name of all.filter((one) => wanted.length === 0 || wanted.includes(one))) {
    console.log(`\n━━ ${name}`);
    try {
      const { results } = await measure(inRoot('tests/bench', `${name}.mjs`));
      for (const row of results.map(benchRow)) {
        rows.push({ bench: name, ...row });
        console.log(
          `${row.met === false ? 'NOT MET' : row.met ? 'met    ' : '       '}  ${row.figure.padStart(10)}  ${row.target.padEnd(10)}  ${row.what}`,
        );
      }
    } catch (error) {
      broken += 1;
      console.error(error);
    }
  }
  if (broken > 0) throw new SetupError(`${broken} benchmark(s) did not run; ${path.relative(inRoot('.'), FILE)} is as it was.`);

  // A run of some keeps what was measured before of the others.
  const before = wanted.length > 0 && existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : { results: [], others: [] };
  const kept = (list) => (list ?? []).filter((row) => !wanted.includes(row.bench));
  const report = {
    measuredAt: new Date().toISOString(),
    machine: `${os.availableParallelism()} cores, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
    results: [...kept(before.results), ...rows.filter(({ met }) => met !== null)],
    others: [...kept(before.others), ...rows.filter(({ met }) => met === null)],
  };
  mkdirSync(path.dirname(FILE), { recursive: true });
  writeFileSync(FILE, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`\n${report.results.filter(({ met }) => met).length} of ${report.results.length} targets met.`);
});
