/** The journal as moments a person can go back to. */
import type { Commit } from './platform.ts';

export interface Moment {
  readonly n: number;
  readonly at: number;
  readonly label: string;
}

/** The most moments the slider offers; older ones stay in the journal. */
export const MOMENT_LIMIT = 2_000;

/** What a commit stored, by what its statements are noted as, in the order it is told. Of an `update` only when it is alone. */
const NOTE_WORDS: readonly (readonly [note: string, words: string])[] = [
  ['schema', 'the tables were made'],
  ['session_created', 'a session was created'],
  ['session_deleted', 'a session was deleted'],
  ['turn_started', 'a prompt was stored'],
  ['resumed', 'the session became live'],
  ['permission_requested', 'the agent asked for permission'],
  ['permission_resolved', 'the question was answered'],
  ['turn_ended', 'the turn ended'],
  ['agent_exited', 'the agent ended'],
  ['file_written', 'a file was written'],
];

/** What a commit was about. Null when it is of no interest to people: the lease is renewed every few seconds. */
export function describeCommit({ notes }: Pick<Commit, 'notes'>): string | null {
  if (notes === undefined) return 'a change';
  const words = NOTE_WORDS.flatMap(([note, said]) => (notes.includes(note) ? [said] : []));
  if (words.length > 0) return words.join(', ');
  return notes.length > 0 ? 'the agent said something' : null;
}

/**
 * The moments of a journal: what it begins with, then each commit that means something to people. `known` are those of its
 * earlier entries; what a snapshot has covered since is gone.
 */
export function momentsOf(
  journal: { readonly base: { readonly n: number; readonly at: number }; readonly entries: readonly Commit[] },
  known: readonly Moment[] = [],
): readonly Moment[] {
  const begins: Moment[] = journal.base.n > 0 ? [{ ...journal.base, label: 'where the journal begins' }] : [];
  const kept = known.filter(({ n }) => n > journal.base.n);
  const commits = journal.entries.flatMap((commit): Moment[] => {
    const label = describeCommit(commit);
    return label === null ? [] : [{ n: commit.n, at: commit.at, label }];
  });
  return [...begins, ...kept, ...commits].slice(-MOMENT_LIMIT);
}
