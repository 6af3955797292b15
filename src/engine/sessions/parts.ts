import type { Store } from '../storage/store.ts';
import type { Agents } from './agent-startup.ts';
import type { Config } from './config.ts';
import type { Subscriptions } from './subscriptions.ts';

/** What the sessions of a host share. */
export interface HostParts {
  readonly config: Config;
  readonly store: Store;
  readonly subscriptions: Subscriptions;
  readonly agents: Agents;
  /** This host as the owner of a lease, as JSON text. */
  readonly self: string;
  /** Nobody knows whether this host holds the lease: it is let go when the storage works. */
  readonly later: (sessionId: string) => void;
}
