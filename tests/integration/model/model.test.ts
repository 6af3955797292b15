/**
 * Random histories of a session, on two hosts that share its database, against a small reference: what was
 * acknowledged is kept, nothing is sent or stored twice, whoever writes holds the lease, and after
 * everything the next prompt works and knows what was told (I1–I6, I7, I9, I12).
 *
 * Bounded by time. `FAULTS=full` gives it more; `MODEL_SEED` chooses other histories.
 */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { IN_V2 } from '../../support/protocol.ts';
import { histories, REMEMBERING, variants } from './operations.ts';
import { runHistory } from './run.ts';

const FULL = process.env['FAULTS'] === 'full';
const SEED = Number(process.env['MODEL_SEED'] ?? 20261122);
const BUDGET_MS = FULL ? 300_000 : IN_V2 ? 6_000 : 18_000;

describe('a session, whatever happens to it', () => {
  it('I1–I7, I9, I12: keeps every promise through random histories', { timeout: BUDGET_MS * 4 + 60_000 }, async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(variants, histories, async (variant, history) => {
        runs += 1;
        await runHistory(variant, history, REMEMBERING.includes(variant));
      }),
      { seed: SEED, numRuns: FULL ? 20_000 : 2_000, interruptAfterTimeLimit: BUDGET_MS, markInterruptAsFailure: false, verbose: 1 },
    );
    console.info(`${runs} histories (seed ${SEED})`);
  });
});
