/** The steps of a scenario, ticked by what really happened, whoever did it. */
import { computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import { within } from '../../src/engine/waiting.ts';
import type { Expectation, Fact, Fault, Scenario, Step } from '../scenarios/types.ts';
import type { AgentStatus, Machine } from './machine.ts';
import { when } from './pace.ts';
import { newestReport, type SessionView } from './session.ts';
import { firstOpen, type StepProgress } from './visits.ts';

export const WAITING: StepProgress = { state: 'waiting', why: '' };
const DONE: StepProgress = { state: 'done', why: '' };

const withSteps = (
  { steps }: Scenario,
  progress: readonly StepProgress[],
  changed: Readonly<Record<number, StepProgress>>,
): readonly StepProgress[] => steps.map((_, at) => changed[at] ?? progress[at] ?? WAITING);

/** Spelling aside. */
const plain = (text = ''): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

const matches = (step: Step, fact: Fact): boolean => fact.kind === (step.asks ? 'asked' : step.do) && plain(fact.what) === plain(step.what);

/** The next step is ticked when it was done, with a word on what came out otherwise. */
export function observe(scenario: Scenario, progress: readonly StepProgress[], fact: Fact, status: AgentStatus): readonly StepProgress[] {
  const { steps } = scenario;
  const next = firstOpen(progress, steps.length);
  const step = steps[next];
  if (step === undefined) return progress;
  if (matches(step, fact)) {
    const { expect = {} } = step;
    const why = judge(expect, fact, status);
    if (why === null) return withSteps(scenario, progress, { [next]: DONE });
    const fault = !fact.error && stillLive(expect, fact) ? steps.findLastIndex((one, at) => at < next && one.do in FAULTS) : -1;
    if (fault < 0) return withSteps(scenario, progress, { [next]: { state: fact.error ? 'failed' : 'differs', why } });
    const again = `The agent was still live. Do step ${fault + 1} again first.`;
    return withSteps(scenario, progress, { [fault]: WAITING, [next]: { ...WAITING, why: again } });
  }
  if (fact.kind !== 'send') return progress;
  const ahead = steps.findIndex((one, at) => at > next && matches(one, fact) && judge(one.expect ?? {}, fact, status) === null);
  if (ahead < 0) return progress;
  const skipped = steps.map((_, at) => [at, { state: 'skipped' as const, why: '' }] as const).slice(next, ahead);
  return withSteps(scenario, progress, { ...Object.fromEntries(skipped), [ahead]: DONE });
}

const stillLive = ({ tier, error }: Expectation, { report }: Fact): boolean =>
  report?.tier === 'live' && (error !== undefined || (tier !== undefined && tier !== 'new' && tier !== 'live'));

/** Why what came differs from what was expected, or null. */
export function judge(expect: Expectation, { report, error, reply }: Fact, status: AgentStatus): string | null {
  if (report !== undefined) {
    const wanted: readonly string[] = [expect.error ?? []].flat();
    if (error && !wanted.includes(error.code)) return error.message;
    if (!error && wanted.length > 0) return `It was to fail with ${wanted.join(' or ')}, and did not.`;
    // A session that is live already was new before.
    if (expect.tier && report?.tier !== expect.tier && !(expect.tier === 'new' && report?.tier === 'live'))
      return `The session came back by ${report?.tier ?? 'nothing'}, not by ${expect.tier}.`;
    if (expect.verified && report?.verified !== expect.verified)
      return `The check was to say ${expect.verified} and says ${report?.verified ?? 'nothing'}.`;
    if (expect.reply && reply !== undefined && !reply.toLowerCase().includes(expect.reply.toLowerCase()))
      return `The answer was to name “${expect.reply}” and does not.`;
  }
  return expect.status && status !== expect.status ? `The agent was to be ${expect.status} and is ${status}.` : null;
}

/** Each fault's button, and what it does. */
export const FAULTS: Readonly<Record<Fault, readonly [name: string, does: string]>> = {
  sleep: ['Sleep', 'End host and agent. The database stays.'],
  wake: ['Wake', 'Open a host on the same database again. No agent starts yet.'],
  kill: ['Kill agent', 'End the agent’s process at once.'],
  drop: ['Drop connection', 'Cut the line between host and agent.'],
  'forget-store': ['Delete agent store', 'The agent forgets every session. The host’s record stays.'],
  'arm-crash': ['Crash mid-turn', 'The agent is killed as soon as it says the first word of its next answer.'],
};

export function doing({ do: press, what }: Step): string {
  switch (press) {
    case 'send':
      return `Say “${what}”`;
    case 'allow':
      return 'Press Allow';
    case 'reject':
      return 'Press Reject';
    case 'create':
      return 'Create the session';
    case 'policy':
      return `Set the policy to ${what}`;
    case 'open':
      return 'Open it in the editor';
    case 'ask':
      return `Ask from the editor “${what}”`;
    default:
      return `Press ${FAULTS[press][0]}`;
  }
}

/** The wire may lag this far behind a prompt's end. */
const STATUS_MS = 3_000;

interface LessonOptions {
  readonly scenario: ReadonlySignal<Scenario>;
  readonly machine: ReadonlySignal<Machine>;
  readonly live: ReadonlySignal<SessionView>;
  /** A number that changes with the place: what happened at one is not told at the next. */
  readonly place: () => number;
  readonly onChange: () => void;
}

export function createLesson({ scenario, machine, live, place, onChange }: LessonOptions) {
  const progress = signal<readonly StepProgress[]>([]);
  /** Their number when all are passed. */
  const next = computed(() => firstOpen(progress.value, scenario.value.steps.length));
  let told: Promise<void> = Promise.resolve();

  function set(changed: readonly StepProgress[]): void {
    if (changed === progress.value) return;
    progress.value = changed;
    onChange();
  }

  /** Given a moment to become the wanted one. */
  async function status(wanted?: AgentStatus): Promise<AgentStatus> {
    if (wanted)
      await within(
        when(() => machine.value.agent === wanted),
        STATUS_MS,
      );
    return machine.value.agent;
  }

  /** Resolves when the steps say so. */
  function tell(fact: Fact): Promise<void> {
    const began = place();
    told = told.then(async () => {
      if (place() !== began) return;
      const about = scenario.value.steps.find((one, at) => at >= next.value && matches(one, fact));
      const is = await status(about?.expect?.status);
      if (place() === began) set(observe(scenario.value, progress.value, fact, is));
    });
    return told;
  }

  let known: string | null = null;
  const stop = effect(() => {
    const { permission, prompt } = live.value;
    if (permission && permission.requestId !== known && prompt !== null)
      void tell({ kind: 'asked', what: prompt, report: newestReport(live.value) });
    known = permission?.requestId ?? null;
  });

  return {
    progress,
    next,
    step: computed<Step | undefined>(() => scenario.value.steps[next.value]),
    tell,
    /** Resolves when all that was told is in the progress. */
    settle: () => told,
    mark: (index: number, as: StepProgress) => set(withSteps(scenario.value, progress.value, { [index]: as })),
    stop,
  };
}
