/** One prompt and everything up to its stop reason. */
import type { StopReason } from '@agentclientprotocol/sdk';
import type { RpcResponse } from '../protocol/peer.ts';
import { RPC } from '../protocol/v1.ts';
import { RehydrateError } from '../errors.ts';
import { createLiveFilter } from '../resume/match-live.ts';
import { adoptAgentSession, endTurn, type NewEvent } from '../storage/statements.ts';
import type { ContentBlock, PromptResult, ResumeReport, TurnEnded } from '../types.ts';
import type { LiveSession } from './live-session.ts';
import type { Config } from './options.ts';
import type { Heard } from './replay.ts';
import { failedAfterSending } from './told.ts';

export interface TurnRequest {
  readonly turnId: string;
  /** As the user wrote it: this is what the agent gets. */
  readonly content: readonly ContentBlock[];
  /** With known secrets replaced: this is what is stored. */
  readonly stored: readonly ContentBlock[];
  readonly contentHash: string;
  readonly idempotencyKey: string | undefined;
  readonly report: ResumeReport;
}

export interface TurnHandle {
  readonly turnId: string;
  readonly idempotencyKey: string | undefined;
  readonly contentHash: string;
  /** Rejects as `host.prompt` does. */
  readonly result: Promise<PromptResult>;
  /** Asks the agent to stop, and ends it when it does not within the grace. Resolves when the turn is over. */
  cancel(): Promise<void>;
}

/**
 * Stores the prompt, then sends it (I1). Resolves when it was stored and is on its way; what comes of
 * it is the handle's `result`. Rejects when it could not be stored: then nothing was sent.
 */
