/**
 * Matching a replay against the log (DESIGN §6): what the agent repeats is not stored again, what it adds is
 * stored once, and how much of our conversation it has is known at the end.
 *
 * Updates are pushed as they come; `finish` reads the log backwards, only as far as the replay reaches, and may be
 * called again when more came late. Decisions:
 *
 * - **A message** is all that one side said until the other spoke, its white space left out. Agents stream in other
 *   chunks, under other ids and with other tool calls in between than they replay.
 * - **Order counts, position does not.** The longest common order of both lists is matched, so a capped replay, a
 *   message the agent lost and one it made up cost nothing but themselves.
 * - **Only a tail is imported**: what follows the last message both have, beginning with words of the user's. Before
 *   that, a message we do not have is the agent's rendering of one we do, and is only counted.
 * - **What the log has is not imported, wherever it comes**: an agent that replays in another order has messages of ours
 *   in its tail. As often as the log says a thing, it is ours; said more often than that, it is new.
 * - **A tail that repeats what came before it** is the replay sent twice, not the user doing everything again.
 * - **The remainder of an interrupted turn** is what goes on behind the text we have of it.
 */
import type { OwedMessage } from './match-live.ts';
import type { NewestFirst } from '../transcript/render.ts';
import { RECORD_CLOSING, RECORD_OPENING } from '../transcript/render.ts';
import type { SessionUpdate, Verification } from '../types.ts';
import { align } from './match-align.ts';
import { findBeside, findElsewhere, foundIn, leftoversOf, type Leftovers, type Place } from './match-elsewhere.ts';
import { readLog, textOf, variantsOf, type LoggedMessage, type LogReader, type Variant } from './match-log.ts';
import { createReplayLog, type ReplayedMessage, type ReplayItem, type ReplayLog } from './match-replay.ts';
import { findTail } from './match-tail.ts';
import { isRendering, isTelling, squeeze, type Role } from './match-text.ts';
import { verifyReplay } from './verify.ts';

export interface ReplayMatcherOptions {
  /** The log, newest first; events before `fromSeq` are not looked at, and need not be given. */
  readonly log: NewestFirst;
  /** The event with which this agent session began. Default 0: all of the log. */
  readonly fromSeq?: number;
  /** The texts of the preamble this agent session was given, or null. Its opening and closing words are known anyway. */
  readonly preamble?: string | readonly string[] | null;
  /** Replaces known secrets. Runs over whole messages of both sides, so that other chunks hide nothing. */
  readonly redact?: (text: string) => string;
  /**
   * How many messages of this agent session the log holds before a seq. Asked when the replay was matched without reading
   * that far, so that `missing` is true. Without it the log is read to its beginning.
   */
  readonly countBefore?: (seq: number) => Promise<number>;
}

export interface ReplayImport extends ReplayItem {
  /** The interrupted turn it completes; null for what was said in another client. */
  readonly turnId: string | null;
}

export interface ReplayResult {
  readonly verified: Verification;
  /** Messages that came, that we have, that we expected in vain, that are new. */
  readonly received: number;
  readonly matched: number;
  readonly missing: number;
  readonly importedMessages: number;
  /**
   * The new updates in order, as the agent sent them, except that a chunk we have part of holds the rest of it. A later
   * `finish` gives the same `update` objects again, so what was stored before can be told by identity.
   */
  readonly imported: readonly ReplayImport[];
  /** Whether the log holds anything that a replay should bring. */
  readonly expectsMessages: boolean;
  /** Whether it reached the newest message it should bring. While it did not, more may come late. */
  readonly reachedEnd: boolean;
  /** The messages that should come next, for `createLiveFilter`. */
  readonly next: readonly OwedMessage[];
  /** Tool calls of the messages that should come next. */
  readonly nextToolCalls: ReadonlySet<string>;
}

