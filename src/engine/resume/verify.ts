/** What checking a success gave. */
import type { Verification } from '../types.ts';

/**
 * After `session/load`: how the replay compares with the log.
 * Nothing expected and nothing come is a match; something come where nothing was expected is not ours. An agent that shortened
 * its memory tells something else than was said, and lies no more than one that tells a part.
 */
export function verifyReplay(counts: {
  readonly expected: number;
  readonly received: number;
  readonly matched: number;
  readonly compacted?: boolean;
}): Verification {
  const { expected, received, matched, compacted = false } = counts;
  if (expected === 0) return received === 0 || matched > 0 || compacted ? 'replay-matched' : 'replay-mismatch';
  if (matched === 0) return compacted ? 'replay-partial' : received === 0 ? 'replay-empty' : 'replay-mismatch';
  return matched < expected ? 'replay-partial' : 'replay-matched';
}

/** After `session/resume`, which must not replay: all there is to check is the list. */
export function verifyResume(listed: 'present' | 'absent' | 'unknown' | undefined): Verification {
  return listed === 'present' ? 'listed' : 'unverified';
}
