/** Whether agents go on writing, as the system counts it: one whose output is not taken is stopped in the middle. Linux only. */
import { readFileSync } from 'node:fs';
import { guard } from '../../src/adapters/stdio/guard.ts';
import { carriesMark, readProcesses } from '../../src/adapters/stdio/process-table.ts';

/** How many bytes the living processes of this process's agents have written. */
export async function writtenByAgents(): Promise<number> {
  const ours = (await readProcesses()).filter(({ pid, zombie }) => !zombie && carriesMark(pid, guard.mark));
  return ours.reduce((sum, { pid }) => sum + Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))![1]), 0);
}
