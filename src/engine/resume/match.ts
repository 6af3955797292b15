/**
 * Matches a replay against the log (DESIGN §6): what the agent repeats is not stored again, and what it adds is stored once.
 *
 * 1. `match-messages.ts` reads both sides as lists of speeches: all that one side said until the other spoke.
 * 2. `unitsOf` cuts the replay's speeches where the log has them as several.
 * 3. `align` finds the longest sequence of speeches that both have, word for word and in the same order. So a replay that starts late, a
 *    message that the agent lost or one that it made up does not disturb the rest.
 * 4. `placeOthers` finds speeches that stand where the log has the same one in other words: longer, cut short, or wrapped.
 * 5. `findNews` decides what is imported: the rest of messages that the log has in part, and the turns after the end of the log. An unknown
 *    speech before that is taken for the agent's rendering of one that the log has.
 *
 * With `countBefore`, the log is read from its newest end, at first only about as far as the replay reaches.
 */
import { FIXED_LIMITS } from '../limits.ts';
import { fieldsOf } from '../objects.ts';
import { classOf, roleOf } from '../protocol/updates.ts';
import type { NewestFirst } from '../transcript/render.ts';
import type { SessionUpdate } from '../types.ts';
import { delay } from '../waiting.ts';
import { verifyReplay } from './decide.ts';
import { createReplayLog, grow, keyOf, OPENING, readLog, squeeze } from './match-messages.ts';
import type { Chunk, LoggedSpeech, LogReader, ReadOptions, ReplayItem, ReplayLog, Speech } from './match-messages.ts';

export interface ReplayMatcherOptions extends Partial<ReadOptions> {
  /** Newest first; events before `fromSeq` need not be given. */
  readonly log: NewestFirst;
  /** Where this agent session began. Default 0: all of the log. */
  readonly fromSeq?: number;
  /** The texts of the preamble this agent session was given. */
  readonly preamble?: readonly string[];
  /** How many messages the log holds before a seq, for `missing` where the replay reaches less far. Without it all of the log is read. */
  readonly countBefore?: (seq: number) => Promise<number>;
  /** All of the replay is new, as long as the log has nothing. */
  readonly isAdopted?: boolean;
}

export type ReplayResult = Awaited<ReturnType<ReturnType<typeof createReplayMatcher>['end']>>;

/** So many speeches more than the replay holds are read of the log at first. */
const READ_AHEAD = 8;

