import type { LeaseOwner, OwnerRegistry } from '../../engine/ports.ts';
import { livenessByIdentity, livenessBySighting, type ProcessIdentity } from './owner-liveness.ts';
import { identifySelf, sight } from './processes.ts';

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
