import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { threadId } from 'node:worker_threads';
import type { ProcessIdentity, ProcessSighting } from './owner-liveness.ts';
import { parsePs, parseStat, PS_COLUMNS, type ProcessEntry } from './process-entry.ts';

const PS_MS = 2_000;

/** Who this process is; what cannot be found out is left out. */
export function identifySelf(): ProcessIdentity {
  return {
    kind: 'process',
    pid: process.pid,
    startTime: ownStartTime(),
    bootId: readTrimmed('/proc/sys/kernel/random/boot_id'),
    machine: machineName(),
    pidNamespace: attempt(() => readlinkSync('/proc/self/ns/pid')),
    thread: threadId,
  };
}

/** Looks for a process of this machine. Never throws. */
export async function sight(pid: number): Promise<ProcessSighting> {
  if (!Number.isInteger(pid) || pid <= 0) return { kind: 'hidden' };
  const signalled = canSignal(pid);
  if (signalled === 'gone') return { kind: 'gone' };
  if (process.platform === 'linux') {
    return sightingOf(attempt(() => parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1')))) ?? recheck(pid);
  }
  if (process.platform === 'win32') return { kind: 'hidden' };
  return sightWithPs(pid);
}

function sightingOf(entry: ProcessEntry | null | undefined): ProcessSighting | undefined {
  if (!entry) return undefined;
  return entry.zombie ? { kind: 'zombie' } : { kind: 'running', startTime: entry.startTime };
}

/** The stat file vanished between two looks, or is hidden (hidepid, another user). */
function recheck(pid: number): ProcessSighting {
  return canSignal(pid) === 'gone' ? { kind: 'gone' } : { kind: 'hidden' };
}

function canSignal(pid: number): 'there' | 'gone' | 'unsure' {
  try {
    process.kill(pid, 0);
    return 'there';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'gone' : 'unsure';
  }
}

// lstart is printed in local time and in words, so both must be fixed for two processes to agree.
const PS_ENV = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
const psArguments = (pid: number): string[] => ['-o', PS_COLUMNS, '-p', String(pid)];

async function sightWithPs(pid: number): Promise<ProcessSighting> {
  try {
    const { stdout } = await promisify(execFile)('ps', psArguments(pid), { env: PS_ENV, timeout: PS_MS });
    return sightingOf(parsePs(stdout)[0]) ?? recheck(pid);
  } catch {
    // ps exits 1 when there is no such process; it may also be missing or slow.
    return recheck(pid);
  }
}

function ownStartTime(): string | undefined {
  if (process.platform === 'win32') return undefined;
  const look =
    process.platform === 'linux'
      ? () => parseStat(readFileSync('/proc/self/stat', 'latin1'))
      : () => parsePs(execFileSync('ps', psArguments(process.pid), { env: PS_ENV, timeout: PS_MS, encoding: 'utf8' }))[0];
  return attempt(look)?.startTime;
}

/** A stable name for the machine, hashed because the machine id is not to be published as it is. */
function machineName(): string {
  const id = readTrimmed('/etc/machine-id') || hostname();
  return createHash('sha256').update(`rehydrate ${id}`).digest('hex').slice(0, 16);
}

function readTrimmed(file: string): string | undefined {
  return attempt(() => readFileSync(file, 'utf8').trim()) || undefined;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
