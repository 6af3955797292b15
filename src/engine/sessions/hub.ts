/**
 * Committed events to those who follow a session: stored first, then live, with no gap and no repeat
 * (I2). A follower that falls behind is fed from the database again instead of a growing buffer (I10).
 */
import type { SessionEvent } from '../types.ts';
import type { Store } from '../storage/store.ts';

interface Follower {
  waiting: SessionEvent[];
  lagged: boolean;
  ended: boolean;
  wake: (() => void) | null;
}

export interface Hub {
  publish(sessionId: string, events: readonly SessionEvent[]): void;
  /** Something was written that was not published: followers look into the database. */
  poke(sessionId: string): void;
  /** Ends the followers of a session, or of all. */
  end(sessionId?: string): void;
  follow(sessionId: string, after: number, signal: AbortSignal | undefined): AsyncGenerator<SessionEvent, void>;
}

const PAGE = 256;

export function createHub(store: Store, limit: number): Hub {
  const followers = new Map<string, Set<Follower>>();
  let closed = false;

  const each = (sessionId: string, act: (follower: Follower) => void) => {
    for (const follower of followers.get(sessionId) ?? []) {
      act(follower);
      follower.wake?.();
      follower.wake = null;
    }
  };

  return {
    publish(sessionId, events) {
      each(sessionId, (follower) => {
        if (follower.lagged) return;
        if (follower.waiting.length + events.length > limit) {
          follower.waiting = [];
          follower.lagged = true;
        } else follower.waiting.push(...events);
      });
    },
    poke(sessionId) {
      each(sessionId, (follower) => (follower.lagged = true));
    },
    end(sessionId) {
      if (sessionId === undefined) closed = true;
      for (const id of sessionId === undefined ? [...followers.keys()] : [sessionId]) each(id, (follower) => (follower.ended = true));
    },
    async *follow(sessionId, after, signal) {
      const follower: Follower = { waiting: [], lagged: true, ended: closed, wake: null };
      const set = followers.get(sessionId) ?? new Set();
      followers.set(sessionId, set.add(follower));
      const stop = () => {
        follower.ended = true;
        follower.wake?.();
        follower.wake = null;
      };
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted) stop();
      let cursor = after;
      try {
        for (;;) {
          if (follower.lagged) {
            // From here on live events are kept again; what the page holds already is skipped by its number.
            follower.lagged = false;
            follower.waiting = [];
            for (;;) {
              const page = await store.events(sessionId, { after: cursor, limit: PAGE });
              for (const event of page) {
                cursor = event.seq;
                yield event;
                if (signal?.aborted) return;
              }
              if (page.length < PAGE) break;
            }
            continue;
          }
          const event = follower.waiting.shift();
          if (event) {
            if (event.seq <= cursor) continue;
            if (event.seq > cursor + 1) {
              follower.lagged = true;
              continue;
            }
            cursor = event.seq;
            yield event;
            if (signal?.aborted) return;
          } else if (follower.ended) return;
          else await new Promise<void>((resolve) => (follower.wake = resolve));
        }
      } finally {
        signal?.removeEventListener('abort', stop);
        set.delete(follower);
        if (set.size === 0) followers.delete(sessionId);
      }
    },
  };
}
