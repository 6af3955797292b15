/** One process as the system describes it, read the same wherever it is read. */
export interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  /** With the pid it names a process for good: pids are used again. */
  readonly startTime: string;
  /** Dead but not collected by its parent: it holds nothing and cannot be ended. */
  readonly zombie: boolean;
}

/**
 * Parses /proc/PID/stat; the start time is field 22, in clock ticks since boot. The program's name, in
 * parentheses, may itself hold spaces and parentheses, so fields are counted from the last one. Null
 * for anything else.
 */
export function parseStat(text: string): ProcessEntry | null {
  const close = text.lastIndexOf(')');
  if (close < 0) return null;
  const pid = Number.parseInt(text, 10);
  const fields = text
    .slice(close + 1)
    .trim()
    .split(/\s+/);
  const [state, ppid, pgid] = fields;
  const startTime = fields[19];
  if (Number.isNaN(pid) || state === undefined || startTime === undefined || !/^\d+$/.test(startTime)) return null;
  return { pid, ppid: Number(ppid), pgid: Number(pgid), startTime, zombie: DEAD.includes(state) };
}

/** A zombie, and one that is being taken away; older kernels write the latter small. */
const DEAD = ['Z', 'X', 'x'];

/** What `ps -o` is asked for. */
export const PS_COLUMNS = 'pid=,ppid=,pgid=,stat=,lstart=';

/** Parses what `ps -o` prints for `PS_COLUMNS`; other lines are left out. */
export function parsePs(text: string): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S.*?)\s*$/.exec(line);
    if (match === null) continue;
    const [, pid, ppid, pgid, stat, startTime] = match;
    // Days are padded with spaces or not, and start times are compared.
    entries.push({
      pid: Number(pid),
      ppid: Number(ppid),
      pgid: Number(pgid),
      startTime: startTime!.replace(/\s+/g, ' '),
      zombie: stat!.startsWith('Z'),
    });
  }
  return entries;
}
