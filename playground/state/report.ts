/** What a resume proved, in a person's words: the verdict, and what was done to reach it. Pure. */
import { RehydrateError, type ErrorCode } from '../../src/engine/errors.ts';
import type { ResumeAttempt, ResumeReport, Tier } from '../../src/engine/types.ts';
import type { SessionView } from './conversation.ts';
import { errorWords, isDoubted, OUTCOME_WORDS } from './words.ts';

/** A resume that did not come to its end. */
export interface FailedResume {
  readonly at: number;
  readonly code: ErrorCode;
  readonly words: string;
  readonly attempts: readonly ResumeAttempt[];
}

/** One resume of the session that is shown. */
export type Told =
  | { readonly kind: 'came back'; readonly at: number; readonly seq: number; readonly report: ResumeReport }
  | ({ readonly kind: 'failed' } & FailedResume);

/** What is known of the agent's own memory of the session. */
export type Verdict = 'proved' | 'claimed' | 'refused' | 'not asked';

/** The codes of a prompt that failed before it was a turn: the session did not become live. */
const FAILED: readonly ErrorCode[] = [
  'session_not_resumable',
  'resume_indeterminate',
  'auth_required',
  'session_busy',
  'agent_not_found',
  'agent_start_failed',
  'agent_timeout',
  'agent_exited',
  'agent_protocol_error',
  'cwd_missing',
  'secret_missing',
];

/** What of an error is a failed resume; null for any other. */
export function failedResume(error: unknown, at: number): FailedResume | null {
  if (!RehydrateError.is(error) || !FAILED.includes(error.code)) return null;
  const { attempts } = error.data as { attempts?: unknown };
  return { at, code: error.code, words: errorWords(error), attempts: Array.isArray(attempts) ? (attempts as ResumeAttempt[]) : [] };
}

/** All of them, in the order they happened. */
export function allReports(view: SessionView, failures: readonly FailedResume[]): readonly Told[] {
  const came = view.reports.map((one): Told => ({ kind: 'came back', ...one }));
  const failed = failures.map((one): Told => ({ kind: 'failed', ...one }));
  return [...came, ...failed].sort((a, b) => a.at - b.at);
}

const native = (attempts: readonly ResumeAttempt[]) =>
  attempts.filter(({ method }) => method === 'session/resume' || method === 'session/load');

export function verdictOf(told: Told): Verdict {
  if (told.kind === 'failed') return native(told.attempts).length > 0 ? 'refused' : 'not asked';
  const { tier, verified, attempts } = told.report;
  if (tier === 'resume' || tier === 'load') return verified === 'replay-matched' || verified === 'listed' ? 'proved' : 'claimed';
  return tier === 'transcript' && native(attempts).length > 0 ? 'refused' : 'not asked';
}

/** The verdict as a sentence. */
export function verdictWords(told: Told): string {
  if (told.kind === 'failed') return told.words;
  const { tier, verified, attempts } = told.report;
  switch (tier) {
    case 'live':
      return 'The agent was live already.';
    case 'new':
      return native(attempts).length > 0
        ? 'The agent has lost its session, in which nothing had been said. It has a new one.'
        : 'There was nothing to bring back yet: the agent has a new session.';
    case 'resume':
      return verified === 'listed'
        ? 'The agent took its session up again, and its own list shows that it has it.'
        : 'The agent says that it took its session up again. Nothing it can be asked proves that.';
    case 'load':
      if (verified === 'replay-matched') return 'The agent loaded its session, and all that it replayed matches the record.';
      return verified === 'replay-partial'
        ? 'The agent loaded its session, and replayed only part of the record.'
        : 'The agent says that it loaded its session. What it replayed does not prove that.';
    case 'transcript':
      return native(attempts).length > 0
        ? 'The agent did not bring the session back. A new one of its sessions was given the record.'
        : 'The agent was not asked for its session: it offers no way back, or none was to be taken. A new one was given the record.';
  }
}

/** One of the agent's ways back, as it went. */
export interface Way {
  readonly method: string;
  readonly good: boolean;
  readonly words: string;
  readonly attempt: ResumeAttempt | null;
}

/** What was tried, in order, and what was not asked. */
export function waysOf(told: Told): readonly Way[] {
  const attempts = told.kind === 'failed' ? told.attempts : told.report.attempts;
  const tier: Tier | null = told.kind === 'failed' ? null : told.report.tier;
  const tried = attempts.map((attempt): Way => {
    const doubted = tier !== null && isDoubted(attempt, tier);
    const words = doubted ? OUTCOME_WORDS.unproven : OUTCOME_WORDS[attempt.outcome];
    return { method: attempt.method, good: attempt.outcome === 'ok' && !doubted, words, attempt };
  });
  const unasked = ['session/resume', 'session/load'].filter((method) => !attempts.some((attempt) => attempt.method === method));
  return [...tried, ...unasked.map((method): Way => ({ method, good: false, words: 'not asked', attempt: null }))];
}
