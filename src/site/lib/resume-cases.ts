/** The cases of the resume decision in words. */
import type { ResumeCase } from '../../engine/resume/cases.ts';
import type { ResumeState } from '../../engine/resume/decide.ts';

/** The case, with what it is given beyond the ordinary (see the page), and what follows. */
export function caseRow({ name, state, next }: ResumeCase): [given: { text: string; small: string }, next: string] {
  const said = { accept: '', stop: '', 'ask-list': 'session/list' }[next.do as string] ?? next.do;
  const follows = [said, 'code' in next ? next.code : '', 'tier' in next ? `tier ${next.tier}` : ''];
  return [{ text: name, small: givenOf(state).filter(Boolean).join(' · ') }, follows.filter(Boolean).join(', ')];
}

function givenOf(state: ResumeState): readonly string[] {
  const can = (['resume', 'load', 'list'] as const).filter((name) => state.capabilities[name]);
  return [
    state.policy === 'auto' ? '' : `policy ${state.policy}`,
    can.length === 3 ? '' : can.length === 0 ? 'agent has none of resume, load, list' : `agent has only ${can.join(', ')}`,
    state.agentSessionId === null ? 'no agent session id' : '',
    state.hasHistory ? '' : 'nothing in the log',
    ...state.attempts.map(
      ({ method, outcome, weak }) => `${method.replace('session/', '')}: ${outcome}${weak ? ', by its shape only' : ''}`,
    ),
    state.listed ? `list: ${state.listed}` : '',
  ];
}
