/** One prompt and everything up to the end of its turn: stored, sent, answered, and the answer stored. */
import { RehydrateError } from '../errors.ts';
import { RPC, type TurnAnswer } from '../protocol/agent-protocol.ts';
import { describeError } from '../protocol/connection.ts';
import type { RpcError } from '../protocol/json-rpc.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import type { Listed } from '../resume/decide.ts';
import { createLiveFilter } from '../resume/match-live.ts';
import { adoptAgentSession, endTurn, type NewEvent } from '../storage/statements.ts';
import type { Work } from '../storage/writer.ts';
import { withPreamble } from '../transcript/preamble.ts';
import type { ContentBlock, PromptResult, ResumePolicy, StopReason, TurnEnded } from '../types.ts';
import { authRequired } from './agent-startup.ts';
import { askList } from './ask-list.ts';
import { failedAfterSending } from './lease.ts';
import { inTurn, updateEvents } from './logged-updates.ts';
import type { Owed } from './replay.ts';
import { nothingSaid, remember } from './last-said.ts';
import type { Basis, Live, Session, Turn } from './session.ts';
import { liveReport, resumeAgain } from './wake.ts';

export interface TurnRequest {
  readonly turnId: string;
  /** As the user wrote it, and as the agent gets it; it is stored with known secrets replaced. */
  readonly content: readonly ContentBlock[];
  readonly contentHash: string;
  readonly idempotencyKey: string | undefined;
  readonly policy: ResumePolicy;
  readonly params: Readonly<Record<string, unknown>> | undefined;
}

export interface RunningTurn {
  readonly turnId: string;
  /** Rejects as `host.prompt` does. */
  readonly result: Promise<PromptResult>;
  /** Asks the agent to stop, and ends it when it does not within the grace. Resolves when the turn is over. */
  cancel(): Promise<void>;
}

/**
 * Stores the prompt, then sends it (I1): the outcome is in `result`. Rejects when it could not be stored, and then it was not sent. Null: the
 * agent was already gone, and the session sleeps.
 */
