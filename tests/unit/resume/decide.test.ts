import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RESUME_CASES } from '../../../src/engine/resume/cases.ts';
import {
  nextStep,
  verifyReplay,
  type NativeMethod,
  type NextStep,
  type ResumeState,
  type TriedStep,
  whatFollows,
} from '../../../src/engine/resume/decide.ts';
import { ERROR_CODES } from '../../../src/engine/errors.ts';
import type { ResumePolicy } from '../../../src/engine/types.ts';

describe('the order of the tiers', () => {
  it.each(RESUME_CASES.map((row) => [row.name, row] as const))('%s', (_, { state, next }) => {
    expect(nextStep(state)).toMatchObject(next);
  });

  it('names every case once', () => {
    expect(new Set(RESUME_CASES.map((row) => row.name)).size).toBe(RESUME_CASES.length);
    expect(new Set(RESUME_CASES.map((row) => JSON.stringify(row.state))).size).toBe(RESUME_CASES.length);
  });
});

// ---------------------------------------------------------------- every agent there can be

const POLICIES: readonly ResumePolicy[] = ['auto', 'strict', 'transcript'];
const OUTCOMES: readonly TriedStep['outcome'][] = [
  'ok',
  'unproven',
  'unknown_session',
  'unsupported',
  'auth_required',
  'session_busy',
  'indeterminate',
  'hang',
  'crash',
  'limit',
];
const LISTS = ['present', 'absent', 'unknown'] as const;
const BOOL = [false, true];

/** How one agent answers to everything it may be asked. */
interface Agent {
  capabilities: ResumeState['capabilities'];
  answers: Record<NativeMethod, TriedStep['outcome']>;
  weak: boolean;
  list: (typeof LISTS)[number];
}
type World = Agent & Pick<ResumeState, 'policy' | 'agentSessionId' | 'hasHistory'>;

/** Plays a whole resume, as the host does. */
function play(world: World): { steps: NextStep[]; attempts: TriedStep[]; end: NextStep; listed: ResumeState['listed'] } {
  const attempts: TriedStep[] = [];
  const steps: NextStep[] = [];
  let listed: ResumeState['listed'];
  for (let i = 0; i < 10; i++) {
    const step = nextStep({ ...world, attempts: [...attempts], listed });
    steps.push(step);
    if (step.do === 'accept' || step.do === 'stop' || step.do === 'session/new') return { steps, attempts, end: step, listed };
    if (step.do === 'ask-list') {
      listed = world.list;
      for (const [i, { method, outcome, weak }] of attempts.entries()) {
        if (outcome === 'indeterminate' && listed === 'absent') attempts[i] = { method, outcome: 'unknown_session' };
        if (weak && listed === 'present') attempts[i] = { method, outcome: 'indeterminate' };
      }
      continue;
    }
    let outcome = world.answers[step.do];
    if (step.do === 'session/resume' && outcome === 'ok' && world.capabilities.list) {
      listed = world.list;
      if (listed === 'absent' && world.hasHistory) outcome = 'unknown_session';
    }
    attempts.push({ method: step.do, outcome, ...(outcome === 'unknown_session' && world.weak ? { weak: true } : {}) });
  }
  throw new Error(`no end: ${JSON.stringify(world)}`);
}

function* everyWorld(): Generator<World> {
  for (const policy of POLICIES)
    for (const resume of BOOL)
      for (const load of BOOL)
        for (const list of BOOL)
          for (const hasHistory of BOOL)
            for (const agentSessionId of ['agent-1', null])
              for (const onResume of resume ? OUTCOMES.filter((outcome) => outcome !== 'unproven') : ['ok' as const])
                for (const onLoad of load ? OUTCOMES.filter((outcome) => outcome !== 'unproven' || hasHistory) : ['ok' as const])
                  for (const weak of BOOL)
                    for (const listed of list ? LISTS : ['unknown' as const])
                      yield {
                        policy,
                        capabilities: { resume, load, list },
                        hasHistory,
                        agentSessionId,
                        answers: { 'session/resume': onResume, 'session/load': onLoad },
                        weak,
                        list: listed,
                      };
}

