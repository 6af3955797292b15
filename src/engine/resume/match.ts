/**
 * Matching a replay against the log (DESIGN §6): what the agent repeats is not stored again, what it adds is stored once, and how
 * much of our conversation it has is known at the end. Decisions:
 *
 * - **What one side said until the other spoke is compared as one**, in order. Agents stream in other chunks, under other ids and with
 *   other tool calls in between than they replay, and leave notices out.
 * - **Order counts, position does not.** A capped replay, a message the agent lost and one it made up cost nothing but themselves.
 * - **Only what follows the end of the log is imported**, from words of the user's on. Before that, words we do not have are the
 *   agent's rendering of ours, and are only counted.
 * - **What the log has is not imported, wherever it comes**, nor is a replay that is sent again.
 * - **A message that goes on after what we have of it gets its rest**; an interrupted turn also what follows in it.
 */
import { FIXED_LIMITS } from '../limits.ts';
import { classOf, fieldsOf, readToolCall, roleOf, stringOf } from '../protocol/updates.ts';
import { RECORD_CLOSING, type NewestFirst } from '../transcript/render.ts';
import type { SessionUpdate, Verification } from '../types.ts';
import type { OwedMessage } from './match-live.ts';
import {
  addTo,
  contentOf,
  createReplayLog,
  growingKey,
  isTelling,
  keyOf,
  OPENING,
  readLog,
  squeeze,
  type Chunk,
  type LoggedSpeech,
  type LogReader,
  type Meta,
  type ReplayItem,
  type ReplayLog,
  type ReplayLogOptions,
  type Side,
} from './match-messages.ts';
import { verifyReplay } from './verify.ts';

export interface ReplayMatcherOptions {
  /** The log, newest first; events before `fromSeq` are not looked at, and need not be given. */
  readonly log: NewestFirst;
  /** The event with which this agent session began. Default 0: all of the log. */
  readonly fromSeq?: number;
  /** The texts of the preamble this agent session was given. */
  readonly preamble?: readonly string[];
  /** Replaces known secrets. Runs over whole speeches of both sides, so that other chunks hide nothing. */
  readonly redact?: (text: string) => string;
  /** How many messages the log holds before a seq, for `missing`, where the replay reaches less far. Without it all of the log is read. */
  readonly countBefore?: (seq: number) => Promise<number>;
  /** How much text of each side is kept. What is older is still matched, but not imported. */
  readonly maxChars?: number;
  /** The session was begun without us: all of the replay is new, as long as the log has nothing. */
  readonly isAdopted?: boolean;
}

export interface ReplayImport extends ReplayItem {
  /** The turn it completes; null for what was said in another client. */
  readonly turnId: string | null;
}

export interface ReplayResult {
  readonly verified: Verification;
  /** Messages that came, that we have, that we expected in vain, that something was imported of. */
  readonly received: number;
  readonly matched: number;
  readonly missing: number;
  readonly importedMessages: number;
  /** The new updates in order. A later `end` gives the same `update` objects again, so that what was stored before can be told. */
  readonly imported: readonly ReplayImport[];
  /** Whether the log holds anything that a replay should bring. */
  readonly expectsMessages: boolean;
  /** Whether it reached the newest message it should bring. While it did not, more may come late. */
  readonly reachedEnd: boolean;
  /** Whether the preamble is still in the replay; null where none was given, or the replay does not reach back to it. */
  readonly preamble: 'kept' | 'gone' | null;
  /** What should come next, and the tool calls of its turns, for `createLiveFilter`. */
  readonly next: readonly OwedMessage[];
  readonly nextToolCalls: ReadonlySet<string>;
}

