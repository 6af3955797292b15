/**
 * A session while its agent lives: what the agent says goes into the log, what it asks is answered,
 * and when it is gone the log says how. Resume and turns are built on it in the files beside this one.
 */
import type { SessionUpdate } from '@agentclientprotocol/sdk';
import type { AgentLink, LinkHandlers } from '../protocol/link.ts';
import type { IncomingRequest, RpcResponse } from '../protocol/peer.ts';
import { RPC, type AgentFacts } from '../protocol/v1.ts';
import { RehydrateError } from '../errors.ts';
import { exceeds } from '../exceeds.ts';
import { FIXED_LIMITS } from '../limits.ts';
import type { AgentExit } from '../ports.ts';
import type { LiveFilter } from '../resume/match-live.ts';
import { endTurn, type NewEvent } from '../storage/statements.ts';
import type { SessionWriter, Work } from '../storage/writer.ts';
import type { ContentBlock, ResumeReport, TurnEnded } from '../types.ts';
import type { Config } from './options.ts';
import { isStateUpdate, learn, NOTHING_KNOWN, toColumns, type KnownState } from './last-known.ts';
import { interruptedBy, releaseStatement } from './lease.ts';
import { createPermissions, type Permissions } from './permissions.ts';
import type { Replay } from './replay.ts';
import { failedAfterSending } from './told.ts';
import type { Fence } from '../storage/statements.ts';

/** Why a session's agent is being ended, in the words of `turn_outcome_unknown`'s `data.cause`. */
export interface EndCause {
  readonly kind: 'sleep' | 'closed' | 'cancel_timeout' | 'taken_over' | 'host_failed' | 'agent_gone';
  readonly words: string;
  /** What the caller of a running prompt is told instead of `turn_outcome_unknown`. */
  readonly error?: unknown;
}

/** A turn that runs. */
export interface RunningTurn {
  readonly turnId: string;
  /** Takes out the prompt's echo and what a late replay still owed. */
  readonly filter: LiveFilter;
  /** The turn is over for another reason than the agent's answer; its end is in the log. */
  ended(end: TurnEnded, error: unknown): void;
}

export interface LiveDeps {
  readonly config: Config;
  readonly sessionId: string;
  readonly agent: string;
  readonly cwd: string;
  readonly additionalDirectories: readonly string[];
  /** Replaces known secret values before anything is stored. */
  readonly redact: <T>(value: T) => T;
  /** The agent is gone, and the log says so. */
  readonly onGone: (session: LiveSession, exit: AgentExit) => void;
}

/** The end of a turn that the agent has answered. */
export interface TurnEnding {
  readonly turnId: string;
  readonly work: Work;
  /** It is in the log, or cannot be: with the reason. */
  settle(failure: { readonly error: unknown } | null): void;
}

type Update = {
  readonly update: SessionUpdate;
  readonly meta: Readonly<Record<string, unknown>> | undefined;
  readonly agentSessionId: unknown;
};

export class LiveSession {
  readonly sessionId: string;
  link!: AgentLink;
  facts!: AgentFacts;
  agentSessionId: string | null = null;
  known: KnownState = NOTHING_KNOWN;
  turn: RunningTurn | null = null;
  /** Takes what a resumed agent says before the first prompt as a replay of what it said before. */
  gate: Replay | null = null;
  /** Set while the successor has not answered a turn: its id is not yet the stored one (I4). */
  successor: { readonly preamble: readonly ContentBlock[] | null; readonly preambleText: string | null; readonly beganSeq: number } | null =
    null;
  /** How it became live; handed out with the first prompt. */
  report: ResumeReport | null = null;
  /** True once a prompt was sent: from then on nothing the agent says is taken for a replay, but for one exact case. */
  prompted = false;
  /** What a failed operation on the session is told after the log could not be written. */
  failure: unknown = null;
  /** True when what its end had to write could not be: a turn may stand as running, and the lease as held. */
  unsettled = false;
  /** True when something the agent said was let go behind what could not be written: its turn has no end of its own. */
  hole = false;

