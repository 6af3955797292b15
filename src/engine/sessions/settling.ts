/**
 * Sessions whose end could not be written: a turn stands as running, or the lease as held, though nothing lives. It is
 * tried again until the storage works, so that nobody has to wait for this host to sleep (I9, I12).
 */
import { RehydrateError } from '../errors.ts';
import { LONGEST_MS } from '../with-limits.ts';

export interface Settling {
  /** Tries in a while, and again ever more seldom. A next prompt of the session need not wait for it. */
  later(sessionId: string): void;
  /** The host goes to sleep: everything open is tried once more, then left to the next host. */
  end(): Promise<void>;
}

/** The longest pause, in first pauses. */
const SLOWEST = 32;

/** `settle` may find nothing to do. It rejects when the storage still does not work. */
export function createSettling(settle: (sessionId: string) => Promise<void>, firstMs: number): Settling {
  const open = new Map<string, ReturnType<typeof setTimeout>>();
  let ended = false;

  /** True when there is nothing left to do here. */
  const attempt = (sessionId: string): Promise<boolean> =>
    settle(sessionId).then(
      () => true,
      // Another host has it, or it was deleted: then it is settled. Everything else may pass.
      (error: unknown) => RehydrateError.is(error) && (error.code === 'session_busy' || error.code === 'session_not_found'),
    );

  const wait = (sessionId: string, ms: number): void => {
    const timer = setTimeout(() => {
      void attempt(sessionId).then((done) => {
        if (open.get(sessionId) !== timer) return;
        open.delete(sessionId);
        if (!done && !ended) wait(sessionId, Math.min(ms * 2, firstMs * SLOWEST, LONGEST_MS));
      });
    }, ms);
    // This alone must not keep a process running.
    (timer as { unref?: () => void }).unref?.();
    open.set(sessionId, timer);
  };

  return {
    later(sessionId) {
      clearTimeout(open.get(sessionId));
      wait(sessionId, firstMs);
    },
    async end() {
      ended = true;
      const left = [...open];
      open.clear();
      for (const [, timer] of left) clearTimeout(timer);
      await Promise.all(left.map(([sessionId]) => attempt(sessionId)));
    },
  };
}
