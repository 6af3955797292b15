/** One turn: the prompt is stored and sent, the agent answers, and the answer is stored. */
import { RehydrateError } from '../errors.ts';
import type { Fields } from '../objects.ts';
import { RPC, type TurnAnswer } from '../protocol/agent-protocol.ts';
import { describeError } from '../protocol/connection.ts';
import type { RpcError } from '../protocol/json-rpc.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import type { Listed } from '../resume/decide.ts';
import { createLiveFilter } from '../resume/match-live.ts';
import { adoptAgentSession, endTurn, updateEvents, type NewEvent } from '../storage/statements.ts';
import type { Work } from '../storage/writer.ts';
import { withPreamble } from '../transcript/preamble.ts';
import type { ContentBlock, PromptResult, ResumePolicy, StopReason, TurnEnded } from '../types.ts';
import { authRequired } from './agent-startup.ts';
import { nothingSaid, remember } from './last-said.ts';
import { failedAfterSending } from './lease.ts';
import type { Owed } from './replay.ts';
import type { Basis, Live, Session, Turn } from './session.ts';
import { askList } from './session-list.ts';
import { liveReport, resumeAgain } from './wake.ts';

interface TurnRequest {
  readonly turnId: string;
  /** As the user wrote it, which is how the agent gets it. It is stored with known secrets replaced. */
  readonly content: readonly ContentBlock[];
  readonly contentHash: string;
  readonly idempotencyKey: string | undefined;
  readonly policy: ResumePolicy;
  readonly params: Fields | undefined;
}

export interface RunningTurn {
  readonly turnId: string;
  /** Rejects as `host.prompt` does. */
  readonly result: Promise<PromptResult>;
  /** Asks the agent to stop, and ends it if it has not stopped within the grace. Resolves when the turn is over. */
  cancel(): Promise<void>;
}

/**
 * Stores the prompt, then sends it (I1); `result` tells the outcome. Rejects when the prompt could not be stored, so it was not sent
 * either. Returns null when the agent was gone already: then the session sleeps.
 */
