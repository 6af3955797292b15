/**
 * The replay of a session, from its first word to its last: what an agent says between its resume and the first prompt is matched against
 * the log (I3), first while the session is being opened, then late. It is
 *
 *     undecided → replaying → whole → over
 *
 * and from whole it goes back to replaying where more of it comes, or all of it again. It is over as soon as a prompt is sent: of what the
 * agent says from there on the filter of the turn knows what is old. Between turns it may begin once more, undecided: what says again what
 * the log has is dropped, and nothing else.
 */
import { inBackground } from '../waiting.ts';
import type { Limits } from '../limits.ts';
import type { Connection } from '../protocol/connection.ts';
import { classOf, isConversation, messageIdOf, messageText, readToolCall, roleOf } from '../protocol/updates.ts';
import { whatFollows, type NativeMethod } from '../resume/decide.ts';
import { createReplayMatcher, type ReplayResult } from '../resume/match.ts';
import { sideOf, squeeze, type ReplayItem } from '../resume/match-messages.ts';
import type { Store, StoredAgentSession } from '../storage/store.ts';
import type { ContentBlock, SessionUpdate } from '../types.ts';
import type { LoggedUpdate } from './logged-updates.ts';

export type { ReplayResult };

export interface ReplayOutcome extends ReplayResult {
  /** False when nothing was replayed after a `session/resume`: what came, if anything, is a notice and the like. */
  readonly isReplay: boolean;
  /** What is to be stored: of a replay what the log does not have, `origin: import`; else all that was said, as the agent's. */
  readonly news: readonly LoggedUpdate[];
}

interface Part {
  readonly matcher: ReturnType<typeof createReplayMatcher>;
  received: number;
  /** What came among a conversation and is not part of it (notices, kinds of later versions): a replay may bring it again. */
  readonly beside: ReplayItem[];
  /** What was made of the first so many. */
  matched: { readonly received: number; readonly outcome: ReplayOutcome } | null;
}

type State =
  /** After `session/resume`, where most agents do not replay: the `items` that came may be the agent's own words. */
  | { readonly kind: 'undecided'; readonly part: Part; readonly items: ReplayItem[] }
  /** All that comes is the replay. */
  | { readonly kind: 'replaying'; readonly part: Part }
  /** It reached the end of the log. The `items` that came since are more of it, the same again, or the agent's own words. */
  | { readonly kind: 'whole'; readonly replay: Part; readonly outcome: ReplayOutcome; readonly part: Part; readonly items: ReplayItem[] }
  | { readonly kind: 'over' };

/** What becomes of a replay when the session is open. */
export interface LateReplay {
  readonly limits: Pick<Limits, 'replayQuietMs' | 'replayMaxMs'>;
  store(news: readonly LoggedUpdate[]): void;
  fail(error: unknown): void;
}

/** What the replay had not brought yet when the prompt was sent. */
export type Owed = Pick<ReplayOutcome, 'next' | 'nextToolCalls'>;

/** The first message of a replay may take so many times as long: an agent that brings none is left for a new one. */
export const SILENCES_AT_FIRST = 4;

/** A wait that took so much too long says nothing of the agent: this process stood still. */
const STANDSTILL_MS = 40;

/** No agent says more outside a conversation: while the session is being opened it is a replay without the user's words; later it must not wait. */
const MAX_ASIDE = 256;

export type Replay = ReturnType<ReturnType<typeof openReplay>>;

/** Gives a replay for each time that the agent is asked for the session. Without `began` it goes back to the record's first event. */
export function openReplay(
  store: Store,
  sessionId: string,
  began: StoredAgentSession | null,
  redact: (text: string) => string,
  isAdopted: boolean,
) {
  const fromSeq = began?.beganSeq ?? 0;
  // Matched against the log as it is then, with what was imported before.
  const newPart = (isWhole = false): Part => ({
    matcher: createReplayMatcher({
      log: store.eventsBackwards(sessionId),
      fromSeq,
      preamble: textsOf(began?.preamble ?? []),
      redact,
      isAdopted,
      // A completed turn is two messages; counting turns reads no event.
      ...(isWhole ? {} : { countBefore: async (seq) => 2 * (await store.completedTurns(sessionId, fromSeq, seq)) }),
    }),
    received: 0,
    beside: [],
    matched: null,
  });
  return (method: NativeMethod) => createReplay(newPart, method);
}

