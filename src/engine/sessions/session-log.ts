/** A session's place in its log: the writer, fenced by the lease, and the lease renewed for as long as the session is held. */
import { createWriter } from '../storage/writer.ts';
import type { Fence } from '../storage/statements.ts';
import type { HostParts } from './host-parts.ts';
import type { SessionLog } from './session.ts';

export function openLog(
  { config, store, subscriptions }: Pick<HostParts, 'config' | 'store' | 'subscriptions'>,
  {
    fence,
    latestSeq,
    redact,
    onLost,
  }: {
    readonly fence: Fence;
    readonly latestSeq: number;
    readonly redact: <T>(value: T) => T;
    /** Nothing more can be written: the lease is another host's, or nobody knows what is in the log. */
    readonly onLost: (reason: unknown) => void;
  },
): SessionLog {
  const { database, limits, clock } = config;
  const writer = createWriter({
    db: database,
    store,
    fence,
    latestSeq,
    limits,
    clock,
    redact,
    onCommitted: (events) => subscriptions.publish(fence.sessionId, events),
    onLost,
  });
  const every = Math.max(1, Math.floor(limits.leaseMs / 3));
  const timer = setInterval(() => {
    // One that writes renews the lease as it writes.
    if (clock() - writer.renewedAt < every) return;
    writer.append({ events: [] }).catch(onLost);
  }, every);
  // A lease alone must not keep a process running.
  (timer as { unref?: () => void }).unref?.();
  return { writer, fence, stop: () => clearInterval(timer) };
}