  private readonly deps: LiveDeps;
  private writerOrNull: SessionWriter | null = null;
  private fence: Fence | null = null;
  private permissionsOrNull: Permissions | null = null;
  private cause: EndCause | null = null;
  private gone: Promise<AgentExit> | null = null;
  /** Aborted when the agent is gone; whoever listens to its signal stops when done. */
  private readonly untilGone = new AbortController();
  /** True until the opening is written down; then what came meanwhile is sorted in. */
  private opening = true;
  /** The last state update of each kind that came during the opening. */
  private readonly stateSaid = new Map<string, Update>();
  /** What else came meanwhile. */
  private early: Update[] = [];
  private earlyBytes = 0;
  /** What the agent said and could not be written, in order: `onGone` tries once more. */
  private unwritten: Work[] = [];
  /** The answered turn whose end is among them. */
  private ending: TurnEnding | null = null;

  constructor(deps: LiveDeps) {
    this.deps = deps;
    this.sessionId = deps.sessionId;
  }

  get writer(): SessionWriter {
    if (!this.writerOrNull) throw new Error(`session ${this.sessionId} has no writer yet`);
    return this.writerOrNull;
  }

  get permissions(): Permissions {
    if (!this.permissionsOrNull) throw new Error(`session ${this.sessionId} has no writer yet`);
    return this.permissionsOrNull;
  }

  /** From here on what the agent says can be stored. */
  attachWriter(writer: SessionWriter, fence: Fence): void {
    const { config, sessionId, redact } = this.deps;
    this.writerOrNull = writer;
    this.fence = fence;
    this.permissionsOrNull = createPermissions({
      sessionId,
      writer,
      rule: config.permission,
      clock: config.clock,
      newId: config.newId,
      maxOpen: config.limits.openPermissions,
      redact,
      keepUnwritten: this.keepUnwritten,
    });
  }

  /** The agent's session id is known: what came early is sorted in. */
  adopt(agentSessionId: string): void {
    this.agentSessionId = agentSessionId;
    // What came before the answer to session/new belongs to it.
    const early = this.early;
    this.early = [];
    this.earlyBytes = 0;
    for (const update of early) this.intake(update);
  }

  /**
   * The opening is over. State updates that came meanwhile are returned where they say something that
   * was not known `before` and still holds; everything else that came goes into the log by itself,
   * behind what the caller appends in the same tick.
   */
  takeStateChanges(before: KnownState): { update: SessionUpdate; meta: Update['meta'] }[] {
    return [...this.stateSaid.values()].filter(({ update }) => learn(before, update) !== null && learn(this.known, update) === null);
  }

  finishOpening(): void {
    this.opening = false;
    const early = this.early;
    this.early = [];
    this.earlyBytes = 0;
    for (const update of early) this.intake(update);
  }

  attachLink(link: AgentLink): void {
    this.link = link;
    void link.gone.then(() => this.untilGone.abort());
  }

  readonly handlers: LinkHandlers = {
    onRequest: (request) => this.onRequest(request),
    onNotification: (method, params) => this.onNotification(method, params),
    room: () => this.writerOrNull?.room() ?? null,
  };

  /** Known secret values replaced: for all that is stored, and for what a caller is told in the agent's words. */
  get redact(): <T>(value: T) => T {
    return this.deps.redact;
  }

  /** Starts to watch for the agent's end. Called once the session is whole; before, whoever opens it watches. */
  watch(): void {
    this.gone ??= this.link.gone.then((exit) => this.onGone(exit));
  }

  /** Ends the agent's process tree and writes down what that ended. Resolves when both are done. */
  async shutdown(cause: EndCause, how: 'ask' | 'kill' = 'ask'): Promise<AgentExit> {
    this.cause ??= cause;
    this.watch();
    await this.link.end(how);
    return this.gone as Promise<AgentExit>;
  }

  /**
   * The host cannot do its part: the log cannot be written, so nothing more may be shown (I2), or what
   * it was given to decide with failed. The session cannot go on; a running prompt is told the reason.
   */
  fail(error: unknown): void {
    this.failure ??= error;
    const takenOver = RehydrateError.is(error) && error.code === 'session_busy';
    const cause: EndCause = takenOver
      ? { kind: 'taken_over', words: 'the session was taken over by another host' }
      : { kind: 'host_failed', words: `the host failed: ${error instanceof Error ? error.message : String(error)}`, error };
    // Never rejects: what `onGone` could not write is in `failure`.
    void this.shutdown(cause, 'kill');
  }

