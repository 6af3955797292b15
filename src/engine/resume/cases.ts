/** The table of cases of `nextStep`. The documentation shows it and a test runs it, so that both say what the code does. */
import type { ResumeState, TriedStep } from './decide.ts';
import type { ErrorCode } from '../errors.ts';

export interface ResumeCase {
  readonly name: string;
  readonly state: ResumeState;
  /** What `nextStep` returns; of `stop` only the code. */
  readonly next:
    | { readonly do: 'session/resume' | 'session/load' | 'ask-list' }
    | { readonly do: 'session/new' | 'accept'; readonly tier: string }
    | { readonly do: 'stop'; readonly code: ErrorCode };
}

/** A session with history, an agent that can do everything, policy `auto`, nothing tried. */
const base: ResumeState = {
  policy: 'auto',
  capabilities: { resume: true, load: true, list: true },
  agentSessionId: 'agent-1',
  hasHistory: true,
  attempts: [],
};
const only = (...can: readonly ('resume' | 'load' | 'list')[]): Pick<ResumeState, 'capabilities'> => ({
  capabilities: { resume: can.includes('resume'), load: can.includes('load'), list: can.includes('list') },
});
/** `~` marks a weak outcome: one that rests on a known shape alone. */
const tried = (...attempts: readonly `${'resume' | 'load'} ${'~' | ''}${TriedStep['outcome']}`[]): Pick<ResumeState, 'attempts'> => ({
  attempts: attempts.map((attempt) => {
    const [method, outcome] = attempt.split(' ') as ['resume', string];
    const weak = outcome.startsWith('~');
    return {
      method: `session/${method}`,
      outcome: (weak ? outcome.slice(1) : outcome) as TriedStep['outcome'],
      ...(weak ? { weak } : {}),
    };
  }),
});
const strict = { policy: 'strict' } as const;
const transcript = { policy: 'transcript' } as const;
const noHistory = { hasHistory: false } as const;

const row = (name: string, next: ResumeCase['next'], ...changes: readonly Partial<ResumeState>[]): ResumeCase => ({
  name,
  state: Object.assign({}, base, ...changes) as ResumeState,
  next,
});
const go = (method: 'session/resume' | 'session/load' | 'ask-list') => ({ do: method }) as const;
const fresh = (tier: 'transcript' | 'new') => ({ do: 'session/new', tier }) as const;
const accept = (tier: 'resume' | 'load') => ({ do: 'accept', tier }) as const;
const stop = (code: ErrorCode) => ({ do: 'stop', code }) as const;

