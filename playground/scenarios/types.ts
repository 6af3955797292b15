/** A scenario is data: what to watch, and steps a person does, or has done. */
import type { ErrorCode, ProtocolChoice, ResumePolicy, ResumeReport, Tier, Verification } from '../../src/engine/index.ts';
import type { AgentStatus } from '../state/machine.ts';
import type { Failure } from '../state/words.ts';

/** What must be so after a step. The page says which of it was not. */
export interface Expectation {
  /** The tier the prompt's resume took. */
  readonly tier?: Tier;
  readonly verified?: Verification;
  /** The agent's answer to this prompt contains it, without regard to case. */
  readonly reply?: string;
  /** The prompt fails with this code. Without it, a failing prompt is not as expected. */
  readonly error?: ErrorCode | readonly ErrorCode[];
  readonly status?: AgentStatus;
}

export type Fault = 'sleep' | 'wake' | 'kill' | 'drop' | 'forget-store' | 'arm-crash';

/** What a step is done with: a fault's button, the prompt's, one of a question's; a session is begun without a prompt; a policy is chosen; the editor opens, and asks. */
export type Press = Fault | 'send' | 'allow' | 'reject' | 'create' | 'policy' | 'open' | 'ask';

export interface Step {
  readonly note: string;
  readonly do: Press;
  /** The words that are sent or asked; the policy. */
  readonly what?: string;
  /** It goes on at the agent's question, and not at the turn's end. */
  readonly asks?: true;
  readonly expect?: Expectation | undefined;
}

/** How a turn went. */
export interface TurnResult {
  readonly what: string;
  readonly report: ResumeReport | null;
  readonly reply: string;
  readonly error: Failure | null;
}

/** What happened on the page: a person, or a step, did something; or a question came up in the turn of a prompt. */
export type Fact = { readonly kind: Press | 'asked' } & Partial<TurnResult>;

/** What stands in the dock, in the order of its tabs. */
export const DOCK = ['Terminal', 'Wire', 'Database', 'Transcript', 'Resume report', 'Timeline', 'Editor'] as const;
export type DockPanel = (typeof DOCK)[number];
/** A part of the page that can be pointed at. */
export type Part = 'Machine' | 'Conversation' | 'Policy' | DockPanel;

export interface Scenario {
  /** In links. */
  readonly name: string;
  readonly title: string;
  readonly lesson: string;
  /** One sentence: where to look. */
  readonly watch: string;
  /** The part that sentence is about. */
  readonly look: Part;
  /** The page of the documentation that explains it. */
  readonly read: string;
  /** The scripted agent it is about; `own` for one of the person's behind the bridge. */
  readonly agent: string;
  /** False where it needs what only an agent in the tab offers. */
  readonly bridge: boolean;
  readonly policy: ResumePolicy;
  /** The version of ACP that is spoken with its agent. */
  readonly protocol: ProtocolChoice;
  readonly steps: readonly Step[];
  /** What was seen, said at its end. */
  readonly end: string;
}
