// INTERIM by the coordinator so that the host runs; the owner of resume/ replaces this file whole.
import type { ErrorCode } from '../errors.ts';
import type { AttemptMethod, AttemptOutcome, ResumePolicy, Tier, Verification } from '../types.ts';
export type NextStep =
  | { do: 'session/resume' } | { do: 'session/load' } | { do: 'ask-list' }
  | { do: 'session/new'; tier: 'transcript' | 'new' } | { do: 'accept'; tier: 'resume' | 'load' } | { do: 'stop'; code: ErrorCode; reason: string };
export interface ResumeState {
  policy: ResumePolicy; capabilities: { resume: boolean; load: boolean; list: boolean }; agentSessionId: string | null; hasHistory: boolean;
  attempts: readonly { method: AttemptMethod; outcome: AttemptOutcome }[]; verification?: Verification | null; expectsMessages: boolean; listed?: 'present' | 'absent' | 'unknown';
}
export function nextStep(s: ResumeState): NextStep {
  const fresh: NextStep = s.hasHistory ? { do: 'session/new', tier: 'transcript' } : { do: 'session/new', tier: 'new' };
  const fall: NextStep = s.policy === 'strict' && s.hasHistory ? { do: 'stop', code: 'session_not_resumable', reason: 'the agent cannot bring it back' } : fresh;
  const last = s.attempts.at(-1);
  if (s.policy === 'transcript' || s.agentSessionId === null) return fresh;
  if (!last) return s.capabilities.resume ? { do: 'session/resume' } : s.capabilities.load ? { do: 'session/load' } : fall;
  switch (last.outcome) {
    case 'ok': return s.verification === 'replay-empty' && s.expectsMessages ? fall : { do: 'accept', tier: last.method === 'session/load' ? 'load' : 'resume' };
    case 'unknown_session': case 'unsupported': return last.method === 'session/resume' && s.capabilities.load ? { do: 'session/load' } : fall;
    case 'indeterminate': return s.capabilities.list && s.listed === undefined ? { do: 'ask-list' } : last.method === 'session/resume' && s.capabilities.load ? { do: 'session/load' } : { do: 'stop', code: 'resume_indeterminate', reason: 'the agent gave an error that does not say whether it has the session' };
    case 'auth_required': return { do: 'stop', code: 'auth_required', reason: 'it wants a sign-in' };
    case 'session_busy': return { do: 'stop', code: 'session_busy', reason: 'in use elsewhere' };
    case 'hang': return { do: 'stop', code: 'agent_timeout', reason: 'the agent did not answer' };
    case 'crash': return { do: 'stop', code: 'agent_exited', reason: 'the agent ended' };
    case 'garbage': return { do: 'stop', code: 'agent_protocol_error', reason: 'the agent answered nonsense' };
  }
}
