/**
 * The system's list of processes, as far as trees need it. Linux reads /proc; other Unixes ask `ps`;
 * Windows has no table here (`taskkill /T` walks its own).
 */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

/** The variable that agents and all their descendants carry: `HOST.AGENT`, several joined by commas when hosts nest. */
export const MARK = 'REHYDRATE_MARK';

/** The process has just gone, or is another user's. */
const NOT_THERE = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'];

function readText(path: string): string | null {
  try {
    // Node reads UTF-8 at a third of what other encodings cost, and each end of an agent reads hundreds. All that is looked for is ASCII.
    return readFileSync(path, 'utf8');
  } catch (error) {
    // Any other failure is our own (no descriptor free, say) and says nothing about the process.
    if (NOT_THERE.includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** Null when there is no such process. Throws when that cannot be told. Linux only. */
export function readProcess(pid: number): ProcessEntry | null {
  const text = readText(`/proc/${pid}/stat`);
  return text === null ? null : parseStat(text);
}

/** Whether the system has no process of this id, seen or hidden. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Every process of the machine. Rejects when the system does not let us look. */
export async function readProcesses(): Promise<ProcessEntry[]> {
  if (process.platform === 'win32') return [];
  if (process.platform !== 'linux') return psProcesses();
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync('/proc')) {
    const first = name.charCodeAt(0);
    if (first < 0x30 || first > 0x39) continue;
    const entry = readProcess(Number(name));
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/** What `ps` says of all processes, or, in a short time, of one. */
export function psProcesses(pid?: number): Promise<ProcessEntry[]> {
  const options = { maxBuffer: 64 * 1024 * 1024, env: PS_ENV, timeout: pid === undefined ? 0 : 2_000 };
  return new Promise((resolve, reject) => {
    execFile('ps', psArguments(pid), options, (error, stdout) => {
      if (error !== null) reject(error);
      else resolve(parsePs(stdout));
    });
  });
}

/**
 * Whether a process's token belongs to `mark`: one agent's whole token, `HOST.AGENT`, or a host's, `HOST`, for all of its agents. Not by prefix:
 * agent 1's token is the beginning of agent 1z's.
 */
export function isOfMark(token: string, mark: string): boolean {
  if (mark === '') return false;
  return token === mark || (!mark.includes('.') && token.split('.', 1)[0] === mark);
}

/** Whether the process's environment carries the mark. Throws when that cannot be told. Linux only; false elsewhere. */
export function carriesMark(pid: number, mark: string): boolean {
  if (process.platform !== 'linux') return false;
  const environ = readText(`/proc/${pid}/environ`);
  return environ !== null && environHasMark(environ, mark);
}

/** The same for the text of an environment block (`NAME=value`, separated by NUL). */
export function environHasMark(environ: string, mark: string): boolean {
  const name = `${MARK}=`;
  for (const variable of environ.split('\0')) {
    if (variable.startsWith(name))
      return variable
        .slice(name.length)
        .split(',')
        .some((token) => isOfMark(token, mark));
  }
  return false;
}

export interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  /** Names a process together with the pid, since pids are used again. */
  readonly startTime: string;
  /** Dead but not collected by its parent. */
  readonly zombie: boolean;
}

/**
 * Parses /proc/PID/stat; the start time is field 22, in clock ticks since boot. The program's name, in parentheses, may hold spaces and parentheses,
 * so fields are counted from the last one. Null for anything else.
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

/** A zombie, and a process being removed; older kernels write the latter small. */
const DEAD = ['Z', 'X', 'x'];

export const psArguments = (pid?: number): string[] => [
  ...(pid === undefined ? ['-A'] : ['-p', String(pid)]),
  '-o',
  'pid=,ppid=,pgid=,stat=,lstart=',
];

/** Times are printed in words and local time: both are fixed, so that two processes agree. */
export const PS_ENV = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Parses what `ps` prints for `psArguments`; other lines are left out. */
export function parsePs(text: string): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S.*?)\s*$/.exec(line);
    if (match === null) continue;
    const [, pid, ppid, pgid, stat, startTime] = match;
    // Start times are compared, and days may be padded with spaces.
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