export interface ReplayMatcher {
  /** Takes one update; false when it is none of a conversation's (mode, commands, usage, …) and the caller's own. */
  push(update: SessionUpdate, meta?: Readonly<Record<string, unknown>>): boolean;
  /** Messages so far. */
  readonly received: number;
  /** Matches what came so far. May be called again after more was pushed. */
  finish(): Promise<ReplayResult>;
  /** Forgets what was pushed, for a second attempt. What was read of the log is kept. */
  restart(): void;
}

/** State of the session, not part of the conversation: kept as last-known values by whoever drives this. */
const STATE = new Set(['available_commands_update', 'current_mode_update', 'config_option_update', 'session_info_update', 'usage_update']);

/** How many messages more than the replay holds are read of the log before its end is matched. */
const READ_AHEAD = 8;

export function createReplayMatcher(options: ReplayMatcherOptions): ReplayMatcher {
  const redact = options.redact ?? ((text: string) => text);
  const log = readLog(options.log, { fromSeq: options.fromSeq ?? 0, redact });
  const strip = preambleStripper(options.preamble);
  const clean = (_role: Role, text: string, first: boolean): string => {
    const squeezed = squeeze(redact(text));
    return first ? strip(squeezed) : squeezed;
  };
  let replay = createReplayLog(clean);
  /** The rests of chunks we have part of, each made once. */
  const rests = new WeakMap<ReplayItem, ReplayItem>();

  return {
    push(update, meta) {
      if (STATE.has(update.sessionUpdate)) return false;
      replay.push({ update, ...(meta ? { meta } : {}) });
      return true;
    },
    get received() {
      return replay.count;
    },
    restart() {
      replay = createReplayLog(clean);
    },
    async finish() {
      let compared = await compare(replay, log, options.countBefore !== undefined);
      let tail = findTail(compared, log, replay, rests);
      if (tail.foreign > 0 && !log.whole) {
        // Before anything is stored as new, all of the log is asked.
        compared = await compare(replay, log, false);
        tail = findTail(compared, log, replay, rests);
      }
      const { messages, matches, places, logged } = compared;
      const certain = logged.map((message) => log.isCertain(message));
      const found = foundIn(matches, places);
      const matched = found.size;
      const unread = log.whole || logged.length === 0 ? 0 : ((await options.countBefore?.((logged[0] as LoggedMessage).seq)) ?? 0);
      const missing = unread + certain.filter((isCertain, i) => isCertain && !found.has(i)).length;
      const lastFound = [...found].reduce((last, at) => Math.max(last, at), -1);
      const behind = logged.slice(lastFound + 1);
      return {
        verified: verifyReplay({ expected: matched + missing, received: messages.length, matched }),
        received: messages.length,
        matched,
        missing,
        importedMessages: tail.messages,
        imported: tail.items,
        expectsMessages: certain.includes(true) || unread > 0,
        reachedEnd: !certain.slice(lastFound + 1).includes(true),
        next: behind
          .map((message) => ({
            role: message.role,
            text: textOf(message),
            messageId: message.pieces.length === 1 ? (message.pieces[0]?.messageId ?? null) : null,
            // Half an answer is how the live one begins, too: of a turn that was cut off its text tells the question alone.
            byText: message.role === 'user' || log.isCertain(message),
          }))
          .filter(({ messageId, byText }) => byText || messageId !== null)
          .slice(0, MAX_NEXT),
        nextToolCalls: new Set(
          behind.flatMap((message) => message.pieces.flatMap(({ turnId }) => [...(log.turn(turnId)?.toolCalls.keys() ?? [])])),
        ),
      };
    },
  };
}

/** A late replay further behind than this is stored as it comes. */
const MAX_NEXT = 256;

// ---------------------------------------------------------------- comparing

export interface Match {
  readonly logged: number;
  /** The pieces of the logged message that it is. */
  readonly pieces: readonly number[];
  /** `exact`: the same. `extends`: it begins with all we have. `rendering`: the same in other words. */
  readonly how: 'exact' | 'extends' | 'rendering';
}

