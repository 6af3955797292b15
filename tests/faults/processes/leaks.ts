/** What must be as it was: processes, file descriptors, memory. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { guard } from '../../../src/adapters/stdio/guard.ts';
import { type ProcessEntry, carriesMark, readProcesses } from '../../../src/adapters/stdio/process-table.ts';
import { held } from '../../support/still.ts';

export const FULL = process.env['FAULTS'] === 'full';
/** The full count, or a tenth of it. */
export const times = (full: number): number => (FULL ? full : Math.ceil(full / 10));

/** Our agents' processes: by mark, and our own children and their groups, but for the guard. */
export async function processesOf(): Promise<ProcessEntry[]> {
  const all = (await readProcesses()).filter(({ zombie }) => !zombie);
  const ownGroup = all.find(({ pid }) => pid === process.pid)?.pgid;
  const children = new Set(all.filter(({ ppid, pid }) => ppid === process.pid && !isGuard(pid)).map(({ pgid }) => pgid));
  return all.filter(({ pid, pgid }) => pid !== process.pid && (carriesMark(pid, guard.mark) || (children.has(pgid) && pgid !== ownGroup)));
}

/** One guard rests when nothing is left to guard, and another is started with the next agent. It gives itself a name once it runs. */
function isGuard(pid: number): boolean {
  try {
    return /guard-process|rehydrate-guard/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch (error) {
    if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return false;
  }
}

/** Starts the guard, whose pipe then does not count as a leak later. */
export function settleIn(): void {
  guard.ready();
}

export interface Footprint {
  readonly descriptors: number;
  readonly bytes: number;
}

/** Without garbage. */
export function footprint(): Footprint {
  const { heap, external } = held();
  return { descriptors: readdirSync('/proc/self/fd').length, bytes: heap + external };
}

/** Nothing of ours runs, and descriptors and memory are back within what a warm process varies by. */
export async function expectNoLeak(before: Footprint): Promise<void> {
  await expect.poll(async () => (await processesOf()).length).toBe(0);
  await expect.poll(() => footprint().descriptors, { interval: 200 }).toBeLessThanOrEqual(before.descriptors);
  await expect.poll(() => footprint().bytes - before.bytes, { interval: 200 }).toBeLessThan(48 * 1024 * 1024);
}
