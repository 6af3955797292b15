/** What the parts of a host share. */
import type { Store } from '../storage/store.ts';
import type { Agents } from './agent-startup.ts';
import type { Config } from './config.ts';
import type { LeaseOptions } from './lease.ts';
import type { Subscriptions } from './subscriptions.ts';

export interface HostParts {
  readonly config: Config;
  readonly store: Store;
  readonly subscriptions: Subscriptions;
  readonly lease: LeaseOptions;
  readonly agents: Agents;
}
