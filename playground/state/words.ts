/** Sentences that several panels need, in one place so that all of them say the same. */
import { signal } from '@preact/signals';
import {
  RehydrateError,
  type AttemptOutcome,
  type ErrorCode,
  type ResumeAttempt,
  type ResumeReport,
  type Tier,
  type TurnEnded,
} from '../../src/engine/index.ts';
import { withoutControls } from '../../src/engine/safe-text.ts';
import { BRIDGE_PREFIX } from '../platform/bridge-prefix.ts';

// ---- making an agent's text safe to show

/** A short, single line of text, for a sentence or a button. */
export function label(value: unknown, otherwise: string, max = 300): string {
  if (typeof value !== 'string') return otherwise;
  const flat = withoutControls(value, 'page').replace(/\s+/g, ' ').trim();
  if (flat === '') return otherwise;
  return flat.length > max ? `${flat.slice(0, max - 1)}…` : flat;
}

/** Removes every escape, control and direction-changing character. */
export const forTerminal = (text: string): string => withoutControls(text, 'page').replaceAll('\n', '\r\n');

// ---- figures

/** “3 ms”, “1.2 s”. */
export function msWords(ms: number): string {
  return ms < 1_000 ? `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

export function bytesWords(bytes: number): string {
  if (bytes < 1_024) return `${bytes} bytes`;
  return bytes < 1_024 * 1_024 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_024 / 1_024).toFixed(1)} MiB`;
}

const DRAWN = 20_000;

export const beginningOf = (text: string): string =>
  text.length > DRAWN ? `${text.slice(0, DRAWN)}\n… ${bytesWords(text.length - DRAWN)} more` : text;

export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

// ---- errors and notes

export interface Failure {
  readonly code: ErrorCode | 'other';
  readonly message: string;
}

export const failureOf = (error: unknown): Failure => ({
  code: RehydrateError.is(error) ? error.code : 'other',
  message: errorWords(error),
});

/** Whether another host holds the session. The agent's own `session_busy` names no owner. */
const isElsewhere = (error: unknown): boolean =>
  RehydrateError.is(error) && error.code === 'session_busy' && typeof error.data['owner'] === 'object' && error.data['owner'] !== null;

/** Drops the prefix that the engine's name of a bridged agent has. */
const asNamedHere = (message: string): string => message.replaceAll(`"${BRIDGE_PREFIX}`, '"');

/** Most errors are shown in the library's words, which already say what to do next. */
export function errorWords(error: unknown): string {
  if (RehydrateError.is(error) && error.code === 'turn_outcome_unknown') {
    const { reason } = (error.data['cause'] ?? {}) as { reason?: unknown };
    const why = typeof reason === 'string' ? `: ${reason}.` : '.';
    return `The outcome of this prompt is unknown${why} It was not sent again by itself. Check what was done before you send it again.`;
  }
  if (isElsewhere(error))
    return 'The session is live in another tab, and only that one can prompt it. Take it over, or send the prompt there.';
  if (error instanceof Error) return asNamedHere(error.message);
  return typeof error === 'string' ? error : 'Something failed and gave no reason. Reload the page; the session is in the database.';
}

export interface Problem extends Failure {
  readonly elsewhere: boolean;
  readonly methods: readonly { readonly id: string; readonly name: string }[];
}

function problemOf(error: unknown): Problem {
  const offered = RehydrateError.is(error) ? error.data['authMethods'] : undefined;
  const methods = (Array.isArray(offered) ? offered : []).flatMap((method): Problem['methods'] => {
    const { id, name } = (method ?? {}) as { id?: unknown; name?: unknown };
    return typeof id === 'string' ? [{ id, name: label(name, id, 60) }] : [];
  });
  return { ...failureOf(error), elsewhere: isElsewhere(error), methods };
}

export function createNotices() {
  const problem = signal<Problem | null>(null);
  const note = signal<string | null>(null);
  /** What a link asked for that could not be done. */
  const link = signal<string | null>(null);

  const show = (error: unknown): void => {
    problem.value = problemOf(error);
  };

  return {
    problem,
    note,
    link,
    show,
    clear: () => void (problem.value = note.value = link.value = null),

    addLink(words: string | null): void {
      if (words !== null) link.value = link.value === null ? words : `${link.value} ${words}`;
    },

    /** Runs it and shows its error, if any. */
    attempt: (run: () => Promise<unknown>): Promise<void> => run().then(() => undefined, show),
  };
}

/** Null when the answer speaks for itself. */
export function turnEndWords(end: TurnEnded): string | null {
  switch (end.state) {
    case 'completed':
      return end.stopReason && end.stopReason !== 'end_turn' ? `The agent stopped: ${end.stopReason.replaceAll('_', ' ')}.` : null;
    case 'cancelled':
      return 'The turn was cancelled.';
    case 'failed':
      return `The agent answered with an error: ${asNamedHere(end.error?.message ?? 'it gave no reason.')}`;
    case 'interrupted':
      return 'The turn was interrupted. Nobody knows whether the agent did the work, so the prompt is not sent again by itself.';
  }
}

// ---- how a session became live

export interface StoredReport {
  readonly seq: number;
  readonly at: number;
  readonly report: ResumeReport;
}

export interface FailedResume extends Failure {
  readonly at: number;
  readonly attempts: readonly ResumeAttempt[];
}

export type Told = StoredReport | FailedResume;

/** What is known about the agent's own memory of the session. */
export type Verdict = 'proved' | 'claimed' | 'refused' | 'not asked';

