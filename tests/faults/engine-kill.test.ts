/**
 * `kill -9` of a real host with a real agent, at every write and at random instants. After each death:
 * no acknowledged event is lost or doubled, no turn is stuck, nothing is sent twice, no process is left,
 * and the next prompt works and knows what was told (I1–I7, I9, I12).
 *
 * `FAULTS=full` runs them all, `few` a fortieth of them, else about a tenth; `FAULTS_SEED` chooses other instants.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentVariant } from '../../src/testing/agents/variants.ts';
import { build, BUILD_MS } from '../integration/cli/harness.ts';
import { Lineage, type Death } from './engine-host/lineage.ts';
import { KILL_POINTS, type KillPoint, type Plan } from './engine-host/plan.ts';
import { random, SEED } from './engine-host/random.ts';

const FULL = process.env['FAULTS'] === 'full';
const FEW = process.env['FAULTS'] === 'few';
/** After so many deaths a lineage is replaced, so that its record stays small. */
const DEATHS_OF_A_LINEAGE = 12;
const VARIANTS: readonly AgentVariant[] = ['native', 'load', 'amnesiac', 'forgetful'];
const EVERY_POINT: readonly AgentVariant[] = ['native', 'amnesiac'];
/** The migration, the create and the first turn; what follows is as in later lives. */
const FIRST_WRITES = 10;

// Another file may be about to put a new build in place of an old one.
beforeAll(build, BUILD_MS);
let kills = 0;
afterAll(() => console.info(`${kills} processes were killed (seed ${SEED})`));

/**
 * Runs deaths one after the other on lineages that are replaced now and then. `one` says whether
 * something was really killed; resolves to how often.
 */
async function throughDeaths<T>(
  variant: AgentVariant,
  deaths: readonly T[],
  one: (lineage: Lineage, death: T, index: number) => Promise<boolean>,
  options: { fresh?: boolean; pace?: number } = {},
): Promise<number> {
  let lineage = new Lineage(variant, options.pace);
  let killed = 0;
  try {
    for (const [index, death] of deaths.entries()) {
      if (index > 0 && (options.fresh || index % DEATHS_OF_A_LINEAGE === 0)) {
        lineage.remove();
        lineage = new Lineage(variant, options.pace);
      }
      try {
        if (await one(lineage, death, index)) killed += 1;
      } catch (error) {
        throw new Error(`${variant}, death ${index} ${JSON.stringify(death)} (seed ${SEED}): ${(error as Error).message}`, {
          cause: error,
        });
      }
    }
  } finally {
    lineage.remove();
    kills += killed;
  }
  return killed;
}

/** How many batches a life has: of a fresh database, and of one with history. */
async function batchesOf(lineage: Lineage): Promise<number> {
  const { lines, stderr } = await lineage.live(lineage.plan(lineage.nextSteps()));
  const done = lines.find((line) => line.is === 'done');
  if (!done) throw new Error(`the host did not get through unharmed: ${stderr}`);
  expect(done.batches, 'a life has more writes than its beginning').toBeGreaterThan(FIRST_WRITES);
  return done.batches;
}

/** All three instants around each write for two of the agents; for the others, which tell the same in other tiers, one in turn. */
function boundaries(variant: AgentVariant, batches: number, salt: number): NonNullable<Plan['kill']>[] {
  const every = Array.from({ length: batches }, (_, index) => KILL_POINTS.map((point: KillPoint) => ({ batch: index + 1, point }))).flat();
  const all = EVERY_POINT.includes(variant) ? every : every.filter(({ batch, point }) => KILL_POINTS[batch % 3] === point);
  if (FULL) return all;
  const { below } = random(SEED + salt);
  return Array.from({ length: Math.ceil(all.length / (FEW ? 40 : 10)) }, () => all[below(all.length)]!);
}

/** A life may have fewer batches than the one that was measured, as group commit may make of it, and live on: the next one dies earlier. */
async function dieAtBatch(lineage: Lineage, { batch: measured, point }: NonNullable<Plan['kill']>): Promise<true> {
  for (let batch = measured; ; batch = Math.ceil(batch / 2)) {
    const death = await lineage.live(lineage.plan(lineage.nextSteps(), { batch, point }));
    const killed = death.signal === 'SIGKILL';
    if (!killed) {
      const done = death.lines.find((line) => line.is === 'done');
      expect(done, death.stderr).toBeDefined();
      expect(done?.batches, 'it lived on although it came to the write it was to die at').toBeLessThan(batch);
      expect(done?.batches, 'a life has more writes than its beginning').toBeGreaterThan(FIRST_WRITES);
    }
    await lineage.checkAfterDeath();
    if (killed) return true;
  }
}

/**
 * Strikes again, after half the time, until it hit: what was to be killed may have come to its end before.
 * At last the blow falls at once, so that a miss is a fault of the test or of what it tests.
 */
async function untilHit(afterMs: number, strike: (afterMs: number) => Promise<boolean>): Promise<true> {
  for (let ms = afterMs; ; ms = Math.floor(ms / 2)) {
    if (await strike(ms)) return true;
    if (ms === 0) throw new Error('nothing was killed, not even by a blow without any delay');
  }
}

