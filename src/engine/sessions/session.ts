/**
 * One session of a host: its state machine, and what happens while its agent is live. `start.ts` creates it, `wake.ts` wakes it, `turn.ts`
 * prompts it.
 */
import { delay, inBackground, linkedSignal, unlessAborted, within } from '../waiting.ts';
import type { Fields } from '../objects.ts';
import { RehydrateError } from '../errors.ts';
import { FIXED_LIMITS } from '../limits.ts';
import type { AgentExit, ClientServices } from '../ports.ts';
import { RPC, type AgentUpdate } from '../protocol/agent-protocol.ts';
import { quoteDiagnostics } from '../protocol/connection.ts';
import { thrownError, type IncomingRequest, type RpcResponse } from '../protocol/json-rpc.ts';
import { beginning, NOTE_CHARS } from '../protocol/bounded.ts';
import { isUnreadable } from '../protocol/reported-state.ts';
import { classOf } from '../protocol/updates.ts';
import { asksFor } from '../protocol/versions.ts';
import type { LiveFilter } from '../resume/match-live.ts';
import { endTurn, updateEvents, type LastKnown, type LoggedUpdate, type NewEvent, type UpdateWithMeta } from '../storage/statements.ts';
import { createWriter, type Work, type WriterOptions } from '../storage/writer.ts';
import type { ContentBlock, ResumeAttempt, ResumeReport } from '../types.ts';
import { isForeign, type AgentSession, type SessionContext } from './agent-session.ts';
import type { Agent, AgentListener, Agents } from './agent-startup.ts';
import { remember, turnContinuedBy, type LastSaid } from './last-said.ts';
import { failedAfterSending, interruptedBy, releaseStatement, type LeaseParts } from './lease.ts';
import { cancelled, createPermissions, type Permissions } from './permissions.ts';
import type { SecretValues } from './secrets.ts';
import { modeChange, reportedColumns } from './settings.ts';

// ---------------------------------------------------------------- the state machine

/** Each state carries the data that exists only in it. */
export type SessionPhase =
  | { readonly kind: 'asleep' }
  | { readonly kind: 'starting' | 'resuming'; readonly abort: AbortController }
  | { readonly kind: 'live'; readonly live: Live }
  | { readonly kind: 'prompting'; readonly live: Live; readonly turn: Turn }
  | { readonly kind: 'ending'; readonly live: Live; readonly ending: Ending };

export type StateName = SessionPhase['kind'];

export type TransitionName = 'create' | 'wake' | 'opened' | 'failed' | 'prompt' | 'unsent' | 'answered' | 'end' | 'gone';

interface Transition {
  readonly from: StateName;
  readonly on: TransitionName;
  readonly to: StateName;
  readonly when: string;
}

/** Every transition there is. The documentation draws its picture from this table. */
export const TRANSITIONS: readonly Transition[] = [
  { from: 'asleep', on: 'create', to: 'starting', when: 'a new session is created' },
  { from: 'asleep', on: 'wake', to: 'resuming', when: 'something needs the agent, and this host has taken the lease' },
  { from: 'starting', on: 'opened', to: 'live', when: 'the session is stored' },
  { from: 'starting', on: 'failed', to: 'asleep', when: 'the agent is gone and nothing was written' },
  { from: 'resuming', on: 'opened', to: 'live', when: 'the report is stored' },
  { from: 'resuming', on: 'failed', to: 'asleep', when: 'the agent is gone and the lease is free' },
  { from: 'live', on: 'prompt', to: 'prompting', when: 'a prompt is being stored' },
  { from: 'prompting', on: 'unsent', to: 'live', when: 'the prompt could not be stored, so it was not sent' },
  { from: 'prompting', on: 'answered', to: 'live', when: 'the end of the turn is stored' },
  { from: 'live', on: 'end', to: 'ending', when: 'the agent died, or is being ended' },
  { from: 'prompting', on: 'end', to: 'ending', when: 'the agent died, or is being ended' },
  { from: 'ending', on: 'gone', to: 'asleep', when: 'the whole process tree is gone, and its exit is stored' },
];