  /** Writes the end of an answered turn; what stands in its way ends the session (see `onGone`). */
  endTurn(ending: TurnEnding): void {
    this.turn = null;
    this.writer.append({ ...ending.work, said: true }).then(
      () => ending.settle(null),
      (error: unknown) => {
        this.ending = ending;
        this.keepUnwritten(error, ending.work);
      },
    );
  }

  /** What could not be written when it came is written with the end of the agent, in front of it. */
  readonly keepUnwritten = (error: unknown, work: Work): void => {
    this.unwritten.push(work);
    this.fail(error);
  };

  private onNotification(method: string, params: Readonly<Record<string, unknown>>): void {
    if (method === '$/cancel_request') {
      this.permissionsOrNull?.withdraw(params['requestId']).catch((error: unknown) => this.fail(error));
      return;
    }
    const update = params['update'];
    if (method !== 'session/update' || typeof update !== 'object' || update === null || Array.isArray(update)) return;
    const meta = params['_meta'];
    this.intake({
      update: update as SessionUpdate,
      meta: typeof meta === 'object' && meta !== null && !Array.isArray(meta) ? (meta as Record<string, unknown>) : undefined,
      agentSessionId: params['sessionId'],
    });
  }

  private intake(item: Update): void {
    if (this.agentSessionId === null) return this.hold(item);
    // One process serves one session; what names another is a sub-session of the agent's own.
    if (item.agentSessionId !== undefined && item.agentSessionId !== this.agentSessionId) return;
    const update = this.deps.redact(item.update);
    const meta = item.meta && this.deps.redact(item.meta);
    const isState = isStateUpdate(update);
    if (!isState && this.gate) return this.gate.take(update, meta);
    const learnt = learn(this.known, update);
    if (learnt) this.known = { ...this.known, ...learnt };
    if (this.opening) {
      if (isState) this.stateSaid.set(update.sessionUpdate, { ...item, update, meta });
      else this.hold(item);
      return;
    }
    if (isState && !learnt && !this.prompted) return;
    // State updates are no part of a message and wait for none.
    const passed = this.turn && !isState ? this.turn.filter.push(update, meta) : [{ update, ...(meta ? { meta } : {}) }];
    if (passed.length === 0) return;
    if (this.unwritten.length > 0) {
      this.hole = true;
      return;
    }
    this.writer.push(
      { events: this.asEvents(passed, this.turn?.turnId ?? null), said: true, ...(learnt ? { lastKnown: toColumns(learnt) } : {}) },
      this.keepUnwritten,
    );
  }

  /** What was let through, as events of the log. */
  asEvents(
    items: readonly { readonly update: SessionUpdate; readonly meta?: Update['meta'] }[],
    turnId: string | null,
    origin: 'agent' | 'import' = 'agent',
  ): NewEvent[] {
    const at = this.deps.config.clock();
    return items.map(({ update, meta }) =>
      meta ? { kind: 'update', turnId, at, origin, payload: update, meta } : { kind: 'update', turnId, at, origin, payload: update },
    );
  }

  private hold(item: Update): void {
    const { limits } = this.deps.config;
    this.earlyBytes += JSON.stringify(item.update).length;
    if (this.early.length >= limits.queuedEvents || this.earlyBytes > limits.queuedBytes) {
      this.failure ??= new RehydrateError(
        'limit_exceeded',
        `The agent sent more than queuedEvents (${limits.queuedEvents}) or queuedBytes (${limits.queuedBytes}) of updates before it answered session/new.`,
        { limit: 'queuedEvents', allowed: limits.queuedEvents },
      );
      void this.link.end('kill');
      return;
    }
    this.early.push(item);
  }