export function createReplayMatcher(options: ReplayMatcherOptions) {
  const { fromSeq = 0, redact, maxChars = FIXED_LIMITS.replayChars, countBefore, isAdopted = false } = options;
  const log = readLog(options.log, { fromSeq, redact: redact ?? ((text) => text), maxChars });
  const preambles = (options.preamble ?? []).filter((text) => squeeze(text).includes(OPENING)).length;
  const reading: ReplayLogOptions = {
    clean: (side, words) => withoutPreamble(redact === undefined ? words : squeeze(redact(words)), side === 'user' && preambles > 0),
    isPreamble: (content) => preambles > 0 && squeeze(stringOf(fieldsOf(fieldsOf(content)['resource'])['text'])).startsWith(OPENING),
    maxChars,
  };
  /** The rests of chunks we have part of, each made once. */
  const rests: Rests = new WeakMap();
  let replay = createReplayLog(reading);
  let hasCompacted = false;

  return {
    /** Takes one update; false when it is none of a conversation's (mode, commands, usage, …) and the caller's own. */
    take(update: SessionUpdate, meta?: Meta): boolean {
      const is = classOf(update, meta);
      if (is === 'state') return false;
      hasCompacted ||= is === 'compaction';
      replay.push(meta ? { update, meta } : { update });
      return true;
    },
    /** Forgets what was taken, for a second attempt. What was read of the log is kept. */
    restart(): void {
      replay = createReplayLog(reading);
      hasCompacted = false;
    },
    /** Matches what came so far. May be called again after more was taken. */
    async end(): Promise<ReplayResult> {
      const breathe = breathing();
      let compared = await compare(replay, log, breathe, countBefore !== undefined);
      let news = findNews(compared, log, rests, isAdopted);
      if (news.imported.length > 0 && !log.isWhole()) {
        // Before anything is stored as new, all of the log is asked.
        compared = await compare(replay, log, breathe, false);
        news = findNews(compared, log, rests, isAdopted);
      }
      const { units, logged, placed } = compared;
      const unread = log.isWhole() || !logged[0] ? 0 : ((await countBefore?.(logged[0].seq)) ?? 0);
      const missing = (log.isCompacted() ? 0 : unread) + logged.filter(({ isCertain }, at) => isCertain && !news.found.has(at)).length;
      const [received, matched] = [units.length, news.found.size];
      const owed = logged.slice([...news.found].reduce((most, at) => Math.max(most, at), -1) + 1);
      const came = replay.speeches.reduce((sum, speech) => sum + replay.read(speech).preambles, 0);
      const reachesBack = log.isWhole() && logged.findIndex(({ side }) => side === 'user') === placed.find((one) => one !== null)?.at;
      return {
        verified: verifyReplay({
          expected: matched + missing || (isAdopted ? received || 1 : 0),
          received,
          matched: isAdopted && logged.length === 0 ? received : matched,
          compacted: hasCompacted || log.isCompacted(),
        }),
        received,
        matched,
        missing,
        importedMessages: news.messages,
        imported: news.imported,
        expectsMessages: isAdopted || logged.some(({ isCertain }) => isCertain) || unread > 0,
        reachedEnd: !owed.some(({ isCertain }) => isCertain),
        preamble: preambles === 0 ? null : came >= preambles ? 'kept' : reachesBack ? 'gone' : null,
        next: owed.flatMap(({ side, text, pieces, isCertain }): OwedMessage[] => {
          const messageId = pieces.length === 1 ? pieces[0]!.messageId : null;
          // Half an answer is how the live one begins, too: of a turn that was cut off its text tells the question alone.
          const byText = side === 'user' || isCertain;
          return text && (byText || messageId !== null) ? [{ role: side, text, messageId, byText }] : [];
        }),
        nextToolCalls: new Set(owed.flatMap(({ pieces }) => pieces.flatMap(({ turnId }) => [...log.turn(turnId).toolCalls]))),
      };
    },
  };
}

const CLOSING = squeeze(RECORD_CLOSING);

/** Agents replay the preamble in front of the user's words, behind them, or wrapped: its opening and closing say where it stands. */
function withoutPreamble(words: string, mayBe: boolean): { readonly text: string; readonly preambles: number } {
  let [text, preambles] = [words, 0];
  for (let start = mayBe ? text.indexOf(OPENING) : -1; start >= 0; start = text.indexOf(OPENING, start)) {
    const end = text.indexOf(CLOSING, start);
    text = text.slice(0, start) + (end < 0 ? '' : text.slice(end + CLOSING.length));
    preambles++;
  }
  return { text, preambles };
}