export function createReplayMatcher(options: ReplayMatcherOptions) {
  const { fromSeq = 0, redact = (text: string) => text, maxChars = FIXED_LIMITS.replayChars, countBefore, isAdopted = false } = options;
  const log = readLog(options.log, { fromSeq, redact, maxChars });
  const preambles = (options.preamble ?? []).filter((text) => squeeze(text).includes(OPENING)).length;
  const replay = createReplayLog({ redact, maxChars, hasPreamble: preambles > 0 });
  let hasCompacted = false;
  let since = 0;

  /** No pause of a long replay is felt (I10). */
  const breathe = async (): Promise<void> => {
    if (performance.now() - since < 20) return;
    await delay(0);
    since = performance.now();
  };

  const compare = async (came: readonly Speech[], count: number) => {
    await log.readUntil(count, breathe);
    // An answer whose question was not read is half a turn, and left out.
    const logged = log.speeches.slice(0, log.isWhole() || log.speeches.at(-1)?.side === 'user' ? undefined : -1).reverse();
    const isAllNew = isAdopted && logged.length === 0;
    const index = indexOf(logged);
    await breathe();
    const units = unitsOf(came, index, logged.at(-1), replay);
    await align(units, index, breathe);
    placeOthers(units, logged, index);
    return { ...findNews(units, logged, index, log, isAllNew), units, logged, index, isAllNew };
  };

  return {
    /** False when it is not part of a conversation (mode, usage, …): then it is the caller's. */
    take(update: SessionUpdate, meta?: ReplayItem['meta']): boolean {
      const is = classOf(update, meta);
      if (is === 'state') return false;
      hasCompacted ||= is === 'compaction';
      replay.push(meta ? { update, meta } : { update });
      return true;
    },
    /** Matches what came so far; may be called again. */
    async end() {
      since = performance.now();
      const came = await replay.speeches(breathe);
      let seen = await compare(came, countBefore ? came.length + READ_AHEAD : Infinity);
      // All of the log is asked before anything counts as new, or as not ours.
      if (!log.isWhole() && (seen.units[0]?.at === null || seen.imported.length > 0)) seen = await compare(came, Infinity);
      const { units, logged, index, owed, imported, importedMessages, isAllNew } = seen;
      const places = units.flatMap(({ at }) => at ?? []);
      const found = new Set(places);
      const unread = log.isWhole() ? 0 : await countBefore!(logged[0]!.seq - 1);
      const missing = (log.isCompacted() ? 0 : unread) + logged.filter(({ isCertain }, at) => isCertain && !found.has(at)).length;
      const [received, matched, tail] = [units.length, found.size, units.at(-1)];
      const lacks = tail?.lacks ?? '';
      const records = came.reduce((sum, one) => sum + one.preambles, 0);
      const reachesBack = log.isWhole() && logged.findIndex(({ side }) => side === 'user') === places[0];
      return {
        verified: verifyReplay({
          expected: matched + missing,
          received,
          matched: isAllNew ? received : matched,
          said: isAllNew || logged.some(({ side }) => side === 'user'),
          compacted: hasCompacted || log.isCompacted(),
        }),
        /** Messages that came, that we have, that we expected in vain, that something was imported of. */
        received,
        matched,
        missing,
        importedMessages,
        /** In order. A later `end` gives the same `update` objects again, so that what was stored before can be told. */
        imported,
        /** Whether it reached the newest message it should bring; else more may come late. */
        reachedEnd: !owed.some(({ isCertain }) => isCertain),
        /** What says again what we have, and what is not ours; and whether nothing else was said. */
        sorted: () => {
          const known = new Set(units.flatMap((unit) => (unit.at === null ? knownIn(unit, index, replay) : unit.items)));
          const others = new Set(units.flatMap(({ items }) => items.filter((item) => !known.has(item))).map(({ source }) => source));
          // An update is ours with all its blocks.
          return { repeats: new Set([...known].map(({ source }) => source).filter((source) => !others.has(source))), others };
        },
        isAllOurs: units.length > 0 && places.length === units.length,
        /** Whether what came first is ours. */
        beginsOurs: units.length > 0 && units[0]!.at !== null,
        /** Whether what came last is new: what follows without a word of the user's belongs to it. */
        endsNew: imported.length > 0 && imported.at(-1)!.update === tail!.items.at(-1)?.update,
        /** Whether what came last is the beginning of a message of ours. */
        endsWithin: lacks !== '',
        /** Whether the preamble is still in the replay; null where none was given, or the replay does not reach back to it. */
        preamble: preambles === 0 ? null : records >= preambles ? ('kept' as const) : reachesBack ? ('gone' as const) : null,
        /** What should come next, first the rest of a message cut short; and the tool calls of its turns. */
        next: [...(lacks ? [{ side: tail!.side, text: lacks, messageId: null, isCertain: true }] : []), ...owed],
        nextToolCalls: log.names,
        /** What the log has beside the conversation, as far as it was read. */
        besideInLog: log.beside,
      };
    },
  };
}

// ---------------------------------------------------------------- comparing

/** A speech of the replay. */
interface Unit extends Speech {
  /** The place of the same in the log. */
  at: number | null;
  /** How much of it the log has, and what the log says after it; both squeezed. */
  had: number;
  lacks: string;
}

/** Where the log says what, in order. */
type Index = ReadonlyMap<number, readonly number[]>;

function indexOf(logged: readonly LoggedSpeech[]): Index {
  const index = new Map<number, number[]>();
  const add = (key: number, at: number): void => {
    const places = index.get(key);
    if (!places) index.set(key, [at]);
    else if (places.at(-1) !== at) places.push(at);
  };
  for (const [at, { key, parts }] of logged.entries()) {
    add(key, at);
    // Of turns left unanswered an agent may have some parts only; a notice beside a reply it leaves out.
    for (const part of parts) add(part, at);
  }
  return index;
}

