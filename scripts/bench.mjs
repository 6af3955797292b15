/**
 * `npm run bench [-- NAME…]`: runs tests/bench/*.mjs, each in a process of its own, prints what they measured, and
 * writes content/data/bench.json, which the site shows. Ratios are measured side by side in one run;
 * absolute figures belong to the machine that is named with them.
 */
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PROJECT_NODE, inRoot, main, projectEnv, SetupError, setUp } from './support/setup.mjs';

const FILE = inRoot('content/data/bench.json');
const MODULE = 'REHYDRATE_BENCH';

/** A module's own `{ name, results }`, from a process of its own: this file, told which. */
function measure(file) {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, [], { execPath: PROJECT_NODE, execArgv: [], env: projectEnv({ [MODULE]: file }) });
    let found;
    child.once('message', (message) => (found = message));
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      found ? resolve(found) : reject(new Error(`${path.basename(file)} ended (${signal ?? code}) without a result.`)),
    );
  });
}

const figures = (value) => (typeof value === 'number' ? (Number.isInteger(value) ? String(value) : value.toFixed(2)) : String(value));

/**
 * One result as a row for people: a figure, a target, and whether it was met.
 *
 * @param {{ what: string, ratio?: number, value?: number | string, unit?: string, target?: number | string,
 *   bound?: 'max' | 'min', met?: boolean }} result a ratio or a value; a target that is a number is the
 *   largest allowed unless `bound` is `min`, and one in words starts with ≤ or ≥
 * @returns {{ what: string, figure: string, target: string, met: boolean | null }} `met` is null without a target
 */
export function benchRow({ what, ratio, value, unit, target, bound = 'max', met }) {
  const measured = ratio ?? value;
  const suffix = ratio !== undefined ? '×' : unit ? ` ${unit}` : '';
  const figure = `${figures(measured)}${suffix}`;
  if (target === undefined || target === '–') return { what, figure, target: '–', met: met ?? null };
  if (typeof target === 'number') {
    const ok = bound === 'min' ? measured >= target : measured <= target;
    return { what, figure, target: `${bound === 'min' ? '≥' : '≤'} ${target}${suffix}`, met: met ?? ok };
  }
  const limit = /^([≤≥])\s*([\d\s.]+)/.exec(target);
  const number = limit && Number(limit[2].replace(/\s/g, ''));
  const ok = limit && typeof measured === 'number' ? (limit[1] === '≤' ? measured <= number : measured >= number) : null;
  return { what, figure, target, met: met ?? ok };
}

async function benchAll() {
  await setUp();
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
}

if (import.meta.main) {
  const module = process.env[MODULE];
  if (module === undefined) await main(benchAll);
  else {
    const { run } = await import(pathToFileURL(module).href);
    process.send(await run(), () => process.exit(0));
  }
}
