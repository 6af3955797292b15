/** Which processes of a run are still there. Linux only, as is the suite. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    // It went while we looked, or is another user's.
    return '';
  }
}

const isZombie = (pid: string) => /\) [ZX]/.test(read(`/proc/${pid}/stat`));

/**
 * Processes that belong to the run in `directory`: the host and its guard have it as TMPDIR, agents
 * have it on their command line. `marks` finds what carries an agent's mark, `groups` what is in its group.
 */
export function processesOf(directory: string, marks: readonly string[], groups: readonly number[]): string[] {
  const found: string[] = [];
  const known = (pid: string): boolean => {
    const environment = read(`/proc/${pid}/environ`);
    return (
      environment.includes(`TMPDIR=${directory}\0`) ||
      read(`/proc/${pid}/cmdline`).includes(directory) ||
      marks.some((mark) => environment.includes(mark))
    );
  };
  // A group keeps its number from being given out again: a leader that is no agent of ours leads another group.
  const taken = (group: number): boolean => read(`/proc/${group}/cmdline`) !== '' && !known(String(group));
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid || isZombie(pid)) continue;
    const group = Number(read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ')[2]);
    if (known(pid) || (groups.includes(group) && !taken(group))) {
      found.push(`${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 120)}`);
    }
  }
  return found;
}

/** What is left after `withinMs`; returns as soon as nothing is. */
export async function leftAfter(withinMs: number, look: () => string[]): Promise<string[]> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const left = look();
    if (left.length === 0 || Date.now() > deadline) return left;
    await sleep(25);
  }
}