export interface Comparison {
  readonly messages: readonly ReplayedMessage[];
  /** What they are in the common order. */
  readonly matches: readonly (Match | null)[];
  /** What they are out of it. */
  readonly places: readonly (Place | null)[];
  readonly leftovers: Leftovers;
  /** Oldest first, as far as was read. */
  readonly logged: readonly LoggedMessage[];
}

/** Reads the log back until it covers the replay, then matches. */
async function compare(replay: ReplayLog, log: LogReader, mayStop: boolean): Promise<Comparison> {
  let count = mayStop ? replay.count + READ_AHEAD : Number.POSITIVE_INFINITY;
  for (;;) {
    await log.readUntil(count);
    const logged = log.messages.toReversed();
    const { messages, exact, leftovers } = matchExactly(replay, logged, log);
    const places = findElsewhere(messages, exact, leftovers);
    const matches = fillGaps(messages, exact, places, logged, replay);
    findBeside(messages, matches, places, logged, log, replay.textOf);
    const found = matches.filter((match) => match !== null).length;
    // The replay's first message is found, and most of what follows: what is older was not replayed.
    if (log.whole || messages.length === 0 || (matches[0] !== null && found * 2 >= messages.length))
      return { messages, matches, places, leftovers, logged };
    count *= 4;
  }
}

function matchExactly(
  replay: ReplayLog,
  logged: readonly LoggedMessage[],
  log: LogReader,
): { messages: readonly ReplayedMessage[]; exact: (Match | null)[]; leftovers: Leftovers } {
  const places = new Map<string, number[]>();
  const variants: (readonly Variant[])[] = logged.map((message) => variantsOf(message, log.isCertainPiece));
  for (const [i, list] of variants.entries()) {
    for (const { key } of list) {
      const known = places.get(key);
      if (!known) places.set(key, [i]);
      else if (known.at(-1) !== i) known.push(i);
    }
  }
  const keyUsed = (message: ReplayedMessage): string =>
    places.has(message.key) || message.onceKey === null ? message.key : message.onceKey;
  const placesOf = (message: ReplayedMessage): readonly number[] => places.get(keyUsed(message)) ?? [];
  // An answer that was cut off may have gone on, so it is found by its beginning, right behind its question.
  const end = logged.length - 1;
  const cutOff = logged[end]?.role === 'agent' && !log.isCertain(logged[end]) ? textOf(logged[end]) : null;
  const goesOn = (list: readonly ReplayedMessage[], i: number): boolean => {
    const [question, answer] = [list[i - 1], list[i] as ReplayedMessage];
    return (
      cutOff !== null &&
      answer.role === 'agent' &&
      question?.role === 'user' &&
      placesOf(question).includes(end - 1) &&
      replay.textOf(answer).startsWith(cutOff)
    );
  };
  // Its beginning is in many answers, and no reason to cut one.
  const isKnown = (key: string): boolean =>
    places.get(key)?.some((place) => key.startsWith('user:') || log.isCertain(logged[place] as LoggedMessage)) === true;
  const messages = replay
    .messages()
    .flatMap((message, i, all) =>
      places.has(keyUsed(message)) || goesOn(all, i) ? [message] : (replay.split(message, isKnown) ?? [message]),
    );
  const found = align(messages.length, logged.length, (i) => {
    const message = messages[i] as ReplayedMessage;
    const all = placesOf(message);
    // Said twice over counts as said once, but an answer that was cut off may simply go on with the same words.
    const likely =
      keyUsed(message) === message.key
        ? all
        : all.filter((place) => message.role === 'user' || log.isCertain(logged[place] as LoggedMessage));
    if (cutOff === null) return likely;
    return [...likely.filter((place) => place !== end), ...(goesOn(messages, i) ? [end] : [])];
  });
  const exact = messages.map((message, i): Match | null => {
    const at = found[i] as number;
    if (at < 0) return null;
    const used = cutOff !== null && at === end ? message.key : keyUsed(message);
    const variant = (variants[at] as readonly Variant[]).find(({ key }) => key === used);
    return { logged: at, pieces: variant?.pieces ?? allPieces(logged[at] as LoggedMessage), how: variant ? 'exact' : 'extends' };
  });
  return { messages, exact, leftovers: leftoversOf(variants, exact) };
}

