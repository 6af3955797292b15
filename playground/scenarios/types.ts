/** A scenario is data. */
import type { ErrorCode, ProtocolChoice, ResumePolicy, ResumeReport, Tier, Verification } from '../../src/engine/index.ts';
import type { AgentStatus } from '../state/machine.ts';
import type { Failure } from '../state/words.ts';

/** What must be so after a step. */
export interface Expectation {
  readonly tier?: Tier;
  readonly verified?: Verification;
  /** Case does not count. */
  readonly reply?: string;
  /** Without it the prompt must not fail. */
  readonly error?: ErrorCode | readonly ErrorCode[];
  readonly status?: AgentStatus;
}

export type Fault = 'sleep' | 'wake' | 'kill' | 'drop' | 'forget-store' | 'arm-crash';

export type Press = Fault | 'send' | 'allow' | 'reject' | 'create' | 'policy' | 'open' | 'ask';

export interface Step {
  readonly note: string;
  readonly do: Press;
  /** The words that are sent or asked; the policy. */
  readonly what?: string;
  /** Its end is the agent's question, not the turn's end. */
  readonly asks?: true;
  readonly expect?: Expectation | undefined;
}

export interface TurnResult {
  readonly what: string;
  readonly report: ResumeReport | null;
  readonly reply: string;
  readonly error: Failure | null;
}

/** A person or a step did something, or a question came up. */
export type Fact = { readonly kind: Press | 'asked' } & Partial<TurnResult>;

/** The dock's tabs, in order. */
export const DOCK = ['Terminal', 'Wire', 'Database', 'Transcript', 'Resume report', 'Timeline', 'Editor'] as const;
export type DockPanel = (typeof DOCK)[number];
export type Part = 'Machine' | 'Conversation' | 'Policy' | DockPanel;

export interface Scenario {
  /** In links. */
  readonly name: string;
  readonly title: string;
  readonly lesson: string;
  /** One sentence: where to look. */
  readonly watch: string;
  readonly look: Part;
  /** A page of the documentation. */
  readonly read: string;
  /** `own`: one of the person's behind the bridge. */
  readonly agent: string;
  /** False where only an agent in the tab will do. */
  readonly bridge: boolean;
  readonly policy: ResumePolicy;
  readonly protocol: ProtocolChoice;
  readonly steps: readonly Step[];
  readonly end: string;
}
