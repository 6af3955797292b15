/**
 * What a session costs on RivetKit, asleep and awake, measured on the real engine with real agent processes; and from it what
 * very many would cost. Writes content/data/scale.json, which the site shows.
 *
 *   npm run bench -- scale
 */
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SCALE_INPUTS, scaleRows } from '../../scripts/scale.mjs';
import { ensureInstalled } from '../../scripts/support/setup.mjs';

const tests = fileURLToPath(new URL('../rivetkit/', import.meta.url));
const FILE = fileURLToPath(new URL('../../content/data/scale.json', import.meta.url));
/** Of a turn: what the benchmark's agent answers in. */
const CHUNKS = 40;
const TURNS = 200;
const ACTORS = 40;
const WAKES = 7;
const TIERS = { native: 'resume', load: 'load', amnesiac: 'transcript' };

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const between = (values) => Math.round(median(values));

function directoryBytes(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}

/** The share of memory that is the process's own (Linux), in bytes. */
const memoryOf = (pid) => Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) * 1024;

/** Milliseconds a client waits for the first prompt after a sleep, and the parts of it, by tier. */
async function wakes(cluster, until) {
  const rows = [];
  const agentBytes = [];
  for (const [variant, tier] of Object.entries(TIERS)) {
    const actor = cluster.client().sessions.getOrCreate([variant]);
    await actor.create({ agent: variant, cwd: '/tmp', sessionId: 'main' });
    for (let turn = 0; turn < 20; turn++) await actor.prompt('main', `My item ${turn} is v${turn}.`, { idempotencyKey: `tell ${turn}` });
    const runs = [];
    for (let wake = 0; wake < WAKES; wake++) {
      agentBytes.push(...cluster.agents().map(({ pid }) => memoryOf(pid)));
      await actor.sleep();
      await until(() => cluster.agents().length === 0, 'the agent is gone');
      // A call that comes while the actor is still going to sleep would be waiting for that.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const began = performance.now();
      await actor.get('main');
      const read = performance.now() - began;
      const started = performance.now();
      const { report } = await actor.prompt('main', 'What is my item 3?', { idempotencyKey: `ask ${wake}` });
      if (report.tier !== tier) throw new Error(`${variant} woke by ${report.tier}, not ${tier}`);
      runs.push({ read, prompt: performance.now() - started, resume: report.ms, agent: report.agentMs });
    }
    const of = (part) => between(runs.map((one) => one[part]));
    rows.push({ tier, readMs: of('read'), promptMs: of('prompt'), resumeMs: of('resume'), agentMs: of('agent') });
    await actor.close('main');
  }
  return { wakes: rows, agentBytes: between(agentBytes) };
}

/** What many actors take: of the runner's memory while they are awake, of the engine's disk when they sleep. */
async function actors(cluster) {
  const client = cluster.client();
  const runner = client.runner.getOrCreate(['it']);
  const memory = async () => {
    await runner.memory();
    return runner.memory();
  };
  const prompted = async (name) => {
    const actor = client.light.getOrCreate([name]);
    await actor.create({ agent: 'bare', cwd: '/tmp', sessionId: 'main' });
    await actor.prompt('main', 'hello', { idempotencyKey: 'one' });
    return actor;
  };
  // What the first ones load is not theirs.
  for (let i = 0; i < 5; i++) await prompted(`warm-${i}`);
  const [before, diskBefore] = [await memory(), directoryBytes(path.join(cluster.home, 'engine'))];
  const made = [];
  for (let i = 0; i < ACTORS; i++) made.push(await prompted(`actor-${i}`));
  const after = await memory();
  for (const actor of made) await actor.sleep();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const diskAfter = directoryBytes(path.join(cluster.home, 'engine'));
  return {
    runnerBytes: before,
    actorBytes: Math.round((after - before) / ACTORS),
    engineBytes: Math.round((diskAfter - diskBefore) / ACTORS),
  };
}

export async function run() {
  await ensureInstalled(tests, 'what tests/rivetkit needs');
  const { startCluster, until } = await import('../rivetkit/support/cluster.ts');
  const bench = await startCluster({ runners: 0 });
  let measured;
  try {
    await bench.startRunner({ NODE_OPTIONS: '--expose-gc' }, path.join(tests, 'support/bench-runner.ts'));
    const { empty, turn, eventsATurn } = await bench.client().bench.getOrCreate(['bytes']).bytes(TURNS, CHUNKS);
    measured = { emptyBytes: Math.round(empty), turnBytes: Math.round(turn), eventsATurn, ...(await actors(bench)) };
  } finally {
    await bench.stop();
  }
  const cluster = await startCluster();
  try {
    measured = { ...measured, ...(await wakes(cluster, until)) };
  } finally {
    await cluster.stop();
  }
  const report = {
    measuredAt: new Date().toISOString(),
    machine: `${os.availableParallelism()} cores, Node ${process.versions.node}, ${process.platform} ${process.arch}, rivetkit 2.3.19`,
    method: { turns: TURNS, chunksATurn: CHUNKS, actors: ACTORS, wakes: WAKES },
    measured,
    inputs: SCALE_INPUTS,
    simulated: scaleRows(SCALE_INPUTS, measured),
  };
  writeFileSync(FILE, `${JSON.stringify(report, null, 2)}\n`);
  const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
  return {
    name: 'scale',
    results: [
      { what: `RivetKit: what a turn of ${CHUNKS} chunks adds to the database`, value: kib(measured.turnBytes) },
      { what: 'RivetKit: a database with one session', value: kib(measured.emptyBytes) },
      { what: 'RivetKit: memory of the runner for an actor that is awake', value: kib(measured.actorBytes) },
      { what: 'memory of the scripted agent’s process', value: kib(measured.agentBytes) },
      ...measured.wakes.map(({ tier, promptMs, agentMs }) => ({
        what: `RivetKit: first prompt after a sleep, by ${tier} (of it the agent’s ${agentMs} ms)`,
        value: promptMs,
        unit: 'ms',
      })),
    ],
  };
}

if (import.meta.main) console.table((await run()).results);
