/** What a host has in memory for one session, and one thing at a time for each. */
import type { PromptResult, SessionState } from '../types.ts';
import type { LiveSession } from './live-session.ts';
import type { SecretValues } from './secrets.ts';
import type { TurnHandle } from './turn.ts';

/** What a session is doing in this host. */
export type Activity =
  | { readonly kind: 'asleep' }
  | { readonly kind: 'starting'; readonly abort: AbortController }
  | { readonly kind: 'resuming'; readonly abort: AbortController }
  | { readonly kind: 'live'; readonly session: LiveSession }
  | { readonly kind: 'prompting'; readonly session: LiveSession; readonly turn: TurnHandle };

export interface Slot {
  activity: Activity;
  /** A prompt from its first look at the record to its result; at most one. */
  prompting: {
    readonly abort: AbortController;
    readonly idempotencyKey: string | undefined;
    readonly hash: Promise<string>;
    turn: TurnHandle | null;
    readonly result: Promise<PromptResult>;
  } | null;
  /** The end of the last thing that changed the session, so that the next waits for it. */
  tail: Promise<unknown>;
  /** How much is under way or waits its turn. While there is any, the slot must stay the session's only one. */
  waiting: number;
  /** Values given at `create`; gone with the host. */
  secrets: SecretValues | null;
}

export interface Slots {
  of(sessionId: string): Slot;
  has(sessionId: string): boolean;
  /** Forgets a session that is not in use and that nothing waits for. */
  forget(sessionId: string): void;
  entries(): IterableIterator<[string, Slot]>;
  /** How many sessions have an agent, or are getting one. */
  readonly occupied: number;
  /** Runs `work` when everything asked before for this session is over. */
  serially<T>(sessionId: string, work: (slot: Slot) => Promise<T>): Promise<T>;
}

export function createSlots(): Slots {
  const slots = new Map<string, Slot>();
  const of = (sessionId: string): Slot => {
    let slot = slots.get(sessionId);
    if (!slot)
      slots.set(sessionId, (slot = { activity: { kind: 'asleep' }, prompting: null, tail: Promise.resolve(), waiting: 0, secrets: null }));
    return slot;
  };
  return {
    of,
    has: (sessionId) => slots.has(sessionId),
    forget(sessionId) {
      const slot = slots.get(sessionId);
      if (slot && slot.waiting === 0 && slot.activity.kind === 'asleep' && slot.prompting === null) slots.delete(sessionId);
    },
    entries: () => slots.entries(),
    get occupied() {
      return [...slots.values()].filter((slot) => slot.activity.kind !== 'asleep').length;
    },
    serially(sessionId, work) {
      const slot = of(sessionId);
      slot.waiting += 1;
      const result = slot.tail.then(() => work(slot)).finally(() => (slot.waiting -= 1));
      slot.tail = result.catch(() => undefined);
      return result;
    },
  };
}

export function stateOf(activity: Activity): Exclude<SessionState, 'busy'> {
  return activity.kind;
}
