/**
 * The order of the tiers, as a pure function; `RESUME_CASES` (cases.ts) is its table. Two of its decisions need a reason:
 *
 * - **An answer about the session counts more than one about the method.** If `load` answers −32601, that says nothing about the session,
 * so the answer to `resume` before it still counts, be it indeterminate or "session not found".
 * - **With nothing in the log there is nothing to forget**, so any refusal leads to a new agent session, in every policy.
 */
import type { ErrorCode } from '../errors.ts';
import type { AttemptOutcome, ResumePolicy, Verification } from '../types.ts';

export type NativeMethod = 'session/resume' | 'session/load';

export interface TriedStep {
  readonly method: NativeMethod;
  /**
   * `ok` is a success that passed its check. One that did not is `unproven` after a load (none of the expected messages came), and
   * `unknown_session` after a resume (a complete list does not show the session).
   */
  readonly outcome: AttemptOutcome;
  /** See `ResumeFailure.weak`. */
  readonly weak?: true | undefined;
}

/** What the agent's list says about the session. */
export type Listed = 'present' | 'absent' | 'unknown';

export interface ResumeState {
  readonly policy: ResumePolicy;
  /** What this process advertised in `initialize`. */
  readonly capabilities: { readonly resume: boolean; readonly load: boolean; readonly list: boolean };
  readonly agentSessionId: string | null;
  /** Whether the log has anything to tell a successor. */
  readonly hasHistory: boolean;
  /** In order; once the list was asked, classified with its answer. */
  readonly attempts: readonly TriedStep[];
  /** Undefined until the list was asked. */
  readonly listed?: Listed | undefined;
}

export type NextStep =
  | { readonly do: NativeMethod }
  /** Ask `session/list`, classify the errors again with its answer, and call `nextStep` again with `listed`. */
  | { readonly do: 'ask-list' }
  | { readonly do: 'session/new'; readonly tier: 'transcript' | 'new' }
  | { readonly do: 'accept'; readonly tier: 'resume' | 'load' }
  | { readonly do: 'stop'; readonly code: ErrorCode; readonly reason: string };

const NATIVE: readonly NativeMethod[] = ['session/resume', 'session/load'];

export const isNative = (method: string): method is NativeMethod => NATIVE.includes(method as NativeMethod);

/** Never returns a method that was tried, so a loop over it ends. */
export function nextStep({ policy, capabilities, agentSessionId, hasHistory, attempts, listed }: ResumeState): NextStep {
  const last = attempts.at(-1);
  const stopped = last && hardStop(last);
  if (stopped) return stopped;
  if (last?.outcome === 'ok') return { do: 'accept', tier: last.method === 'session/resume' ? 'resume' : 'load' };

  const fresh: NextStep = { do: 'session/new', tier: hasHistory ? 'transcript' : 'new' };
  if (policy === 'transcript') return fresh;
  if (agentSessionId === null) {
    return hasHistory && policy === 'strict' ? stop('session_not_resumable', 'the agent never gave this session an id') : fresh;
  }

  const can = { 'session/resume': capabilities.resume, 'session/load': capabilities.load };
  const untried = NATIVE.find((method) => can[method] && !attempts.some((attempt) => attempt.method === method));
  // After an unproven load no other method is tried.
  if (untried && last?.outcome !== 'unproven') return { do: untried };
  if (!hasHistory) return fresh;

  const answer = attempts.findLast(({ outcome }) => outcome !== 'unsupported');
  if ((answer?.outcome === 'indeterminate' || answer?.weak) && listed === undefined && capabilities.list) return { do: 'ask-list' };
  if (answer?.outcome === 'indeterminate') {
    return stop(
      'resume_indeterminate',
      'the agent’s error does not say whether it still has the session, so the session was left as it is',
    );
  }
  if (policy === 'strict') return stop('session_not_resumable', notResumable(answer));
  return fresh;
}

/** A person must act, or the process cannot be trusted any further. */
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
    case 'limit':
      return stop('limit_exceeded', `${method}: the agent went over a limit and was ended`);
    default:
      return null;
  }
}

function notResumable(answer: TriedStep | undefined): string {
  if (answer === undefined) return 'the agent can neither resume nor load sessions';
  return answer.outcome === 'unproven' ? 'the agent loaded it, but replayed none of its messages' : 'the agent does not have it';
}

function stop(code: ErrorCode, reason: string): NextStep {
  return { do: 'stop', code, reason };
}

// ---------------------------------------------------------------- judging a replay

/**
 * How a load's replay compares with the log. If nothing comes of what was said, even if only in turns that were cut off, the agent may not
 * have the session; if something comes although nothing was expected, it is another session. An agent that compacted its memory replays
 * other words than were said, and is believed like one that replays a part.
 */
export function verifyReplay(counts: {
  readonly expected: number;
  readonly received: number;
  readonly matched: number;
  /** Whether the log holds a prompt, even of a turn that was cut off. */
  readonly said: boolean;
  readonly compacted?: boolean;
}): Verification {
  const { expected, received, matched, said, compacted = false } = counts;
  if (received === 0) return expected > 0 || (said && !compacted) ? 'replay-empty' : 'replay-matched';
  if (expected === 0) return matched > 0 || compacted ? 'replay-matched' : 'replay-mismatch';
  if (matched === 0) return compacted ? 'replay-partial' : 'replay-mismatch';
  return matched < expected ? 'replay-partial' : 'replay-matched';
}

/**
 * What it is that comes after a replay reached the end of the log: `more` of the replay, to be matched together with it; the same `again`,
 * to be matched by itself; or the agent's `own` words.
 */
export function whatFollows(
  before: {
    /** Whether the replay ended with something new. What follows without words of the user's then belongs to it. */
    readonly endsNew: boolean;
    /** The rest that the newest message, or one of a turn that was cut off, still lacks; without white space. */
    readonly next: string;
  },
  came: { readonly hasUser: boolean; readonly beginsOurs: boolean; readonly text: string },
): 'more' | 'again' | 'own' {
  const { next } = before;
  const { text } = came;
  if (next !== '' && text !== '' && (next.startsWith(text) || text.startsWith(next))) return 'more';
  // Words of the user's are part of a replay, since nobody has prompted.
  if (came.hasUser) return came.beginsOurs ? 'again' : 'more';
  return before.endsNew ? 'more' : 'own';
}
