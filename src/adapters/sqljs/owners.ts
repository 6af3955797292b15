import type { LeaseOwner, OwnerRegistry } from '../../engine/ports.ts';
import { randomId } from '../../engine/random-id.ts';

/** The owners of a database that only this page can see. */
export function pageOwners(): OwnerRegistry {
  const open = new Set<string>();
  const page = randomId();
  return {
    self: { kind: 'page', lock: page },
    opened: (hostId) => void open.add(hostId),
    closed: (hostId) => void open.delete(hostId),
    alive: (owner) => (owner.lock === page ? open.has(owner.hostId) : 'unknown'),
  };
}

interface TabHosts {
  readonly lock: string;
  readonly open: Set<string>;
  readonly held: Promise<void>;
}

/** Shared by all copies of this module in the tab, so that a second bundle sees the hosts of the first. */
const HOSTS = Symbol.for('acp-rehydrate.tab-hosts');

/**
 * Owners that are tabs (or workers) of this origin. Each holds a Web Lock of its own for as long as it
 * lives, however it ends; a lock nobody holds belongs to a tab that is gone. Resolves once this tab's
 * lock is held, so that no lease is ever written by a tab that looks dead.
 *
 * @example
 * const owners = await tabOwners(navigator.locks);
 */
export async function tabOwners(locks: LockManager): Promise<OwnerRegistry> {
  const shared = globalThis as { [HOSTS]?: TabHosts };
  const { lock, open, held } = (shared[HOSTS] ??= holdTabLock(locks));
  await held;
  return {
    self: { kind: 'tab', lock },
    opened: (hostId) => void open.add(hostId),
    closed: (hostId) => void open.delete(hostId),
    async alive(owner: LeaseOwner) {
      if (owner.kind !== 'tab' || owner.lock === undefined) return 'unknown';
      if (owner.lock === lock) return open.has(owner.hostId);
      try {
        const { held: all = [] } = await locks.query();
        return all.some(({ name }) => name === owner.lock);
      } catch {
        // The page is being closed, or was refused. So the lease's expiry decides.
        return 'unknown';
      }
    },
  };
}

function holdTabLock(locks: LockManager): TabHosts {
  const lock = `rehydrate:tab:${randomId()}`;
  const held = new Promise<void>((resolve, reject) => {
    // Never settles, so the lock is held until the browser releases it when the tab ends.
    locks.request(lock, () => (resolve(), new Promise(() => undefined))).catch(reject);
  });
  return { lock, open: new Set(), held };
}
