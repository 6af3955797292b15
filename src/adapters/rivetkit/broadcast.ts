/** An actor tells the followers of its sessions that there is more to read. */
import type { Host } from '../../engine/index.ts';
import { delay } from '../../engine/waiting.ts';

/** The broadcast that says how far a session's record goes: `{ sessionId, latestSeq }`. */
export const EVENTS = 'rehydrate.events';

/** The pause after a failure. Doubles, up to 32 times this. */
const AGAIN_MS = 250;

/** What arrives with the `rehydrate.events` broadcast. The events themselves are read with `history`, in pages of any size. */
export interface EventsBroadcast {
  readonly sessionId: string;
  readonly latestSeq: number;
}

interface Broadcaster {
  broadcast(name: string, ...args: unknown[]): void;
  readonly log?: { error(what: object): void };
}

/**
 * Broadcasts a session's events with `seq > after` until the signal aborts or the session is deleted. Never rejects: nobody waits for it, and a
 * rejection would end the process with every actor in it.
 */
export async function broadcastEvents(
  to: Broadcaster,
  host: Pick<Host, 'events'>,
  sessionId: string,
  after: number,
  signal: AbortSignal,
): Promise<void> {
  let seen = after;
  for (let wait = AGAIN_MS; !signal.aborted; wait = Math.min(wait * 2, 32 * AGAIN_MS)) {
    try {
      for await (const { seq: latestSeq } of host.events(sessionId, { after: seen, signal })) {
        to.broadcast(EVENTS, { sessionId, latestSeq } satisfies EventsBroadcast);
        seen = latestSeq;
        wait = AGAIN_MS;
      }
      return;
    } catch (error) {
      if (signal.aborted || (error as { code?: unknown }).code === 'session_not_found') return;
      to.log?.error({ msg: 'events could not be broadcast, and are tried again', sessionId, error: String(error) });
    }
    await delay(wait, signal);
  }
}