/** Where a transition leads from a state; null when it cannot happen there. */
export function transition(from: StateName, on: TransitionName): StateName | null {
  return TRANSITIONS.find((row) => row.from === from && row.on === on)?.to ?? null;
}

// ---------------------------------------------------------------- the data of the states

/** What the sessions of a host share. */
export interface HostParts extends LeaseParts {
  readonly agents: Agents;
}

/** Why a live session ends: `data.cause` of `turn_outcome_unknown`. */
export interface EndCause {
  readonly kind: 'sleep' | 'closed' | 'idle' | 'cancel_timeout' | 'taken_over' | 'host_failed' | 'agent_gone';
  readonly reason: string;
  /** If given, the caller of a running prompt gets this error instead of `turn_outcome_unknown`. */
  readonly error?: unknown;
}

export type SessionLog = ReturnType<typeof openLog>;

/** A writer to the session's log. It holds the lease, and renews it until `stop`. */
export function openLog(session: Session, held: Pick<WriterOptions, 'fence' | 'latestSeq' | 'redact'>) {
  const { config, store, subscriptions } = session.parts;
  const { database: db, limits, clock } = config;
  const { fence } = held;
  const onCommitted: WriterOptions['onCommitted'] = (events) => subscriptions.publish(fence.sessionId, events);
  const onLost = (reason: unknown) => session.fail(reason);
  const writer = createWriter({ ...held, db, store, limits, clock, onCommitted, onLost });
  const renewMs = Math.max(1, Math.floor(limits.leaseMs / 3));
  const renew = () => {
    // Writing anything renews the lease. `Math.abs`, because a clock that is set back would make `renewedAt` look recent for a long time.
    if (Math.abs(clock() - writer.renewedAt) >= renewMs) writer.append({ events: [] }).catch(onLost);
  };
  const timer = inBackground(setInterval(renew, renewMs));
  return { writer, fence, stop: () => clearInterval(timer) };
}

/** Why a live session believes that its agent session is the right one. */
export type Basis =
  /** It is the stored one, and has answered a turn or was just created. */
  | { readonly kind: 'proven' }
  | {
      /**
       * `resumed`: the agent took the stored one up, and may still deny it at the prompt. A `successor` replaces the stored one only when
       * it has answered a turn (I4).
       */
      readonly kind: 'resumed' | 'successor';
      readonly attempts: readonly ResumeAttempt[];
      /** Goes in front of the next prompt (I6): of a successor, or of a session whose replay showed that it had lost its preamble. */
      readonly preamble: readonly ContentBlock[] | null;
      /** The event with which the agent session begins. */
      readonly beganSeq: number;
    };

export interface Live {
  readonly context: SessionContext;
  readonly agent: Agent;
  readonly log: SessionLog;
  readonly permissions: Permissions;
  readonly agentSession: AgentSession;
  basis: Basis;
  /** How it became live; null once a prompt has reported it. */
  report: ResumeReport | null;
  /** The last answered turn: what the agent says later may continue it. */
  lastTurn: { readonly turnId: string; readonly said: LastSaid } | null;
  /** When the agent last said something, by `performance.now`. */
  saidAt: number;
  /** When the session was last used, by `performance.now`. */
  usedAt: number;
  /** Resolves to the cause of the end, once the agent is gone and its end is in the log. */
  readonly over: Promise<EndCause>;
}

export interface Turn {
  readonly turnId: string;
  /** Drops the echo of the prompt, and the rest of a late replay. */
  filter: LiveFilter;
  readonly said: LastSaid;
  /** Aborted when the agent is asked to end the turn. */
  readonly cancelling: AbortController;
  /** Aborted when the turn is cancelled or the agent is gone: nobody wants the answer to what the agent asked in the turn any more. */
  readonly wanted: AbortSignal;
  progress:
    /** The prompt is being stored, or another tier is tried because the agent answered that it does not know the session. */
    | { readonly kind: 'unsent' }
    | { readonly kind: 'sent' }
    /** The agent's answer is on its way into the log. */
    | { readonly kind: 'answered'; settle(failure: { readonly error: unknown } | null): void };
  /** Called when the turn ended without an answer of the agent, and that end is in the log. */
  ended(error: unknown): void;
}

