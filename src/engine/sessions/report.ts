/** The resume report, in the shape in which it is stored and shown. */
import type { ResumeAttempt, ResumeReport, Tier, Verification } from '../types.ts';
import type { MadePreamble } from './preamble.ts';
import type { ReplayOutcome } from './replay.ts';

export interface Reportable {
  readonly tier: Exclude<Tier, 'live'>;
  readonly attempts: readonly ResumeAttempt[];
  readonly agentSessionId: string;
  readonly previousAgentSessionId: string | null;
  readonly verified?: Verification | null;
  readonly replay?: ReplayOutcome | null;
  readonly preamble?: MadePreamble | null;
  readonly settings: ResumeReport['settings'];
  /** By `performance.now`. */
  readonly began: number;
  readonly agentMs: number;
}

export const tenths = (ms: number): number => Math.round(ms * 10) / 10;

export function reportOf(made: Reportable): ResumeReport {
  const { replay, preamble } = made;
  return {
    tier: made.tier,
    attempts: made.attempts,
    verified: made.verified ?? null,
    replay: replay?.isReplay
      ? { received: replay.received, matched: replay.matched, missing: replay.missing, imported: replay.importedMessages }
      : null,
    preamble: preamble ? { mode: preamble.mode, bytes: preamble.bytes, events: preamble.events, truncated: preamble.truncated } : null,
    settings: made.settings,
    agentSessionId: made.agentSessionId,
    previousAgentSessionId: made.previousAgentSessionId,
    ms: tenths(performance.now() - made.began),
    agentMs: tenths(made.agentMs),
  };
}

/** The report of a prompt that found the session live. */
export function liveReport(agentSessionId: string): ResumeReport {
  return {
    tier: 'live',
    attempts: [],
    verified: null,
    replay: null,
    preamble: null,
    settings: { restored: [], failed: [] },
    agentSessionId,
    previousAgentSessionId: null,
    ms: 0,
    agentMs: 0,
  };
}