/** Each speech as the log knows it: by itself, or as several; all of it once, where everything is said twice. */
function unitsOf(came: readonly Speech[], index: Index, newest: LoggedSpeech | undefined, replay: ReplayLog): Unit[] {
  const known = (speeches: readonly Speech[]): number => speeches.filter(({ key }) => index.has(key)).length;
  const once = saidOnce(came, replay);
  const units: Unit[] = [];
  for (const one of once && known(once) >= known(came) ? once : came) {
    if (one.side === 'user' && one.text !== null && !/\S/.test(one.text)) continue;
    for (const speech of severalIn(one, index, newest, replay)) units.push({ ...speech, at: null, had: Infinity, lacks: '' });
  }
  return units;
}

function saidOnce(came: readonly Speech[], { read }: ReplayLog): Speech[] | null {
  const said = came.flatMap(({ items }) => items.filter(({ text }) => text !== null));
  const isTwice = ({ update }: Chunk, i: number) => i % 2 === 0 || JSON.stringify(update) === JSON.stringify(said[i - 1]!.update);
  if (said.length < 2 || !said.every(isTwice)) return null;
  const repeats = new Set(said.filter((_, i) => i % 2 === 1));
  const once = (items: readonly Chunk[]) => items.filter((item) => !repeats.has(item));
  return came.map((one) => (one.text === null ? one : read(one.side, once(one.items))));
}

/**
 * A speech as the several it is, where the other side's words between them did not come; else itself. It is cut after each part that is
 * known, and after our last prompt: if nothing answered it, what follows is new. So is what follows a cut-off or the newest answer of ours.
 */
function severalIn(speech: Speech, index: Index, newest: LoggedSpeech | undefined, { read }: ReplayLog): readonly Speech[] {
  const { side, text, items } = speech;
  if (text === null || index.has(speech.key)) return [speech];
  const isNewest = newest?.side === side;
  const had = side === 'agent' && isNewest ? squeeze(newest.text ?? '') : '';
  const goesOn = (words: string): boolean => had !== '' && words.startsWith(had);
  const parts: Chunk[][] = [];
  let key = NaN;
  let id: string | null = null;
  let isNew = false;
  for (const item of items) {
    const isCut = item.text !== null && index.has(key) && !isNew && (id === null || item.id !== id);
    if (isCut || parts.length === 0) {
      isNew = side === 'user' && isNewest && (key === newest.key || key === newest.parts.at(-1));
      key = keyOf(side, '');
      parts.push([]);
    }
    parts.at(-1)!.push(item);
    if (item.text === null) continue;
    key = grow(key, item.text);
    id = item.id;
  }
  const several = parts.map((part) => read(side, part));
  // The newest answer, known by parts of it, too, may go on with what is not ours: the end that begins as it does is one message.
  let at = parts.length;
  let words = '';
  while (at > 0 && words.length < had.length) words = squeeze(several[--at]!.text ?? '') + words;
  if (goesOn(words)) several.splice(at, Infinity, read(side, parts.slice(at).flat()));
  return isNew || goesOn(words) || index.has(key) ? several : [speech];
}

/** The messages of a speech that are ours. */
const knownIn = ({ side, items }: Speech, index: Index, { read }: ReplayLog): readonly Chunk[] =>
  [...Map.groupBy(items, ({ id }) => id).values()].filter((message) => index.has(read(side, message).key)).flat();

/** Of what was said often, so many places are tried on either side of the likeliest. */
const PLACES = 12;

interface Link {
  readonly at: number;
  readonly unit: Unit;
  readonly next: Link | undefined;
}

