/** Runs a scenario's steps and compares what came with what was to come. */
import type { ErrorCode } from '../../src/engine/errors.ts';
import type { ResumePolicy, ResumeReport } from '../../src/engine/types.ts';
import type { Expectation, Fault, Step } from '../scenarios/types.ts';
import type { AgentStatus } from './machine.ts';

/** What the runner needs from the page. */
export interface Stage {
  /** Resolves when the turn ended, or with `until: 'permission'` when the agent asks. */
  say(text: string, until: 'turn-end' | 'permission'): Promise<SayResult>;
  fault(fault: Fault): Promise<void>;
  answer(answer: 'allow' | 'reject'): Promise<void>;
  create(): Promise<void>;
  policy(policy: ResumePolicy): void;
  /** The agent's status, after giving it a moment to become the wanted one. */
  status(wanted?: AgentStatus): Promise<AgentStatus>;
}

export interface SayResult {
  readonly report: ResumeReport | null;
  readonly reply: string;
  readonly error: { readonly code: ErrorCode | 'other'; readonly message: string } | null;
}

export type StepResult = { readonly ok: true } | { readonly ok: false; readonly why: string };

export async function runStep(step: Step, stage: Stage): Promise<StepResult> {
  let said: SayResult | null = null;
  if ('say' in step) {
    said = await stage.say(step.say, step.until ?? 'turn-end');
  } else {
    switch (step.do) {
      case 'answer':
        await stage.answer(step.answer);
        break;
      case 'create':
        await stage.create();
        break;
      case 'policy':
        stage.policy(step.policy);
        break;
      default:
        await stage.fault(step.do);
    }
  }
  return judge(step.expect ?? {}, said, await stage.status(step.expect?.status));
}

/** Pure: what was expected against what came. */
export function judge(expect: Expectation, said: SayResult | null, status: AgentStatus): StepResult {
  const no = (why: string): StepResult => ({ ok: false, why });
  if (said) {
    const wanted: readonly string[] = expect.error === undefined ? [] : typeof expect.error === 'string' ? [expect.error] : expect.error;
    if (said.error && !wanted.includes(said.error.code)) return no(said.error.message);
    if (!said.error && wanted.length > 0) return no(`It was to fail with ${wanted.join(' or ')}, and did not.`);
    if (expect.tier && said.report?.tier !== expect.tier)
      return no(`The tier was to be ${expect.tier} and is ${said.report?.tier ?? 'none'}.`);
    if (expect.verified && said.report?.verified !== expect.verified)
      return no(`The check was to say ${expect.verified} and says ${said.report?.verified ?? 'nothing'}.`);
    if (expect.reply && !said.reply.toLowerCase().includes(expect.reply.toLowerCase()))
      return no(`The answer was to name “${expect.reply}” and does not.`);
  }
  if (expect.status && status !== expect.status) return no(`The agent was to be ${expect.status} and is ${status}.`);
  return { ok: true };
}

const FAULT_WORDS: Readonly<Record<Fault, string>> = {
  sleep: 'Press Sleep',
  wake: 'Press Wake',
  kill: 'Kill the agent',
  drop: 'Drop the connection',
  'forget-store': 'Delete the agent’s store',
  'arm-crash': 'Arm a crash mid-turn',
};

/** What a step does, as shown on its row. */
export function stepWords(step: Step): string {
  if ('say' in step) return `Say “${step.say}”`;
  switch (step.do) {
    case 'answer':
      return step.answer === 'allow' ? 'Allow it' : 'Reject it';
    case 'create':
      return 'Create the session';
    case 'policy':
      return `Set the policy to ${step.policy}`;
    default:
      return FAULT_WORDS[step.do];
  }
}