function createReplay(newPart: (isWhole?: boolean) => Part, method: NativeMethod) {
  let state: State = method === 'session/load' ? { kind: 'replaying', part: newPart() } : { kind: 'undecided', part: newPart(), items: [] };
  let late: LateReplay | null = null;
  /** It was still under way when a prompt was sent. */
  let outlasts = false;
  /** Whether the whole log was asked for, and told nothing of what had come. */
  let wasAsked = false;

  /** Takes an update as a part of the replay; false when that is over. Between turns it begins again with words of the user's, or where it was not at its end. */
  function take(update: SessionUpdate, meta: ReplayItem['meta'], isBetweenTurns: boolean): boolean {
    if (state.kind === 'over') {
      outlasts ||= isBetweenTurns && isUsers({ update, ...(meta && { meta }) });
      if (!isBetweenTurns || !outlasts) return false;
      state = { kind: 'undecided', part: newPart(), items: [] };
    }
    const { part } = state;
    if (!part.matcher.take(update, meta)) return false;
    part.received++;
    const item = meta ? { update, meta } : { update };
    if (!isConversation(update, meta)) part.beside.push(item);
    if (state.kind !== 'replaying') state.items.push(item);
    if (state.kind === 'undecided' && !outlasts && (isUsers(item) || (!late && state.items.length > MAX_ASIDE)))
      state = { kind: 'replaying', part };
    if (late) settleSoon(late);
    return true;
  }

  /** Matches what came so far, and decides what it is. */
  async function match(): Promise<ReplayOutcome> {
    for (;;) {
      if (state.kind === 'over') throw new Error('a replay that is over is not matched');
      const { part } = state;
      const { received } = part;
      if (part.matched?.received === received) return part.matched.outcome;
      const result = await part.matcher.end();
      if (state.kind === 'whole') {
        const { items, replay, outcome } = state;
        const text = squeeze(items.map(({ update, meta }) => (sideOf(update, meta) ? messageText(update) : '')).join(''));
        const { endsNew, next } = outcome;
        const before = { endsNew, next: squeeze(next[0]?.text ?? '') };
        const follows = whatFollows(before, { hasUser: items.some(isUsers), beginsOurs: result.beginsOurs, text });
        if (follows !== 'own') state = { kind: 'replaying', part: follows === 'again' ? part : replay };
        if (follows === 'more') {
          for (const { update, meta } of items) replay.matcher.take(update, meta);
          for (const item of part.beside) replay.beside.push(item);
          replay.received += part.received;
          continue;
        }
      }
      // While it is asked for the session, an agent that must not replay does not repeat what we have by chance.
      const sorted = state.kind === 'undecided' && (!late || outlasts) ? result.sorted() : null;
      const isRestated = sorted !== null && sorted.repeats.size > 0;
      const isReplay = state.kind === 'replaying' || isRestated;
      const news =
        state.kind === 'replaying' ? newOf(part, result) : isRestated ? ownAmong(sorted, state.items, result) : ownOf(state.items, result);
      part.matched = { received, outcome: { ...result, isReplay, news } };
      return part.matched.outcome;
    }
  }

  // -------------------------------------------------------------- while the session is being opened

  /** Some agents answer first and replay after: waits until it is quiet, while messages are missing. */
  async function untilQuiet(connection: Connection, limits: Limits): Promise<ReplayOutcome> {
    const deadline = performance.now() + limits.replayMaxMs;
    for (let silences = 0; ;) {
      const outcome = await match();
      const { reachedEnd, verified } = outcome;
      const left = deadline - performance.now();
      const isAll = reachedEnd && verified !== 'replay-empty';
      if (isAll || left <= 0 || connection.exit !== null) return outcome;
      const before = receivedOf(state);
      const wait = Math.min(limits.replayQuietMs, left);
      const since = performance.now();
      await connection.wait(wait);
      const stoodStill = performance.now() - since > wait + STANDSTILL_MS;
      silences = receivedOf(state) === before ? silences + (stoodStill ? 0 : 1) : 0;
      if (silences >= (receivedOf(state) === 0 ? SILENCES_AT_FIRST : 1)) return match();
    }
  }

  // -------------------------------------------------------------- late

  /** What was handed out to be stored, and is found again when the same part is matched again. */
  const given = new WeakSet<SessionUpdate>();
  let settling: Promise<unknown> = Promise.resolve();
  /** What came waits until it has been quiet. */
  let waiting: { readonly since: number; readonly timer: ReturnType<typeof setTimeout> } | undefined;

  /** The session is open, and what was matched is on its way into the log. */
  function opened(to: LateReplay): void {
    late = to;
    if (state.kind === 'over') return;
    const { matched } = state.part;
    for (const { update } of matched?.outcome.news ?? []) given.add(update);
    if (state.kind === 'undecided' && matched?.outcome.isReplay)
      for (const { update } of state.items.slice(0, matched.received)) given.add(update);
    conclude();
  }

  /** What was matched is on its way into the log: what follows is judged by itself, if that was not a replay, or a whole one. */
  function conclude(): void {
    if (state.kind === 'over' || state.part.received === 0 || isPending(state.part)) return;
    const { outcome } = state.part.matched!;
    // Between turns: what another client has the agent do is shown as it comes.
    if (outlasts && state.kind === 'undecided' && !outcome.isReplay) [state, outlasts] = [{ kind: 'over' }, false];
    else if (state.kind === 'undecided' && outlasts && outcome.endsWithin) return;
    else if (state.kind !== 'replaying') state = { ...state, part: newPart(), items: [] };
    else if (outcome.reachedEnd) state = { kind: 'whole', replay: state.part, outcome, part: newPart(), items: [] };
  }

  /** Whether it is a late replay is known when it has been quiet. Then what is new of it is stored, so that it is seen although nobody prompts. */
  function settleSoon({ limits, fail }: LateReplay): void {
    const now = performance.now();
    const since = waiting?.since ?? now;
    clearTimeout(waiting?.timer);
    const isFull = 'items' in state && state.part.received - (state.part.matched?.received ?? 0) >= MAX_ASIDE;
    const left = isFull ? 0 : Math.max(0, Math.min(limits.replayQuietMs, since + limits.replayMaxMs - now));
    const onQuiet = () => {
      waiting = undefined;
      settle().catch(fail);
    };
    waiting = { since, timer: inBackground(setTimeout(onQuiet, left)) };
  }

  /** Stores what is new since the last time, and gives what is still owed. */
  function settle(): Promise<Owed | null> {
    const settled = settling.then(async () => {
      if (state.kind === 'over') return null;
      if (state.kind === 'whole' && state.part.received === 0) return state.outcome;
      const outcome = await match();
      const news = outcome.news.filter(({ update }) => !given.has(update));
      for (const { update } of news) given.add(update);
      if (news.length > 0) late?.store(news);
      const owed = state.kind === 'whole' ? state.outcome : outcome;
      conclude();
      return owed;
    });
    settling = settled.catch(() => undefined);
    return settled;
  }

  /** A prompt is about to be sent, or the agent is gone: what still came is stored. Gives what was owed then; null when it was over before. */
  async function end(): Promise<Owed | null> {
    for (;;) {
      const owed = await settle();
      if (state.kind !== 'over' && isPending(state.part)) continue;
      clearTimeout(waiting?.timer);
      outlasts ||= state.kind === 'replaying';
      state = { kind: 'over' };
      return owed;
    }
  }

  return {
    take,
    /** It was heard in a turn: the rest of it may follow. */
    outlast(): void {
      [outlasts, wasAsked] = [true, false];
    },
    /** All that a replay could bring. An agent may put the prompt in other words at each turn: the log is read once for it. */
    async wholeLog(): Promise<Owed> {
      wasAsked = true;
      return newPart(true).matcher.end();
    },
    get wasAsked() {
      return wasAsked;
    },
    match,
    untilQuiet,
    opened,
    end,
    get received() {
      return receivedOf(state);
    },
  };
}

