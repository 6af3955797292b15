import type { LeaseOwner } from '../../engine/ports.ts';

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