describe.each(VARIANTS)('a host with the %s agent, killed', (variant) => {
  const salt = VARIANTS.indexOf(variant) * 1000;

  it('I12: at every write of its first life', async () => {
    const deaths = boundaries(variant, FIRST_WRITES, salt + 1);
    expect(await throughDeaths(variant, deaths, dieAtBatch, { fresh: true })).toBe(deaths.length);
  });

  it('I12: at every write of a later life', async () => {
    const trial = new Lineage(variant);
    await batchesOf(trial);
    const batches = await batchesOf(trial);
    trial.remove();
    const deaths = boundaries(variant, batches, salt + 2);
    expect(deaths.length).toBeGreaterThan(0);
    expect(await throughDeaths(variant, deaths, dieAtBatch)).toBe(deaths.length);
  });

  it('I12: at random instants', async () => {
    const { below } = random(SEED + salt + 3);
    const instants = Array.from({ length: FULL ? 20 : FEW ? 1 : 2 }, () => below(1_200));
    const killed = await throughDeaths(variant, instants, (lineage, afterMs) =>
      untilHit(afterMs, async (ms) => {
        const { signal } = await lineage.live(lineage.plan(lineage.nextSteps()), async (pid, up) => {
          // Counted from there: starting a process alone may take longer than all of these instants.
          await up;
          await sleep(ms);
          kill(pid);
        });
        await lineage.checkAfterDeath();
        return signal === 'SIGKILL';
      }),
    );
    expect(killed).toBe(instants.length);
  });

  it('I8: whose agent is killed at random instants', async () => {
    const { below } = random(SEED + salt + 4);
    const instants = Array.from({ length: FULL ? 15 : FEW ? 1 : 2 }, () => below(600));
    const killed = await throughDeaths(variant, instants, (lineage, afterMs) =>
      untilHit(afterMs, async (ms) => {
        const known = lineage.agentLog.length;
        const death = await lineage.live(lineage.plan(lineage.nextSteps()), async () => {
          const pid = await agentAfter(lineage, known);
          await sleep(ms);
          kill(pid);
        });
        // A create whose agent dies under it fails as a whole; any other death is survived.
        if (death.code !== 0) expect(death.stderr).toMatch(/agent_exited/);
        await lineage.checkAfterDeath();
        return toldOfSignal(death);
      }),
    );
    expect(killed).toBe(instants.length);
  });
});

describe('a death in the first turn of a successor', () => {
  const cases: readonly (readonly [AgentVariant, 'loses its store' | 'keeps nothing'])[] = [
    ['amnesiac', 'keeps nothing'],
    ['forgetful', 'keeps nothing'],
    ['native', 'loses its store'],
  ];
  it.each(cases)('I4: the %s agent, which %s: falls back again, with the preamble, and forgets nothing', async (variant, loss) => {
    const { below, pick } = random(SEED + 5);
    const deaths = Array.from({ length: FULL ? 8 : FEW ? 1 : 2 }, () => ({
      whom: pick(['host', 'agent'] as const),
      afterMs: below(100),
    }));
    const killed = await throughDeaths(
      variant,
      deaths,
      async (lineage, { whom, afterMs }, index) => {
        if (index % DEATHS_OF_A_LINEAGE === 0) await batchesOf(lineage);
        await untilHit(afterMs, (ms) => dieInFirstTurn(lineage, whom, ms, loss === 'loses its store'));
        const successors = () => lineage.agentLog.filter((line) => line.at === 'prompt').filter((line) => line.blocks > 1);
        const before = successors();
        const report = await lineage.checkAfterDeath();
        expect(report?.tier).toBe('transcript');
        expect(report?.preamble?.events).toBeGreaterThan(0);
        const after = successors();
        expect(after.length, 'the preamble went to one more successor').toBe(before.length + 1);
        expect(new Set(after.map((line) => line.agentSessionId)).size, 'and to each only once').toBe(after.length);
        return true;
      },
      // Slow enough that the turn still runs when the blow falls.
      { pace: 6 },
    );
    expect(killed).toBe(deaths.length);
  });
});

/** One life that ends, or whose agent ends, so long after the successor got the preamble; false when its turn was over. */
async function dieInFirstTurn(lineage: Lineage, whom: 'host' | 'agent', afterMs: number, losesStore: boolean): Promise<boolean> {
  const known = lineage.agentLog.length;
  if (losesStore) rmSync(lineage.store, { recursive: true });
  // One prompt: with a second the host would fall back once more by itself.
  const death = await lineage.live(lineage.plan(lineage.nextSteps().slice(0, 1)), async (pid) => {
    const agent = await preambleAfter(lineage, known);
    await sleep(afterMs);
    kill(whom === 'host' ? pid : agent);
  });
  if (death.lines.some((line) => line.is === 'result')) return false;
  return whom === 'host' ? death.signal === 'SIGKILL' : toldOfSignal(death);
}

/** Whether the host said that its agent died of SIGKILL: in the log, or of one that was just being opened in the error. */
function toldOfSignal({ lines, news, stderr }: Death): boolean {
  const exits = news.flatMap((event) => (event.kind === 'agent_exited' ? [event.payload] : []));
  const refusals = lines.flatMap((line) => (line.is === 'refused' && line.code === 'agent_exited' ? [line.message] : []));
  return (
    exits.some(({ kind, signal }) => kind === 'signalled' && signal === 'SIGKILL') ||
    [...refusals, stderr].some((text) => text.includes('died of SIGKILL'))
  );
}

async function agentAfter(lineage: Lineage, known: number): Promise<number> {
  return (await lineAfter(lineage, known, (line) => line.at === 'start')).pid;
}

async function preambleAfter(lineage: Lineage, known: number): Promise<number> {
  return (await lineAfter(lineage, known, (line) => line.at === 'prompt' && line.blocks > 1)).pid;
}

async function lineAfter(lineage: Lineage, known: number, wanted: (line: Lineage['agentLog'][number]) => boolean) {
  for (const deadline = Date.now() + 120_000; ; await sleep(5)) {
    const line = lineage.agentLog.slice(known).find(wanted);
    if (line) return line;
    if (Date.now() > deadline) throw new Error('no agent came that far');
  }
}

/** It may have gone by itself, even if it can still be signalled: how it ended tells. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
