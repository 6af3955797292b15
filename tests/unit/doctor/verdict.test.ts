import { describe, expect, test } from 'vitest';

import { verdictOf, type ComingBack, type Outcomes } from '../../../src/cli/doctor/report.ts';

const nothing = { resume: false, load: false, list: false };
const all = { resume: true, load: true, list: true };
const came = (outcome: 'ok' | 'unproven' = 'ok', forgotten = false): ComingBack => ({ outcome, forgotten });
const failed = (outcome: ComingBack['outcome']): ComingBack => ({ outcome, forgotten: false });
const unknownSession = { load: null, resume: null };

describe('the verdict is what a client of the engine gets', () => {
  const cases: [string, Partial<Outcomes>, string | null, RegExp][] = [
    ['resumes', { processes: [all], resume: came(), load: came() }, 'resume', /comes back with session\/resume/],
    ['loads', { processes: [{ ...all, resume: false }], load: came() }, 'load', /comes back with session\/load/],
    ['can do neither', { processes: [nothing] }, 'transcript', /cannot bring sessions back itself/],
    [
      'forgets and says so',
      { processes: [all], resume: failed('unknown_session'), load: failed('unknown_session') },
      'transcript',
      /says so/,
    ],
    [
      'advertises what it lacks',
      { processes: [all], resume: failed('unsupported'), load: failed('unsupported') },
      'transcript',
      /transcript/,
    ],
    ['lies with resume', { processes: [all], resume: came('ok', true) }, null, /forgotten it/],
    [
      'resumes what its list does not show',
      { processes: [{ ...all, load: false }], resume: { outcome: 'unknown_session', forgotten: false, unlisted: true } },
      'transcript',
      /its own list does not show it/,
    ],
    ['lies with load', { processes: [{ ...all, resume: false }], load: came('unproven', true) }, 'transcript', /replays nothing/],
    ['is opaque in resume and loads', { processes: [all], resume: failed('indeterminate'), load: came() }, 'load', /session\/load/],
    ['is opaque throughout', { processes: [all], resume: failed('indeterminate'), load: failed('indeterminate') }, null, /has to stop/],
    ['hangs in resume', { processes: [all], resume: failed('hang'), load: came() }, null, /did not answer in time/],
    ['crashes in load', { processes: [{ ...all, resume: false }], load: failed('crash') }, null, /ended before it answered/],
    ['is busy', { processes: [all], resume: failed('session_busy') }, null, /in use elsewhere/],
    [
      'was never prompted and forgets such sessions',
      { processes: [all], resume: failed('unknown_session'), load: failed('unknown_session'), said: false },
      null,
      /without a prompt/,
    ],
    ['was never prompted and comes back', { processes: [all], resume: came(), said: false }, 'resume', /comes back/],
    [
      'comes back and cannot be asked',
      { processes: [all], resume: { ...came(), untried: 'it died' } },
      'resume',
      /comes back with session\/resume, as it says; whether it remembers was not tried: it died\.$/,
    ],
    [
      'could not be started again',
      { processes: [all], resume: { ...failed('crash'), notStarted: 'started again, it died' } },
      null,
      /has to stop: started again, it died\.$/,
    ],
    ['advertises something else at each start', { processes: [all, nothing, all], resume: came(), load: came() }, 'transcript', /changes/],
    [
      'advertises resume at times and load always',
      { processes: [all, { ...all, resume: false }], resume: came(), load: came() },
      'load',
      /session\/load.*changes/,
    ],
    ['could not be examined', { examined: false }, null, /could not be found out/],
  ];
  test.each(cases)('an agent that %s', (_what, outcomes, tier, words) => {
    const verdict = verdictOf(
      { examined: true, processes: [nothing], resume: null, load: null, said: true, unknownSession, ...outcomes },
      [],
    );
    expect(verdict.tier).toBe(tier);
    expect(verdict.summary).toMatch(words);
    // A program reads why nothing was tried.
    expect(verdict.untried).toBe((outcomes as Partial<Outcomes>).resume?.untried);
  });

  test('one broken MUST breaks the protocol; failures of other kinds do not', () => {
    const outcomes = { examined: false, processes: [nothing], resume: null, load: null, said: false, unknownSession };
    const check = { id: 'close', outcome: 'fail', detail: '', ms: 0, help: '' } as const;
    expect(verdictOf(outcomes, [check]).breaksProtocol).toBe(false);
    expect(verdictOf(outcomes, [check, { ...check, breaksProtocol: true }]).breaksProtocol).toBe(true);
  });
});