interface Ending {
  readonly cause: EndCause;
  /** The turn that was running; null once its end is in the log, or is about to be written. */
  turn: Turn | null;
  /** Work that could not be written, in order. It is tried once more, before the end. */
  readonly unwritten: Work[];
  /** Whether anything that came after `unwritten` was dropped. An answer to the turn is then not stored as its end. */
  dropped: boolean;
}

const asleep: SessionPhase = { kind: 'asleep' };

export class Session {
  readonly sessionId: string;
  /** Values that a caller gave (`create`, `update`, `adopt`), not those of the port. Kept in memory only. */
  secrets: SecretValues | null = null;
  /** Further parameters of `session/new`, given at `create`. Kept in memory only. */
  params: Fields | undefined = undefined;
  /** The client that the latest operation named. It answers what the agent asks. */
  client: ClientServices | null = null;
  /** The agent is not read any further until this settles. */
  private holdUp: Promise<void> | null = null;
  private phase: SessionPhase = asleep;
  readonly parts: HostParts;

  constructor(sessionId: string, parts: HostParts) {
    this.sessionId = sessionId;
    this.parts = parts;
  }

  get state(): SessionPhase {
    return this.phase;
  }

  /** The data of a live session; null in every other state, and as soon as its agent has ended. */
  get live(): Live | null {
    const { phase } = this;
    return (phase.kind === 'live' || phase.kind === 'prompting') && !phase.live.agent.connection.ended ? phase.live : null;
  }

  /**
   * The same, but waits until the session sleeps when its agent is gone or going. An agent that ended by itself is not killed, so that the
   * exit on record is its own (I8).
   */
  async settled(): Promise<Live | null> {
    const { live, phase } = this;
    if (live || !('live' in phase)) return live;
    const { agent, over } = phase.live;
    if (!agent.connection.ended) await agent.connection.end('kill');
    await over;
    return null;
  }

  /** Every change of state goes through here. Throws when the table has no such transition. */
  become(on: TransitionName, next: SessionPhase): void {
    const to = transition(this.phase.kind, on);
    if (to !== next.kind) throw new Error(`session ${this.sessionId}: ${on} does not lead from ${this.phase.kind} to ${next.kind}`);
    this.phase = next;
  }

  // -------------------------------------------------------------- becoming live

  /** Runs `work`, which must call `opened`. When it fails, the session sleeps again. */
  async open<T>(kind: 'starting' | 'resuming', signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    this.become(kind === 'starting' ? 'create' : 'wake', { kind, abort });
    try {
      return await work(signal ? AbortSignal.any([abort.signal, signal]) : abort.signal);
    } catch (error) {
      if ('abort' in this.phase) this.become('failed', asleep);
      throw error;
    }
  }

  listener(agentSession: AgentSession): AgentListener {
    return {
      onUpdate: (update, agent) => {
        const live = this.liveOf(agentSession);
        if (live) live.saidAt = live.agent.connection.heardAt;
        if (namesAnotherSession(agentSession, agent, 'session/update', update.agentSessionId)) {
          const said = live && this.turn?.said;
          if (said) {
            said.foreign += 1;
            said.foreignId = beginning(String(update.agentSessionId), NOTE_CHARS);
          }
          return;
        }
        try {
          if (live || !agentSession.isOpen) agentSession.take(update);
        } catch (error) {
          this.fail(error);
        }
      },
      onRequest: (request, agent) => this.answer(agentSession, agent, request),
      onOther: (method, params, agent) => {
        if (!namesAnotherSession(agentSession, agent, method, params['sessionId']))
          this.holdUp = this.passOn(agentSession, agent, method, params);
      },
      room: () => {
        const { holdUp } = this;
        this.holdUp = null;
        return holdUp ?? this.liveOf(agentSession)?.log.writer.room() ?? null;
      },
    };
  }

