/** A session's states are a table; whatever happens to sessions, they move by it. */
import { describe, expect, it } from 'vitest';
import { transition, TRANSITIONS, type StateName, type TransitionName } from '../../../src/engine/sessions/session.ts';

const STATES: readonly StateName[] = ['asleep', 'starting', 'resuming', 'live', 'prompting', 'ending'];
const NAMES: readonly TransitionName[] = ['create', 'wake', 'opened', 'failed', 'prompt', 'unsent', 'answered', 'end', 'gone'];

describe('the states of a session', () => {
  it.each(STATES.flatMap((from) => NAMES.map((on) => [from, on] as const)))('%s, %s', (from, on) => {
    const rows = TRANSITIONS.filter((each) => each.from === from && each.on === on);
    expect(rows.length).toBeLessThan(2);
    expect(transition(from, on)).toBe(rows[0]?.to ?? null);
  });

  it('every state can be reached from asleep, and asleep from every state', () => {
    const reach = (start: StateName, step: (at: StateName) => StateName[]): Set<StateName> => {
      const seen = new Set([start]);
      for (const at of seen) for (const next of step(at)) seen.add(next);
      return seen;
    };
    expect(reach('asleep', (at) => TRANSITIONS.filter(({ from }) => from === at).map(({ to }) => to)).size).toBe(STATES.length);
    expect(reach('asleep', (at) => TRANSITIONS.filter(({ to }) => to === at).map(({ from }) => from)).size).toBe(STATES.length);
  });

  it('no way out of a state without the agent’s end, but for a start that failed', () => {
    expect(TRANSITIONS.filter(({ to }) => to === 'asleep').map(({ from, on }) => `${from} ${on}`)).toEqual([
      'starting failed',
      'resuming failed',
      'ending gone',
    ]);
  });
});