export const RESUME_CASES: readonly ResumeCase[] = [
  // ---- where it begins
  row('resume comes first if it is advertised', go('session/resume')),
  row('load comes first if resume is not advertised', go('session/load'), only('load', 'list')),
  row('an agent that can do neither gets the transcript', fresh('transcript'), only()),
  row('policy transcript does not ask the agent', fresh('transcript'), transcript),
  row('strict with an agent that can do neither stops', stop('session_not_resumable'), strict, only()),
  row('a session without an agent session id gets the transcript', fresh('transcript'), { agentSessionId: null }),
  row('strict cannot resume a session without an agent session id', stop('session_not_resumable'), strict, { agentSessionId: null }),

  // ---- nothing in the log
  row('nothing in the log and no id: a new session', fresh('new'), noHistory, { agentSessionId: null }),
  row('nothing in the log: the agent’s own session is still tried', go('session/resume'), noHistory),
  row(
    'nothing in the log, unknown to both: a new session',
    fresh('new'),
    noHistory,
    tried('resume unknown_session', 'load unknown_session'),
  ),
  row(
    'nothing in the log, opaque errors: nothing to lose, so a new session',
    fresh('new'),
    noHistory,
    tried('resume indeterminate', 'load indeterminate'),
  ),
  // ---- success, and whether it is one
  row('a resume that nothing contradicts is accepted', accept('resume'), tried('resume ok')),
  row('a resume whose id is missing from a complete list is unknown: load is tried', go('session/load'), tried('resume unknown_session'), {
    listed: 'absent',
  }),
  row('a load whose replay has something of this conversation is accepted', accept('load'), only('load'), tried('load ok')),
  row(
    'a load that replays nothing, or another conversation, is unproven: the transcript is given',
    fresh('transcript'),
    only('load'),
    tried('load unproven'),
  ),
  row('an unproven load stops strict', stop('session_not_resumable'), strict, only('load'), tried('load unproven')),
  row('an unproven load outweighs an earlier opaque error', fresh('transcript'), tried('resume indeterminate', 'load unproven')),
  row('an opaque resume followed by a good load: the load is accepted', accept('load'), tried('resume indeterminate', 'load ok')),

  // ---- the session is unknown, or the method
  row('unknown to resume: load is tried', go('session/load'), tried('resume unknown_session')),
  row('resume unsupported in spite of the capability: load is tried', go('session/load'), tried('resume unsupported')),
  row('unknown to both: the transcript is given', fresh('transcript'), tried('resume unknown_session', 'load unknown_session')),
  row('unknown to both: strict stops', stop('session_not_resumable'), strict, tried('resume unknown_session', 'load unknown_session')),
  row('both unsupported: the transcript is given', fresh('transcript'), tried('resume unsupported', 'load unsupported')),
  row(
    'unknown to resume, load unsupported: what resume said about the session counts',
    fresh('transcript'),
    tried('resume unknown_session', 'load unsupported'),
  ),
  row('a known shape is checked against the list', go('ask-list'), only('load', 'list'), tried('load ~unknown_session')),
  row('a known shape counts if there is no list', fresh('transcript'), only('load'), tried('load ~unknown_session')),
  row('a known shape counts if the list proves nothing', fresh('transcript'), only('load', 'list'), tried('load ~unknown_session'), {
    listed: 'unknown',
  }),
  row(
    'a list that shows the session cancels a known shape',
    stop('resume_indeterminate'),
    only('resume', 'list'),
    tried('resume indeterminate'),
    { listed: 'present' },
  ),

  // ---- the agent’s error does not tell
  row('an opaque resume: load is still tried', go('session/load'), tried('resume indeterminate')),
  row('an opaque load: the list is asked', go('ask-list'), tried('resume indeterminate', 'load indeterminate')),
  row(
    'an opaque error and no list: stop, and never give the transcript',
    stop('resume_indeterminate'),
    only('load'),
    tried('load indeterminate'),
  ),
  row(
    'an opaque error and a list that shows the session: stop',
    stop('resume_indeterminate'),
    tried('resume indeterminate', 'load indeterminate'),
    { listed: 'present' },
  ),
  row(
    'an opaque error and a list that proves nothing: stop',
    stop('resume_indeterminate'),
    tried('resume indeterminate', 'load indeterminate'),
    { listed: 'unknown' },
  ),
  row(
    'an opaque error and a list that proves absence: unknown, so the transcript is given',
    fresh('transcript'),
    tried('resume unknown_session', 'load unknown_session'),
    { listed: 'absent' },
  ),
  row('strict also stops as indeterminate', stop('resume_indeterminate'), strict, only('load'), tried('load indeterminate')),
  row(
    'unknown to resume, opaque to load: the last word is opaque',
    stop('resume_indeterminate'),
    only('resume', 'load'),
    tried('resume unknown_session', 'load indeterminate'),
  ),
  row(
    'opaque to resume, unknown to load: the last word is clear',
    fresh('transcript'),
    tried('resume indeterminate', 'load unknown_session'),
  ),
  row(
    'opaque to resume, load unsupported: that says nothing about the session',
    stop('resume_indeterminate'),
    only('resume', 'load'),
    tried('resume indeterminate', 'load unsupported'),
  ),

  // ---- a person must act, or the process is not to be trusted
  row('the agent wants a login', stop('auth_required'), tried('resume auth_required')),
  row('the session is in use elsewhere', stop('session_busy'), tried('resume unknown_session', 'load session_busy')),
  row('the agent hangs', stop('agent_timeout'), tried('resume hang')),
  row('the agent crashes', stop('agent_exited'), only('load'), tried('load crash')),
  row('the agent exceeds a limit', stop('limit_exceeded'), only('load'), tried('load limit')),
];
