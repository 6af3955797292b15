/** A scenario is data: what to watch, and steps a person does, or has done. */
import type { ErrorCode } from '../../src/engine/errors.ts';
import type { ProtocolChoice, ResumePolicy, ResumeReport, Tier, Verification } from '../../src/engine/types.ts';
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

export type Step = { readonly note: string; readonly expect?: Expectation } & (
  | {
      /** Sends a prompt and waits for the end of its turn, or for a permission request. */
      readonly say: string;
      readonly until?: 'turn-end' | 'permission';
    }
  | { readonly do: Fault }
  | { readonly do: 'answer'; readonly answer: 'allow' | 'reject' }
  /** Creates the session without a prompt, which starts the agent once. */
  | { readonly do: 'create' }
  | { readonly do: 'policy'; readonly policy: ResumePolicy }
  /** The editor opens the session, or asks in it. */
  | { readonly do: 'editor'; readonly ask: string | null }
);

/** How a turn went. */
export interface TurnResult {
  readonly text: string;
  readonly report: ResumeReport | null;
  readonly reply: string;
  readonly error: Failure | null;
}

/** What happened on the page. */
export type Fact =
  | ({ readonly kind: 'said' | 'asked in the editor' } & TurnResult)
  /** A question of the agent's came up in the turn of this prompt. */
  | ({ readonly kind: 'asked' } & Pick<TurnResult, 'text' | 'report'>)
  | { readonly kind: 'answered'; readonly answer: 'allow' | 'reject' | null }
  | { readonly kind: 'created' | 'opened' }
  | { readonly kind: 'policy'; readonly policy: ResumePolicy }
  | { readonly kind: Fault };

/** What stands in the dock, in the order of its tabs. */
export const DOCK = ['Terminal', 'Wire', 'Database', 'Transcript', 'Resume report', 'Timeline', 'Editor'] as const;
export type DockPanel = (typeof DOCK)[number];
/** A part of the page that can be pointed at. */
export type Part = 'Machine' | 'Conversation' | 'Policy' | DockPanel;

/** What a scenario teaches, as the cards are grouped. */
export const LESSONS = ['Coming back', 'When the agent forgets, or lies', 'When something dies', 'On your terms'] as const;

export interface Scenario {
  /** In links. */
  readonly name: string;
  readonly title: string;
  readonly lesson: (typeof LESSONS)[number];
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