  private async onRequest(request: IncomingRequest): Promise<RpcResponse> {
    const { config, sessionId, agent, cwd, additionalDirectories } = this.deps;
    if (request.method === 'session/request_permission') {
      if (!this.permissionsOrNull || this.agentSessionId === null) return { result: { outcome: { outcome: 'cancelled' } } };
      try {
        return await this.permissionsOrNull.ask(request.id, request.params, this.turn?.turnId ?? null);
      } catch (error) {
        this.fail(error);
        return { error: { code: RPC.internal, message: 'the host could not take the request' } };
      }
    }
    const client = config.clientFor(agent);
    if (!client) return { error: { code: RPC.methodNotFound, message: `Method not found: ${request.method}` } };
    try {
      const result = await client.handle({
        method: request.method,
        params: request.params,
        sessionId,
        cwd,
        additionalDirectories,
        signal: this.untilGone.signal,
      });
      const { messageBytes } = config.limits;
      if (exceeds(messageBytes - ENVELOPE_BYTES, JSON.stringify(result) ?? ''))
        return {
          error: {
            code: RPC.internal,
            message: `limit_exceeded: the answer to ${request.method} is larger than messageBytes (${messageBytes}). Ask for less.`,
          },
        };
      return { result };
    } catch (error) {
      const { code, message, data } = error as { code?: unknown; message?: string; data?: unknown };
      return {
        error: {
          code: typeof code === 'number' ? code : RPC.internal,
          message: message ?? String(error),
          ...(data === undefined ? {} : { data }),
        },
      };
    }
  }

  /** The agent is gone. Everything that ends with it is ended in one batch, and the lease let go. */
  private async onGone(exit: AgentExit): Promise<AgentExit> {
    const { config, redact, sessionId } = this.deps;
    // What is still on its way into the log is there, or is not, before its end is written.
    await this.writerOrNull?.settled();
    const at = config.clock();
    const { turn, ending } = this;
    this.turn = null;
    const cause = this.cause ?? { kind: 'agent_gone' as const, words: `the agent ${this.link.goneWords}` };
    const stored = brief(redact(exit));
    const end = turn && redact(interruptedBy({ ...withoutError(cause), exit: stored }, turn.turnId));
    if (this.writerOrNull && this.fence) {
      const fence = this.fence;
      const events: NewEvent[] = [
        ...(turn ? this.asEvents(turn.filter.end(), turn.turnId) : []),
        ...(this.permissionsOrNull?.cancelAll() ?? []),
        { kind: 'agent_exited', turnId: turn?.turnId ?? null, at, origin: 'agent', payload: stored },
        ...(turn && end ? [{ kind: 'turn_ended' as const, turnId: turn.turnId, at, origin: 'host' as const, payload: end }] : []),
      ];
      try {
        for (const { said: _, ...work } of this.unwritten) await this.writer.append(work);
        await this.writer.append({
          events,
          also: ({ last }) => [...(turn && end ? [endTurn(turn.turnId, end, last)] : []), releaseStatement(fence)],
        });
      } catch (error) {
        // Whoever settles the session ends the turn. The caller must hear of it, unless the lease is simply another's.
        this.failure ??= error;
        this.unsettled = true;
      }
    }
    ending?.settle(this.unsettled ? { error: this.failure } : null);
    try {
      await config.clientFor(this.deps.agent)?.release(sessionId);
    } catch (error) {
      this.failure ??= error;
    }
    if (turn && end) {
      const told =
        cause.error !== undefined
          ? failedAfterSending(cause.error, turn.turnId)
          : end.error && new RehydrateError('turn_outcome_unknown', end.error.message, end.error.data as Record<string, unknown>);
      turn.ended(end, told);
    }
    this.deps.onGone(this, exit);
    return exit;
  }
}

/** What stands around an answer in its message. */
const ENVELOPE_BYTES = 1_024;

function withoutError({ kind, words }: EndCause): { kind: string; words: string } {
  return { kind, words };
}

/** An exit as stored: the last of stderr, not all of it. */
function brief(exit: AgentExit): AgentExit {
  const kept = FIXED_LIMITS.storedStderrChars;
  return exit.stderr === undefined || exit.stderr.length <= kept ? exit : { ...exit, stderr: exit.stderr.slice(-kept) };
}
