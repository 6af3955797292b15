/**
 * Waking a session of the record, in the order in which it happens: the lease, the agent, the tiers (`tiers.ts`), the report. And
 * taking it up once more, when the agent turns out not to have it.
 */
import { sessionNotFound } from '../errors.ts';
import type { RpcError } from '../protocol/json-rpc.ts';
import { NOTHING_REPORTED } from '../protocol/reported-state.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import type { ResumeAttempt, ResumePolicy, ResumeReport } from '../types.ts';
import { AgentSession, contextOf } from './agent-session.ts';
import { releaseLease, takeLease } from './lease.ts';
import { resolveSecrets } from './secrets.ts';
import { openLog, type Live, type Session, type Basis, type Turn } from './session.ts';
import { reportedColumns, wishesOf } from './settings.ts';
import { findAgent, foundEvents, knownOf, resumeByTiers, type Found, type Listed } from './tiers.ts';

export interface WakeOptions {
  readonly policy: ResumePolicy;
  readonly abort: AbortController;
  readonly signal: AbortSignal;
}

/** Takes the lease and resumes. When it fails, the lease is free again and no agent is left. */
export function wake(session: Session, { policy, abort, signal }: WakeOptions): Promise<Live> {
  const { sessionId, params, parts } = session;
  const { config, store } = parts;
  return session.open('resuming', abort, async () => {
    const began = performance.now();
    const stored = await store.session(sessionId);
    if (!stored) throw sessionNotFound(sessionId);
    const { info } = stored;
    const secrets = await resolveSecrets(config.secrets, info, session.secrets, signal);
    const context = contextOf(config, sessionId, info, secrets);
    const { fence, latestSeq } = await takeLease(parts, sessionId, signal);
    const log = openLog(session, { fence, latestSeq, redact: context.redact });
    // Modes and options are as the agent says now; the others stay until it says otherwise.
    const reported = { ...NOTHING_REPORTED, commands: info.commands, title: info.title, usage: info.usage };
    const agentSession = new AgentSession(context, reported, wishesOf(info, stored.wishes));
    try {
      return await findAgent({ session, agentSession, params, stored, policy, began }, signal, async (found, agent) => {
        const news = agentSession.changesSince(info);
        const { live, written } = session.opened(agentSession, agent, log, basisOf(found, 0), found.report, (live) => ({
          live,
          written: log.writer.append({ events: foundEvents(config, found, news), lastKnown: knownOf(agentSession, agent) }),
        }));
        try {
          const { lastSeq } = await written;
          live.basis = basisOf(found, lastSeq - news.length);
        } catch (error) {
          await session.end({ kind: 'host_failed', words: 'the report could not be stored', error }, 'kill');
          throw error;
        }
        return live;
      });
    } catch (error) {
      log.stop();
      await log.writer.settled();
      await releaseLease(parts, fence);
      throw error;
    }
  });
}

/** On what the session has its agent session, with the number of the event that reports it. */
function basisOf({ isNew, report, preamble, beganSeq }: Found, reportSeq: number): Basis {
  return { kind: isNew ? 'successor' : 'taken_up', attempts: report.attempts, preamble, beganSeq: beganSeq ?? reportSeq };
}

export interface Refusal {
  readonly turn: Turn;
  readonly error: RpcError;
  /** What the agent's list said, where it was asked about it. */
  readonly listed: Listed;
  readonly policy: ResumePolicy;
  /** The number of the turn's first event: what follows is not part of the record that is told. */
  readonly firstSeq: number;
}

/**
 * The agent answered a prompt with an error that says it does not know the session, and had said nothing in the turn: it has
 * not got it, whatever it said when it took it up. What was not tried yet is tried on the same process, and the prompt can be
 * sent again.
 */
export async function takeUpAgain(session: Session, live: Live, refusal: Refusal): Promise<ResumeReport> {
  const { turn, error, listed, policy, firstSeq } = refusal;
  const { sessionId, params, parts } = session;
  const { config, store } = parts;
  const { basis, agentSession, agent } = live;
  const before = agentSession.reported;
  const { evidence } = classifyResumeFailure(error, { method: 'session/prompt', agentSessionId: agentSession.id, listed });
  turn.progress = { kind: 'unsent' };
  agentSession.reopen();
  const stored = await store.session(sessionId);
  if (!stored) throw sessionNotFound(sessionId);
  const search = {
    ...{ session, agentSession, params, policy, before: firstSeq },
    began: performance.now(),
    stored: basis.kind === 'successor' ? { ...stored, info: { ...stored.info, agentSessionId: null } } : stored,
    tried: [
      ...(basis.kind === 'taken_up' ? basis.attempts.map((attempt) => disproved(attempt, evidence)) : []),
      { method: 'session/prompt', outcome: 'unknown_session', evidence, error, ms: 0 } as const,
    ],
  };
  const found = await resumeByTiers(search, agent);
  const news = agentSession.newsSince(before);
  live.basis = basisOf(found, firstSeq);
  await session.resumeIntake(live, () =>
    live.log.writer.append({
      events: foundEvents(config, found, news),
      also: () => [{ sql: 'UPDATE acp_turns SET report = ? WHERE turn_id = ?', params: [JSON.stringify(found.report), turn.turnId] }],
      lastKnown: reportedColumns(agentSession.reported),
    }),
  );
  return found.report;
}

/** What it answered to the taking up, in the light of what it answered to the prompt. */
function disproved(attempt: ResumeAttempt, evidence: string): ResumeAttempt {
  return attempt.outcome === 'ok'
    ? { ...attempt, outcome: 'unknown_session', evidence: `${attempt.evidence}; then, at the prompt: ${evidence}` }
    : attempt;
}
