/**
 * `npm run bench [-- NAME…]`: runs tests/bench/*.mjs, prints the results, and writes them to content/data/bench.json for the site. The two sides
 * of a ratio are measured in the same run. Absolute figures hold for the machine named with them.
 */
import { fork } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inRoot, main, SetupError } from './support/setup.mjs';

const FILE = inRoot('content/data/bench.json');

/** Runs a benchmark in a process of its own: this file again, with the name in its environment. */
function measure(name) {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, [], { env: { ...process.env, REHYDRATE_BENCH: name } });
    let found;
    child.once('message', (message) => (found = message));
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      found ? resolve(found.results) : reject(new Error(`${name} ended (${signal ?? code}) without a result.`)),
    );
  });
}

/**
 * One result as a row for people. A numeric target is the largest allowed value, or the smallest if `bound` is `min`. With a target in words, the
 * benchmark itself says whether it was `met`.
 *
 * @param {{ what: string, ratio?: number, value?: number | string, unit?: string, target?: number | string,
 *   bound?: 'max' | 'min', met?: boolean }} result a ratio or a value
 * @returns {{ what: string, figure: string, target: string, met: boolean | null }} `met` is null without a target
 */
export function benchRow({ what, ratio, value, unit, target = '–', bound = 'max', met = null }) {
  const measured = ratio ?? value;
  const suffix = ratio !== undefined ? '×' : unit ? ` ${unit}` : '';
  const figure = `${typeof measured === 'number' && !Number.isInteger(measured) ? measured.toFixed(2) : measured}${suffix}`;
  if (typeof target !== 'number') return { what, figure, target, met };
  const isLeast = bound === 'min';
  return { what, figure, target: `${isLeast ? '≥' : '≤'} ${target}${suffix}`, met: isLeast ? measured >= target : measured <= target };
}

async function benchAll() {
  const all = globSync(inRoot('tests/bench/*.mjs'))
    .map((file) => path.basename(file, '.mjs'))
    .sort();
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : all;
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new SetupError(`There is no benchmark ${unknown.join(', ')}. There are: ${all.join(', ')}.`);

  const rows = [];
  const broken = [];
  for (const name of wanted) {
    console.log(`\n━━ ${name}`);
    try {
      for (const row of (await measure(name)).map(benchRow)) {
        rows.push({ bench: name, ...row });
        const met = row.met === null ? '' : row.met ? 'met' : 'NOT MET';
        console.log(`${met.padEnd(8)} ${row.figure.padStart(10)}  ${row.target.padEnd(10)}  ${row.what}`);
      }
    } catch (error) {
      broken.push(name);
      console.error(error);
    }
  }
  if (broken.length > 0) throw new SetupError(`Did not run: ${broken.join(', ')}. ${FILE} is as it was.`);

  // Results of benchmarks that did not run now are kept.
  const before = JSON.parse(readFileSync(FILE, 'utf8'));
  const kept = [...before.results, ...before.others].filter(({ bench }) => !wanted.includes(bench) && all.includes(bench));
  const inOrder = [...kept, ...rows].sort((one, other) => all.indexOf(one.bench) - all.indexOf(other.bench));
  const results = inOrder.filter(({ met }) => met !== null);
  const report = {
    measuredAt: new Date().toISOString(),
    machine: `${os.availableParallelism()} cores, Node ${process.versions.node}, ${process.platform} ${process.arch}`,
    results,
    others: inOrder.filter(({ met }) => met === null),
  };
  writeFileSync(FILE, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`\n${results.filter(({ met }) => met).length} of ${results.length} targets met.`);
}

if (import.meta.main) {
  const name = process.env.REHYDRATE_BENCH;
  if (name === undefined) await main(benchAll);
  else {
    const { run } = await import(`../tests/bench/${name}.mjs`);
    process.send(await run(), () => process.exit(0));
  }
}