/** Errors of a prompt that failed before its turn began. */
const FAILED: readonly unknown[] = [
  'session_not_resumable',
  'resume_indeterminate',
  'session_busy',
  'auth_required',
  'agent_not_found',
  'agent_start_failed',
  'agent_timeout',
  'agent_exited',
  'agent_protocol_error',
  'cwd_missing',
  'secret_missing',
];

export function failedResume(error: unknown): FailedResume | null {
  if (!RehydrateError.is(error) || isElsewhere(error) || !FAILED.includes(error.code)) return null;
  const { attempts, turnId } = error.data as { attempts?: unknown; turnId?: unknown };
  // The prompt had a turn and nothing was tried, so the session was live.
  if (turnId !== undefined && attempts === undefined) return null;
  return { ...failureOf(error), at: Date.now(), attempts: Array.isArray(attempts) ? (attempts as ResumeAttempt[]) : [] };
}

const attemptsOf = (told: Told) => ('report' in told ? told.report.attempts : told.attempts);

/** The agent's own methods of bringing a session back, and the tier of each. */
const NATIVE: ReadonlyMap<string, Tier> = new Map([
  ['session/resume', 'resume'],
  ['session/load', 'load'],
]);

const asked = (told: Told): boolean => attemptsOf(told).some(({ method }) => NATIVE.has(method));

export function verdictOf(told: Told): Verdict {
  if (!('report' in told)) return asked(told) ? 'refused' : 'not asked';
  const { tier, verified } = told.report;
  if (tier === 'resume' || tier === 'load') return verified === 'replay-matched' || verified === 'listed' ? 'proved' : 'claimed';
  return tier === 'transcript' && asked(told) ? 'refused' : 'not asked';
}

export function verdictWords(told: Told): string {
  if (!('report' in told)) return told.message;
  const { tier, verified, replay } = told.report;
  switch (tier) {
    case 'live':
      return 'The agent was live already.';
    case 'new':
      return asked(told)
        ? 'The agent has lost its session, but nothing had been said in it. It has a new one.'
        : 'There was nothing to bring back yet: the agent has a new session.';
    case 'resume':
      return verified === 'listed'
        ? 'The agent resumed its session, and its own list shows the session.'
        : 'The agent says that it resumed its session. Nothing proves that.';
    case 'load':
      if (verified === 'replay-matched') return 'The agent loaded its session, and its replay matches the record.';
      return verified === 'replay-partial'
        ? `The agent loaded its session, and replayed only part of the record${replay?.newestMissing ? ', without the newest part' : ''}.`
        : 'The agent says that it loaded its session. What it replayed does not prove that.';
    case 'transcript':
      return asked(told)
        ? 'The agent did not bring the session back. A new agent session is given the record.'
        : 'The agent was not asked for its session: it cannot bring one back, or the policy skips that. A new agent session is given the record.';
  }
}

const OUTCOME_WORDS: Readonly<Record<AttemptOutcome, string>> = {
  ok: 'worked',
  unproven: 'claimed success, and was not believed',
  unknown_session: 'the agent does not know the session',
  unsupported: 'the agent does not support it',
  auth_required: 'the agent wants you to sign in',
  session_busy: 'the session is in use elsewhere',
  indeterminate: 'unclear',
  hang: 'no answer in time',
  crash: 'the agent died',
  limit: 'the agent exceeded a limit and was ended',
};

export interface Way {
  readonly method: string;
  readonly good: boolean;
  readonly words: string;
  readonly attempt: ResumeAttempt | null;
}

export function waysOf(told: Told): readonly Way[] {
  const attempts = attemptsOf(told);
  const tried = attempts.map((attempt): Way => {
    const { method, outcome } = attempt;
    const own = NATIVE.get(method);
    // The agent claimed success, but the session became live in another way.
    const doubted = outcome === 'ok' && own !== undefined && 'report' in told && ![own, 'live'].includes(told.report.tier);
    return { method, good: outcome === 'ok' && !doubted, words: OUTCOME_WORDS[doubted ? 'unproven' : outcome], attempt };
  });
  const unasked = [...NATIVE.keys()].filter((method) => !attempts.some((attempt) => attempt.method === method));
  return [...tried, ...unasked.map((method): Way => ({ method, good: false, words: 'not asked', attempt: null }))];
}

export function reportNotes(report: ResumeReport): readonly string[] {
  const { replay, preamble, settings, agentSessionId, previousAgentSessionId } = report;
  const notes: string[] = [];
  if (replay) {
    const parts = [`${count(replay.matched, 'message')} matched`];
    if (replay.missing > 0) parts.push(`${replay.missing} missing`);
    if (replay.imported > 0) parts.push(`${replay.imported} imported from another client`);
    notes.push(`Replay: ${count(replay.received, 'message')} received, ${parts.join(', ')}.`);
  }
  if (preamble) {
    const how = { resource: 'an embedded resource', inline: 'a text block', file: 'a private file' }[preamble.mode];
    const cut = preamble.truncated ? '; the oldest part did not fit' : '';
    notes.push(`Preamble: ${bytesWords(preamble.bytes)} covering ${count(preamble.events, 'event')}, sent once as ${how}${cut}.`);
  }
  if (settings.restored.length > 0) notes.push(`Set again: ${settings.restored.join(', ')}.`);
  for (const { id, reason } of settings.failed) notes.push(`Could not set ${id} again: ${reason}`);
  if (previousAgentSessionId && agentSessionId && previousAgentSessionId !== agentSessionId)
    notes.push('The agent’s own session id changed. Your session’s id did not.');
  return notes;
}
