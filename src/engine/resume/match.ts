/**
 * Matching a replay against the log (DESIGN §6): what the agent repeats is not stored again, what it adds is stored once, and how
 * much of our conversation it has is known at the end. Decisions:
 *
 * - **What one side said until the other spoke is compared as one.** Agents stream in other chunks, under other ids and with other tool
 *   calls in between than they replay, and leave notices out.
 * - **The longest common order, then what stands in its place in other words.** So a capped replay, a message the agent lost and one it
 *   made up cost nothing but themselves.
 * - **Only what follows the end of the log is imported**, from words of the user's on. Before that, words we do not have are the
 *   agent's rendering of ours, and are only counted.
 * - **A turn that the log has elsewhere is not imported**, nor is what comes again: under the same ids, or all of it from the beginning.
 * - **A message that goes on after what we have of it gets its rest**; an interrupted turn also what follows in it.
 */
import { FIXED_LIMITS } from '../limits.ts';
import { classOf, fieldsOf, roleOf, stringOf } from '../protocol/updates.ts';
import { RECORD_CLOSING, type NewestFirst } from '../transcript/render.ts';
import type { SessionUpdate, Verification } from '../types.ts';
import { verifyReplay } from './decide.ts';
import type { OwedMessage } from './match-live.ts';
import {
  addTo,
  contentOf,
  createReplayLog,
  grow,
  keyOf,
  OPENING,
  readLog,
  squeeze,
  startKey,
  type Chunk,
  type LoggedSpeech,
  type LogReader,
  type Meta,
  type ReplayItem,
  type ReplayLog,
  type Speech,
} from './match-messages.ts';

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
  const { fromSeq = 0, redact = (text: string) => text, maxChars = FIXED_LIMITS.replayChars, countBefore, isAdopted = false } = options;
  const log = readLog(options.log, { fromSeq, redact, maxChars });
  const preambles = (options.preamble ?? []).filter((text) => squeeze(text).includes(OPENING)).length;
  const newReplay = (): ReplayLog =>
    createReplayLog({
      clean: (side, text) => withoutPreamble(redact(text), side === 'user' && preambles > 0),
      isPreamble: (content) => preambles > 0 && squeeze(stringOf(fieldsOf(fieldsOf(content)['resource'])['text'])).startsWith(OPENING),
      maxChars,
    });
  let replay = newReplay();
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
      replay = newReplay();
      hasCompacted = false;
    },
    /** Matches what came so far. May be called again after more was taken. */
    async end(): Promise<ReplayResult> {
      const breathe = breathing();
      let compared: Compared;
      let news: News;
      for (let count = countBefore ? replay.length + READ_AHEAD : Infinity; ; count = Infinity) {
        await log.readUntil(count, breathe);
        compared = await compare(replay, log.speeches.toReversed(), breathe);
        news = findNews(compared, log, isAdopted);
        // There is room for what came before the first one found: what is older was not replayed. Before anything is new, all is asked.
        const first = compared.units.find(({ place }) => place);
        const isCovered = compared.units.length === 0 || (first !== undefined && first.place!.at >= compared.units.indexOf(first));
        if (log.isWhole() || (isCovered && news.imported.length === 0)) break;
      }
      const { units, logged } = compared;
      const { found, owed, imported, messages } = news;
      const oldest = log.isWhole() ? undefined : logged[0];
      // Of a turn whose answer was read only the question was not.
      const isHalfRead = oldest?.side === 'agent' && oldest.isCertain;
      const unread = oldest && countBefore ? Math.max(0, (await countBefore(oldest.seq)) - (isHalfRead ? 1 : 0)) : 0;
      const missing = (log.isCompacted() ? 0 : unread) + logged.filter(({ isCertain }, at) => isCertain && !found.has(at)).length;
      const [received, matched] = [units.length, found.size];
      const came = replay.speeches().reduce((sum, one) => sum + one.preambles, 0);
      const reachesBack = log.isWhole() && logged.findIndex(({ side }) => side === 'user') === units.find(({ place }) => place)?.place?.at;
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
        importedMessages: messages,
        imported,
        expectsMessages: isAdopted || logged.some(({ isCertain }) => isCertain) || unread > 0,
        reachedEnd: !owed.some(({ isCertain }) => isCertain),
        preamble: preambles === 0 ? null : came >= preambles ? 'kept' : reachesBack ? 'gone' : null,
        next: owed.flatMap(({ side, text, pieces, isCertain }): OwedMessage[] => {
          const messageId = pieces.length === 1 ? pieces[0]!.messageId : null;
          // Half an answer is how the live one begins, too: of a turn that was cut off its text tells the question alone.
          const byText = side === 'user' || isCertain;
          return text && (byText || messageId !== null) ? [{ role: side, text: squeeze(text), messageId, byText }] : [];
        }),
        nextToolCalls: log.toolCalls,
      };
    },
  };
}

