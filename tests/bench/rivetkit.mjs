/**
 * What streaming costs on a RivetKit actor, against `node:sqlite` in the same process and run: commits a turn and events a
 * second; and against a write for each event. On the real engine, with the packages of tests/rivetkit.
 *
 *   node tests/bench/rivetkit.mjs
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from '../../scripts/support/setup.mjs';

const tests = fileURLToPath(new URL('../rivetkit/', import.meta.url));
const CHUNKS = 10_000;
const SINGLE = 500;
const ROUNDS = 5;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const grouped = (value) => Math.round(value).toLocaleString('en').replaceAll(',', ' ');

/** Medians of a turn of so many updates: how many a second, in how many commits, and how many rows they made. */
const turn = (runs) => ({
  rate: median(runs.map(({ ms }) => CHUNKS / (ms / 1000))),
  commits: median(runs.map(({ commits }) => commits)),
  rows: median(runs.map(({ events }) => events)),
});

export async function run() {
  await ensureInstalled(tests, 'what tests/rivetkit needs');
  const { startCluster } = await import('../rivetkit/support/cluster.ts');
  const cluster = await startCluster({ runners: 0 });
  try {
    await cluster.startRunner({}, path.join(tests, 'support/bench-runner.ts'));
    const actor = cluster.client().bench.getOrCreate(['bench']);
    const runs = { text: { rivetkit: [], node: [] }, messages: { rivetkit: [], node: [] } };
    const single = [];
    for (let round = 0; round < ROUNDS; round++) {
      // Turn about, so that what the machine does meanwhile hits all.
      for (const kind of ['text', 'messages']) {
        runs[kind].rivetkit.push(await actor.onRivetkit(CHUNKS, kind));
        runs[kind].node.push(await actor.onNode(CHUNKS, kind));
      }
      single.push(SINGLE / ((await actor.oneByOne(SINGLE)) / 1000));
    }
    const alone = median(single);
    const results = [{ what: 'RivetKit: single writes, one event each', value: `${grouped(alone)} a second` }];
    for (const [kind, what] of [
      ['text', `a message in ${grouped(CHUNKS)} chunks`],
      ['messages', `${grouped(CHUNKS)} messages, an event each`],
    ]) {
      const [ours, theirs] = [turn(runs[kind].rivetkit), turn(runs[kind].node)];
      results.push(
        { what: `RivetKit, ${what}: updates a second against a write for each`, ratio: ours.rate / alone, target: 5, bound: 'min' },
        { what: `RivetKit, ${what}: updates a commit`, value: CHUNKS / ours.commits, target: 20, bound: 'min' },
        { what: `RivetKit, ${what}: commits a turn, for ${grouped(ours.rows)} rows`, value: ours.commits },
        { what: `node:sqlite, ${what}: commits a turn, for ${grouped(theirs.rows)} rows`, value: theirs.commits },
        { what: `RivetKit, ${what}: updates a second`, value: grouped(ours.rate) },
        { what: `node:sqlite in the same process, ${what}: updates a second`, value: grouped(theirs.rate) },
      );
    }
    return { name: 'rivetkit', results };
  } finally {
    await cluster.stop();
  }
}

if (import.meta.main) console.table((await run()).results);
