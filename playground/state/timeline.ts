/** The journal as moments a person can go back to. */
import type { Commit } from './platform.ts';

export interface Moment {
  readonly n: number;
  readonly at: number;
  readonly label: string;
}

/** The most moments the slider offers; older ones stay in the journal. */
export const MOMENT_LIMIT = 2_000;

const KIND_WORDS: readonly (readonly [string, string])[] = [
  ['turn_started', 'a prompt was stored'],
  ['resumed', 'the session became live'],
  ['permission_requested', 'the agent asked for permission'],
  ['permission_resolved', 'the question was answered'],
  ['turn_ended', 'the turn ended'],
  ['agent_exited', 'the agent ended'],
];

/** What a commit was about, read from its statements. Null when it is of no interest to people. */
export function describeCommit(commit: Commit): string | null {
  const kinds = new Set<string>();
  const tables = new Set<string>();
  let verb = '';
  let updates = 0;
  for (const { sql, params = [] } of commit.statements) {
    const match =
      /^\s*(?:WITH\b[\s\S]*?\)\s*)?(INSERT(?:\s+OR\s+\w+)?\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|REPLACE\s+INTO|CREATE\s+TABLE)\s+"?(\w+)/i.exec(
        sql,
      );
    if (!match) continue;
    const table = match[2]!.toLowerCase();
    tables.add(table);
    if (table !== 'acp_session_events') verb = match[1]!.toUpperCase();
    if (table === 'acp_session_events') {
      for (const param of params) if (typeof param === 'string' && param.length < 32) kinds.add(param);
      if (params.includes('update')) updates += 1;
    }
  }
  if (verb.startsWith('CREATE')) return 'the tables were made';
  const words = KIND_WORDS.flatMap(([kind, said]) => (kinds.has(kind) ? [said] : []));
  if (words.length > 0) return words.join(', ');
  if (updates > 0) return 'the agent said something';
  if (tables.has('acp_session_events')) return 'an event was stored';
  if (tables.has('workspace_files')) return 'a file was written';
  if (tables.has('acp_sessions') && verb.startsWith('INSERT')) return 'a session was created';
  if (tables.has('acp_sessions') && verb.startsWith('DELETE')) return 'a session was deleted';
  // The lease is renewed every few seconds; that is no moment to go back to.
  return null;
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