const CLOSING = squeeze(RECORD_CLOSING);

/** Agents replay the preamble in front of the user's words, behind them, or wrapped: its opening and closing say where it stands. */
function withoutPreamble(words: string, mayBe: boolean): { readonly text: string; readonly preambles: number } {
  let [text, preambles] = [mayBe ? squeeze(words) : words, 0];
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

/**
 * Which speech of the log it is. `exact`: the same, or some of it. `extends`: it begins with all we have. `rendering`: in other words.
 */
interface Place {
  readonly at: number;
  readonly how: 'exact' | 'extends' | 'rendering';
}

/** A speech of the replay, and where in the log it stands. */
interface Unit extends Speech {
  place: Place | null;
}

interface Compared {
  readonly units: readonly Unit[];
  /** Oldest first, as far as was read. */
  readonly logged: readonly LoggedSpeech[];
  readonly index: Index;
}

/** How many speeches more than the replay holds are read of the log at first. */
const READ_AHEAD = 8;

async function compare(replay: ReplayLog, logged: readonly LoggedSpeech[], breathe: () => Promise<void>): Promise<Compared> {
  const index = indexOf(logged);
  await breathe();
  const units = unitsOf(replay, index, logged);
  await breathe();
  await align(units, index, breathe);
  placeOthers(units, logged, index);
  return { units, logged, index };
}

/** Where the log says what, in order. */
type Index = ReadonlyMap<number, readonly number[]>;

function indexOf(logged: readonly LoggedSpeech[]): Index {
  const index = new Map<number, number[]>();
  for (const [at, { side, key, pieces }] of logged.entries()) {
    addTo(index, key, at);
    // Of turns left unanswered an agent may have some; a notice beside a reply it leaves out.
    const parts = pieces.length > 1 ? new Set(pieces.map((piece) => piece.key)) : [];
    for (const part of parts) if (part !== key && part !== keyOf(side, '')) addTo(index, part, at);
  }
  return index;
}

/** The replay as the log knows it: each speech by itself, or as the several it is; all of it once, where everything is said twice. */
function unitsOf(replay: ReplayLog, index: Index, logged: readonly LoggedSpeech[]): Unit[] {
  const came = replay.speeches();
  const known = (speeches: readonly Speech[]): number => speeches.filter(({ key }) => index.has(key)).length;
  const newest = logged.at(-1);
  const cutOff = newest?.side === 'agent' && !newest.isCertain ? newest.text : null;
  const once = saidOnce(came).map(({ side, items }) => replay.read(side, items));
  return (known(once) > known(came) ? once : came)
    .filter(({ text, preambles }) => text !== '' || preambles === 0)
    .flatMap((speech) => {
      const isOne = index.has(speech.key) || speech.text === null || (cutOff && squeeze(speech.text).startsWith(squeeze(cutOff)));
      return isOne ? [speech] : severalIn(speech, index, logged.length - 1);
    })
    .map((speech) => ({ ...speech, place: null }));
}

/** A replay in which everything is said twice at once, without its repeats; empty where it is not so. */
function saidOnce(speeches: readonly Speech[]): Pick<Speech, 'side' | 'items'>[] {
  const said = speeches.flatMap(({ items }) => items.filter(({ text }) => text !== null));
  const isRepeat = ({ id, update }: Chunk, of: Chunk): boolean => id === of.id && JSON.stringify(update) === JSON.stringify(of.update);
  if (speeches.some(({ text }) => text === null) || !said.every((item, i) => i % 2 === 0 || isRepeat(item, said[i - 1]!))) return [];
  const repeats = new Set(said.filter((_, i) => i % 2 === 1));
  return speeches.map(({ side, items }) => ({ side, items: items.filter((item) => !repeats.has(item)) }));
}

/**
 * A speech as the several it is, where the other side's words between them did not come; else itself. It is cut after each
 * part that is known, and after our last prompt: if nothing answered it, what follows is new.
 */
function severalIn(speech: Speech, index: Index, last: number): Speech[] {
  const { side, items } = speech;
  const text = squeeze(speech.text!);
  const cuts: Speech[] = [];
  const said = items.flatMap((item, i) => (item.text === null ? [] : [i]));
  let [from, start, end, growing] = [0, 0, 0, startKey(side)];
  const cut = (to: number, key: number): void => {
    cuts.push({ ...speech, id: items[from]!.id, text: text.slice(start, end), key, items: items.slice(from, to) });
    [from, start, growing] = [to, end, startKey(side)];
  };
  for (const [n, i] of said.entries()) {
    const { id } = items[i]!;
    const key = grow(growing, items[i]!.text!);
    end += squeeze(items[i]!.text!).length;
    const next = said[n + 1] ?? items.length;
    if ((id !== null && items[next]?.id === id) || !index.has(key)) continue;
    cut(next, key);
    if (side === 'agent' || index.get(key)!.at(-1) !== last || end === text.length) continue;
    end = text.length;
    cut(items.length, keyOf(side, text.slice(start)));
    break;
  }
  return cuts.length > 1 && start === text.length ? cuts : [speech];
}

/** Of what was said often, so many places are tried on either side of the one that has as many after it as the replay has. */
const PLACES = 12;

interface Link {
  readonly at: number;
  readonly unit: Unit;
  readonly before: Link | undefined;
}

/** The longest order that both sides have in common, in near-linear time: with early messages of the replay and late places in the log. */
async function align(units: readonly Unit[], index: Index, breathe: () => Promise<void>): Promise<void> {
  /** ends[k]: of the chains of k + 1 places, the one that ends earliest in the log. */
  const ends: Link[] = [];
  const left = new Map<number, number>();
  for (const { key } of units) left.set(key, (left.get(key) ?? 0) + 1);
  for (const [i, unit] of units.entries()) {
    if (i % 128 === 0) await breathe();
    const places = index.get(unit.key) ?? [];
    const after = left.get(unit.key)! - 1;
    left.set(unit.key, after);
    const likely = Math.max(0, places.length - 1 - after);
    // From the latest down, so that one message cannot follow itself.
    for (const at of places.slice(Math.max(0, likely - PLACES), likely + PLACES + 1).reverse()) {
      const length = firstFrom(ends, (link) => link.at >= at);
      if (ends[length]?.at !== at) ends[length] = { at, unit, before: ends[length - 1] };
    }
  }
  for (let link = ends.at(-1), limit = Infinity; link; link = link.before) {
    const places = index.get(link.unit.key)!;
    limit = places[firstFrom(places, (at) => at >= limit) - 1]!;
    link.unit.place = { at: limit, how: 'exact' };
  }
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

/**
 * Finds what is in its place in other words: the answer that goes on after all we have of it, or an altered rendering (wrapped in
 * context, cut short). What stands elsewhere in either list word for word is no rendering.
 */
function placeOthers(units: readonly Unit[], logged: readonly LoggedSpeech[], index: Index): void {
  const found = new Set(units.flatMap(({ place }) => place?.at ?? []));
  if (found.size === 0 || found.size === units.length) return;
  const came = new Set(units.map(({ key }) => key));
  let next = 0;
  for (const [i, unit] of units.entries()) {
    const at = logged[next]?.side === unit.side ? next : next + 1;
    const ours = logged[at];
    if (!unit.place && unit.text && ours?.text && ours.side === unit.side && !found.has(at)) {
      const [text, own] = [squeeze(unit.text), squeeze(ours.text)];
      const answers = unit.side === 'agent' && (i === 0 ? at === 0 : units[i - 1]!.place?.at === at - 1);
      const isElsewhere = index.has(unit.key) || came.has(ours.key);
      if (answers && text.startsWith(own) && !(isElsewhere && ours.isCertain)) unit.place = { at, how: 'extends' };
      else if (!isElsewhere && isRendering(text, own, unit.preambles > 0)) unit.place = { at, how: 'rendering' };
    }
    if (unit.place) next = unit.place.at + 1;
  }
}

/** Shorter texts are in many others by chance. */
const TELLING = 12;

function isRendering(text: string, own: string, isWrapped: boolean): boolean {
  if (text.endsWith(own) || own.startsWith(text)) return true;
  return (isWrapped || Math.min(text.length, own.length) >= TELLING) && (text.includes(own) || own.includes(text));
}

/** A turn begins where the user speaks. */
function turnsOf(units: readonly Unit[]): Unit[][] {
  const turns: Unit[][] = [];
  for (const unit of units) {
    if (unit.side === 'agent' && turns.length > 0) turns.at(-1)!.push(unit);
    else turns.push([unit]);
  }
  return turns;
}

// ---------------------------------------------------------------- what is new

interface News {
  readonly imported: readonly ReplayImport[];
  readonly messages: number;
  /** The speeches of the log that came, and those after the last of them. */
  readonly found: ReadonlySet<number>;
  readonly owed: readonly LoggedSpeech[];
}

/** What the replay tells that the log does not hold: the rest of messages, and what the user went on with in another client. */
function findNews({ units, logged, index }: Compared, log: LogReader, isAdopted: boolean): News {
  const found = new Set(units.flatMap(({ place }) => place?.at ?? []));
  const imported: ReplayImport[] = [];
  let messages = 0;
  const add = (turnId: string | null, items: readonly ReplayItem[]): void => {
    for (const { update, meta } of items) imported.push({ update, ...(meta ? { meta } : {}), turnId });
    if (items.length > 0) messages++;
  };
  if (isAdopted && logged.length === 0) for (const { items } of units) add(null, items);
  const turns = turnsOf(units);
  const lastTurn = turns.findLastIndex((turn) => turn.some(({ place }) => place));
  const last = turns[lastTurn]?.findLast(({ place }) => place);
  const owed = logged.slice((last?.place?.at ?? -1) + 1);
  // Nothing in common: whatever this is, it does not belong into this log.
  if (!last) return { imported, messages, found, owed };

  for (const turn of turns)
    for (const [i, unit] of turn.entries()) {
      if (!unit.place) continue;
      const { at, how } = unit.place;
      const { turnId } = logged[at]!.pieces.at(-1)!;
      const isOpen = unit === last && at === logged.length - 1 && how !== 'rendering' && log.isCutOff(turnId);
      if (!isOpen && how !== 'extends') continue;
      const rest = restOf(unit, logged[at]!, isOpen, how);
      const more = isOpen ? turn.slice(i + 1).flatMap(({ items }) => items) : [];
      add(
        turnId,
        [...rest, ...more].filter((item) => log.isNew(item, turnId)),
      );
    }

  // A word in common among others that are not ours proves nothing.
  const isMostlyOurs = found.size * 2 >= turns.slice(0, lastTurn).flat().length;
  const hasMore = lastTurn < turns.length - 1 && isMostlyOurs && !owed.some(({ isCertain }) => isCertain);
  if (!hasMore) return { imported, messages, found, owed };
  const isNew = (item: ReplayItem): boolean => roleOf(item.update, item.meta) === 'thought' || log.isNew(item, null);
  for (const { items } of foreignAfter(turns, lastTurn, index)) add(null, items.filter(isNew));
  return { imported, messages, found, owed };
}

/** What was said in the turns after the last one that matched, without our own from elsewhere and without what comes again. */
function foreignAfter(turns: readonly (readonly Unit[])[], last: number, index: Index): Unit[] {
  const nameOf = ({ key, id }: Unit): string => `${key} ${id}`;
  const names = turns.map((turn) => turn.map(nameOf));
  const again = beginsAgain(names.flat());
  const before = turns.slice(0, last + 1).flat();
  const came = new Set(before.map(nameOf));
  // Of a speech in several parts each part has its own place.
  const taken = new Set(before.flatMap(({ key, place }) => (place ? `${key} ${place.at}` : [])));
  /** Where the log has a text and the replay did not: each place once, so that of three times “yes”, two found, one is left. */
  const left = new Map<number, number[]>();
  const placesLeft = (key: number): number[] => {
    if (!left.has(key)) left.set(key, index.get(key)?.filter((at) => !taken.has(`${key} ${at}`)) ?? []);
    return left.get(key)!;
  };
  const foreign: Unit[] = [];
  let [i, repeatsTo] = [0, 0];
  for (const [n, turn] of turns.entries()) {
    const length = again[i]!;
    if (i > 0 && (length >= i || (i + length === again.length && length >= 2))) repeatsTo = Math.max(repeatsTo, i + length);
    const isRepeat = i < repeatsTo;
    i += turn.length;
    if (n <= last) continue;
    // The user may have said the same again: a turn that comes twice in a row is told twice where it is long enough.
    const isTwice = names[n]!.join() === names[n - 1]!.join() && turn.reduce((sum, { text }) => sum + (text?.length ?? 0), 0) >= TELLING;
    const isAgain = (unit: Unit): boolean => unit.id !== null && came.has(nameOf(unit));
    const isOurs = turn.every((unit) => isAgain(unit) || placesLeft(unit.key).length > 0);
    if (isOurs) for (const unit of turn) if (!isAgain(unit)) placesLeft(unit.key).pop();
    if (turn[0]!.side === 'user' && !isRepeat && !isTwice && !isOurs) foreign.push(...turn);
    for (const unit of turn) came.add(nameOf(unit));
  }
  return foreign;
}

/** For each message, how many from it on are the same as from the first on: what is told a second time begins again. */
function beginsAgain(names: readonly string[]): number[] {
  const lengths = names.map(() => 0);
  for (let i = 1, from = 0, to = 0; i < names.length; i++) {
    let length = i < to ? Math.min(to - i, lengths[i - from]!) : 0;
    while (i + length < names.length && names[length] === names[i + length]) length++;
    lengths[i] = length;
    if (i + length > to) [from, to] = [i, i + length];
  }
  return lengths;
}

/** What a message goes on with after what we have of it. Of a turn that ended that is the rest of the same message; of one that was cut off everything. */
function restOf({ items }: Speech, ours: LoggedSpeech, isOpen: boolean, how: Place['how']): ReplayItem[] {
  const lastOwn = items.findLastIndex(({ text }) => text !== null);
  const own = ours.text ?? '';
  let [left, id] = [how === 'extends' ? squeeze(own).length : Infinity, null as string | null];
  return items.flatMap((item, i): ReplayItem[] => {
    if (left === 0 || i > lastOwn) return isOpen || item.id === id ? [item] : [];
    if (item.text === null) return [];
    const length = squeeze(item.text).length;
    const had = Math.min(left, length);
    [left, id] = [left - had, item.id];
    if (had === length) return [];
    const words = textAfter(item.text, had);
    const content = { ...(contentOf(item.update) as object), text: /\s$/.test(own) ? words.trimStart() : words };
    return [(item.rest ??= { ...item, update: { ...item.update, content } as SessionUpdate })];
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