/** Lets others run now and then: no pause of a long replay is felt (I10). */
function breathing(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < 20) return;
    await new Promise((resolve) => setTimeout(resolve));
    since = performance.now();
  };
}

// ---------------------------------------------------------------- comparing

/** A speech of the replay, or one of several that came as one. */
interface Unit {
  readonly side: Side;
  readonly id: string | null;
  /** Null for what was let go. */
  readonly text: string | null;
  readonly key: string;
  /** What came as it, and what stood beside it. */
  readonly items: readonly Chunk[];
  readonly hasPreamble: boolean;
  /** What came, where only our record says that it was said twice. */
  readonly asSaid?: readonly Chunk[];
}

/** Which speech of the log it is. `exact`: the same, or some of it. `extends`: it begins with all we have. `rendering`: in other words. */
interface Place {
  readonly at: number;
  readonly how: 'exact' | 'extends' | 'rendering';
}

interface Compared {
  readonly units: readonly Unit[];
  /** What they are, in the order of both sides. */
  readonly placed: readonly (Place | null)[];
  /** Oldest first, as far as was read. */
  readonly logged: readonly LoggedSpeech[];
}

/** Where the log says what, in order. */
type Index = ReadonlyMap<string, readonly number[]>;

/** How many speeches more than the replay holds are read of the log before its end is matched. */
const READ_AHEAD = 8;

/** Reads the log back until it covers the replay, then matches. */
async function compare(replay: ReplayLog, log: LogReader, breathe: () => Promise<void>, mayStop: boolean): Promise<Compared> {
  for (let count = mayStop ? replay.speeches.length + READ_AHEAD : Infinity; ; count = Infinity) {
    await log.readUntil(count, breathe);
    const logged = log.speeches.toReversed();
    const index = new Map<string, number[]>();
    for (const [at, { side, key, pieces }] of logged.entries()) {
      // Of turns left unanswered an agent may have some; a notice beside a reply it leaves out.
      const parts = pieces.length > 1 ? new Set(pieces.map((piece) => piece.key)) : [];
      for (const one of parts) if (one !== key && one !== keyOf(side, '')) addTo(index, one, at);
      addTo(index, key, at);
    }
    const units = await unitsOf(replay, index, logged, breathe);
    const placed = await align(units, index, logged, breathe);
    fillGaps(units, placed, logged, index);
    const known = placed.filter((one) => one !== null);
    // The replay's messages are found, with room for those before them: what is older was not replayed.
    const isCovered = known.length * 2 >= units.length && (known[0]?.at ?? 0) >= placed.findIndex((one) => one !== null);
    if (log.isWhole() || units.length === 0 || isCovered) return { units, placed, logged };
  }
}

/** The replay as messages, each in the way to read it that the log knows. */
async function unitsOf(replay: ReplayLog, index: Index, logged: readonly LoggedSpeech[], breathe: () => Promise<void>): Promise<Unit[]> {
  const last = logged.at(-1);
  // The question of a turn that was cut off: its answer may go on after what we have of it, with whatever words.
  const question = last?.side === 'agent' ? logged.at(-2) : last;
  const begun = last?.side === 'agent' ? last.text : '';
  const isCutOff = last !== undefined && !last.isCertain && begun !== null;
  const units: Unit[] = [];
  /** What was said twice at once, said once; and whether it is the answer of the turn that was cut off. */
  const halves = new Map<Unit, { readonly half: Unit; readonly goesOn: boolean }>();
  for (const [i, speech] of replay.speeches.entries()) {
    if (i % 256 === 0) await breathe();
    const { text, key, preambles } = replay.read(speech);
    const unit: Unit = { side: speech.side, id: speech.items[0]?.id ?? null, text, key, items: speech.items, hasPreamble: preambles > 0 };
    const half = index.has(key) ? null : halfOf(unit);
    const goesOn = isCutOff && text?.startsWith(begun) === true && speech.side === 'agent' && units.at(-1)?.key === question?.key;
    if (half) halves.set(unit, { half, goesOn });
    const isOne = index.has(key) || (half !== null && index.has(half.key)) || goesOn;
    if (text !== '' || preambles === 0) units.push(...((isOne ? null : severalIn(unit, index, logged)) ?? [unit]));
  }
  // Whether this agent says all twice: then what is new is said twice, too. Of a few words nobody can tell.
  const tells = (unit: Unit): boolean => index.has(unit.key) && isTelling(unit.text ?? '');
  const saysTwice = [...halves.values()].some(({ half }) => tells(half)) && !units.some(tells);
  return units.map((unit) => {
    const { half, goesOn } = halves.get(unit) ?? {};
    if (!half || (!saysTwice && (goesOn || !index.has(half.key)))) return unit;
    return saysTwice ? half : { ...half, asSaid: unit.items };
  });
}

