/** Finds out whether the process that owns a lease still lives: by its identity if that suffices, else by looking for it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';
import { PS_ENV, isGone, parsePs, type ProcessEntry, psArguments, psProcesses, readProcess } from '../stdio/process-table.ts';
import type { LeaseOwner, OwnerRegistry } from '../../engine/ports.ts';

/** Shared by all copies of this module in the thread, so that a second bundle sees the hosts of the first. */
const HOSTS = Symbol.for('acp-rehydrate.process-hosts');

interface ThreadHosts {
  readonly self: ProcessIdentity;
  readonly open: Set<string>;
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
  const shared = globalThis as { [HOSTS]?: ThreadHosts };
  const { self, open } = (shared[HOSTS] ??= { self: Object.freeze(identifySelf()), open: new Set() });
  return {
    self,
    opened: (hostId) => void open.add(hostId),
    closed: (hostId) => void open.delete(hostId),
    async alive(owner: LeaseOwner) {
      const verdict = livenessByIdentity(owner, self);
      return verdict === 'look' ? livenessBySighting(owner, self, await sight(owner.pid!), open) : verdict;
    },
  };
}

/** What was seen of the process with the owner's pid. `hidden`: there may be one, but it cannot be seen. */
export type ProcessSighting = Pick<ProcessEntry, 'startTime' | 'zombie'> | 'gone' | 'hidden';

/** The identity of this process as an owner of leases. */
export type ProcessIdentity = Omit<LeaseOwner, 'hostId'>;

type Liveness = boolean | 'unknown';

/**
 * What can be said without looking at any process: the owner is on another boot of this machine
 * (dead), somewhere this process cannot see (unknown), or a process worth looking for (`look`).
 */
export function livenessByIdentity(owner: LeaseOwner, self: ProcessIdentity): Liveness | 'look' {
  if (owner.kind !== 'process' || owner.pid === undefined) return 'unknown';
  const sameMachine = owner.machine === self.machine;
  // On another machine another boot id says nothing, because that machine may be running.
  if (owner.bootId !== undefined && self.bootId !== undefined && owner.bootId !== self.bootId)
    return owner.machine !== undefined && sameMachine ? false : 'unknown';
  // In another container of the same kernel, the same pid is another process.
  return (owner.bootId === undefined && !sameMachine) || owner.pidNamespace !== self.pidNamespace ? 'unknown' : 'look';
}

/** `openHosts` are the hosts open in this thread. */
export function livenessBySighting(
  owner: LeaseOwner,
  self: ProcessIdentity,
  seen: ProcessSighting,
  openHosts: ReadonlySet<string>,
): Liveness {
  if (seen === 'hidden') return 'unknown';
  if (seen === 'gone' || seen.zombie) return false;
  if (owner.startTime === undefined) return 'unknown';
  if (owner.startTime !== seen.startTime) return false;
  if (owner.pid !== self.pid || owner.startTime !== self.startTime) return true;
  // In this process a closed host is dead; another thread's hosts cannot be seen from here.
  return owner.thread === self.thread ? openHosts.has(owner.hostId) : 'unknown';
}

/** The identity of this process. What cannot be found out is undefined. */
function identifySelf(): ProcessIdentity {
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
  if (!Number.isInteger(pid) || pid <= 0) return 'hidden';
  // Not seen means gone, or hidden (hidepid, another user), or that `ps` is missing or slow.
  const seen = process.platform === 'linux' ? attempt(() => readProcess(pid)) : (await psProcesses(pid).catch(() => []))[0];
  return seen ?? (isGone(pid) ? 'gone' : 'hidden');
}

function ownStartTime(): string | undefined {
  if (process.platform === 'linux') return attempt(() => readProcess(process.pid))?.startTime;
  return attempt(() => parsePs(execFileSync('ps', psArguments(process.pid), { env: PS_ENV, timeout: 2_000, encoding: 'utf8' }))[0])
    ?.startTime;
}

/** The machine's id, hashed because it must not be published. */
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
