/**
 * Reads the system's list of processes, as far as process trees need it: from /proc on Linux, from `ps` on other Unixes. Windows needs none
 * (`taskkill /T` finds the tree itself).
 */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

/** The environment variable of agents and all their descendants: `HOST.AGENT`, or several of these with commas when hosts are nested. */
export const MARK = 'REHYDRATE_MARK';

/** The process has just ended, or belongs to another user. */
const NOT_THERE = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'];

function readText(path: string): string | null {
  try {
    // In Node UTF-8 costs a third of other encodings, and each end of an agent reads hundreds of files. What we look for is ASCII.
    return readFileSync(path, 'utf8');
  } catch (error) {
    // Any other failure (such as no free descriptor) says nothing about the process.
    if (NOT_THERE.includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** Null if there is no such process. Throws if that cannot be found out. Linux only. */
export function readProcess(pid: number): ProcessEntry | null {
  const text = readText(`/proc/${pid}/stat`);
  return text === null ? null : parseStat(text);
}

/** Whether no process has this id, not even one that is hidden from us. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Every process of the machine. Rejects if the table cannot be read. */
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

/** What `ps` says of all processes, or of one (with a short timeout). */
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
 * Whether a process's token belongs to `mark`, which is one agent's token, `HOST.AGENT`, or `HOST` for all agents of a host. Parts are compared
 * whole, because the token of agent 1 is the beginning of that of agent 1z.
 */
export function isOfMark(token: string, mark: string): boolean {
  if (mark === '') return false;
  return token === mark || (!mark.includes('.') && token.split('.', 1)[0] === mark);
}

/** Whether a process has the mark in its environment. Throws if that cannot be found out. Linux only; false elsewhere. */
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
  /** Identifies a process together with the pid, because pids are reused. */
  readonly startTime: string;
  /** Dead, but not yet collected by its parent. */
  readonly zombie: boolean;
}

/**
 * Parses /proc/PID/stat; null for anything else. The program's name, in parentheses, may itself contain spaces and parentheses, so fields are
 * counted from the last closing one. The start time is field 22, in clock ticks since boot.
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

/** The states of a zombie and of a process that is being removed (a small x in older kernels). */
const DEAD = ['Z', 'X', 'x'];

export const psArguments = (pid?: number): string[] => [
  ...(pid === undefined ? ['-A'] : ['-p', String(pid)]),
  '-o',
  'pid=,ppid=,pgid=,stat=,lstart=',
];

/** `ps` prints start times in words and local time. Language and time zone are fixed, so that two processes get the same text. */
export const PS_ENV = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Parses what `ps` prints for `psArguments`, ignoring other lines. */
export function parsePs(text: string): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S.*?)\s*$/.exec(line);
    if (match === null) continue;
    const [, pid, ppid, pgid, stat, startTime] = match;
    // Spaces are normalised, because start times are compared as text and days may be padded.
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
