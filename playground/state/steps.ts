/**
 * What happened on the page, and what that does to a scenario's steps. They are ticked by what really happened, whoever did
 * it. Pure, so that each case is a row in a test.
 */
import type { Expectation, Fault, Scenario, Step } from '../scenarios/types.ts';
import type { ErrorCode } from '../../src/engine/errors.ts';
import type { ResumePolicy, ResumeReport } from '../../src/engine/types.ts';
import type { AgentStatus } from './machine.ts';
import { firstOpen, type StepProgress } from './visits.ts';

/** How a turn went. */
export interface TurnResult {
  readonly report: ResumeReport | null;
  readonly reply: string;
  readonly error: { readonly code: ErrorCode | 'other'; readonly message: string } | null;
}

/** What happened on the page. */
export type Fact =
  | ({ readonly kind: 'said'; readonly text: string } & TurnResult)
  /** A question of the agent's came up in the turn of this prompt. */
  | ({ readonly kind: 'asked'; readonly text: string } & Pick<TurnResult, 'report'>)
  | { readonly kind: 'answered'; readonly answer: 'allow' | 'reject' | null }
  | { readonly kind: 'created' }
  | { readonly kind: 'opened' }
  | ({ readonly kind: 'asked in the editor'; readonly text: string } & TurnResult)
  | { readonly kind: 'policy'; readonly policy: ResumePolicy }
  | { readonly kind: Fault };

/** The control that the next step is done with. */
export type Press = 'send' | 'allow' | 'reject' | 'create' | 'policy' | 'open' | 'ask' | Fault;

export const WAITING: StepProgress = { state: 'waiting', why: '' };
const DONE: StepProgress = { state: 'done', why: '' };

export function withStep(
  scenario: Scenario,
  progress: readonly StepProgress[],
  index: number,
  step: StepProgress,
): readonly StepProgress[] {
  return scenario.steps.map((_, at) => (at === index ? step : (progress[at] ?? WAITING)));
}

/** A prompt as it counts for a step: its words, however they are spelt. */
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** The fact is that somebody did what the step says. */
export function matches(step: Step, fact: Fact): boolean {
  if ('say' in step) {
    const kind = step.until === 'permission' ? 'asked' : 'said';
    return fact.kind === kind && plain(fact.text) === plain(step.say);
  }
  switch (step.do) {
    case 'answer':
      return fact.kind === 'answered' && fact.answer === step.answer;
    case 'create':
      return fact.kind === 'created';
    case 'policy':
      return fact.kind === 'policy' && fact.policy === step.policy;
    case 'editor':
      if (step.ask === null) return fact.kind === 'opened';
      return fact.kind === 'asked in the editor' && plain(fact.text) === plain(step.ask);
    default:
      return fact.kind === step.do;
  }
}

/**
 * What a fact does to the steps. The next step is ticked when it was done, with a word on what came out otherwise. A later
 * prompt that came out as its step says passes what stands before it: there is more than one way to lose an agent.
 */
export function observe(scenario: Scenario, progress: readonly StepProgress[], fact: Fact, status: AgentStatus): readonly StepProgress[] {
  const { steps } = scenario;
  const next = firstOpen(progress, scenario.steps.length);
  const step = steps[next];
  if (step === undefined) return progress;
  if (matches(step, fact)) {
    const why = judge(step.expect ?? {}, fact, status);
    if (why === null) return withStep(scenario, progress, next, DONE);
    if ('error' in fact && fact.error !== null) return withStep(scenario, progress, next, { state: 'failed', why });
    const fault = stillLive(step.expect ?? {}, fact) ? steps.findLastIndex((one, at) => at < next && isFault(one)) : -1;
    if (fault < 0) return withStep(scenario, progress, next, { state: 'differs', why });
    const again = withStep(scenario, progress, next, {
      state: 'waiting',
      why: `The agent was still live. Do step ${fault + 1} again first.`,
    });
    return withStep(scenario, again, fault, WAITING);
  }
  if (fact.kind !== 'said') return progress;
  const ahead = steps.findIndex((one, at) => at > next && matches(one, fact) && judge(one.expect ?? {}, fact, status) === null);
  if (ahead < 0) return progress;
  return steps.map((_, at) => (at === ahead ? DONE : at >= next && at < ahead ? { state: 'skipped', why: '' } : (progress[at] ?? WAITING)));
}

const isFault = (step: Step): boolean => !('say' in step) && !['answer', 'create', 'policy', 'editor'].includes(step.do);

/** The step is about a way back, or a loss, and the agent had not been lost. */
function stillLive({ tier, error }: Expectation, fact: Fact): boolean {
  const away = error !== undefined || (tier !== undefined && tier !== 'new' && tier !== 'live');
  return away && 'report' in fact && fact.report?.tier === 'live';
}

/** What was expected against what came: why it differs, or null. Pure. */
export function judge(expect: Expectation, fact: Fact, status: AgentStatus): string | null {
  if ('report' in fact) {
    const error = 'error' in fact ? fact.error : null;
    const wanted: readonly string[] = expect.error === undefined ? [] : typeof expect.error === 'string' ? [expect.error] : expect.error;
    if (error && !wanted.includes(error.code)) return error.message;
    if (!error && wanted.length > 0) return `It was to fail with ${wanted.join(' or ')}, and did not.`;
    const tier = fact.report?.tier;
    // A session that is live already was new before.
    if (expect.tier && tier !== expect.tier && !(expect.tier === 'new' && tier === 'live'))
      return `The session came back by ${tier ?? 'nothing'}, not by ${expect.tier}.`;
    if (expect.verified && fact.report?.verified !== expect.verified)
      return `The check was to say ${expect.verified} and says ${fact.report?.verified ?? 'nothing'}.`;
    if (expect.reply && 'reply' in fact && !fact.reply.toLowerCase().includes(expect.reply.toLowerCase()))
      return `The answer was to name “${expect.reply}” and does not.`;
  }
  if (expect.status && status !== expect.status) return `The agent was to be ${expect.status} and is ${status}.`;
  return null;
}

/** The name of the control for each fault, as its button says it. */
export const FAULT_NAMES: Readonly<Record<Fault, string>> = {
  sleep: 'Sleep',
  wake: 'Wake',
  kill: 'Kill agent',
  drop: 'Drop connection',
  'forget-store': 'Delete agent store',
  'arm-crash': 'Crash mid-turn',
};

export function pressOf(step: Step): Press {
  if ('say' in step) return 'send';
  if (step.do === 'editor') return step.ask === null ? 'open' : 'ask';
  return step.do === 'answer' ? step.answer : step.do;
}

/** What a step does, as shown on its row. */
export function stepWords(step: Step): string {
  if ('say' in step) return `Say “${step.say}”`;
  switch (step.do) {
    case 'answer':
      return step.answer === 'allow' ? 'Press Allow' : 'Press Reject';
    case 'create':
      return 'Create the session';
    case 'policy':
      return `Set the policy to ${step.policy}`;
    case 'editor':
      return step.ask === null ? 'Open it in the editor' : `Ask from the editor “${step.ask}”`;
    default:
      return `Press ${FAULT_NAMES[step.do]}`;
  }
}
