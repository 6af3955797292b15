/** What checking a success gave. */
import type { Verification } from '../types.ts';

/**
 * After `session/load`: how the replay compares with the log.
 * Nothing expected and nothing come is a match; something come where nothing was expected is not ours.
 */
export function verifyReplay(counts: { readonly expected: number; readonly received: number; readonly matched: number }): Verification {
  const { expected, received, matched } = counts;
  if (expected === 0) return received === 0 || matched > 0 ? 'replay-matched' : 'replay-mismatch';
  if (received === 0) return 'replay-empty';
  if (matched === 0) return 'replay-mismatch';
  return matched < expected ? 'replay-partial' : 'replay-matched';
}

/** After `session/resume`, which must not replay: all there is to check is the list. */
export function verifyResume(listed: 'present' | 'absent' | 'unknown' | undefined): Verification {
  return listed === 'present' ? 'listed' : 'unverified';
}
