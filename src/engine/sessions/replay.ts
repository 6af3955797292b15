/**
 * The replay of a session: what an agent says between its resume and the first prompt is matched against the log (I3), while the session is
 * being opened and afterwards (a late replay). Its states are
 *
 *     undecided → replaying → whole → over
 *
 * From `whole` it returns to `replaying` when more of the replay comes, or all of it again. It is `over` when a prompt is sent: from then
 * on the turn's filter recognises what is old. Between turns it may begin once more as `undecided`; then it drops only what repeats the
 * log.
 */
import { inBackground } from '../waiting.ts';
import type { Limits } from '../limits.ts';
import type { Connection } from '../protocol/connection.ts';
import { classOf, isConversation, messageIdOf, messageText, readToolCall, roleOf } from '../protocol/updates.ts';
import { whatFollows, type NativeMethod } from '../resume/decide.ts';
import { createReplayMatcher, type ReplayResult } from '../resume/match.ts';
import { sideOf, squeeze, type ReplayItem } from '../resume/match-messages.ts';
import type { LoggedUpdate } from '../storage/statements.ts';
import type { Store, StoredAgentSession } from '../storage/store.ts';
import type { ContentBlock, SessionUpdate } from '../types.ts';

export interface ReplayOutcome extends ReplayResult {
  /** False when the agent did not replay after a `session/resume`, and what came, if anything, is its own words. */
  readonly isReplay: boolean;
  /** What is to be stored: of a replay what the log lacks, as imported; else all that came, as the agent's. */
  readonly news: readonly LoggedUpdate[];
}

/** What came since a point of the replay, and its match with the log. */
interface Part {
  readonly matcher: ReturnType<typeof createReplayMatcher>;
  received: number;
  /** Updates that are no part of a conversation, such as notices and kinds of later versions. A replay may repeat them, too. */
  readonly beside: ReplayItem[];
  /** The last match, and how many updates it covered. */
  matched: { readonly received: number; readonly outcome: ReplayOutcome } | null;
}

type State =
  /** After `session/resume`, when most agents do not replay: the `items` may be a replay or the agent's own words. */
  | { readonly kind: 'undecided'; readonly part: Part; readonly items: ReplayItem[] }
  | { readonly kind: 'replaying'; readonly part: Part }
  /** The replay reached the end of the log. The `items` since then are more of it, the same again, or the agent's own words. */
  | { readonly kind: 'whole'; readonly replay: Part; readonly outcome: ReplayOutcome; readonly part: Part; readonly items: ReplayItem[] }
  | { readonly kind: 'over' };

/** Where a late replay goes, once the session is open. */
export interface LateReplay {
  readonly limits: Pick<Limits, 'replayQuietMs' | 'replayMaxMs'>;
  store(news: readonly LoggedUpdate[]): void;
  fail(error: unknown): void;
}

/** The rest of the replay that the agent may still send when the prompt is sent. */
export type Owed = Pick<ReplayOutcome, 'next' | 'nextToolCalls'>;

/**
 * How many quiet times the first message of a replay may take; any other may take one. Without it the session goes to a successor, so the
 * wait is longer.
 */
export const SILENCES_AT_FIRST = 4;

/** A wait that takes this much longer than asked does not count as silence of the agent: this process was held up. */
const STANDSTILL_MS = 40;

/**
 * No agent says this much outside of a conversation. While the session is being opened, so many updates are taken for a replay without the
 * user's words; afterwards they are settled without waiting for quiet.
 */
const MAX_ASIDE = 256;

export type Replay = ReturnType<ReturnType<typeof openReplay>>;

/**
 * Returns the function that makes a replay, each time that the agent is asked for the session. `began` tells where in the log the agent
 * session begins; null: with the first event.
 */