export async function startTurn(session: Session, live: Live, request: TurnRequest): Promise<RunningTurn | null> {
  const { config } = session.parts;
  const { turnId, content } = request;
  const { redact } = live.context;
  const { writer } = live.log;
  const stored = redact(content);

  // ------------------------------------------------------------ into the log

  // A late replay must be in the log before the prompt.
  const owed = await live.agentSession.replay?.end();
  if (session.state.kind !== 'live') {
    const { kind } = await live.over;
    if (kind === 'agent_gone') return null;
    throw endedMeanwhile(session.sessionId);
  }
  let report = live.report ?? liveReport(live.agentSession.id);
  const { promise: result, ...settle } = Promise.withResolvers<PromptResult>();
  // The caller awaits `result` only once this function returns; until then a rejection would be unhandled.
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
  /** Whether a successor was made for this very prompt. There is no tier after that one. */
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
    // Set before it is sent, since `onAnswer` runs at once when the agent is gone.
    turn.progress = { kind: 'sent' };
    live.agent.protocol.prompt(live.agentSession.id, prompt, onAnswer, request.params);
  }

  /** Runs in the order of messages, so that what the agent says next comes after the answer in the log, too. */
  function onAnswer(answer: TurnAnswer | null): void {
    // `agentGone` writes the end of the turn when the agent ended first, or when not all it said could be stored.
    if (answer === null || !session.isRunning(turn)) return;
    if (answer.kind !== 'refused') return finish(readAnswer(answer));
    const { error } = answer;
    if (cancelling.signal.aborted && saysCancelled(error)) return finish(CANCELLED);
    if (turn.said.anything || madeSuccessor) return finish(refused(error));
    if (classify(error, 'unknown').outcome === 'unknown_session') {
      void resumeOnUnknown(error, 'unknown');
      return;
    }
    // Of some errors only the agent's list can tell whether they mean an unknown session.
    const isDoubtful = live.agent.facts.canList && classify(error, 'absent').outcome === 'unknown_session';
    if (!isDoubtful) return finish(refused(error));
    void askList(live.agent, live.agentSession.id, live.context.cwd, config).then((listed) => resumeOnUnknown(error, listed));
  }

  /** Unless the error means something else, the agent does not have the session: the prompt goes down the tiers. */
  async function resumeOnUnknown(refusal: RpcError, listed: Listed): Promise<void> {
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
      const { code, message, data } = RehydrateError.is(error) ? error : failedAfterSending(error, turnId);
      // The agent is gone before the caller hears of it (I7).
      finish({ state: 'failed', error: redact({ code, message, data }) }, () =>
        session.end({ kind: 'closed', reason: 'the agent does not have the session any more' }),
      );
    }
  }

  function readAnswer(answer: Exclude<TurnAnswer, { kind: 'refused' }>): TurnEnded {
    if (answer.kind === 'garbled')
      return failed(
        `The agent answered the prompt, but its answer has no ${answer.lacks}. It does not keep to ACP: try another version of it.`,
        { result: answer.said },
      );
    const { stopReason } = answer;
    const { stopReason: _, ...rest } = answer.said;
    const { foreign, foreignId, anything } = turn.said;
    // Updates that name another session belong to a sub-session, unless there are no others: then they are the answer, under a wrong id.
    if (foreign > 0 && !anything && stopReason !== 'cancelled')
      return failed(
        `The agent answered, but everything it said in the turn (${foreign} updates) names the session "${foreignId}" instead of "${live.agentSession.id}". None of it could be used; try another version of the agent.`,
        { updates: foreign, named: foreignId },
      );
    return {
      state: stopReason === 'cancelled' ? 'cancelled' : 'completed',
      stopReason,
      ...(Object.keys(rest).length > 0 ? { answer: rest } : {}),
    };
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

  /** Stores the end of the turn. `before` runs when it is stored, and before the caller is told. */
  function finish(unredacted: TurnEnded, before: () => Promise<void> = () => Promise.resolve()): void {
    // The turn was ended already: cancelled, for instance, or its agent died, while another tier was being tried whose outcome comes now.
    if (turn.progress.kind === 'answered' || !session.isRunning(turn)) return;
    const dropped = live.agent.connection.newlyDropped();
    const end = redact(dropped ? { ...unredacted, dropped } : unredacted);
    const { basis } = live;
    // A successor is adopted only once it has been given the preamble, which a slash command leaves to the next prompt.
    const isToldRecord = preambleOf(basis).length === 0 || preambleGiven;
    const isProven = end.state !== 'failed' && isToldRecord && turn.progress.kind === 'sent';
    if (isProven) live.basis = { kind: 'proven' };
    // The report is given again with the next prompt, in front of which the preamble goes.
    else if (basis.kind === 'successor' || preambleOf(basis).length > 0) live.report ??= report;
    const at = config.clock();
    const rest = turn.filter.end();
    if (turn.filter.wasReplay) live.agentSession.replay?.outlast();
    for (const update of rest) remember(turn.said, update);
    const work: Work = {
      events: [
        ...updateEvents(rest, at, turnId),
        ...live.permissions.cancelAll(),
        { kind: 'turn_ended', turnId, at, origin: 'host', payload: end },
      ],
      also: ({ lastSeq }) => [
        endTurn(turnId, end, lastSeq),
        ...(isProven && basis.kind !== 'proven' && (basis.kind === 'successor' || basis.preamble)
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
        // ACP: a client that cancels answers open permission requests with `cancelled`. All other requests get that as an error, since an
        // agent may wait for them, too.
        cancelling.abort(Object.assign(new Error('The turn was cancelled.'), { code: RPC.cancelled }));
        // `said`: if this cannot be written, the end of the turn must not be written after it.
        const resolved = live.permissions.cancelAll();
        if (resolved.length > 0) writer.push({ events: resolved, said: true }, session.keepUnwritten);
        const graceMs = config.limits.cancelGraceMs;
        const reason = `the agent did not end the turn within ${graceMs / 1000} s of being asked to cancel it, and was ended`;
        const endAgent = () => session.end({ kind: 'cancel_timeout', reason }, 'kill');
        grace = setTimeout(() => {
          // While another tier is being tried, no agent has the prompt.
          if (turn.progress.kind === 'unsent') finish(CANCELLED, endAgent);
          else void endAgent();
        }, graceMs);
      }
      await finished;
    },
  };
}

/**
 * Whether an error answers a prompt that was cancelled: some agents answer with that of a cancelled request, or of what they aborted for it.
 * One that failed to cancel has not.
 */
export function saysCancelled(error: RpcError): boolean {
  if (error.code === RPC.cancelled) return true;
  const words = describeError(error);
  return /\b(?:abort(?:ed|error)|cancell?ed)/i.test(words) && !/\b(?:not|never|failed to|unable to)\b[^.;]*\b(?:abort|cancel)/i.test(words);
}

const CANCELLED: TurnEnded = { state: 'cancelled', stopReason: 'cancelled' };

const preambleOf = (basis: Basis): readonly ContentBlock[] => (basis.kind === 'proven' ? [] : (basis.preamble ?? []));

function failed(message: string, data: Fields): TurnEnded {
  return { state: 'failed', error: { code: 'agent_protocol_error', message, data } };
}

export function endedMeanwhile(sessionId: string): RehydrateError {
  return new RehydrateError(
    'agent_exited',
    `The agent of session "${sessionId}" ended before the prompt was sent; nothing was sent. Prompt it again.`,
    { sessionId },
  );
}