/** The longest common order, in near-linear time: with early messages of the replay and late places in the log. */
async function align(units: readonly Unit[], index: Index, breathe: () => Promise<void>): Promise<void> {
  /** starts[k]: of the chains of k + 1 places, the one that starts latest. */
  const starts: Link[] = [];
  const later = new Map<number, number>();
  for (let i = units.length - 1; i >= 0; i--) {
    if (i % 128 === 0) await breathe();
    const unit = units[i]!;
    const places = index.get(unit.key) ?? [];
    const after = later.get(unit.key) ?? 0;
    later.set(unit.key, after + 1);
    const likely = Math.max(0, places.length - 1 - after);
    // From the earliest up, so that one message cannot follow itself.
    for (const at of places.slice(Math.max(0, likely - PLACES), likely + PLACES + 1)) {
      let length = 0;
      let end = starts.length;
      while (length < end) {
        const middle = (length + end) >> 1;
        if (starts[middle]!.at > at) length = middle + 1;
        else end = middle;
      }
      starts[length] = { at, unit, next: starts[length - 1] };
    }
  }
  for (let link = starts.at(-1); link; link = link.next) link.unit.at = link.at;
}

/** Shorter texts are in many others by chance. */
const TELLING = 12;

/**
 * Finds what is in its place in other words: an answer that goes on after all we have of it, or an altered rendering (wrapped, cut short).
 * What stands elsewhere word for word is not a rendering.
 */
function placeOthers(units: readonly Unit[], logged: readonly LoggedSpeech[], index: Index): void {
  const placed = units.filter(({ at }) => at !== null).length;
  if (placed === 0 || placed === units.length) return;
  const found = new Set(units.map(({ at }) => at));
  const came = new Set(units.map(({ key }) => key));
  let next = 0;
  for (const [i, unit] of units.entries()) {
    const at = logged[next]?.side === unit.side ? next : next + 1;
    const ours = logged[at];
    if (unit.at === null && unit.text?.trim() && ours?.text && !found.has(at)) {
      const [text, own] = [squeeze(unit.text), squeeze(ours.text)];
      const before = i === 0 ? -1 : units[i - 1]!.at;
      // The question need not have come.
      const answers = unit.side === 'agent' && (before === at - 1 || (before === at - 2 && (i > 0 || ours.isCutOff)));
      const isElsewhere = index.has(unit.key) || came.has(ours.key);
      const isTelling = unit.preambles > 0 || Math.min(text.length, own.length) >= TELLING;
      if (answers && text.startsWith(own) && !(isElsewhere && ours.isCertain)) [unit.at, unit.had] = [at, own.length];
      else if (!isElsewhere && own.startsWith(text)) [unit.at, unit.lacks] = [at, own.slice(text.length)];
      else if (!isElsewhere && (text.endsWith(own) || (isTelling && (text.includes(own) || own.includes(text))))) unit.at = at;
    }
    if (unit.at !== null) next = unit.at + 1;
  }
}

// ---------------------------------------------------------------- what is new

/** What the log does not hold: the rest of messages, and what the user went on with in another client. */
function findNews(units: readonly Unit[], logged: readonly LoggedSpeech[], index: Index, log: LogReader, isAllNew: boolean) {
  /** `turnId`: the turn it completes; null for what was said in another client. */
  const imported: (ReplayItem & { readonly source: SessionUpdate; readonly turnId: string | null })[] = [];
  let importedMessages = 0;
  const add = (turnId: string | null, items: readonly Chunk[], isNew: (item: ReplayItem) => boolean): void => {
    const news = items.filter(isNew);
    for (const { update, source, meta } of news) imported.push({ update, source, ...(meta ? { meta } : {}), turnId });
    if (news.length > 0) importedMessages++;
  };
  const last = units.findLastIndex(({ at }) => at !== null);
  const owed = logged.slice((units[last]?.at ?? -1) + 1);
  /** A turn begins where the user speaks. */
  const turns = units.flatMap(({ side }, i) => (i === 0 || side === 'user' ? [i] : []));
  const begin = isAllNew ? 0 : (turns.find((from) => from > last) ?? units.length);

  for (const [i, unit] of units.entries()) {
    if (unit.at === null) continue;
    const ours = logged[unit.at]!;
    const isOpen = i === last && unit.at === logged.length - 1 && ours.isCutOff;
    if (!isOpen && unit.had === Infinity) continue;
    const more = isOpen ? units.slice(i + 1, begin).flatMap(({ items }) => items) : [];
    add(ours.turnId, [...restOf(unit, ours, isOpen), ...more], (item) => log.isNew(item, ours.turnId));
  }

  // With nothing in common it does not belong in this log; a word in common among others that are not ours proves nothing.
  const isOurs = isAllNew || (last >= 0 && units.filter(({ at }) => at !== null).length * 2 >= turns.findLast((from) => from <= last)!);
  if (isOurs && !owed.some(({ isCertain }) => isCertain)) {
    const isNew = (item: ReplayItem): boolean => roleOf(item.update, item.meta) === 'thought' || log.isNew(item, null);
    for (const { items } of foreignFrom(begin, units, turns, index)) add(null, items, isNew);
  }
  return { imported, importedMessages, owed };
}

