/**
 * The order of the tiers as one pure function: from what was tried, to what is done next.
 * `RESUME_CASES` (cases.ts) is its table; the docs show it and a test runs it.
 *
 * Three decisions that the table alone does not explain:
 *
 * - **A word about the session outlives one about the method.** `load` answering −32601 says nothing of
 *   the session, so an indeterminate `resume` before it still stands and the session is not left behind.
 *   The reverse holds too: `resume` says "session not found", `load` is unsupported, so it is unknown.
 * - **`replay-mismatch` is no more a success than `replay-empty`.** Messages were expected, others came, and
 *   not one is ours: it is another conversation, or one that no longer holds this one. Going on would put
 *   the next prompt into it and forget ours (I4). `auto` tells the record to a successor, `strict` stops.
 * - **With nothing in the log there is nothing to forget**, so any refusal, also an opaque one, ends in a
 *   new agent session, in every policy.
 */
import type { ErrorCode } from '../errors.ts';
import type { AttemptMethod, AttemptOutcome, ResumePolicy, Verification } from '../types.ts';

export interface TriedStep {
  readonly method: AttemptMethod;
  readonly outcome: AttemptOutcome;
  /** Of `classifyResumeFailure`: the outcome rests on a shape that a list could take back. */
  readonly weak?: boolean;
}

export interface ResumeState {
  readonly policy: ResumePolicy;
  /** As `initialize` of this very process advertised them. */
  readonly capabilities: { readonly resume: boolean; readonly load: boolean; readonly list: boolean };
  readonly agentSessionId: string | null;
  /** Whether the session's log has anything to tell a successor. */
  readonly hasHistory: boolean;
  /** What was tried on this process, in order. Where the list was asked, as classified with its answer. */
  readonly attempts: readonly TriedStep[];
  /** What checking the last success gave; after a `session/load` it must be there. */
  readonly verification?: Verification | null;
  /** Whether the log holds messages that this agent session should replay: an answer of the agent to it. */
  readonly expectsMessages: boolean;
  /** What the list said, once it was asked. */
  readonly listed?: 'present' | 'absent' | 'unknown';
}

export type NextStep =
  | { readonly do: 'session/resume' }
  | { readonly do: 'session/load' }
  /** Ask `session/list`, classify the last error again with the answer, and ask here again with `listed`. */
  | { readonly do: 'ask-list' }
  | { readonly do: 'session/new'; readonly tier: 'transcript' | 'new' }
  | { readonly do: 'accept'; readonly tier: 'resume' | 'load' | 'transcript' | 'new' }
  | { readonly do: 'stop'; readonly code: ErrorCode; readonly reason: string };

type Native = 'session/resume' | 'session/load';
const NATIVE: readonly Native[] = ['session/resume', 'session/load'];

/** What is done next. Never asks for a method that was tried, so a loop over it ends. */
export function nextStep(state: ResumeState): NextStep {
  const { attempts, hasHistory } = state;
  const last = attempts.at(-1);
  if (last) {
    const ended = hardStop(last);
    if (ended) return ended;
    if (last.method === 'session/new') {
      return last.outcome === 'ok'
        ? { do: 'accept', tier: hasHistory ? 'transcript' : 'new' }
        : stop('agent_protocol_error', 'the agent refused session/new');
    }
    if (last.method === 'initialize' && last.outcome !== 'ok') return stop('agent_protocol_error', 'the agent refused initialize');
  }

  const fresh: NextStep = { do: 'session/new', tier: hasHistory ? 'transcript' : 'new' };
  if (state.policy === 'transcript') return fresh;
  if (state.agentSessionId === null) {
    return hasHistory && state.policy === 'strict'
      ? stop('session_not_resumable', 'the agent never gave this session an id, and policy strict allows no other way')
      : fresh;
  }

  const success = last?.outcome === 'ok' && isNative(last.method) ? last.method : null;
  if (success && !isEmptySuccess(state, success)) return { do: 'accept', tier: success === 'session/resume' ? 'resume' : 'load' };

  // A load that came back with nothing of ours was the agent's last word; otherwise go on down the tiers.
  const untried =
    success === 'session/load'
      ? undefined
      : NATIVE.find((method) => advertises(state, method) && !attempts.some((attempt) => attempt.method === method));
  if (untried) return { do: untried };
  if (!hasHistory) return fresh;

  const word = lastWord(state);
  if (state.listed === undefined && state.capabilities.list && (word === 'indeterminate' || word === 'weak')) return { do: 'ask-list' };
  if (word === 'indeterminate') {
    return stop(
      'resume_indeterminate',
      'the agent’s error does not say whether it still has the session, so the session was left as it is; try again, or resume with policy transcript to go on from the stored record',
    );
  }
  if (state.policy === 'strict')
    return stop('session_not_resumable', `${notResumable(state, success)}, and policy strict allows no other way`);
  return fresh;
}

/** What ends the attempt at once: a person must act, or the process is not to be trusted any further. */
function hardStop({ method, outcome }: TriedStep): NextStep | null {
  switch (outcome) {
    case 'auth_required':
      return stop('auth_required', `${method}: the agent wants you to sign in first`);
    case 'session_busy':
      return stop('session_busy', `${method}: the agent says the session is in use elsewhere; close it there and try again`);
    case 'hang':
      return stop('agent_timeout', `${method}: the agent did not answer in time`);
    case 'crash':
      return stop('agent_exited', `${method}: the agent ended before it answered`);
    case 'garbage':
      return stop('agent_protocol_error', `${method}: the agent’s answer was not one`);
    default:
      return null;
  }
}

function isNative(method: AttemptMethod): method is Native {
  return method === 'session/resume' || method === 'session/load';
}

function advertises({ capabilities }: ResumeState, method: Native): boolean {
  return method === 'session/resume' ? capabilities.resume : capabilities.load;
}

/** A success that brought nothing of what was expected. An unchecked load is one: success is checked, never believed. */
function isEmptySuccess(state: ResumeState, method: Native): boolean {
  if (!state.expectsMessages || !state.hasHistory) return false;
  if (method === 'session/resume') return state.listed === 'absent';
  return state.verification === 'replay-empty' || state.verification === 'replay-mismatch' || (state.verification ?? null) === null;
}

/** The last thing the agent said about the session itself. */
function lastWord(state: ResumeState): 'absent' | 'weak' | 'indeterminate' | 'none' {
  for (const { method, outcome, weak } of state.attempts.toReversed()) {
    if (!isNative(method) || outcome === 'unsupported') continue;
    if (outcome !== 'indeterminate') return weak ? 'weak' : 'absent';
    return state.listed === 'absent' ? 'absent' : 'indeterminate';
  }
  return 'none';
}

function notResumable(state: ResumeState, success: Native | null): string {
  if (success && state.verification === 'replay-mismatch') return 'the agent loaded it, but replayed another conversation';
  if (success === 'session/load') return 'the agent loaded it, but replayed none of its messages';
  if (success) return 'the agent resumed it, but session/list does not show it';
  if (lastWord(state) !== 'none') return 'the agent does not have it any more';
  return 'the agent can neither resume nor load sessions';
}

function stop(code: ErrorCode, reason: string): NextStep {
  return { do: 'stop', code, reason };
}
