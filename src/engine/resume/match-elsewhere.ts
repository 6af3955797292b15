/**
 * Messages of the log that come back in another place than the common order has them: from an agent that keeps a file
 * for each turn and lists them by name, newest first, or as they were touched.
 */
import type { Match } from './match.ts';
import { textOf, type LoggedMessage, type LogReader, type Variant } from './match-log.ts';
import type { ReplayedMessage } from './match-replay.ts';
import { isRendering } from './match-text.ts';

/** What a replayed message is, wherever it came: pieces of a logged one that nothing else replayed is. */
export interface Place {
  readonly logged: number;
  readonly pieces: readonly number[];
}

export interface Leftovers {
  /** Takes a message of the log that says this; each piece of it is taken once. Of several the one that is `likely`. */
  take(key: string, likely?: number): Place | null;
  /** Takes a question and its answer, where the log has them one behind the other. */
  takePair(question: string, answer: string): [Place, Place] | null;
}

/** What no message matched in order. A multiset: of three times “yes”, two matched, one is left. */
export function leftoversOf(variants: readonly (readonly Variant[])[], exact: readonly (Match | null)[]): Leftovers {
  const taken = new Map<number, Set<number>>();
  const isFree = ({ logged, pieces }: Place): boolean => !pieces.some((piece) => taken.get(logged)?.has(piece));
  const use = <P extends Place>(place: P): P => {
    const of = taken.get(place.logged) ?? new Set();
    for (const piece of place.pieces) of.add(piece);
    taken.set(place.logged, of);
    return place;
  };
  for (const match of exact) if (match) use(match);
  let index: Map<string, Place[]> | null = null;
  /** Where the log says it and it is free, whole messages last. What is taken is never free again. */
  const freePlaces = (key: string): Place[] => {
    index ??= indexOf(variants, isFree);
    const places = index.get(key) ?? [];
    while (places.length > 0 && !isFree(places.at(-1) as Place)) places.pop();
    return places;
  };
  const placeAt = (key: string, at: number): Place | undefined => {
    const pieces = variants[at]?.find((variant) => variant.key === key)?.pieces;
    return pieces && isFree({ logged: at, pieces }) ? { logged: at, pieces } : undefined;
  };
  return {
    take(key, likely) {
      const place = (likely === undefined ? undefined : placeAt(key, likely)) ?? freePlaces(key).at(-1);
      return place ? use(place) : null;
    },
    takePair(question, answer) {
      const [asked, answered] = [freePlaces(question), freePlaces(answer)];
      // By the rarer of the two: there may be a thousand times “continue”.
      const rare = asked.length <= answered.length ? asked : answered;
      for (let i = rare.length - 1; i >= 0; i--) {
        const at = (rare[i] as Place).logged - (rare === asked ? 0 : 1);
        const pair = [placeAt(question, at), placeAt(answer, at + 1)] as const;
        if (pair[0] && pair[1]) return [use(pair[0]), use(pair[1])];
      }
      return null;
    },
  };
}

function indexOf(variants: readonly (readonly Variant[])[], isFree: (place: Place) => boolean): Map<string, Place[]> {
  const index = new Map<string, Place[]>();
  const add = (logged: number, { key, pieces }: Variant): void => {
    if (!isFree({ logged, pieces })) return;
    const places = index.get(key);
    if (places) places.push({ logged, pieces });
    else index.set(key, [{ logged, pieces }]);
  };
  for (const [logged, list] of variants.entries()) for (const part of list.slice(1)) add(logged, part);
  for (const [logged, [whole]] of variants.entries()) if (whole) add(logged, whole);
  return index;
}

/** For every message that is not matched in order, where else in the log it is, word for word: whole turns first. */
export function findElsewhere(
  messages: readonly ReplayedMessage[],
  exact: readonly (Match | null)[],
  leftovers: Leftovers,
): (Place | null)[] {
  const places: (Place | null)[] = messages.map(() => null);
  for (let i = 0; i + 1 < messages.length; i++) {
    const [asked, answered] = [messages[i] as ReplayedMessage, messages[i + 1] as ReplayedMessage];
    if (exact[i] || exact[i + 1] || asked.role !== 'user' || answered.role !== 'agent') continue;
    [places[i], places[i + 1]] = leftovers.takePair(asked.key, answered.key) ?? [null, null];
  }
  // What was perhaps said twice over comes last: it may be other words.
  for (const name of ['key', 'onceKey'] as const) {
    for (const [i, message] of messages.entries()) {
      const key = message[name];
      if (exact[i] || places[i] || key === null) continue;
      const before = exact[i - 1] ?? places[i - 1];
      places[i] = leftovers.take(key, before ? before.logged + 1 : undefined);
    }
  }
  return places;
}

/**
 * Beside a message that is ours, in another place, the other side's words may be ours in other words, or more of an
 * answer that was cut off. `places` is completed with them.
 */
export function findBeside(
  messages: readonly ReplayedMessage[],
  matches: readonly (Match | null)[],
  places: (Place | null)[],
  logged: readonly LoggedMessage[],
  log: LogReader,
  text: (message: ReplayedMessage) => string,
): void {
  const found = foundIn(matches, places);
  for (const [i, message] of messages.entries()) {
    if (matches[i] || places[i]) continue;
    const beside = message.role === 'agent' ? places[i - 1] : places[i + 1];
    const at = beside ? beside.logged + (message.role === 'agent' ? 1 : -1) : -1;
    const candidate = logged[at];
    if (!candidate || candidate.role !== message.role || found.has(at)) continue;
    const [replayed, known] = [text(message), textOf(candidate)];
    const goesOn = message.role === 'agent' && known !== '' && !log.isCertain(candidate) && replayed.startsWith(known);
    if (!goesOn && !isRendering(replayed, known)) continue;
    places[i] = { logged: at, pieces: candidate.pieces.map((_, piece) => piece) };
    found.add(at);
  }
}

/** The messages of the log that came, in order or not. */
export function foundIn(matches: readonly (Match | null)[], places: readonly (Place | null)[]): Set<number> {
  return new Set([...matches, ...places].flatMap((one) => (one ? [one.logged] : [])));
}