/** The turns from `begin` on, without our own from elsewhere and without what comes again. */
function foreignFrom(begin: number, units: readonly Unit[], turns: readonly number[], index: Index): Unit[] {
  if (begin === units.length) return [];
  const names = units.map(({ key, id }) => `${key} ${id}`);
  const firstOf = new Map(names.map((name, i) => [name, i] as const).reverse());
  const again = beginsAgain(names);
  /** How often the log has a text that did not come yet: of three times “yes”, two of them found, one is left. */
  const left = new Map([...index].map(([key, places]) => [key, places.length]));
  const leftOf = (key: number): number => left.get(key) ?? 0;
  const take = ({ key }: Unit) => left.set(key, leftOf(key) - 1);
  for (const unit of units) if (unit.at !== null) take(unit);
  const foreign: Unit[] = [];
  let repeatsTo = 0;
  for (const [n, from] of turns.entries()) {
    const turn = units.slice(from, turns[n + 1]);
    const length = again[from]!;
    if (from > 0 && (length >= from || (from + length === units.length && length >= 2))) repeatsTo = Math.max(repeatsTo, from + length);
    if (from < begin || from < repeatsTo) continue;
    // The user may have said the same again: a turn that comes twice in a row is told twice only where it is long enough.
    const isSame = turn.every((_, i) => names[from + i] === names[from - turn.length + i]);
    if (isSame && turn.reduce((sum, { text }) => sum + (text?.length ?? 0), 0) >= TELLING) continue;
    // What has an id came before under it, or not; words without one go with their turn.
    const fresh = turn.filter(({ id }, i) => id === null || firstOf.get(names[from + i]!)! >= from);
    if (fresh.length < turn.length && fresh.every(({ id }) => id === null)) continue;
    if (fresh.some(({ key }) => leftOf(key) <= 0)) for (const unit of turn) foreign.push(unit);
    else fresh.forEach(take);
  }
  return foreign;
}

/** For each message, how many from it on are the same as from the first on. */
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

/**
 * What a message goes on with after what we have of it: of a turn that ended the rest of the same message, of one that was cut off
 * everything.
 */
function restOf({ text, items, had }: Unit, ours: LoggedSpeech, isOpen: boolean): Chunk[] {
  let more = squeeze(text ?? '').length - had;
  const at = items.findLastIndex((item) => item.text !== null && (more -= squeeze(item.text).length) < 0);
  const cut = items[at];
  const after = items.slice(at + 1).filter(({ id }) => isOpen || id === (cut ?? items[0]!).id);
  if (!cut) return after;
  const words = textAfter(cut.text!, -more);
  if (!/\S/.test(words)) return after;
  const content = { ...fieldsOf(fieldsOf(cut.update)['content']), text: /\s$/.test(ours.text ?? '') ? words.trimStart() : words };
  return [(cut.rest ??= { ...cut, update: { ...cut.update, content } as SessionUpdate }), ...after];
}

function textAfter(text: string, count: number): string {
  let [left, at] = [count, 0];
  for (const char of text) {
    if (left <= 0) break;
    at += char.length;
    const squeezed = squeeze(char);
    // The letter was there, its accent was not.
    if (squeezed.length > left) return squeezed.slice(left) + text.slice(at);
    left -= squeezed.length;
  }
  return text.slice(at);
}