  private liveOf(agentSession: AgentSession): Live | null {
    return 'live' in this.phase && this.phase.live.agentSession === agentSession ? this.phase.live : null;
  }

  /** The agent has the session. Call it in the tick in which the report is handed to the log, or later. */
  opened({ agentSession, agent, report }: Pick<Live, 'agentSession' | 'agent' | 'report'>, log: SessionLog, basis: Basis): Live {
    const { config } = this.parts;
    const { context } = agentSession;
    const now = performance.now();
    const live: Live = {
      context,
      agent,
      log,
      agentSession,
      basis,
      report,
      lastTurn: null,
      saidAt: now,
      usedAt: now,
      permissions: createPermissions({ config, context, writer: log.writer }),
      over: agent.connection.gone.then((exit) => this.agentGone(live, exit)),
    };
    this.become('opened', { kind: 'live', live });
    this.resumeIntake(live);
    return live;
  }

  /**
   * Takes what the agent said while the session was being opened, and all that follows. Call it in the tick in which the report is handed
   * to the log, so that nothing comes in between.
   */
  resumeIntake(live: Live): void {
    live.agentSession.resumeIntake((item) => this.receive(live, item), {
      limits: this.parts.config.limits,
      store: (news) => this.record(live, null, news),
      fail: (error) => this.fail(error),
    });
  }

  // -------------------------------------------------------------- what the agent says

  private receive(live: Live, item: AgentUpdate): void {
    const { agentSession, lastTurn } = live;
    const { turn } = this;
    const said = agentSession.redacted(item);
    const { update, meta } = said;
    if (classOf(update, meta) === 'state') return this.receiveState(live, turn, said);
    const running = unanswered(turn);
    if (agentSession.replay?.take(update, meta, !running)) return;
    if (!running) return this.record(live, turnContinuedBy(turn ?? lastTurn, said), [said]);
    const { filter } = running;
    this.recordInTurn(live, running, filter.push(update, meta));
    if (filter.asks) this.holdUp = this.consultLog(live, running);
  }

  private recordInTurn(live: Live, running: Turn, updates: readonly UpdateWithMeta[]): void {
    for (const update of updates) remember(running.said, update);
    if (updates.length > 0) this.record(live, running.turnId, updates);
  }