export async function startTurn(session: LiveSession, config: Config, request: TurnRequest): Promise<TurnHandle> {
  const { turnId, report } = request;
  // What came behind the opening as a late replay is settled before the prompt goes into the log.
  const settled = await settleReplay(session);
  const filter = createLiveFilter({
    prompt: request.content,
    redact: session.redact,
    preamble: session.successor?.preamble ?? null,
    ...(settled ? { next: settled.next, nextToolCalls: settled.nextToolCalls } : {}),
  });
  const at = config.clock();
  const started: NewEvent[] = [
    ...(settled?.late ?? []).flatMap((item) => session.asEvents([item], item.turnId, item.origin)),
    {
      kind: 'turn_started',
      turnId,
      at,
      origin: 'host',
      payload: request.idempotencyKey === undefined ? {} : { idempotencyKey: request.idempotencyKey },
    },
    ...request.stored.map((content): NewEvent => ({
      kind: 'update',
      turnId,
      at,
      origin: 'host',
      payload: { sessionUpdate: 'user_message_chunk', content },
    })),
  ];

  let settleResult!: { resolve: (result: PromptResult) => void; reject: (error: unknown) => void };
  const result = new Promise<PromptResult>((resolve, reject) => (settleResult = { resolve, reject }));
  // Whoever started the turn awaits `result`; without this a crash before that would be unhandled.
  result.catch(() => undefined);

  // Set before the batch, so that a death of the agent during it ends this turn too.
  session.turn = { turnId, filter, ended: (_end, error) => settleResult.reject(error) };
  try {
    await session.writer.append({
      events: started,
      also: ({ last }) => [
        {
          sql: `INSERT INTO acp_turns (turn_id, session_id, idempotency_key, content_hash, state, report, first_seq) VALUES (?, ?, ?, ?, 'running', ?, ?)`,
          params: [
            turnId,
            session.sessionId,
            request.idempotencyKey ?? null,
            request.contentHash,
            JSON.stringify(report),
            last - request.stored.length,
          ],
        },
      ],
    });
  } catch (error) {
    session.turn = null;
    throw error;
  }

  let over = false;
  let cancelled = false;
  const grace: { timer?: ReturnType<typeof setTimeout> } = {};
  const finished = result.then(
    () => undefined,
    () => undefined,
  );
  void finished.then(() => {
    over = true;
    clearTimeout(grace.timer);
  });

  const onResponse = (response: RpcResponse | null) => {
    // The agent ended first, or not all it said could be stored: `onGone` writes the end of the turn.
    if (response === null || session.turn?.turnId !== turnId || session.hole) return;
    const end = session.redact(readPromptResponse(response, cancelled));
    const answered = end.state !== 'failed';
    const successor = session.successor;
    if (answered) session.successor = null;
    // The preamble goes in front of the next prompt again, and its report says so.
    else if (successor) session.report ??= report;
    session.endTurn({
      turnId,
      work: {
        events: [
          ...session.asEvents(filter.end(), turnId),
          ...session.permissions.cancelAll(),
          { kind: 'turn_ended', turnId, at: config.clock(), origin: 'host', payload: end },
        ],
        also: ({ last }) => [
          endTurn(turnId, end, last),
          ...(answered && successor
            ? adoptAgentSession(
                session.sessionId,
                session.agentSessionId as string,
                successor.beganSeq,
                successor.preambleText,
                config.clock(),
              )
            : []),
        ],
      },
      settle(failure) {
        if (failure) settleResult.reject(failedAfterSending(failure.error, turnId));
        else if (end.error)
          settleResult.reject(new RehydrateError(end.error.code, end.error.message, { turnId, ...(end.error.data as object) }));
        else settleResult.resolve({ turnId, stopReason: end.stopReason as StopReason, report });
      },
    });
  };

  if (session.turn?.turnId === turnId) {
    session.prompted = true;
    const preamble = session.successor?.preamble ?? [];
    session.link.start('session/prompt', { sessionId: session.agentSessionId, prompt: [...preamble, ...request.content] }, onResponse);
  }

  return {
    turnId,
    idempotencyKey: request.idempotencyKey,
    contentHash: request.contentHash,
    result,
    async cancel() {
      if (!over && !cancelled) {
        cancelled = true;
        session.link.notify('session/cancel', { sessionId: session.agentSessionId });
        // ACP: a client that cancels answers what is still asked of it with `cancelled`.
        // Said, so that the end of the turn does not come to stand in front of it.
        const events = session.permissions.cancelAll();
        if (events.length > 0) session.writer.push({ events, said: true }, session.keepUnwritten);
        const graceMs = config.limits.cancelGraceMs;
        grace.timer = setTimeout(() => {
          void session.shutdown(
            {
              kind: 'cancel_timeout',
              words: `the agent did not end the turn within ${graceMs / 1000} s of being asked to cancel it, and was ended`,
            },
            'kill',
          );
        }, graceMs);
      }
      await finished;
    },
  };
}

/** Matches what still came of a replay; from then on what the agent says is new. */
async function settleReplay(session: LiveSession) {
  const { gate } = session;
  if (!gate) return null;
  const late: Heard[] = [];
  for (;;) {
    const seen = gate.received;
    const settled = await gate.settle();
    late.push(...settled.late);
    if (gate.received !== seen) continue;
    session.gate = null;
    return { ...settled, late };
  }
}

/** What the agent's answer to `session/prompt` makes of the turn. */
export function readPromptResponse(response: RpcResponse, cancelled: boolean): TurnEnded {
  if ('result' in response) {
    const stopReason = (response.result as { stopReason?: unknown } | null)?.stopReason;
    if (typeof stopReason !== 'string')
      return failed('The agent answered session/prompt, but it named no stop reason. It does not keep to ACP: try another version of it.', {
        result: response.result ?? null,
      });
    return { state: stopReason === 'cancelled' ? 'cancelled' : 'completed', stopReason: stopReason as StopReason };
  }
  const { error } = response;
  // Some agents answer a cancelled prompt with the error of a cancelled request.
  if (cancelled && error.code === RPC.cancelled) return { state: 'cancelled', stopReason: 'cancelled' };
  return failed(
    `The agent answered the prompt with error ${error.code}: ${error.message || '(no message)'}. The turn is in the record as failed; mend the cause and prompt again.`,
    {
      error,
    },
  );
}

function failed(message: string, data: Readonly<Record<string, unknown>>): TurnEnded {
  return { state: 'failed', error: { code: 'agent_protocol_error', message, data } };
}
