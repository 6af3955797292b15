/** Which processes run in a given home: OpenCode's whole tree, whatever group its parts moved to. */
import { readFileSync, readdirSync } from 'node:fs';

export interface LivingProcess {
  readonly pid: number;
  readonly command: string;
}

/** Linux only, as the tests are. */
export function processesIn(home: string): LivingProcess[] {
  const found: LivingProcess[] = [];
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(`HOME=${home}`)) continue;
      found.push({ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0').join(' ').trim() });
    } catch {
      continue; // it went while we looked, or is not ours
    }
  }
  // A process that is gone and not collected yet has an empty command line.
  return found.filter(({ command }) => command !== '');
}
