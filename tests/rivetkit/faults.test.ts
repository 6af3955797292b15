/**
 * `kill -9` of a runner at every write of its actor and at random instants, on the real engine: the suite of
 * tests/faults, with the runner as the host's process. `FAULTS=full` runs it all, else a few rounds; `FAULTS_SEED`
 * chooses others.
 */
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { AgentVariant } from '../../src/testing/agents/variants.ts';
import { KILL_POINTS } from '../faults/engine-host/plan.ts';
import { random, SEED } from '../faults/engine-host/random.ts';
import { startCluster, type Cluster, type Runner } from './support/cluster.ts';
import { ActorLineage } from './support/lineage.ts';

const FULL = process.env['FAULTS'] === 'full';
const TIMEOUT_MS = FULL ? 3_600_000 : 300_000;
/** A life of the lineage has about twenty, the migration included; it goes on with prompts until its death. */
const WRITES = 30;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster({ runners: 0 });
});
afterAll(() => cluster?.stop());

/** Runs deaths one after the other. A fresh runner for each, so that writes are counted from its start. */
async function throughDeaths<T>(
  variant: AgentVariant,
  name: string,
  deaths: readonly T[],
  start: (death: T) => Promise<Runner>,
): Promise<void> {
  let lineage: ActorLineage | undefined;
  for (const [index, death] of deaths.entries()) {
    lineage = index % 6 === 0 ? new ActorLineage(cluster, `${name}-${index}`, variant) : (lineage as ActorLineage);
    try {
      await lineage.dieIn(await start(death));
    } catch (error) {
      throw new Error(
        `${variant}, death ${index} ${JSON.stringify(death)} (seed ${SEED}): ${(error as Error).message}\nThe runners: ${cluster.runnerLog()}\nThe engine: ${cluster.engineLog()}`,
        { cause: error },
      );
    } finally {
      await cluster.killRunners();
    }
  }
}

describe.each(FULL ? (['native', 'load', 'amnesiac'] as const) : (['native'] as const))('a runner with the %s agent, killed', (variant) => {
  const salt = variant.length * 1_000;

  it('I12: at writes', { timeout: TIMEOUT_MS }, async () => {
    const { below } = random(SEED + salt);
    const every = Array.from({ length: WRITES }, (_, write) => KILL_POINTS.map((point) => `${write + 1}:${point}`)).flat();
    const deaths = FULL ? every : Array.from({ length: 2 }, () => every[below(every.length)] as string);
    await throughDeaths(variant, `writes-${variant}`, deaths, (kill) => cluster.startRunner({ KILL: kill }));
  });

  it('I12: at random instants', { timeout: TIMEOUT_MS }, async () => {
    const { below } = random(SEED + salt + 1);
    const instants = Array.from({ length: FULL ? 20 : 1 }, () => below(2_500));
    await throughDeaths(variant, `instants-${variant}`, instants, async (ms) => {
      const runner = await cluster.startRunner();
      setTimeout(runner.die, ms).unref();
      return runner;
    });
  });
});
