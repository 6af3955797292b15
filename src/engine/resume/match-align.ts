/** The longest common order of two lists of messages, in near-linear time. */

/** How many places one message is tried at: the nearest ones to where it should be, counted from either end. */
const PLACES = 24;

/**
 * For every replayed message the index of the logged one it is, or −1. `places(i)` gives, in order, where the logged
 * list holds the message `i`. The result grows with `i`, has as many matches as there can be (with repeats, as many as
 * there are among the nearest places), and prefers early replayed messages, so that repeats count as what is left over,
 * and late places in the log, since it is the oldest that a replay leaves out.
 */
export function align(replayed: number, logged: number, places: (i: number) => readonly number[]): Int32Array {
  const matches = new Int32Array(replayed).fill(-1);
  /** ends[k]: of the chains of k+1 matches, the link that ends earliest in the log. */
  const ends: number[] = [];
  const at: number[] = [];
  const of: number[] = [];
  const before: number[] = [];
  for (let i = 0; i < replayed; i++) {
    const candidates = nearest(places(i), i, i + logged - replayed);
    // From the latest down, so that one message cannot follow itself.
    for (let c = candidates.length - 1; c >= 0; c--) {
      const place = candidates[c] as number;
      const length = lowerBound(ends, at, place);
      if (length < ends.length && at[ends[length] as number] === place) continue;
      at.push(place);
      of.push(i);
      before.push(length > 0 ? (ends[length - 1] as number) : -1);
      ends[length] = at.length - 1;
    }
  }
  let limit = logged;
  for (let link = ends.at(-1) ?? -1; link >= 0; link = before[link] as number) {
    const i = of[link] as number;
    // The latest place in front of the next match; the chain itself has one.
    const latest = (places(i) as number[]).findLast((place) => place < limit) as number;
    limit = matches[i] = latest;
  }
  return matches;
}

function lowerBound(ends: readonly number[], at: readonly number[], place: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[ends[middle] as number] as number) < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

function nearest(places: readonly number[], fromStart: number, fromEnd: number): readonly number[] {
  if (places.length <= PLACES) return places;
  const near = new Set<number>();
  for (const target of [fromStart, fromEnd]) {
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((places[middle] as number) < target) low = middle + 1;
      else high = middle;
    }
    const start = Math.min(Math.max(0, low - PLACES / 4), places.length - PLACES / 2);
    for (let i = start; i < start + PLACES / 2; i++) near.add(places[i] as number);
  }
  return [...near].sort((a, b) => a - b);
}
