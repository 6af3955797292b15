/** What a host process of the fault suite is told to do, and what it tells. Shared by both sides. */
import type { AgentVariant } from '../../../src/testing/agents/variants.ts';
import type { ErrorCode, SessionEvent, StopReason, Tier } from '../../../src/engine/index.ts';

export type Step =
  | { readonly do: 'prompt'; readonly text: string; readonly key: string; readonly permit?: boolean }
  /** Cancels when the first words of the answer are stored. */
  | { readonly do: 'cancelled-prompt'; readonly text: string; readonly key: string }
  | { readonly do: 'mode'; readonly modeId: string }
  /** The host sleeps and another one opens, in the same process. */
  | { readonly do: 'sleep-wake' };

/** `before`: the batch is not asked for. `between`: it is written and nobody was told. `after`: what waited for it has run. */
export type KillPoint = 'before' | 'between' | 'after';
export const KILL_POINTS: readonly KillPoint[] = ['before', 'between', 'after'];

export interface Plan {
  readonly database: string;
  readonly agent: AgentCommand;
  readonly steps: readonly Step[];
  /** Which batch of this process to die at, counted from 1. */
  readonly kill?: { readonly batch: number; readonly point: KillPoint };
}

export interface AgentCommand {
  /** Its program. */
  readonly file: string;
  readonly variant: AgentVariant;
  readonly store: string;
  readonly log: string;
  /** Multiplies the agent's pauses. */
  readonly pace: number;
}

export const SESSION = 'main';
export const AGENT = 'demo';

/** What the host process says, one JSON object a line, each written before anything else happens. */
export type HostLine =
  | { readonly is: 'up' }
  | { readonly is: 'asking'; readonly key: string; readonly text: string }
  | { readonly is: 'event'; readonly event: SessionEvent }
  | { readonly is: 'result'; readonly key: string; readonly turnId: string; readonly stopReason: StopReason; readonly tier: Tier }
  | { readonly is: 'refused'; readonly key: string | null; readonly code: ErrorCode | string; readonly message: string }
  | { readonly is: 'done'; readonly batches: number };
