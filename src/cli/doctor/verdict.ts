/** From findings to the sentence an author wants: what do users of my agent get? Pure. */
import { nextStep, type ResumeState, type TriedStep } from '../../engine/resume/decide.ts';
import type { AttemptOutcome, Verification } from '../../engine/types.ts';
import { methodOf, type How } from './agent.ts';
import type { Check, DoctorReport } from './report.ts';

/** How coming back by one method went. */
export interface ComingBack {
  /** As a client reads it; `ok` is an answer with success. */
  readonly outcome: AttemptOutcome;
  /** True when a success turned out to be none: the agent had forgotten what it was told. */
  readonly forgotten: boolean;
  /** What a client finds when it checks a replay. */
  readonly verification: Verification | null;
}

export interface Outcomes {
  /** False where no session could be made. */
  readonly examined: boolean;
  readonly capabilities: ResumeState['capabilities'];
  /** Null where it was not tried. */
  readonly resume: ComingBack | null;
  readonly load: ComingBack | null;
  /** Whether anything was said in the session that came back. */
  readonly said: boolean;
  /** Of ACP. Default: 1. */
  readonly version?: number;
  readonly unknownSession: DoctorReport['verdict']['unknownSession'];
}

/** A load whose replay holds nothing of what was said is not believed, as in the engine. */
const unproven = (how: How, { outcome, verification }: ComingBack): boolean =>
  how === 'load' && outcome === 'ok' && verification !== 'replay-matched' && verification !== 'replay-partial';

/** Whether a session in which something was said did not really come back. */
export const lost = (how: How, came: ComingBack): boolean => came.outcome === 'unknown_session' || came.forgotten || unproven(how, came);

/** Of no outcomes where the agent did not even introduce itself. */
export function verdictOf(outcomes: Outcomes | null, checks: readonly Check[]): DoctorReport['verdict'] {
  const unknownSession = outcomes?.unknownSession ?? { load: null, resume: null };
  return { ...tierOf(outcomes), unknownSession, breaksProtocol: checks.some((check) => check.breaksProtocol === true) };
}

/** Walks down the tiers with the engine's own decision, fed with what the agent did. */
function tierOf(outcomes: Outcomes | null): Pick<DoctorReport['verdict'], 'tier' | 'summary'> {
  if (!outcomes?.examined) return { tier: null, summary: 'How its sessions come back could not be found out.' };
  if (!outcomes.said && [outcomes.resume, outcomes.load].some((came) => came?.outcome === 'unknown_session')) {
    return {
      tier: null,
      summary:
        'It forgets sessions that were never prompted; how others come back could not be found out without a prompt that is answered.',
    };
  }
  const attempts: TriedStep[] = [];
  let last: ComingBack | null = null;
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
      case 'session/load': {
        const how = step.do === 'session/resume' ? 'resume' : 'load';
        last = outcomes[how] ?? { outcome: 'crash', forgotten: false, verification: null };
        attempts.push({ method: step.do, outcome: outcomes.said && unproven(how, last) ? 'unproven' : last.outcome });
        continue;
      }
      case 'ask-list':
        listed = 'unknown';
        continue;
      case 'session/new':
        return { tier: 'transcript', summary: `${withoutNative(outcomes)}: a client goes on with a transcript in a new session.` };
      case 'accept': {
        const method = methodOf(step.tier, outcomes.version);
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

function withoutNative({ resume, load }: Outcomes): string {
  if (resume === null && load === null) return 'It cannot bring sessions back itself';
  if (load?.outcome === 'ok') return 'It claims to load a killed session, but replays nothing of it';
  return 'It does not bring a killed session back, and says so';
}
