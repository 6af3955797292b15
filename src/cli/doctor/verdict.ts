/** From findings to the sentence an author wants: what do users of my agent get? Pure. */
import { nextStep, type ResumeState, type TriedStep } from '../../engine/resume/decide.ts';
import type { Check, DoctorReport } from './report.ts';
import type { ResumeOutcome } from './resume-checks.ts';

export interface Outcomes {
  /** False where no session could be made, or the agent did not even introduce itself. */
  readonly examined: boolean;
  readonly capabilities: ResumeState['capabilities'];
  /** Null where it was not tried. */
  readonly resume: ResumeOutcome | null;
  readonly load: ResumeOutcome | null;
  /** Whether anything was said in the session that came back. */
  readonly said: boolean;
  readonly unknownSession: DoctorReport['verdict']['unknownSession'];
}

export function verdictOf(outcomes: Outcomes, checks: readonly Check[]): DoctorReport['verdict'] {
  const rest = { unknownSession: outcomes.unknownSession, breaksProtocol: checks.some((check) => check.breaksProtocol === true) };
  return { ...tierOf(outcomes), ...rest };
}

/** Walks down the tiers with the engine's own decision, fed with what the agent did. */
function tierOf(outcomes: Outcomes): { tier: DoctorReport['verdict']['tier']; summary: string } {
  if (!outcomes.examined) return { tier: null, summary: 'How its sessions come back could not be found out.' };
  if (!outcomes.said && [outcomes.resume, outcomes.load].some((revival) => revival?.outcome === 'unknown_session')) {
    return {
      tier: null,
      summary:
        'It forgets sessions that were never prompted; how others come back could not be found out without a prompt that is answered.',
    };
  }
  const attempts: TriedStep[] = [];
  let last: ResumeOutcome | null = null;
  // The list was already asked where an error alone did not tell; its answer is in the outcome.
  let listed: ResumeState['listed'];
  for (;;) {
    const step = nextStep({
      policy: 'auto',
      capabilities: outcomes.capabilities,
      agentSessionId: 'the session',
      hasHistory: true,
      attempts,
      ...(listed ? { listed } : {}),
    });
    switch (step.do) {
      case 'session/resume':
      case 'session/load':
        last = step.do === 'session/resume' ? outcomes.resume : outcomes.load;
        attempts.push({ method: step.do, outcome: outcomeOf(step.do, last, outcomes.said) });
        continue;
      case 'ask-list':
        listed = 'unknown';
        continue;
      case 'session/new':
        return { tier: 'transcript', summary: `${withoutNative(outcomes)}: a client goes on with a transcript in a new session.` };
      case 'accept': {
        const method = `session/${step.tier}`;
        if (last?.forgotten) {
          return {
            tier: null,
            summary: `It claims to bring a killed session back with ${method}, but has forgotten it: users lose their conversation without being told.`,
          };
        }
        return { tier: step.tier === 'load' ? 'load' : 'resume', summary: `A killed session comes back with ${method}.` };
      }
      case 'stop':
        return { tier: null, summary: `A killed session does not come back, and a client has to stop: ${step.reason}.` };
    }
  }
}

/** A load whose replay holds nothing of what was said is not believed, as in the engine. */
function outcomeOf(method: TriedStep['method'], revival: ResumeOutcome | null, said: boolean): TriedStep['outcome'] {
  const { outcome, verification } = revival ?? { outcome: 'crash', verification: null };
  const nothing = verification !== 'replay-matched' && verification !== 'replay-partial';
  return method === 'session/load' && outcome === 'ok' && said && nothing ? 'unproven' : outcome;
}

function withoutNative({ resume, load }: Outcomes): string {
  if (resume === null && load === null) return 'It cannot bring sessions back itself';
  if (load?.outcome === 'ok') return 'It claims to load a killed session, but replays nothing of it';
  return 'It does not bring a killed session back, and says so';
}
