/** What an actor tells those who follow its sessions: events as they are committed, in messages that arrive. */
import type { Host } from '../../engine/index.ts';
import { utf8Length } from '../../engine/transcript/text.ts';
import type { SessionEvent } from '../../engine/types.ts';

/** The broadcast that carries committed events: `{ sessionId, events }`. */
export const EVENTS = 'rehydrate.events';

/**
 * How many bytes of events one broadcast carries at most. RivetKit closes a connection rather than send
 * it more than `maxOutgoingMessageSize` (1 MiB unless `setup` says otherwise); what is larger is only announced, and
 * whoever follows reads it from the record.
 */
export const MAX_BROADCAST_BYTES = 256 * 1024;

/** How long until broadcasting goes on after a failure, in milliseconds. Doubles, up to 32 times this. */
const AGAIN_MS = 250;

/** What arrives with the `rehydrate.events` broadcast. */
export interface EventsBroadcast {
  readonly sessionId: string;
  /** In order. Empty when there is something new that is not in it, because it is too large or a broadcast failed: read it with `history`. */
  readonly events: readonly SessionEvent[];
}

/** What is used of the actor's context here. */
interface Broadcaster {
  broadcast(name: string, ...args: unknown[]): void;
  readonly log?: { error(what: object): void };
}

/**
 * Broadcasts a session's events with `seq > after` until the signal ends it, or the session's end. Never rejects: nobody
 * waits for it, and a rejection would end the process with every actor in it. After a failure it announces that something
 * was missed, which sends followers to the record, and goes on behind it.
 */
export async function broadcastEvents(
  to: Broadcaster,
  host: Pick<Host, 'events'>,
  sessionId: string,
  after: number,
  signal: AbortSignal,
): Promise<void> {
  let seen = after;
  let missed = false;
  for (let pause = AGAIN_MS; ; pause = Math.min(pause * 2, 32 * AGAIN_MS)) {
    try {
      if (missed) to.broadcast(EVENTS, { sessionId, events: [] } satisfies EventsBroadcast);
      missed = false;
      return await send(to, host, sessionId, seen, signal, (seq) => {
        seen = seq;
        pause = AGAIN_MS;
      });
    } catch (error) {
      missed = true;
      // An actor that goes to sleep takes its connections with it; its next life is followed from the record.
      if (signal.aborted || (error as { code?: unknown }).code === 'session_not_found') return;
      to.log?.error({ msg: 'events could not be broadcast, and are tried again', sessionId, error: String(error) });
    }
    await aborted(signal, pause);
    if (signal.aborted) return;
  }
}

/** Sends what is committed in one go as few messages, none of them too large to arrive. Rejects with the first failure. */
async function send(
  to: Broadcaster,
  host: Pick<Host, 'events'>,
  sessionId: string,
  after: number,
  signal: AbortSignal,
  saw: (seq: number) => void,
): Promise<void> {
  const failed = new AbortController();
  let waiting: SessionEvent[] = [];
  const flush = () => {
    const all = waiting;
    waiting = [];
    for (const page of pages(all, MAX_BROADCAST_BYTES)) {
      const events = bytesOf(page[0] as SessionEvent) > MAX_BROADCAST_BYTES ? [] : page;
      to.broadcast(EVENTS, { sessionId, events } satisfies EventsBroadcast);
    }
  };
  const flushSoon = () => {
    try {
      if (!failed.signal.aborted) flush();
    } catch (error) {
      failed.abort(error);
    }
  };
  for await (const event of host.events(sessionId, { after, signal: AbortSignal.any([signal, failed.signal]) })) {
    saw(event.seq);
    if (waiting.push(event) === 1) setTimeout(flushSoon, 0);
  }
  failed.signal.throwIfAborted();
  flush();
}

const bytesOf = (event: SessionEvent): number => utf8Length(JSON.stringify(event));

/** Cuts events into runs of at most so many bytes; one that is larger by itself is a run of its own. */
export function pages(events: readonly SessionEvent[], maxBytes: number): SessionEvent[][] {
  const cut: SessionEvent[][] = [];
  let bytes = Infinity;
  for (const event of events) {
    const size = bytesOf(event);
    if (bytes + size > maxBytes) {
      cut.push([]);
      bytes = 0;
    }
    cut.at(-1)?.push(event);
    bytes += size;
  }
  return cut;
}

/** Resolves when the signal aborts, or after so many milliseconds. */
function aborted(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