export function openReplay(
  store: Store,
  sessionId: string,
  began: StoredAgentSession | null,
  redact: (text: string) => string,
  isAdopted: boolean,
) {
  const fromSeq = began?.beganSeq ?? 0;
  // Each part reads the log anew, so that it sees what an earlier one imported.
  const newPart = (isWhole = false): Part => ({
    matcher: createReplayMatcher({
      log: store.eventsBackwards(sessionId),
      fromSeq,
      preamble: textsOf(began?.preamble ?? []),
      redact,
      isAdopted,
      // A completed turn counts as two messages. So no event of earlier turns need be read.
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
  /** Null while the session is being opened. */
  let late: LateReplay | null = null;
  /** Whether the replay goes on after a prompt was sent. */
  let outlasts = false;
  /** Whether the whole log was read for a turn, and no replay was recognised by it since. */
  let wasAsked = false;

  /**
   * Takes an update as a part of the replay; false when the replay is over. Between turns a replay that is over begins again with words of
   * the user's, or if it had not reached its end.
   */
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
      let isReplay = true;
      let news: readonly LoggedUpdate[];
      if (state.kind === 'replaying') news = newOf(part, result);
      else {
        // While it resumes a session, or between turns, an agent does not repeat what the log has by chance.
        const sorted = state.kind === 'undecided' && (!late || outlasts) ? result.sorted() : null;
        isReplay = sorted !== null && sorted.repeats.size > 0;
        news = isReplay ? ownAmong(sorted!, state.items, result) : ownOf(state.items, result);
      }
      const matched = { received, outcome: { ...result, isReplay, news } };
      part.matched = matched;
      return matched.outcome;
    }
  }

  // -------------------------------------------------------------- while the session is being opened

  /** Some agents answer first and replay afterwards. Waits until the agent is quiet, as long as messages are missing. */
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

  /** Updates that were handed on to be stored. Matching the same part again finds them once more. */
  const stored = new WeakSet<SessionUpdate>();
  let settling: Promise<unknown> = Promise.resolve();
  /** Set while updates wait for the agent to be quiet. */
  let waiting: { readonly since: number; readonly timer: ReturnType<typeof setTimeout> } | undefined;

  /** The session is open, and what was matched is on its way into the log. */
  function opened(to: LateReplay): void {
    late = to;
    if (state.kind === 'over') return;
    const { matched } = state.part;
    for (const { update } of matched?.outcome.news ?? []) stored.add(update);
    if (state.kind === 'undecided' && matched?.outcome.isReplay)
      for (const { update } of state.items.slice(0, matched.received)) stored.add(update);
    conclude();
  }

  /** What was matched is on its way into the log. Unless it is the middle of a replay, what follows is a part of its own. */
  function conclude(): void {
    if (state.kind === 'over' || state.part.received === 0 || isPending(state.part)) return;
    const { outcome } = state.part.matched!;
    if (state.kind === 'replaying') {
      if (outcome.reachedEnd) state = { kind: 'whole', replay: state.part, outcome, part: newPart(), items: [] };
    } else if (state.kind === 'undecided' && outlasts && !outcome.isReplay) {
      // Another client has the agent do something between our turns: that is shown as it comes.
      state = { kind: 'over' };
      outlasts = false;
    } else if (state.kind !== 'undecided' || !outlasts || !outcome.endsWithin) state = { ...state, part: newPart(), items: [] };
  }

  /**
   * Only after a quiet time is it known whether updates are a late replay. Then what is new of it is stored, so that it is seen although
   * nobody prompts.
   */
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

  /** Stores what is new since the last time, and returns what the agent still owes. */
  function settle(): Promise<Owed | null> {
    const settled = settling.then(async () => {
      if (state.kind === 'over') return null;
      if (state.kind === 'whole' && state.part.received === 0) return state.outcome;
      const outcome = await match();
      const news = outcome.news.filter(({ update }) => !stored.has(update));
      for (const { update } of news) stored.add(update);
      if (news.length > 0) late?.store(news);
      const owed = state.kind === 'whole' ? state.outcome : outcome;
      conclude();
      return owed;
    });
    settling = settled.catch(() => undefined);
    return settled;
  }

  /**
   * A prompt is about to be sent, or the agent is gone: stores the rest. Returns what the agent still owes; null when it was over before.
   */
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
    /** A turn has ended in which some of the replay came: the rest may follow. */
    outlast(): void {
      outlasts = true;
      wasAsked = false;
    },
    /** All that a replay could bring. The caller reads it once (`wasAsked`): an agent may put the prompt in other words at every turn. */
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

const isPending = ({ received, matched }: Part): boolean => received !== (matched?.received ?? 0);

const isUsers = ({ update, meta }: ReplayItem): boolean => roleOf(update, meta) === 'user';

/** What a replay brought that the log lacks: what was said elsewhere, and what is no part of the conversation. */
function newOf({ beside }: Part, { imported, besideInLog }: ReplayResult): LoggedUpdate[] {
  const taken = new Set(imported.map(({ update }) => update));
  // Of equal ones only the first is stored.
  const firsts = new Map(beside.toReversed().map((item) => [JSON.stringify(item.update), item]));
  const others = beside.filter((item) => {
    const json = JSON.stringify(item.update);
    return firsts.get(json) === item && !besideInLog.has(json) && !taken.has(item.update);
  });
  return [...imported.map((item): LoggedUpdate => ({ ...item, origin: 'import' })), ...others];
}

/** The agent's own words, which are no replay. Left out are tool calls that a whole replay may still end with. */
function ownOf(items: readonly ReplayItem[], { nextToolCalls }: Pick<ReplayResult, 'nextToolCalls'>): LoggedUpdate[] {
  return items.filter(({ update }) => classOf(update) !== 'tool_call' || !nextToolCalls.has(readToolCall(update).id));
}

/** Of updates that repeat the log in part: what the log lacks, and the rest of messages of which it has the beginning. */
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
    // Empty first chunks, and what was replaced, go with the message of their id.
    return others.has(update) || (!repeats.has(update) && ids.has(messageIdOf(update) ?? ''));
  };
  return [
    ...rest.map((item): LoggedUpdate => ({ ...item, origin: 'import' })),
    ...ownOf(items, result).filter((item) => isOwn(item) && !taken.has(item.update)),
  ];
}

/** The texts of a preamble, that of an embedded record included. */
function textsOf(blocks: readonly ContentBlock[]): string[] {
  return blocks.flatMap((block) =>
    block.type === 'text' ? [block.text] : block.type === 'resource' && 'text' in block.resource ? [block.resource.text] : [],
  );
}
