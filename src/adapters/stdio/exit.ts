import type { AgentExit } from '../../engine/ports.ts';

/** What is known of a leader's end: the raw material of an `AgentExit`. */
export interface ExitFacts {
  readonly code: number | null;
  readonly signal: string | null;
  /** Whether `end()` had been called when the leader went. */
  readonly asked: boolean;
  /** The signals we had sent it by then, in order. */
  readonly sent: readonly string[];
  /** Why they were sent, when it was for something the agent did. */
  readonly why?: string | undefined;
}

/**
 * How an agent ended, in the closed union of the port (I8). An exit code after a signal of ours
 * still reads as killed: the agent did not go when it was merely asked.
 */
export function exitOf(facts: ExitFacts, stderr: string): AgentExit {
  const quote = stderr === '' ? {} : { stderr };
  const why = facts.why === undefined ? {} : { why: facts.why };
  const lastSent = facts.sent.at(-1);
  if (facts.signal !== null) {
    return facts.sent.includes(facts.signal)
      ? { kind: 'killed', code: null, signal: facts.signal, ...why, ...quote }
      : { kind: 'signalled', code: null, signal: facts.signal, ...quote };
  }
  const code = facts.code ?? -1;
  if (lastSent !== undefined) return { kind: 'killed', code, signal: lastSent, ...why, ...quote };
  if (code !== 0) return { kind: 'failed', code, signal: null, ...quote };
  return { kind: facts.asked ? 'ended' : 'quit', code: 0, signal: null, ...quote };
}
