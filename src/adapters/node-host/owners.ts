/** Whether the process that owns a lease still lives: first what can be said without looking, then what was seen of it. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { threadId } from 'node:worker_threads';
import { PS_COLUMNS, type ProcessEntry, parsePs, parseStat } from '../stdio/process-table.ts';
import type { LeaseOwner, OwnerRegistry } from '../../engine/ports.ts';

interface ThreadHosts {
  readonly self: ProcessIdentity;
  readonly open: Set<string>;
}

/** Shared by every copy of this module in the thread: a second bundle must see the hosts of the first. */
const HOSTS = Symbol.for('acp-rehydrate.process-hosts');

function threadHosts(): ThreadHosts {
  const shared = globalThis as { [HOSTS]?: ThreadHosts };
  return (shared[HOSTS] ??= { self: Object.freeze(identifySelf()), open: new Set() });
}

/**
 * Owners that are processes of this machine. A process is named for good by its pid, start time and
 * boot id (Linux: `/proc`; elsewhere `ps`), so a reused pid is never mistaken for its predecessor.
 * `alive` never throws; what it cannot see (another user's hidden process, another container,
 * another thread, Windows) is `unknown`, and such an owner's lease is free when it expires.
 *
 * @example
 * const database: SqlDatabase = { ...openMine('sessions.sqlite'), owners: processOwners() };
 */
export function processOwners(): OwnerRegistry {
  const { self, open } = threadHosts();
  return {
    self,
    opened: (hostId) => void open.add(hostId),
    closed: (hostId) => void open.delete(hostId),
    async alive(owner: LeaseOwner) {
      const verdict = livenessByIdentity(owner, self);
      if (verdict !== 'look') return verdict;
      return livenessBySighting(owner, self, await sight(owner.pid!), open);
    },
  };
}

/** What was seen of the process that has the owner's pid. */
export type ProcessSighting =
  | { readonly kind: 'gone' }
  | { readonly kind: 'zombie' }
  | { readonly kind: 'running'; readonly startTime: string }
  /** There is such a process, or there may be, and no more can be seen of it. */
  | { readonly kind: 'hidden' };

/** The lease owner's identity as this process has it. */
export type ProcessIdentity = Omit<LeaseOwner, 'hostId'>;

export type Liveness = boolean | 'unknown';

/**
 * What can be said without looking at any process: the owner is on another boot of this machine
 * (dead), somewhere this process cannot see (unknown), or a process worth looking for (`look`).
 */
export function livenessByIdentity(owner: LeaseOwner, self: ProcessIdentity): Liveness | 'look' {
  if (owner.kind !== 'process' || owner.pid === undefined) return 'unknown';
  if (differ(owner.bootId, self.bootId)) {
    // Another boot id on another machine says nothing: that machine may well be up.
    return owner.machine !== undefined && owner.machine === self.machine ? false : 'unknown';
  }
  if (owner.bootId === undefined && owner.machine !== self.machine) return 'unknown';
  // Same kernel, other container: its pids mean other processes here.
  if (owner.pidNamespace !== self.pidNamespace) return 'unknown';
  return 'look';
}

/** The verdict once the process was looked for. `openHosts` are the hosts open in this very thread. */
export function livenessBySighting(
  owner: LeaseOwner,
  self: ProcessIdentity,
  sighting: ProcessSighting,
  openHosts: ReadonlySet<string>,
): Liveness {
  switch (sighting.kind) {
    case 'gone':
    case 'zombie':
      return false;
    case 'hidden':
      return 'unknown';
    case 'running': {
      if (owner.startTime === undefined) return 'unknown';
      if (owner.startTime !== sighting.startTime) return false;
      if (owner.pid !== self.pid || owner.startTime !== self.startTime) return true;
      // This very process: a host closed here is dead although its process lives. Another thread's
      // hosts cannot be seen from this one.
      return owner.thread === self.thread ? openHosts.has(owner.hostId) : 'unknown';
    }
  }
}

function differ(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

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
