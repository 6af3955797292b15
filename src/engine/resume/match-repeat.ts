/** A replay that is sent again, whole or in part, behind itself. */
import type { ReplayedMessage } from './match-replay.ts';

/**
 * Tells how many messages from `next` on say again what came before them. `ours`: whether a message is one of the log.
 * `isFresh`: foreign words came before `next`, so a few words again may be the user's; only what repeats something of ours
 * with them is the replay sent again.
 */
export function findRepeats(messages: readonly ReplayedMessage[], ours: readonly boolean[]): (next: number, isFresh: boolean) => number {
  const known = [...ours];
  const same = (a: number, b: number): boolean => {
    const [one, other] = [messages[a] as ReplayedMessage, messages[b] as ReplayedMessage];
    // Two ids are two messages, whatever they say.
    return one.key === other.key && (one.messageId === null || other.messageId === null || one.messageId === other.messageId);
  };
  const run = (from: number, distance: number, most: number): number => {
    let i = 0;
    while (i < most && same(from - distance + i, from + i)) i++;
    return i;
  };
  const positions = new Map<string, number[]>();
  for (const [i, { key }] of messages.entries()) {
    const all = positions.get(key);
    if (all) all.push(i);
    else positions.set(key, [i]);
  }
  /** How far before `next` the same was said, farthest first. */
  const distances = (next: number): number[] => {
    const all = positions.get((messages[next] as ReplayedMessage).key) ?? [];
    return all
      .slice(0, all.indexOf(next))
      .filter((at) => same(at, next))
      .map((at) => next - at);
  };
  const count = (next: number, isFresh: boolean): number => {
    const left = messages.length - next;
    const far = distances(next);
    const least = isFresh ? Math.max(2, next - known.lastIndexOf(true, next - 1)) : 2;
    for (const size of far) if (size <= left && size >= least && run(next, size, size) === size) return size;
    // A second replay that broke off.
    const begun = far[0] === next ? run(next, next, Math.min(left, next)) : 0;
    if (begun >= (isFresh ? 4 : 2) && begun === left) return left;
    return isFresh ? 0 : inTheMiddle(next, left, far);
  };
  /** In another order than the log's, the second replay may have begun before `next`: with what the first has too, unmatched. */
  const inTheMiddle = (next: number, left: number, far: readonly number[]): number => {
    for (const size of far.toReversed()) {
      let back = 0;
      while (back < size && next - 1 - back - size >= 0 && same(next - 1 - back - size, next - 1 - back)) back++;
      const on = run(next, size, Math.min(left, size - back));
      if (back > 0 && back + on === size && known.slice(next - back - size, next).includes(false)) return on;
    }
    return 0;
  };
  return (next, isFresh) => {
    const repeated = next < messages.length ? count(next, isFresh) : 0;
    for (let i = next; i < next + repeated; i++) known[i] = true;
    return repeated;
  };
}
