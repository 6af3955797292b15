/** Follows a session of an actor from anywhere: stored events, then live ones, across reconnects. */
import { checkOptions } from '../../engine/check-options.ts';
import { within } from '../../engine/waiting.ts';
import type { SessionEvent } from '../../engine/types.ts';
import { EVENTS, type EventsBroadcast } from './broadcast.ts';

/** The part of a RivetKit connection (from `handle.connect()`) that is used. */
export interface SessionConnection {
  history(sessionId: string, range: { after: number; limit: number; maxBytes: number }): Promise<SessionEvent[]>;
  on(name: string, listener: (message: EventsBroadcast) => void): () => void;
  /** Called when the connection opens, and each time it opens again. */
  onOpen?(listener: () => void): () => void;
  /** RivetKit's states; `idle` after `disconnected` means that it has given up. */
  onStatusChange?(listener: (status: string) => void): () => void;
}

const PAGE = 500;
/** Well below the largest message of RivetKit, which is 1 MiB by default. */
const PAGE_BYTES = 512 * 1024;
/**
 * How long one read of the record may take before it is repeated, in milliseconds. A connection whose runner died may stay open for a while
 * and never answer. To read twice does no harm.
 */
export const READ_AGAIN_MS = 5_000;

/**
 * Events with `seq > after`, with no gap and no repeat: they are read from the record whenever the actor tells that there are
 * more, or the connection opens again. A connection that is lost is waited for; one that RivetKit gave up ends with its error,
 * and a new one can go on after the last `seq`. A session that is deleted ends with `session_not_found`.
 *
 * @example
 * for await (const event of followSession(connection, 'main', { after: lastSeen })) console.log(event.seq, event.kind);
 */
export async function* followSession(
  connection: SessionConnection,
  sessionId: string,
  options: { readonly after?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<SessionEvent, void> {
  checkOptions('followSession', options, ['after', 'signal']);
  const { after = 0, signal } = options;
  let cursor = after;
  let behind = true;
  /** The newest event that the actor has announced. */
  let latest = Infinity;
  let wake: (() => void) | null = null;
  let opened = 0;
  let status = 'connecting';
  const nudge = () => {
    wake?.();
    wake = null;
  };
  const nudged = () => new Promise<void>((resolve) => (wake = resolve));
  const stops = [
    connection.on(EVENTS, (message) => {
      if (message.sessionId !== sessionId) return;
      behind = true;
      latest = message.deleted ? Infinity : message.latestSeq;
      nudge();
    }),
    connection.onOpen?.(() => {
      behind = true;
      latest = Infinity;
      opened += 1;
      nudge();
    }),
    connection.onStatusChange?.((now) => {
      status = now;
      nudge();
    }),
  ];
  signal?.addEventListener('abort', nudge, { once: true });

  /** The next page after the cursor; null if the reader has left. Waits while the connection is lost. */
  async function page(): Promise<SessionEvent[] | null> {
    for (;;) {
      const opening = opened;
      try {
        const reading = connection.history(sessionId, { after: cursor, limit: PAGE, maxBytes: PAGE_BYTES });
        const events = await within(reading, READ_AGAIN_MS);
        if (events || signal?.aborted) return events ?? null;
      } catch (error) {
        if (!wasLost(error, status)) throw error;
        while (opened === opening && !signal?.aborted) {
          if (gaveUp()) throw error;
          await nudged();
        }
        if (signal?.aborted) return null;
      }
    }
  }
  const gaveUp = () => status === 'idle' || status === 'disposed';

  try {
    while (!signal?.aborted) {
      if (!behind) {
        if (gaveUp())
          throw new Error(`The connection to the actor is ${status}. Connect again, and follow session "${sessionId}" after ${cursor}.`);
        await nudged();
        continue;
      }
      behind = false;
      // A page may be short because of its size. So the end is an empty page, or the newest announced event.
      while (cursor < latest) {
        const events = await page();
        if (!events || events.length === 0) break;
        for (const event of events) {
          if (signal?.aborted) return;
          cursor = event.seq;
          yield event;
        }
      }
    }
  } finally {
    signal?.removeEventListener('abort', nudge);
    for (const stop of stops) stop?.();
  }
}

/** Whether a call failed because of its connection. */
function wasLost(error: unknown, status: string): boolean {
  const { group } = error as { group?: string };
  return status !== 'connected' && group !== 'user' && group !== 'message';
}