/**
 * Between two matches the same role in the same place may be the same message in other words. Behind the last one it may
 * go on too; there an answer counts only right behind its question, lest the answer to a foreign question passes for ours.
 */
function fillGaps(
  messages: readonly ReplayedMessage[],
  exact: readonly (Match | null)[],
  places: readonly (Place | null)[],
  logged: readonly LoggedMessage[],
  replay: ReplayLog,
): readonly (Match | null)[] {
  const matches = [...exact];
  const elsewhere = foundIn([], places);
  const last = exact.findLastIndex((match) => match !== null);
  const fill = (from: number, to: number, first: number, end: number): void => {
    let next = first;
    for (let i = from; i < to && next < end; i++) {
      const message = messages[i] as ReplayedMessage;
      if (places[i]) continue;
      for (let j = next; j < end; j++) {
        const candidate = logged[j] as LoggedMessage;
        if (candidate.role !== message.role || elsewhere.has(j)) continue;
        const behind = j > 0 && i > 0 && matches[i - 1]?.logged === j - 1;
        if (i > last && message.role === 'agent' && !behind) continue;
        const how = likeness(replay.textOf(message), candidate, { isLast: j === logged.length - 1, behind, alone: last < 0 });
        if (how === null) continue;
        matches[i] = { logged: j, pieces: allPieces(candidate), how };
        next = j + 1;
        break;
      }
    }
  };
  let from = 0;
  let first = 0;
  for (const [i, match] of exact.entries()) {
    if (!match) continue;
    fill(from, i, first, match.logged);
    from = i + 1;
    first = match.logged + 1;
  }
  fill(from, messages.length, first, logged.length);
  return matches;
}

const allPieces = (message: LoggedMessage): number[] => message.pieces.map((_, piece) => piece);

/** `alone`: no message of the replay is ours word for word. Then one that merely contains ours proves nothing. */
function likeness(replayed: string, logged: LoggedMessage, at: { isLast: boolean; behind: boolean; alone: boolean }): Match['how'] | null {
  const text = textOf(logged);
  if (at.isLast && (at.behind ? text !== '' : at.alone && isTelling(text)) && replayed.startsWith(text)) return 'extends';
  return !at.alone && isRendering(replayed, text) ? 'rendering' : null;
}

// ---------------------------------------------------------------- the preamble

/**
 * Takes the preamble out of a squeezed first message. Agents replay it in front of the user's words, behind them
 * or wrapped in marks of their own; its opening and closing words say where it stands.
 */
function preambleStripper(preamble: ReplayMatcherOptions['preamble']): (squeezed: string) => string {
  if (preamble === null || preamble === undefined) return (text) => text;
  const texts = (typeof preamble === 'string' ? [preamble] : preamble).map(squeeze).filter((text) => text !== '');
  const opening = squeeze(RECORD_OPENING);
  const closing = squeeze(RECORD_CLOSING);
  return (text) => {
    let rest = text;
    for (const known of texts) rest = rest.replace(known, () => '');
    for (let start = rest.indexOf(opening); start >= 0; start = rest.indexOf(opening)) {
      const end = rest.indexOf(closing, start);
      rest = rest.slice(0, start) + (end < 0 ? '' : rest.slice(end + closing.length));
    }
    // What an agent wraps an embedded resource in stays around nothing.
    return rest.replace(/<[^<>]{0,400}rehydrate:\/\/[^<>]{0,400}>(?:<\/[^<>]{0,80}>)?|\[[^[\]]{0,200}\]\(rehydrate:[^()]{0,200}\)/g, '');
  };
}
