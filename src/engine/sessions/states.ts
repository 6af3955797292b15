/**
 * The states of a session in this host, and what leads from one to another: the whole machine as a table. `session.ts` gives each state
 * its data and moves by this table only; the documentation draws its picture from it.
 */

export type StateName = 'asleep' | 'starting' | 'resuming' | 'live' | 'prompting' | 'ending';

export type TransitionName = 'create' | 'wake' | 'opened' | 'failed' | 'prompt' | 'unsent' | 'answered' | 'end' | 'gone';

export interface Transition {
  readonly from: StateName;
  readonly on: TransitionName;
  readonly to: StateName;
  /** For people. */
  readonly when: string;
}

export const TRANSITIONS: readonly Transition[] = [
  { from: 'asleep', on: 'create', to: 'starting', when: 'a new session is asked for' },
  { from: 'asleep', on: 'wake', to: 'resuming', when: 'something needs the agent, and this host has the lease' },
  { from: 'starting', on: 'opened', to: 'live', when: 'the session is in the record' },
  { from: 'starting', on: 'failed', to: 'asleep', when: 'the agent is gone and nothing was written' },
  { from: 'resuming', on: 'opened', to: 'live', when: 'the report is in the log' },
  { from: 'resuming', on: 'failed', to: 'asleep', when: 'the agent is gone and the lease is free' },
  { from: 'live', on: 'prompt', to: 'prompting', when: 'a prompt is on its way into the log' },
  { from: 'prompting', on: 'unsent', to: 'live', when: 'the prompt could not be stored, so it was not sent' },
  { from: 'prompting', on: 'answered', to: 'live', when: 'the end of the turn is in the log' },
  { from: 'live', on: 'end', to: 'ending', when: 'the agent died, or is being ended' },
  { from: 'prompting', on: 'end', to: 'ending', when: 'the agent died, or is being ended' },
  { from: 'ending', on: 'gone', to: 'asleep', when: 'the whole process tree is gone, and the log says how' },
];

/** Where a transition leads from a state, or null when it cannot happen there. */
export function transition(from: StateName, on: TransitionName): StateName | null {
  return TRANSITIONS.find((each) => each.from === from && each.on === on)?.to ?? null;
}
