/** Following a session of an actor from anywhere: stored events, then live ones, across reconnects. */
import type { SessionEvent } from '../../engine/types.ts';
import { EVENTS, type EventsBroadcast } from './actor.ts';

/** What is used of a RivetKit connection to the actor. */
export interface SessionConnection {
  history(sessionId: string, range: { after: number; limit: number }): Promise<SessionEvent[]>;
  on(name: string, listener: (message: EventsBroadcast) => void): () => void;
  /** Called when the connection opens, and each time it opens again. */
  onOpen?(listener: () => void): () => void;
}

const PAGE = 500;

/**
 * Events with `seq > after`, with no gap and no repeat: a broadcast that does not follow on what was seen
 * last (one was missed while the connection was down) sends the reader back to the record.
 */
export async function* followSession(
  connection: SessionConnection,
  sessionId: string,
  { after = 0, signal }: { readonly after?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<SessionEvent, void> {
  let cursor = after;
  let behind = true;
  let waiting: SessionEvent[] = [];
  let wake: (() => void) | null = null;
  const nudge = () => {
    wake?.();
    wake = null;
  };
  const stops = [
    connection.on(EVENTS, (message) => {
      if (message.sessionId !== sessionId) return;
      // Rather read the record again than keep without bound what nobody fetches.
      if (waiting.length > PAGE) {
        waiting = [];
        behind = true;
      } else waiting.push(...message.events);
      nudge();
    }),
    connection.onOpen?.(() => {
      behind = true;
      nudge();
    }),
  ];
  signal?.addEventListener('abort', nudge, { once: true });
  try {
    while (!signal?.aborted) {
      if (behind) {
        behind = false;
        for (;;) {
          const page = await connection.history(sessionId, { after: cursor, limit: PAGE });
          for (const event of page) {
            if (signal?.aborted) return;
            cursor = event.seq;
            yield event;
          }
          if (page.length < PAGE) break;
        }
        continue;
      }
      const event = waiting.shift();
      if (!event) await new Promise<void>((resolve) => (wake = resolve));
      else if (event.seq > cursor + 1) behind = true;
      else if (event.seq === cursor + 1) {
        cursor = event.seq;
        yield event;
      }
    }
  } finally {
    signal?.removeEventListener('abort', nudge);
    for (const stop of stops) stop?.();
  }
}