/**
 * A speech as the several it is, where the other side's words between them did not come; null when it is none. It is cut where what
 * stands before the cut is known. Half an answer is in many others, and no reason to cut one.
 */
function severalIn(unit: Unit, index: Index, logged: readonly LoggedSpeech[]): Unit[] | null {
  const { side, text, items } = unit;
  const cuts: Unit[] = [];
  let [from, start, end, grow] = [0, 0, 0, growingKey(side)];
  const cut = (to: number, key: string): void => {
    cuts.push({ ...unit, id: items[from]!.id, text: text!.slice(start, end), key, items: items.slice(from, to) });
    [from, start, grow] = [to, end, growingKey(side)];
  };
  for (const [i, { words, id }] of items.entries()) {
    if (words === null || text === null) continue;
    const key = grow(words);
    end += words.length;
    const places = index.get(key);
    if (!places?.some((at) => side === 'user' || logged[at]!.isCertain)) continue;
    // What the user says after a prompt of ours that got no answer are other words.
    const isLast = side === 'user' && places.at(-1) === logged.length - 1;
    if (isLast && key !== logged.at(-1)!.key && key !== logged.at(-1)!.pieces.at(-1)!.key) continue;
    let next = i + 1;
    while (next < items.length && items[next]!.words === null) next++;
    if (id !== null && items[next]?.id === id) continue;
    cut(next, key);
    if (!isLast || end === text.length) continue;
    end = text.length;
    cut(items.length, keyOf(side, text.slice(start)));
    break;
  }
  return cuts.length > 1 && start === text!.length ? cuts : null;
}

/** A message that was said twice at once, said once; null when it was not. */
function halfOf(unit: Unit): Unit | null {
  const text = unit.text?.slice(0, unit.text.length / 2);
  if (!text || unit.text !== text + text) return null;
  let length = 0;
  const end = unit.items.findIndex(({ words }) => words !== null && (length += words.length) > text.length);
  return { ...unit, text, key: keyOf(unit.side, text), items: end < 0 ? unit.items : unit.items.slice(0, end) };
}

// ---------------------------------------------------------------- the common order

/** At so many places one message is tried: the nearest ones to where it should be, counted from either end. */
const PLACES = 24;

interface Link {
  readonly at: number;
  readonly unit: number;
  readonly before: Link | undefined;
}

/**
 * The longest order that both sides have in common (with repeats, among the nearest places), in near-linear time. It prefers early
 * messages of the replay, so that repeats count as what is left over, and late places in the log, since it is the oldest that is left out.
 */
