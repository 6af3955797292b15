/**
 * Committed events for the followers of a session: stored ones first, then live ones, with no gap and no repeat
 * (I2). A follower that falls behind is fed from the database again instead of from a growing buffer (I10), and what
 * another host wrote is looked for now and then.
 */
import { inBackground } from '../waiting.ts';
import { invalid, sessionNotFound } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { eventSize } from '../storage/chunks.ts';
import type { SessionProgress, Store } from '../storage/store.ts';
import type { SessionEvent, SessionInfo } from '../types.ts';

interface Follower {
  waiting: SessionEvent[];
  waitingBytes: number;
  /** The database has more that it has yet to see. */
  lagged: boolean;
  ended: boolean;
  wake: (() => void) | null;
}

interface Followed {
  readonly followers: Set<Follower>;
  /** The last number that any of them was offered. */
  seen: number;
  /** Tells the session from a later one of the same id; null until read. */
  firstSeq: number | null;
}

export type Subscriptions = ReturnType<typeof createSubscriptions>;

export interface SubscriptionOptions {
  readonly store: Store;
  readonly limits: Pick<Limits, 'subscriberEvents' | 'subscriberBytes' | 'followMs'>;
  /** After what a dead host left running was ended; null when there is no such session. */
  readonly progress: (sessionId: string) => Promise<SessionProgress | null>;
}

/** A page is read within these, so that a few large events do not make it large. */
const PAGE_EVENTS = 256;
const PAGE_BYTES = 1024 * 1024;
const FIRST_PAGE = 16;

export function createSubscriptions({ store, limits, progress }: SubscriptionOptions) {
  const sessions = new Map<string, Followed>();
  let closed = false;
  let timer: ReturnType<typeof setInterval> | undefined;

  const each = (sessionId: string, act: (follower: Follower) => void) => {
    for (const follower of sessions.get(sessionId)?.followers ?? []) {
      act(follower);
      follower.wake?.();
      follower.wake = null;
    }
  };

  /** Who follows the id from now on follows another session. */
  const end = (sessionId: string) => {
    each(sessionId, (follower) => (follower.ended = true));
    sessions.delete(sessionId);
  };
  /** Something was written without being published: followers read the database. */
  const invalidate = (sessionId: string) => each(sessionId, (follower) => (follower.lagged = true));

  const look = async (sessionId: string, followed: Followed): Promise<void> => {
    const found = await progress(sessionId);
    if (followed.firstSeq === null || sessions.get(sessionId) !== followed) return;
    if (found?.firstSeq !== followed.firstSeq) end(sessionId);
    else if (found.latestSeq > followed.seen) invalidate(sessionId);
  };

  let looking: Promise<unknown> | null = null;
  /** What another host writes is not published here. A failure to read is told by the follower that reads. */
  const lookAtAll = () => {
    looking ??= Promise.allSettled([...sessions].map(([sessionId, followed]) => look(sessionId, followed))).then(() => (looking = null));
  };

  const add = (sessionId: string, follower: Follower): Followed => {
    let followed = sessions.get(sessionId);
    if (!followed) {
      followed = { followers: new Set(), seen: 0, firstSeq: null };
      sessions.set(sessionId, followed);
      if (limits.followMs > 0) timer ??= inBackground(setInterval(lookAtAll, limits.followMs));
    }
    followed.followers.add(follower);
    return followed;
  };

  const remove = (sessionId: string, followed: Followed, follower: Follower) => {
    followed.followers.delete(follower);
    if (followed.followers.size > 0) return;
    if (sessions.get(sessionId) === followed) sessions.delete(sessionId);
    if (sessions.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  /** A function of its own, so that what was read is not kept for as long as the follower is there. */
  const begin = async (sessionId: string, follower: Follower, joined: Followed, after: number): Promise<Followed> => {
    const found = await progress(sessionId);
    if (!found) throw sessionNotFound(sessionId);
    checkCursor(sessionId, after, found);
    joined.firstSeq ??= found.firstSeq;
    if (joined.firstSeq === found.firstSeq || sessions.get(sessionId) !== joined) return joined;
    // Another host deleted the one that the others follow, and made this one.
    joined.followers.delete(follower);
    end(sessionId);
    const followed = add(sessionId, follower);
    followed.firstSeq = found.firstSeq;
    return followed;
  };

  return {
    publish(sessionId: string, events: readonly SessionEvent[]): void {
      const followed = sessions.get(sessionId);
      const last = events.at(-1);
      if (!followed || !last) return;
      followed.seen = Math.max(followed.seen, last.seq);
      let bytes = 0;
      for (const event of events) bytes += eventSize(event);
      each(sessionId, (follower) => {
        if (follower.lagged) return;
        if (follower.waiting.length + events.length > limits.subscriberEvents || follower.waitingBytes + bytes > limits.subscriberBytes) {
          Object.assign(follower, { waiting: [], waitingBytes: 0, lagged: true });
        } else {
          for (const event of events) follower.waiting.push(event);
          follower.waitingBytes += bytes;
        }
      });
    },
    invalidate,
    /** Ends the followers of a session, or of all. */
    end(sessionId?: string): void {
      if (sessionId === undefined) closed = true;
      for (const id of sessionId === undefined ? [...sessions.keys()] : [sessionId]) end(id);
    },
    async *follow(sessionId: string, after: number, signal: AbortSignal | undefined): AsyncGenerator<SessionEvent, void> {
      const follower: Follower = { waiting: [], waitingBytes: 0, lagged: true, ended: closed, wake: null };
      let followed = add(sessionId, follower);
      const stop = () => {
        follower.ended = true;
        follower.wake?.();
        follower.wake = null;
      };
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted) stop();
      let cursor = after;
      try {
        // Only now, when a delete would find this follower.
        if (!follower.ended) followed = await begin(sessionId, follower, followed, after);
        for (;;) {
          if (follower.lagged) {
            // From here on live events are kept again; those that the page has are skipped by their number.
            Object.assign(follower, { waiting: [], waitingBytes: 0, lagged: false });
            for (let limit = FIRST_PAGE; ;) {
              const page = await store.events(sessionId, { after: cursor, limit });
              let bytes = 0;
              for (const event of page) {
                // It is of another session, made under the id when this one was deleted.
                if (event.seq > cursor + 1 && event.seq !== (followed.firstSeq ?? event.seq)) return;
                cursor = event.seq;
                bytes += eventSize(event);
                yield event;
                if (signal?.aborted) return;
              }
              followed.seen = Math.max(followed.seen, cursor);
              if (page.length < limit) break;
              limit = Math.max(1, Math.min(PAGE_EVENTS, Math.floor((limit * PAGE_BYTES) / bytes)));
            }
            continue;
          }
          const event = follower.waiting.shift();
          if (event) {
            follower.waitingBytes -= eventSize(event);
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
        remove(sessionId, followed, follower);
      }
    },
  };
}

/** Error: `invalid_argument` where no event of this log has the number; 0 is the start. */
export function checkCursor(sessionId: string, after: number, { firstSeq, latestSeq }: Pick<SessionInfo, 'firstSeq' | 'latestSeq'>): void {
  if (after === 0 || (after >= firstSeq - 1 && after <= latestSeq)) return;
  const why =
    after > latestSeq
      ? `has no event ${after} yet; its last is ${latestSeq}`
      : `has no event ${after}: that was one of a session which had this id before and was deleted`;
  throw invalid(`Session "${sessionId}" ${why}. Read it from the start.`, { sessionId, after, firstSeq, latestSeq });
}