/** Runs `check` over every world; a failure names the world. */
function inEveryWorld(check: (world: World, played: ReturnType<typeof play>) => void): number {
  let count = 0;
  for (const world of everyWorld()) {
    const played = play(world);
    try {
      check(world, played);
    } catch (error) {
      throw new Error(`${JSON.stringify(world)}\n${JSON.stringify(played.steps)}`, { cause: error });
    }
    count++;
  }
  return count;
}
const must = (truth: boolean, what: string) => {
  if (!truth) throw new Error(what);
};

describe('in every world', () => {
  it('a resume ends, asks nothing twice and only what is advertised', () => {
    const worlds = inEveryWorld((world, { steps, end }) => {
      const asked = steps.filter((step) => step !== end).map((step) => step.do);
      must(new Set(asked).size === asked.length, 'asked twice');
      must(world.capabilities.resume || !asked.includes('session/resume'), 'resume not advertised');
      must(world.capabilities.load || !asked.includes('session/load'), 'load not advertised');
      must(world.capabilities.list || !asked.includes('ask-list'), 'list not advertised');
      must(
        world.agentSessionId !== null || !asked.some((step) => step === 'session/resume' || step === 'session/load'),
        'no id to ask for',
      );
      if (end.do === 'stop') must(ERROR_CODES.includes(end.code) && end.reason !== '', 'no reason');
    });
    expect(worlds).toBeGreaterThan(5_000);
  });

  it('I4: strict never falls back', () => {
    inEveryWorld((world, { steps }) => {
      if (world.policy === 'strict') must(!steps.some((step) => 'tier' in step && step.tier === 'transcript'), 'fell back');
    });
  });

  it('I4: an agent whose last word about the session is opaque is never left for the record', () => {
    inEveryWorld((_, { steps, attempts, listed }) => {
      const native = attempts.findLast(({ outcome }) => outcome !== 'unsupported');
      if (native?.outcome === 'indeterminate' && listed !== 'absent') {
        must(!steps.some((step) => 'tier' in step && step.tier === 'transcript'), 'left behind');
      }
    });
  });

  it('I4: a session with history never becomes a new one without its record', () => {
    inEveryWorld((world, { steps }) => {
      if (world.hasHistory) must(!steps.some((step) => 'tier' in step && step.tier === 'new'), 'forgotten');
    });
  });

  it('I4: a load that brought none of the messages it should is never taken', () => {
    inEveryWorld((_, { end, attempts }) => {
      if (attempts.at(-1)?.outcome === 'unproven') must(end.do !== 'accept', 'took an empty load');
    });
  });

  it('auto ends in a live session whenever the agent is well and says what became of the session', () => {
    inEveryWorld((world, { end, attempts }) => {
      const clear = attempts.every(({ outcome, weak }) => ['ok', 'unproven', 'unknown_session', 'unsupported'].includes(outcome) && !weak);
      if (world.policy === 'auto' && clear) must(end.do === 'accept' || end.do === 'session/new', 'stopped for no reason');
    });
  });

  it('what a person must act on stops at once, with its own code', () => {
    const codes: Partial<Record<TriedStep['outcome'], string>> = {
      auth_required: 'auth_required',
      session_busy: 'session_busy',
      hang: 'agent_timeout',
      crash: 'agent_exited',
      limit: 'limit_exceeded',
    };
    inEveryWorld((_, { end, attempts }) => {
      const first = attempts.findIndex(({ outcome }) => outcome in codes);
      if (first < 0) return;
      must(first === attempts.length - 1, 'went on');
      must(end.do === 'stop' && end.code === codes[(attempts[first] as TriedStep).outcome], 'wrong code');
    });
  });
});