const receivedOf = (state: State): number => (state.kind === 'over' ? 0 : state.part.received);

/** Whether anything came since it was last matched. */
const isPending = ({ received, matched }: Part): boolean => received !== (matched?.received ?? 0);

const isUsers = ({ update, meta }: ReplayItem): boolean => roleOf(update, meta) === 'user';

/** What a replay brought that the log does not have: what was said elsewhere, and what stood beside the conversation. */
function newOf({ beside }: Part, { imported, besideInLog }: ReplayResult): LoggedUpdate[] {
  const taken = new Set(imported.map(({ update }) => update));
  // The first of those that say the same.
  const left = new Map(beside.toReversed().map((item) => [JSON.stringify(item.update), item]));
  const others = beside.filter((item) => {
    const json = JSON.stringify(item.update);
    return left.get(json) === item && !besideInLog.has(json) && !taken.has(item.update);
  });
  return [...imported.map((item): LoggedUpdate => ({ ...item, origin: 'import' })), ...others];
}

/** What was said and is not a replay. A whole replay may still end with the tool calls that stood beside its last words. */
function ownOf(items: readonly ReplayItem[], { nextToolCalls }: Pick<ReplayResult, 'nextToolCalls'>): LoggedUpdate[] {
  return items.filter(({ update }) => classOf(update) !== 'tool_call' || !nextToolCalls.has(readToolCall(update).id));
}

/** What stands among words of ours that were said again, and is not ours; and the rest of what we have only the beginning of. */
function ownAmong(
  { repeats, others }: ReturnType<ReplayResult['sorted']>,
  items: readonly ReplayItem[],
  result: ReplayResult,
): LoggedUpdate[] {
  const { isAllOurs, imported, besideInLog } = result;
  const rest = imported.filter(({ turnId }) => turnId !== null);
  const taken = new Set(rest.map(({ source }) => source));
  const ids = new Set([...others].flatMap((update) => messageIdOf(update) ?? []));
  const isOwn = ({ update, meta }: ReplayItem): boolean => {
    if (isAllOurs) return !isConversation(update, meta) && !besideInLog.has(JSON.stringify(update));
    if (sideOf(update, meta) === null) return !repeats.has(update);
    // The beginning of a message, without words, and what was replaced go with their message.
    return others.has(update) || (!repeats.has(update) && ids.has(messageIdOf(update) ?? ''));
  };
  return [
    ...rest.map((item): LoggedUpdate => ({ ...item, origin: 'import' })),
    ...ownOf(items, result).filter((item) => isOwn(item) && !taken.has(item.update)),
  ];
}

/** Those of an embedded record among them. */
function textsOf(blocks: readonly ContentBlock[]): string[] {
  return blocks.flatMap((block) =>
    block.type === 'text' ? [block.text] : block.type === 'resource' && 'text' in block.resource ? [block.resource.text] : [],
  );
}
