/**
 * A session's log as the updates of a replay: each message once, however many chunks it came in. Of how things are (commands, title, usage)
 * only the last word is told, at the end.
 */
import type { SessionEvent, SessionInfo, SessionUpdate, TurnEnded } from '../engine/index.ts';
import { classOf, messageIdOf, replacesMessage, roleOf } from '../engine/protocol/updates.ts';
import { extendRun, runToEvent, startRun, type ChunkRun } from '../engine/storage/chunks.ts';
import { lossNotice, noticeToolCall, turnNotice } from './notice.ts';

export interface Outgoing {
  readonly update: SessionUpdate;
  readonly meta?: SessionEvent['meta'];
  readonly rehydrate: {
    /** Once the client has this update, it has everything up to this number of the log. */
    readonly seq: number;
    /** The number of its first event, where it is made of several. */
    readonly from?: number;
    /** Where the update stands for the start or the end of a turn. */
    readonly turn?: TurnTold;
  };
}

/** What is told of a turn of others: that it runs, then how it ended. */
type TurnTold = { readonly turnId: string | null } & ({ readonly state: 'running' } | TurnEnded);

/** A longer message comes in several updates, so that nobody waits for all of it or holds it whole. */
const UPDATE_CHARS = 256 * 1024;

/** Messages that were replaced (ACP v2) as they were in the end, in the place where they began: in v1 nothing can be taken back. */
export function lastWords(events: readonly SessionEvent[]): readonly SessionEvent[] {
  if (!events.some(({ kind, payload }) => kind === 'update' && replacesMessage(payload))) return events;
  const told: (SessionEvent | null)[] = [...events];
  /** Where the pieces of each message stand. */
  const pieces = new Map<string, number[]>();
  for (const [at, event] of events.entries()) {
    if (event.kind !== 'update') continue;
    const { payload, meta } = event;
    const key = `${roleOf(payload, meta)} ${messageIdOf(payload)}`;
    const places = pieces.get(key) ?? [];
    places.push(at);
    pieces.set(key, places);
    if (messageIdOf(payload) === null || !replacesMessage(payload)) continue;
    const [first = at, ...rest] = places;
    for (const place of rest) told[place] = null;
    told[first] = { ...event, seq: (events[first] as SessionEvent).seq };
    places.length = 1;
  }
  return told.filter((event) => event !== null);
}

/** `tellsTurns`: the client knows the session up to some number, and is told of turns like one that stayed. */
export function createReplay(tellsTurns = false) {
  let open: { readonly run: ChunkRun; readonly from: number; seq: number } | null = null;

  const close = (): Outgoing[] => {
    if (!open) return [];
    const { payload, meta } = runToEvent(open.run) as { payload: SessionUpdate; meta?: SessionEvent['meta'] };
    const { from, seq } = open;
    open = null;
    return [{ update: payload, meta, rehydrate: from === seq ? { seq } : { seq, from } }];
  };

  return {
    push(event: SessionEvent): Outgoing[] {
      switch (event.kind) {
        case 'turn_started':
        case 'turn_ended': {
          const notice = event.kind === 'turn_ended' ? turnNotice(event.payload) : null;
          return [
            ...close(),
            ...(notice ? [{ update: noticeToolCall(notice, event.seq), rehydrate: { seq: event.seq - 1 } }] : []),
            ...(tellsTurns ? [{ update: NO_NEWS, rehydrate: { seq: event.seq, turn: turnTold(event) } }] : []),
          ];
        }
        case 'resumed': {
          const notice = lossNotice(event.payload);
          return notice ? [...close(), { update: noticeToolCall(notice, event.seq), rehydrate: { seq: event.seq } }] : [];
        }
      }
      if (event.kind !== 'update') return [];
      const { payload, meta, seq } = event;
      const kind = classOf(payload, meta);
      if (kind === 'state' || kind === 'notice') return [];
      if (event.origin === 'host') return [...close(), { update: ofTurn(payload, event.turnId), meta, rehydrate: { seq } }];
      if (open && open.run.text.length < UPDATE_CHARS && extendRun(open.run, event)) {
        open.seq = seq;
        return [];
      }
      const done = close();
      const run = startRun(event);
      if (run) open = { run, from: seq, seq };
      else done.push({ update: payload, meta, rehydrate: { seq } });
      return done;
    },
    end: close,
  };
}

/** ACP v1 has no word for the turns of others: this update says nothing, and its `_meta` tells a client that knows us. */
export const NO_NEWS: SessionUpdate = { sessionUpdate: 'session_info_update' };

export function turnTold(event: SessionEvent & { readonly kind: 'turn_started' | 'turn_ended' }): TurnTold {
  const { turnId } = event;
  return event.kind === 'turn_started' ? { turnId, state: 'running' } : { turnId, ...event.payload };
}

/** A prompt as another client sees it. Clients tell two prompts apart by the message's id, which a stored prompt may not have. */
export function ofTurn(update: SessionUpdate, turnId: string | null): SessionUpdate {
  const { messageId } = update as { messageId?: string | null };
  return turnId === null || typeof messageId === 'string' ? update : ({ ...update, messageId: turnId } as SessionUpdate);
}

/** How things are, told once after a replay. Modes and options are in the answer itself. */
export function stateOf({ title, commands, usage }: SessionInfo): SessionUpdate[] {
  return [
    ...(title === null ? [] : [{ sessionUpdate: 'session_info_update' as const, title }]),
    ...(commands === null ? [] : [{ sessionUpdate: 'available_commands_update' as const, availableCommands: [...commands] }]),
    ...(usage === null ? [] : [{ sessionUpdate: 'usage_update' as const, ...usage } as unknown as SessionUpdate]),
  ];
}