describe('any state', () => {
  const attempt = fc.record({
    method: fc.constantFrom('session/resume', 'session/load'),
    outcome: fc.constantFrom(...OUTCOMES),
    weak: fc.constantFrom(true, undefined),
  }) as fc.Arbitrary<TriedStep>;
  it('gets an answer, also one that no host should reach', () => {
    fc.assert(
      fc.property(
        fc.record({
          policy: fc.constantFrom(...POLICIES),
          capabilities: fc.record({ resume: fc.boolean(), load: fc.boolean(), list: fc.boolean() }),
          agentSessionId: fc.option(fc.string()),
          hasHistory: fc.boolean(),
          attempts: fc.array(attempt, { maxLength: 6 }),
          listed: fc.option(fc.constantFrom(...LISTS), { nil: undefined }),
        }),
        (state) => {
          const step = nextStep(state);
          expect(['session/resume', 'session/load', 'ask-list', 'session/new', 'accept', 'stop']).toContain(step.do);
          if (state.policy === 'strict' && state.hasHistory) expect(step).not.toMatchObject({ do: 'session/new' });
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('what a replay is worth', () => {
  it.each([
    ['replay-matched', 0, 0, 0],
    ['replay-mismatch', 0, 3, 0],
    ['replay-matched', 0, 1, 1],
    ['replay-empty', 4, 0, 0],
    ['replay-mismatch', 4, 4, 0],
    ['replay-partial', 4, 2, 2],
    ['replay-partial', 4, 9, 3],
    ['replay-matched', 4, 4, 4],
    ['replay-matched', 4, 6, 4],
  ])('%s: %d expected, %d received, %d matched', (verification, expected, received, matched) => {
    expect(verifyReplay({ expected, received, matched, said: expected > 0 })).toBe(verification);
  });
  it.each([
    ['replay-empty', 'nothing came of turns that were cut off', { expected: 0, received: 0, matched: 0, said: true }],
    [
      'replay-empty',
      'nothing came of what was said after a compaction',
      { expected: 2, received: 0, matched: 0, said: true, compacted: true },
    ],
    ['replay-matched', 'all that was said was compacted', { expected: 0, received: 0, matched: 0, said: true, compacted: true }],
    ['replay-partial', 'after a compaction it came in other words', { expected: 2, received: 1, matched: 0, said: true, compacted: true }],
  ] as const)('%s: %s', (verification, _, counts) => {
    expect(verifyReplay(counts)).toBe(verification);
  });
});

describe('what follows a replay that was whole', () => {
  const words = { hasUser: false, beginsOurs: false, text: 'is blue.' };
  const users = { ...words, hasUser: true };
  const ours = { ...users, beginsOurs: true };
  it.each([
    ['own', 'words of the agent’s', { endsNew: false, next: '' }, words],
    ['more', '… after words that were new', { endsNew: true, next: '' }, words],
    ['more', '… that a message lacked', { endsNew: false, next: 'is blue.' }, words],
    ['more', '… that a message lacked, and a part of them', { endsNew: false, next: 'is blue. Or green.' }, words],
    ['more', '… that a message lacked, and more', { endsNew: false, next: 'is' }, words],
    ['own', '… other than a message lacked', { endsNew: false, next: 'was red.' }, words],
    ['own', 'no words, where a message lacked some', { endsNew: false, next: 'is blue.' }, { ...words, text: '' }],
    ['again', 'a message of ours', { endsNew: false, next: '' }, ours],
    ['again', '… after words that were new', { endsNew: true, next: '' }, ours],
    ['more', '… which is also what a message lacked', { endsNew: false, next: 'is blue.' }, ours],
    ['more', 'words of the user’s that are not ours', { endsNew: false, next: '' }, users],
  ] as const)('%s: %s', (follows, _, before, came) => {
    expect(whatFollows(before, came)).toBe(follows);
  });
});