async function align(
  units: readonly Unit[],
  index: Index,
  logged: readonly LoggedSpeech[],
  breathe: () => Promise<void>,
): Promise<(Place | null)[]> {
  /** ends[k]: of the chains of k + 1 places, the one that ends earliest in the log. */
  const ends: Link[] = [];
  for (const [i, { key }] of units.entries()) {
    if (i % 128 === 0) await breathe();
    // From the latest down, so that one message cannot follow itself.
    const places = nearest(index.get(key) ?? [], i, i + logged.length - units.length);
    for (let p = places.length - 1; p >= 0; p--) {
      const at = places[p]!;
      const length = firstFrom(ends, (link) => link.at >= at);
      if (ends[length]?.at !== at) ends[length] = { at, unit: i, before: ends[length - 1] };
    }
  }
  const placed = units.map((): Place | null => null);
  let limit = Infinity;
  for (let link = ends.at(-1); link; link = link.before) {
    const places = index.get(units[link.unit]!.key)!;
    const late = places[firstFrom(places, (at) => at >= limit) - 1] ?? link.at;
    // Half an answer is in many others; only the order says that it is this one.
    limit = late > link.at && logged[late]!.isCertain ? late : link.at;
    placed[link.unit] = { at: limit, how: 'exact' };
  }
  return placed;
}