  /** The filter cannot tell whether words of the user's are a replay, so it gets the whole log. The agent is not read meanwhile. */
  private async consultLog(live: Live, running: Turn): Promise<void> {
    const { filter } = running;
    try {
      const whole = await live.agentSession.replay!.wholeLog();
      if (unanswered(this.turn) === running) this.recordInTurn(live, running, filter.know(whole));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Stores a report of state if it says anything new: at once, even while the filter holds messages back. */
  private receiveState(live: Live, turn: Turn | null, said: UpdateWithMeta): void {
    const { agentSession } = live;
    const { update } = said;
    if (agentSession.isTitleOfPreamble(update)) return;
    const before = agentSession.reported;
    const learnt = agentSession.learn(update);
    if (!learnt && !isUnreadable(update)) return;
    // A mode that the agent changes during a turn (a plan was approved) counts as asked for by the user.
    const mode = turn && learnt && modeChange(learnt, before);
    if (mode) agentSession.requested = { ...agentSession.requested, mode };
    this.record(live, this.runningTurnId, [said], {
      ...reportedColumns(learnt ?? {}),
      ...(mode ? { wishes: agentSession.requested } : {}),
    });
  }

  /** Writes nothing after a failed write: a gap in the log is worse than an early end (I11). */
  private record(live: Live, turnId: string | null, updates: readonly LoggedUpdate[], lastKnown?: LastKnown): void {
    const { phase } = this;
    if (phase.kind === 'ending' && phase.ending.unwritten.length > 0) {
      phase.ending.dropped = true;
      return;
    }
    const events = updateEvents(updates, this.parts.config.clock(), turnId);
    live.log.writer.push(lastKnown ? { events, said: true, lastKnown } : { events, said: true }, this.keepUnwritten);
  }

  // -------------------------------------------------------------- what the agent asks

  private async answer(agentSession: AgentSession, agent: Agent, request: IncomingRequest): Promise<RpcResponse> {
    const { params, method, signal } = request;
    if (namesAnotherSession(agentSession, agent, method, params['sessionId']))
      return { error: { code: RPC.invalidParams, message: `Invalid params: the session of this connection is ${agentSession.id}` } };
    const kind = asksFor(method);
    if (kind === null) return this.askClient(agentSession, agent, request);
    // While the session is being opened nobody can answer, and in a cancelled turn nobody should.
    const permissions = agentSession.isOpen && this.liveOf(agentSession)?.permissions;
    if (!permissions || unanswered(this.turn)?.cancelling.signal.aborted) return cancelled(kind);
    try {
      return kind === 'permission'
        ? await permissions.ask(signal, agent.protocol.readPermission(params), this.runningTurnId)
        : await permissions.elicit(signal, params, this.runningTurnId, (unwanted) =>
            this.askClient(agentSession, agent, request, [agent.untilGone, unwanted]),
          );
    } catch (error) {
      this.fail(error);
      return { error: { code: RPC.internal, message: 'the host could not take the request' } };
    }
  }

  /** Has the client answer, with session ids exchanged both ways; gives up when one of the signals aborts. */
  private async askClient(
    agentSession: AgentSession,
    agent: Agent,
    request: IncomingRequest,
    signals: readonly AbortSignal[] = [request.signal, this.wanted ?? agent.untilGone],
  ): Promise<RpcResponse> {
    const { method, params } = request;
    const { context } = agentSession;
    const { sessionId, parts } = this;
    const { config } = parts;
    const client = this.client ?? config.clientFor(context.agent);
    if (!client) return { error: { code: RPC.methodNotFound, message: `Method not found: ${method}` } };
    agent.clients.add(client);
    const { signal, release } = linkedSignal(signals);
    try {
      const { cwd, additionalDirectories } = context;
      const asked = { method, params: agentSession.fromAgent(params), sessionId, cwd, additionalDirectories, signal };
      const result = await unlessAborted((async () => client.handle(asked))(), signal);
      return { result: agentSession.toAgent(result ?? null) };
    } catch (error) {
      return { error: thrownError(error) };
    } finally {
      release();
    }
  }

  /** Gives the client a notification. Nobody waits for an answer, so an error of the client's is ignored. */
  private async passOn(agentSession: AgentSession, agent: Agent, method: string, params: Fields): Promise<void> {
    const client = this.client ?? this.parts.config.clientFor(agentSession.context.agent);
    if (!client?.notify) return;
    agent.clients.add(client);
    try {
      const told = client.notify({ method, params: agentSession.fromAgent(params), sessionId: this.sessionId });
      // A slow client holds up the agent no longer than this (I10).
      if (told) await within(told, this.parts.config.limits.callbackMs);
    } catch {
      // See above.
    }
  }

  /** The turn whose end is not in the log yet. */
  private get turn(): Turn | null {
    const { phase } = this;
    if (phase.kind === 'prompting') return phase.turn;
    return phase.kind === 'ending' ? phase.ending.turn : null;
  }

  /** Undefined after a cancel: what an agent asks for then, it needs to clean up. */
  private get wanted(): AbortSignal | undefined {
    const { cancelling, wanted } = unanswered(this.turn) ?? {};
    return cancelling?.signal.aborted ? undefined : wanted;
  }

  private get runningTurnId(): string | null {
    return unanswered(this.turn)?.turnId ?? null;
  }

  // -------------------------------------------------------------- a turn

  /** Call it before the batch that stores the turn: if the agent dies meanwhile, the turn is ended with it. */
  beginTurn(live: Live, turn: Turn): void {
    this.become('prompt', { kind: 'prompting', live, turn });
  }

  dropTurn(live: Live, turn: Turn): void {
    if (this.phase.kind === 'prompting' && this.phase.turn === turn) this.become('unsent', { kind: 'live', live });
  }

  /** The agent has answered: stores the end of the turn. If that fails the session ends, and `agentGone` calls `settle`. */
  endTurn(live: Live, turn: Turn, work: Work, settle: (failure: { readonly error: unknown } | null) => void): void {
    turn.progress = { kind: 'answered', settle };
    live.saidAt = performance.now();
    live.log.writer.append({ ...work, said: true }).then(
      () => {
        live.lastTurn = { turnId: turn.turnId, said: turn.said };
        const { phase } = this;
        if (phase.kind === 'prompting') this.become('answered', { kind: 'live', live });
        else if (phase.kind === 'ending') phase.ending.turn = null;
        settle(null);
      },
      (error: unknown) => this.keepUnwritten(error, work),
    );
  }

  /** Whether the turn has no end yet, and nothing that was said in it was dropped. */
  isRunning(turn: Turn): boolean {
    const { phase } = this;
    return this.turn === turn && !(phase.kind === 'ending' && phase.ending.dropped);
  }

  // -------------------------------------------------------------- the end

  /**
   * Ends the session once the agent has been quiet. With `tell`, the agent is first asked to close or delete its own session, if it can;
   * what it answers does not matter.
   */
  async endGently(cause: EndCause, tell?: 'close' | 'delete'): Promise<void> {
    await this.untilQuiet();
    if (tell && this.phase.kind === 'live') {
      const { agent, agentSession } = this.phase.live;
      const { facts, protocol } = agent;
      const { settingMs, cancelGraceMs } = this.parts.config.limits;
      const patience = { ms: Math.min(settingMs, cancelGraceMs) };
      if (tell === 'delete' && facts.canDelete) await protocol.deleteSession(agentSession.id, patience);
      else if (facts.canClose) await protocol.closeSession(agentSession.id, patience);
    }
    await this.end(cause);
  }

  /** Agents go on after their answer, with last chunks or a title. */
  private async untilQuiet(): Promise<void> {
    const { quietMs, quietMaxMs } = this.parts.config.limits;
    const deadline = performance.now() + quietMaxMs;
    for (;;) {
      const { phase } = this;
      if (phase.kind !== 'live' || phase.live.lastTurn === null || phase.live.agent.connection.exit !== null) return;
      const left = Math.min(phase.live.saidAt + quietMs, deadline) - performance.now();
      if (left <= 0) return;
      await delay(left);
    }
  }

  /** Resolves when the process tree is gone and its end is in the log; at once when nothing is live. */
  async end(cause: EndCause, how: 'ask' | 'kill' = 'ask'): Promise<void> {
    this.beginEnd(cause);
    const { phase } = this;
    if (phase.kind !== 'ending') return;
    await phase.live.agent.connection.end(how);
    await phase.live.over;
  }

  private beginEnd(cause: EndCause): void {
    const { phase } = this;
    if (phase.kind !== 'live' && phase.kind !== 'prompting') return;
    const turn = phase.kind === 'prompting' ? phase.turn : null;
    this.become('end', { kind: 'ending', live: phase.live, ending: { cause, turn, unwritten: [], dropped: false } });
  }

  /**
   * The log cannot be written, so nothing more may be shown (I2), or one of the user's functions failed. A running prompt gets the error.
   */
  fail(error: unknown): void {
    const { phase } = this;
    if (phase.kind === 'starting' || phase.kind === 'resuming') return phase.abort.abort(error);
    const takenOver = RehydrateError.is(error) && error.code === 'session_busy';
    void this.end(
      takenOver
        ? { kind: 'taken_over', reason: 'the session was taken over by another host' }
        : { kind: 'host_failed', reason: `the host failed: ${error instanceof Error ? error.message : String(error)}`, error },
      'kill',
    );
  }

  /** Ends the session, and keeps the work to be tried once more when the end of the agent is written. */
  readonly keepUnwritten = (error: unknown, work: Work): void => {
    this.fail(error);
    if (this.phase.kind === 'ending') this.phase.ending.unwritten.push(work);
  };

  /** Ends in one batch everything that ends with the agent, and releases the lease. */
  private async agentGone(live: Live, exit: AgentExit): Promise<EndCause> {
    const { sessionId, parts } = this;
    const { config } = parts;
    const { context, agent, log, permissions } = live;
    const { redact } = context;
    this.beginEnd({ kind: 'agent_gone', reason: `the agent ${agent.connection.exitDescription}` });
    let failure: { readonly error: unknown } | null = null;
    try {
      await live.agentSession.replay?.end();
    } catch (error) {
      failure = { error };
    }
    // What is still on its way into the log comes before the end.
    await log.writer.settled();
    const { phase } = this;
    if (phase.kind !== 'ending') throw new Error(`session ${sessionId}: its agent ended while it was ${phase.kind}`);
    const { cause, turn, unwritten } = phase.ending;
    const running = unanswered(turn);
    // The turn gets its end here. Whatever else was being tried for it (another tier) must not end it again.
    if (running) phase.ending.turn = null;
    const at = config.clock();
    const needsReason = exit.kind === 'killed' && exit.why === undefined && cause.kind === 'host_failed';
    const stored = withShortStderr(redact(needsReason ? { ...exit, why: cause.reason.replace(/\.$/, '') } : exit));
    const diagnostics = CAUSED_BY_AGENT.has(cause.kind) ? quoteDiagnostics(agent.connection.diagnostics()) : '';
    const end = running && redact(interruptedBy({ kind: cause.kind, reason: cause.reason, exit: stored }, running.turnId, diagnostics));
    const events: NewEvent[] = [
      ...(running ? updateEvents(running.filter.end(), at, running.turnId) : []),
      ...permissions.cancelAll(),
      { kind: 'agent_exited', turnId: running?.turnId ?? null, at, origin: 'agent', payload: stored },
      ...(running && end ? [{ kind: 'turn_ended' as const, turnId: running.turnId, at, origin: 'host' as const, payload: end }] : []),
    ];
    try {
      if (failure) throw failure.error;
      for (const { said: _, ...work } of unwritten) await log.writer.append(work);
      await log.writer.append({
        events,
        also: ({ lastSeq }) => [...(running && end ? [endTurn(running.turnId, end, lastSeq)] : []), releaseStatement(log.fence)],
      });
    } catch (error) {
      // `later` ends the turn in the log when the storage works again; its caller is told now.
      failure = { error: cause.error ?? error };
      parts.later(sessionId);
    }
    log.stop();
    if (turn?.progress.kind === 'answered') turn.progress.settle(failure);
    await agent.releaseClients(sessionId);
    this.become('gone', asleep);
    if (running && end)
      running.ended(
        cause.error !== undefined
          ? failedAfterSending(cause.error, running.turnId)
          : end.error && new RehydrateError('turn_outcome_unknown', end.error.message, end.error.data as Record<string, unknown>),
      );
    return cause;
  }
}

/** One process serves one session. What names another, such as a sub-session of the agent's own, is noted for the diagnostics. */
function namesAnotherSession(agentSession: AgentSession, { connection }: Agent, method: string, named: unknown): boolean {
  if (agentSession.ownId === null || !isForeign(named, agentSession.ownId)) return false;
  const id = beginning(JSON.stringify(named), NOTE_CHARS);
  connection.note(`sent ${method} for the session ${id}, which is not this connection's`);
  return true;
}

const unanswered = (turn: Turn | null): Turn | null => (turn && turn.progress.kind !== 'answered' ? turn : null);

/** For these the agent's last words say why, so the error quotes them. */
const CAUSED_BY_AGENT: ReadonlySet<EndCause['kind']> = new Set(['agent_gone', 'cancel_timeout']);

/** Keeps only the end of stderr. */
function withShortStderr(exit: AgentExit): AgentExit {
  const kept = FIXED_LIMITS.storedStderrChars;
  return exit.stderr === undefined || exit.stderr.length <= kept ? exit : { ...exit, stderr: exit.stderr.slice(-kept) };
}