export async function startTurn(session: Session, live: Live, request: TurnRequest): Promise<RunningTurn | null> {
  const { config } = session.parts;
  const { turnId, content } = request;
  const { redact } = live.context;
  const { writer } = live.log;
  const stored = redact(content);

  // ------------------------------------------------------------ into the log

  // A late replay is settled before the prompt goes into the log.
  const owed = await live.agentSession.replay?.end();
  if (session.state.kind !== 'live') {
    const { kind } = await live.over;
    if (kind === 'agent_gone') return null;
    throw endedMeanwhile(session.sessionId);
  }
  let report = live.report ?? liveReport(live.agentSession.id);
  const { promise: result, ...settle } = Promise.withResolvers<PromptResult>();
  // The caller awaits `result` only when it has it; until then a rejection would be unhandled.
  result.catch(() => undefined);
  const cancelling = new AbortController();
  const turn: Turn = {
    turnId,
    filter: filterFor(owed),
    said: nothingSaid(),
    cancelling,
    wanted: AbortSignal.any([live.agent.untilGone, cancelling.signal]),
    progress: { kind: 'unsent' },
    ended: settle.reject,
  };
  const at = config.clock();
  const { idempotencyKey } = request;
  const prompt = stored.map((content) => ({ update: { sessionUpdate: 'user_message_chunk', content }, turnId, origin: 'host' }) as const);
  const events: NewEvent[] = [
    { kind: 'turn_started', turnId, at, origin: 'host', payload: idempotencyKey === undefined ? {} : { idempotencyKey } },
    ...updateEvents(prompt, at),
  ];
  let firstSeq = 0;
  session.beginTurn(live, turn);
  try {
    await writer.append({
      events,
      also: ({ lastSeq }) => {
        firstSeq = lastSeq - stored.length;
        return [
          {
            sql: `INSERT INTO acp_turns (turn_id, session_id, idempotency_key, content_hash, state, report, first_seq) VALUES (?, ?, ?, ?, 'running', ?, ?)`,
            params: [turnId, session.sessionId, idempotencyKey ?? null, request.contentHash, JSON.stringify(report), firstSeq],
          },
        ];
      },
    });
  } catch (error) {
    session.dropTurn(live, turn);
    throw error;
  }
  live.report = null;

  // ------------------------------------------------------------ to the agent

  let over = false;
  let preambleGiven = false;
  /** Whether a successor was made for this very prompt: no tier comes after that. */
  let madeSuccessor = false;
  let grace: ReturnType<typeof setTimeout> | undefined;
  const onOver = () => {
    over = true;
    clearTimeout(grace);
  };
  const finished = result.then(onOver, onOver);
  send();

  /** A successor gets the preamble in front of its first prompt that is not a slash command. */
  function outgoing() {
    return withPreamble(preambleOf(live.basis), content, live.agentSession.reported.commands);
  }

  function send(): void {
    if (!session.isRunning(turn)) return;
    const { prompt, given } = outgoing();
    preambleGiven = given;
    // Set before it is sent: when the agent is gone, the answer comes at once.
    turn.progress = { kind: 'sent' };
    live.agent.protocol.prompt(live.agentSession.id, prompt, onAnswer, request.params);
  }

  /** Runs in the order of messages: what the agent says next comes after it in the log, too. */
  function onAnswer(answer: TurnAnswer | null): void {
    // The agent ended first, or not all it said could be stored: `agentGone` writes the end of the turn.
    if (answer === null || !session.isRunning(turn)) return;
    const end = readAnswer(answer);
    if (end !== 'unknown_session' && end !== 'doubtful') return finish(end);
    void judge((answer as Extract<TurnAnswer, { kind: 'refused' }>).error, end);
  }

  /** The agent says that it does not have the session, or may be saying so: then its own list decides. */
  async function judge(refusal: RpcError, said: 'unknown_session' | 'doubtful'): Promise<void> {
    const listed = said === 'doubtful' ? await askList(live.agent, live.agentSession.id, live.context.cwd, config) : ('unknown' as const);
    if (!session.isRunning(turn)) return;
    const { outcome, evidence } = classify(refusal, listed);
    if (outcome !== 'unknown_session') return finish(refused(refusal));
    try {
      report = await resumeAgain(session, live, { turn, error: refusal, evidence, policy: request.policy, firstSeq });
      madeSuccessor = live.basis.kind === 'successor';
      turn.filter = filterFor(await live.agentSession.replay?.end());
      if (cancelling.signal.aborted) finish(CANCELLED);
      else send();
    } catch (error) {
      if (!session.isRunning(turn)) return;
      const told = RehydrateError.is(error) ? error : failedAfterSending(error, turnId);
      // The agent goes before the caller hears of it (I7).
      finish({ state: 'failed', error: redact({ code: told.code, message: told.message, data: told.data }) }, () =>
        session.end({ kind: 'closed', reason: 'the agent does not have the session any more' }),
      );
    }
  }

  function readAnswer(answer: TurnAnswer): TurnEnded | 'unknown_session' | 'doubtful' {
    switch (answer.kind) {
      case 'stopped': {
        const { stopReason: _, ...rest } = answer.said;
        const { foreign, foreignId, anything } = turn.said;
        // Next to words of this session they belong to sub-sessions. Alone they are the answer, under a wrong id.
        if (foreign > 0 && !anything && answer.stopReason !== 'cancelled')
          return failed(
            `The agent answered, and all it said in the turn (${foreign} updates) names the session "${foreignId}" instead of "${live.agentSession.id}". None of it could be used; try another version of the agent.`,
            { updates: foreign, named: foreignId },
          );
        return {
          state: answer.stopReason === 'cancelled' ? 'cancelled' : 'completed',
          stopReason: answer.stopReason,
          ...(Object.keys(rest).length > 0 ? { answer: rest } : {}),
        };
      }
      case 'garbled':
        return failed(
          `The agent answered the prompt, but it named no ${answer.lacks}. It does not keep to ACP: try another version of it.`,
          {
            result: answer.said,
          },
        );
      case 'refused': {
        const { error } = answer;
        // Some agents answer a cancelled prompt with an error: that of a cancelled request, or of what they aborted for it.
        if (cancelling.signal.aborted && (error.code === RPC.cancelled || /\b(?:abort|cancel)/i.test(describeError(error))))
          return CANCELLED;
        if (turn.said.anything || madeSuccessor) return refused(error);
        if (classify(error, 'unknown').outcome === 'unknown_session') return 'unknown_session';
        if (live.agent.facts.canList && classify(error, 'absent').outcome === 'unknown_session') return 'doubtful';
        return refused(error);
      }
    }
  }

  function classify(error: RpcError, listed: Listed) {
    return classifyResumeFailure(error, { method: 'session/prompt', agentSessionId: live.agentSession.id, listed });
  }

  function refused(error: RpcError): TurnEnded {
    if (classify(error, 'unknown').outcome === 'auth_required') {
      const { code, message, data } = authRequired(live.agent, error);
      return { state: 'failed', error: { code, message, data } };
    }
    return failed(
      `The agent answered the prompt with ${describeError(error)}. The turn is in the record as failed; mend the cause and prompt again.`,
      { error },
    );
  }

  // ------------------------------------------------------------ the end, into the log

  function finish(unredacted: TurnEnded, before: () => Promise<void> = () => Promise.resolve()): void {
    // Cancelled, say, while another tier was tried for it, of which the outcome comes now.
    if (turn.progress.kind === 'answered') return;
    const dropped = live.agent.connection.newlyDropped();
    const end = redact(dropped ? { ...unredacted, dropped } : unredacted);
    const { basis } = live;
    // A successor that has not been told the record yet is not adopted: the preamble goes with the next prompt.
    const told = preambleOf(basis).length === 0 || preambleGiven;
    const answered = end.state !== 'failed' && told && turn.progress.kind === 'sent';
    if (answered) live.basis = { kind: 'proven' };
    // The preamble goes in front of the next prompt, and its report says so.
    else if (basis.kind === 'successor' || preambleOf(basis).length > 0) live.report ??= report;
    const at = config.clock();
    const rest = turn.filter.end();
    if (turn.filter.wasReplay) live.agentSession.replay?.outlast();
    for (const each of rest) remember(turn.said, each);
    const work: Work = {
      events: [
        ...updateEvents(inTurn(turnId, rest), at),
        ...live.permissions.cancelAll(),
        { kind: 'turn_ended', turnId, at, origin: 'host', payload: end },
      ],
      also: ({ lastSeq }) => [
        endTurn(turnId, end, lastSeq),
        ...(answered && basis.kind !== 'proven' && (basis.kind === 'successor' || basis.preamble)
          ? adoptAgentSession(session.sessionId, live.agentSession.id, basis.beganSeq, basis.preamble, config.clock())
          : []),
      ],
    };
    session.endTurn(live, turn, work, (failure) => {
      void before().then(() => {
        if (failure) settle.reject(failedAfterSending(failure.error, turnId));
        else if (end.error)
          settle.reject(new RehydrateError(end.error.code, end.error.message, { turnId, ...(end.error.data as object | undefined) }));
        else
          settle.resolve({
            turnId,
            stopReason: end.stopReason as StopReason,
            report,
            ...(end.answer ? { answer: end.answer } : {}),
            ...(end.dropped ? { dropped: end.dropped } : {}),
          });
      });
    });
  }

  function filterFor(owed: Owed | null | undefined) {
    return createLiveFilter({
      prompt: content,
      redact,
      preamble: outgoing().given ? preambleOf(live.basis) : null,
      hasMore: live.agentSession.replay?.wasAsked === false,
      ...(owed ? { next: owed.next, nextToolCalls: owed.nextToolCalls } : {}),
    });
  }

  return {
    turnId,
    result,
    async cancel() {
      if (!over && !cancelling.signal.aborted) {
        if (turn.progress.kind === 'sent') live.agent.protocol.cancel(live.agentSession.id);
        // ACP: a client that cancels answers what is still asked of it with `cancelled`. The same is told of all else, for which an agent
        // may wait.
        cancelling.abort(Object.assign(new Error('The turn was cancelled.'), { code: RPC.cancelled }));
        // As `said`, so that it is in the log before the end of the turn.
        const resolved = live.permissions.cancelAll();
        if (resolved.length > 0) writer.push({ events: resolved, said: true }, session.keepUnwritten);
        const graceMs = config.limits.cancelGraceMs;
        const reason = `the agent did not end the turn within ${graceMs / 1000} s of being asked to cancel it, and was ended`;
        const endAgent = () => session.end({ kind: 'cancel_timeout', reason }, 'kill');
        grace = setTimeout(() => {
          // Another tier is tried for it: no agent has the prompt.
          if (turn.progress.kind === 'unsent') finish(CANCELLED, endAgent);
          else void endAgent();
        }, graceMs);
      }
      await finished;
    },
  };
}

const CANCELLED: TurnEnded = { state: 'cancelled', stopReason: 'cancelled' };

const preambleOf = (basis: Basis): readonly ContentBlock[] => (basis.kind === 'proven' ? [] : (basis.preamble ?? []));

function failed(message: string, data: Readonly<Record<string, unknown>>): TurnEnded {
  return { state: 'failed', error: { code: 'agent_protocol_error', message, data } };
}

export function endedMeanwhile(sessionId: string): RehydrateError {
  return new RehydrateError(
    'agent_exited',
    `The agent of session "${sessionId}" ended before the prompt was sent; nothing was sent. Prompt it again.`,
    { sessionId },
  );
}
