/**
 * Gives committed events to the followers of a session: first stored ones, then live ones, without a gap or a repeat (I2). A follower that
 * falls behind reads the database again instead of a growing buffer (I10). What another host writes is looked for now and then.
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
  /** Whether it must read the database, which has events that are not in `waiting`. */
  lagged: boolean;
  ended: boolean;
  wake: (() => void) | null;
}

interface Followed {
  readonly followers: Set<Follower>;
  /** The highest number that was published, or read by any of them. */
  seen: number;
  /** Tells the session from a later one of the same id. Null until it is read. */
  firstSeq: number | null;
}

export type Subscriptions = ReturnType<typeof createSubscriptions>;

interface SubscriptionOptions {
  readonly store: Store;
  readonly limits: Pick<Limits, 'subscriberEvents' | 'subscriberBytes' | 'followMs'>;
  /** See `progressOf`; null when there is no such session. */
  readonly progress: (sessionId: string) => Promise<SessionProgress | null>;
}

/** The first page is small. Later ones have as many events as fit these bounds, going by the size of the events before. */
const FIRST_PAGE = 16;
const PAGE_EVENTS = 256;
const PAGE_BYTES = 1024 * 1024;

export function createSubscriptions({ store, limits, progress }: SubscriptionOptions) {
  const sessions = new Map<string, Followed>();
  let closed = false;
  let timer: ReturnType<typeof setInterval> | undefined;

  const wake = (follower: Follower) => {
    follower.wake?.();
    follower.wake = null;
  };

  const updateFollowers = (sessionId: string, change: (follower: Follower) => void) => {
    for (const follower of sessions.get(sessionId)?.followers ?? []) {
      change(follower);
      wake(follower);
    }
  };

  /** Ends the followers. One who follows this id later follows another session. */
  const end = (sessionId: string) => {
    updateFollowers(sessionId, (follower) => (follower.ended = true));
    sessions.delete(sessionId);
  };
  /** Something was written without being published, so followers must read the database. */
  const invalidate = (sessionId: string) => updateFollowers(sessionId, (follower) => (follower.lagged = true));

  const look = async (sessionId: string, followed: Followed): Promise<void> => {
    const found = await progress(sessionId);
    if (followed.firstSeq === null || sessions.get(sessionId) !== followed) return;
    if (found?.firstSeq !== followed.firstSeq) end(sessionId);
    else if (found.latestSeq > followed.seen) invalidate(sessionId);
  };

  let looking: Promise<unknown> | null = null;
  /** Looks for what other hosts wrote. A failure is ignored: the follower that reads next reports it. */
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

  /**
   * Checks the cursor, and joins the followers of this very session. Separate, so that `found` is not kept in memory by a long-lived
   * follower.
   */
  const begin = async (sessionId: string, follower: Follower, joined: Followed, after: number): Promise<Followed> => {
    const found = await progress(sessionId);
    if (!found) throw sessionNotFound(sessionId);
    checkCursor(sessionId, after, found);
    joined.firstSeq ??= found.firstSeq;
    if (joined.firstSeq === found.firstSeq || sessions.get(sessionId) !== joined) return joined;
    // Another host deleted the session that the others follow, and made this one.
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
      updateFollowers(sessionId, (follower) => {
        if (follower.lagged) return;
        if (follower.waiting.length + events.length > limits.subscriberEvents || follower.waitingBytes + bytes > limits.subscriberBytes) {
          follower.waiting = [];
          follower.waitingBytes = 0;
          follower.lagged = true;
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
        wake(follower);
      };
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted) stop();
      let cursor = after;
      try {
        // After `add`, so that a delete from now on ends this follower.
        if (!follower.ended) followed = await begin(sessionId, follower, followed, after);
        for (;;) {
          if (follower.lagged) {
            // From here on live events are buffered again. Those that are on a page, too, are skipped by their number.
            follower.waiting = [];
            follower.waitingBytes = 0;
            follower.lagged = false;
            for (let limit = FIRST_PAGE; ;) {
              const page = await store.events(sessionId, { after: cursor, limit });
              let bytes = 0;
              for (const event of page) {
                // Then it belongs to a new session, made under this id after this one was deleted.
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

/** Error: `invalid_argument`, unless the cursor is 0 (the start) or the number of an event of this log. */
export function checkCursor(sessionId: string, after: number, { firstSeq, latestSeq }: Pick<SessionInfo, 'firstSeq' | 'latestSeq'>): void {
  if (after === 0 || (after >= firstSeq - 1 && after <= latestSeq)) return;
  const why =
    after > latestSeq
      ? `has no event ${after} yet; its last is ${latestSeq}`
      : `has no event ${after}: that was one of a session which had this id before and was deleted`;
  throw invalid(`Session "${sessionId}" ${why}. Read it from the start.`, { sessionId, after, firstSeq, latestSeq });
}