/** The first index at which the test holds, of a list in which it holds from there on; the length where it nowhere does. */
function firstFrom<T>(list: readonly T[], test: (one: T) => boolean): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(list[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function nearest(places: readonly number[], ...targets: readonly number[]): readonly number[] {
  if (places.length <= PLACES) return places;
  const from = targets.map((target) =>
    Math.min(Math.max(0, firstFrom(places, (at) => at >= target) - PLACES / 4), places.length - PLACES / 2),
  );
  const [low, high] = [Math.min(...from), Math.max(...from)];
  return [...places.slice(low, Math.min(low + PLACES / 2, high)), ...places.slice(high, high + PLACES / 2)];
}

/**
 * Between two messages that are ours, what the same side says in the same place may be ours in other words. After the last one it may go
 * on too; there an answer counts only right after its question, lest the answer to a foreign one passes for ours.
 */
function fillGaps(units: readonly Unit[], placed: (Place | null)[], logged: readonly LoggedSpeech[], index: Index): void {
  if (!placed.some((one) => one !== null) || placed.every((one) => one !== null)) return;
  const said = new Set(units.map(({ key }) => key));
  for (let i = 0, next = 0; i < units.length;) {
    if (placed[i]) {
      next = placed[i++]!.at + 1;
      continue;
    }
    let until = i;
    while (until < units.length && !placed[until]) until++;
    const isTail = until === units.length;
    const end = isTail ? logged.length : placed[until]!.at;
    for (; i < until; i++) {
      const unit = units[i]!;
      for (const at of [logged[next]?.side === unit.side ? next : next + 1, isTail ? end : end - (until - i)]) {
        const speech = logged[at];
        if (!speech || at < next || at >= end || speech.side !== unit.side) continue;
        const isAfter = at === (i === 0 ? 0 : (placed[i - 1]?.at ?? NaN) + 1);
        const how = isTail && unit.side === 'agent' && !isAfter ? null : likeness(unit, speech.text, isAfter);
        // What stands in the other list word for word is no rendering.
        const isElsewhere = said.has(speech.key) || index.has(unit.key);
        if (how === null || (isElsewhere && (how !== 'extends' || speech.isCertain))) continue;
        placed[i] = { at, how };
        next = at + 1;
        break;
      }
    }
  }
}

/** Whether a message of the replay is one of the log that goes on, or an altered rendering of it: wrapped in context, or cut short. */
function likeness({ side, text, hasPreamble }: Unit, logged: string | null, isAfter: boolean): Place['how'] | null {
  if (text === null || !logged) return null;
  if (side === 'agent' && isAfter && text.startsWith(logged)) return 'extends';
  if (isAfter && (text.endsWith(logged) || logged.startsWith(text))) return 'rendering';
  const shown = text.replace(/(?:…|\.\.\.)$/, '');
  const [short, long] = shown.length < logged.length ? [shown, logged] : [logged, shown];
  // By its beginning, so that the search is only as long as the text.
  const at = long.indexOf(short.slice(0, 48));
  return at >= 0 && long.startsWith(short, at) && (isTelling(short) || hasPreamble) ? 'rendering' : null;
}

// ---------------------------------------------------------------- what is new

type Rests = WeakMap<ReplayItem, ReplayItem>;

interface News {
  readonly imported: readonly ReplayImport[];
  readonly messages: number;
  /** The speeches of the log that came, in whatever order. */
  readonly found: ReadonlySet<number>;
}

/** What the replay tells that the log does not hold: the rest of messages, and what the user went on with in another client. */
function findNews({ units, placed, logged }: Compared, log: LogReader, rests: Rests, isAdopted: boolean): News {
  const found = new Set(placed.flatMap((one) => one?.at ?? []));
  const takeLeft = leftoversOf(
    logged,
    found,
    units.filter((_, i) => placed[i]),
  );
  const last = placed.findLastIndex((one) => one !== null);
  const ours = units.filter((unit, i) => i <= last && (placed[i] || takeLeft([unit]))).length;
  const imported: ReplayImport[] = [];
  let messages = 0;
  const add = (turnId: string | null, items: readonly ReplayItem[]): void => {
    for (const { update, meta } of items) imported.push({ update, ...(meta ? { meta } : {}), turnId });
    if (items.length > 0) messages++;
  };
  if (isAdopted && logged.length === 0) for (const { items } of units) add(null, items);
  // Nothing in common: whatever this is, it does not belong into this log.
  if (last < 0) return { imported, messages, found };

  // Up to the user's next words it is still the turn of the last message we have.
  const next = units.findIndex(({ side }, at) => at > last && side === 'user');
  for (const [i, place] of placed.entries()) {
    if (!place || place.how === 'rendering') continue;
    const { text, key, pieces } = logged[place.at]!;
    const { turnId, key: lastKey } = pieces.at(-1)!;
    const isEnd = i === last && place.at === logged.length - 1 && (place.how === 'extends' || [key, lastKey].includes(units[i]!.key));
    const isOpen = isEnd && log.turn(turnId).state === 'interrupted';
    if (!isOpen && place.how !== 'extends') continue;
    const more = isOpen ? units.slice(last + 1, next < 0 ? undefined : next).filter((unit) => !takeLeft([unit])) : [];
    const rest = restOf(units[i]!, logged[place.at]!, isOpen, place.how === 'extends' ? text!.length : Infinity, rests);
    add(
      turnId,
      [...rest, ...more.flatMap(({ items }) => items)].filter((item) => isNew(item, turnId, log)),
    );
  }

  const foreign = last === units.length - 1 ? [] : turnsAfter(units, last, takeLeft);
  const { at, how } = placed[last]!;
  const reachesEnd = !logged.some(({ isCertain }, i) => i > at && isCertain && !found.has(i));
  // A word in common among others that are not ours proves nothing.
  const isPair = how === 'exact' && placed[last - 1]?.how === 'exact' && placed[last - 1]?.at === at - 1;
  if (!reachesEnd || (!isPair && ours * 2 <= last)) return { imported, messages, found };
  for (const { items, asSaid = items } of foreign) {
    const isOfTurn = ({ words, update, meta }: Chunk): boolean => words !== null || roleOf(update, meta) === 'thought';
    add(
      null,
      asSaid.filter((item) => isOfTurn(item) || isNew(item, null, log)),
    );
  }
  return { imported, messages, found };
}

/**
 * Gives a function that takes what nothing matched in order: what the log says of this, all or none. A multiset: of three times “yes”,
 * two matched, one is left. What is taken is found.
 */
function leftoversOf(logged: readonly LoggedSpeech[], found: Set<number>, placed: readonly Unit[]): (units: readonly Unit[]) => boolean {
  const said = new Set(placed.map(({ key }) => key));
  const index = new Map<string, number[]>();
  for (const [at, { pieces, key }] of logged.entries()) {
    if (!found.has(at)) addTo(index, key, at);
    if (pieces.length > 1)
      for (const piece of pieces) if (!found.has(at) || !(said.has(key) || said.has(piece.key))) addTo(index, piece.key, at);
  }
  return (units) => {
    const taken = units.flatMap(({ key }) => {
      const list = index.get(key) ?? [];
      const at = list.pop();
      return at === undefined ? [] : [{ list, at }];
    });
    const isAll = taken.length === units.length;
    for (const { list, at } of taken) {
      if (isAll) found.add(at);
      else list.push(at);
    }
    return isAll;
  };
}

/** The messages from the user's next words on that are neither ours nor sent again. */
function turnsAfter(units: readonly Unit[], last: number, takeLeft: (turn: readonly Unit[]) => boolean): Unit[] {
  const again = beginsAgain(units);
  const known = new Set(units.slice(0, last + 1).map(({ key }) => key));
  const foreign: Unit[] = [];
  for (let i = last + 1; i < units.length;) {
    const length = again[i]!;
    if (length >= i || (i + length === units.length && length >= (foreign.length > 0 ? 4 : 2))) {
      i += length;
      continue;
    }
    let end = i + 1;
    while (end < units.length && (units[end]!.side === 'agent' || units[end - 1]!.side === 'user')) end++;
    const turn = units.slice(i, end);
    i = end;
    // The last turn sent again; after foreign words the user may have said the same again.
    const isRepeat = foreign.length === 0 && turn.length > 1 && turn.every(({ id, key }) => id === null && known.has(key));
    const isSentAgain = isRepeat && isTelling(turn.map(({ text }) => text ?? '').join(''));
    if (!takeLeft(turn) && turn[0]!.side === 'user' && !isSentAgain) foreign.push(...turn);
  }
  return foreign;
}

/** For each message, how many from it on are the same as from the first on: with the same ids, where there are any. */
function beginsAgain(units: readonly Unit[]): number[] {
  const isSame = (one: Unit, other: Unit): boolean => one.key === other.key && one.id === other.id;
  const lengths = units.map(() => 0);
  for (let i = 1, left = 0, right = 0; i < units.length; i++) {
    let length = i < right ? Math.min(right - i, lengths[i - left]!) : 0;
    while (i + length < units.length && isSame(units[length]!, units[i + length]!)) length++;
    lengths[i] = length;
    if (i + length > right) [left, right] = [i, i + length];
  }
  return lengths;
}

/**
 * What a message goes on with after the `had` characters that we have of it. Of a turn that ended that is the rest of the same message;
 * of one that was cut off everything.
 */
function restOf({ items }: Unit, { endsInSpace }: LoggedSpeech, isOpen: boolean, had: number, rests: Rests): ReplayItem[] {
  const lastOwn = items.findLastIndex(({ words }) => words !== null);
  let [left, id] = [had, null as string | null];
  return items.flatMap((item, i): ReplayItem[] => {
    if (left === 0 || i > lastOwn) return isOpen || item.id === id ? [item] : [];
    if (item.words === null) return [];
    const own = Math.min(left, item.words.length);
    [left, id] = [left - own, item.id];
    if (own === item.words.length) return [];
    const content = contentOf(item.update) as { text: string };
    const words = textAfter(content.text, own);
    const text = endsInSpace ? words.trimStart() : words;
    const rest = rests.get(item) ?? { ...item, update: { ...item.update, content: { ...content, text } } as SessionUpdate };
    rests.set(item, rest);
    return [rest];
  });
}

/** What follows in `text` after the first `count` characters of it squeezed. */
function textAfter(text: string, count: number): string {
  let [left, at] = [count, 0];
  for (const char of text) {
    if (left === 0) break;
    at += char.length;
    const squeezed = squeeze(char);
    // The letter was there already, its accent was not.
    if (squeezed.length > left) return squeezed.slice(left) + text.slice(at);
    left -= squeezed.length;
  }
  return text.slice(at);
}

/** Whether an update says anything that its turn does not hold. A tool call never comes under an id that the log has. */
function isNew({ update, meta }: ReplayItem, turnId: string | null, log: LogReader): boolean {
  const { hasThoughts, others } = log.turn(turnId);
  const is = classOf(update, meta);
  if (is === 'tool_call' || is === 'tool_call_update') return !log.hasToolCall(readToolCall(update).id);
  return is === 'message' ? roleOf(update, meta) !== 'thought' || !hasThoughts : !others.has(JSON.stringify(update));
}
