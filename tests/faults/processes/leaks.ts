/** What must be as it was: processes, file descriptors, memory. */
import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { guard } from '../../../src/adapters/stdio/guard.ts';
import type { ProcessEntry } from '../../../src/adapters/node-host/process-entry.ts';
import { carriesMark, readProcesses } from '../../../src/adapters/stdio/process-table.ts';

export const FULL = process.env['FAULTS'] === 'full';
/** The full count, or a tenth of it. */
export const times = (full: number): number => (FULL ? full : Math.ceil(full / 10));

/** Our agents' processes: by mark, and our own children and their groups, but for the guard. */
export async function processesOf(): Promise<ProcessEntry[]> {
  const all = (await readProcesses()).filter(({ zombie }) => !zombie);
  const children = new Set(all.filter(({ ppid, pid }) => ppid === process.pid && pid !== guardPid).map(({ pgid }) => pgid));
  return all.filter(({ pid, pgid }) => pid !== process.pid && pid !== guardPid && (carriesMark(pid, `${guard.mark}.`) || (children.has(pgid) && pgid !== ownGroup)));
}

let guardPid = -1;
let ownGroup = -1;

/** Starts the guard, so that it does not count as a leak later. */
export async function settleIn(): Promise<void> {
  const before = new Set((await readProcesses()).map(({ pid }) => pid));
  guard.ready();
  const all = await readProcesses();
  ownGroup = all.find(({ pid }) => pid === process.pid)?.pgid ?? -1;
  guardPid = all.find(({ pid, ppid }) => ppid === process.pid && !before.has(pid))?.pid ?? -1;
}

export interface Footprint {
  readonly descriptors: number;
  readonly bytes: number;
}

/** Collects garbage as far as can be had without a flag, by letting the loop turn. */
export async function footprint(): Promise<Footprint> {
  for (let turn = 0; turn < 5; turn += 1) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  return { descriptors: readdirSync('/proc/self/fd').length, bytes: heapUsed + external };
}

/** Nothing of ours runs, and descriptors and memory are back within what a warm process varies by. */
export async function expectNoLeak(before: Footprint): Promise<void> {
  await expect.poll(async () => (await processesOf()).length, { timeout: 20_000 }).toBe(0);
  await expect.poll(async () => (await footprint()).descriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before.descriptors);
  expect((await footprint()).bytes - before.bytes).toBeLessThan(48 * 1024 * 1024);
}
