/** Broadcasts to the followers of an actor's sessions that there is more to read. */
import { RehydrateError } from '../../engine/errors.ts';
import type { Host } from '../../engine/index.ts';
import { delay } from '../../engine/waiting.ts';

/** The name of the broadcast that says how far a session's record goes: `{ sessionId, latestSeq }`. */
export const EVENTS = 'rehydrate.events';

/** The pause after a failure. It doubles, up to 32 times this. */
const AGAIN_MS = 250;

/** What arrives with the `rehydrate.events` broadcast. The events themselves are read with `history`, in pages of any size. */
export interface EventsBroadcast {
  readonly sessionId: string;
  readonly latestSeq: number;
  /** There is nothing more to read: the session is gone. */
  readonly deleted?: true;
}

interface Broadcaster {
  broadcast(name: string, ...args: unknown[]): void;
  readonly log?: { error(what: object): void };
}

/**
 * Broadcasts how far a session is, and its events from here on, until the signal aborts or the session is deleted. Never rejects: nobody waits
 * for it, and a rejection would end the process with every actor in it.
 */
export async function broadcastEvents(
  to: Broadcaster,
  host: Pick<Host, 'events' | 'get'>,
  sessionId: string,
  signal: AbortSignal,
): Promise<void> {
  const tell = (message: EventsBroadcast) => to.broadcast(EVENTS, message);
  let seen: number | null = null;
  for (let wait = AGAIN_MS; !signal.aborted; wait = Math.min(wait * 2, 32 * AGAIN_MS)) {
    try {
      const found = await host.get(sessionId).catch(goneOnly);
      if (!found) {
        if (seen !== null) tell({ sessionId, latestSeq: seen, deleted: true });
        return;
      }
      // The call for which following began may have written before.
      if (seen === null || seen < found.firstSeq - 1) tell({ sessionId, latestSeq: (seen = found.latestSeq) });
      for await (const { seq: latestSeq } of host.events(sessionId, { after: seen, signal })) {
        tell({ sessionId, latestSeq });
        seen = latestSeq;
        wait = AGAIN_MS;
      }
    } catch (error) {
      if (signal.aborted) return;
      to.log?.error({ msg: 'events could not be broadcast, and are tried again', sessionId, error: String(error) });
    }
    await delay(wait, signal);
  }
}

function goneOnly(error: unknown): null {
  if (RehydrateError.is(error) && error.code === 'session_not_found') return null;
  throw error;
}
