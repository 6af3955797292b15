/**
 * One session of a host: its state, with everything that belongs to that state, and its life while an agent lives. Starting (`start.ts`),
 * waking (`wake.ts`) and prompting (`turn.ts`) move it on.
 */
import { delay, inBackground, unlessAborted, within } from '../waiting.ts';
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
import { endTurn, type LastKnown, type NewEvent } from '../storage/statements.ts';
import { createWriter, type Work, type WriterOptions } from '../storage/writer.ts';
import type { ContentBlock, ResumeAttempt, ResumeReport } from '../types.ts';
import { isForeign, type AgentSession, type SessionContext } from './agent-session.ts';
import type { Agent, AgentListener } from './agent-startup.ts';
import { remember, turnContinuedBy, type LastSaid } from './last-said.ts';
import { failedAfterSending, interruptedBy, releaseStatement } from './lease.ts';
import { inTurn, updateEvents, type LoggedUpdate, type UpdateWithMeta } from './logged-updates.ts';
import type { HostParts } from './parts.ts';
import { cancelled, createPermissions, type Permissions } from './permissions.ts';
import type { SecretValues } from './secrets.ts';
import { modeChange, reportedColumns } from './settings.ts';
import { transition, type TransitionName } from './states.ts';

/** What exists only in some states is data of those states alone. */
export type SessionPhase =
  | { readonly kind: 'asleep' }
  | { readonly kind: 'starting' | 'resuming'; readonly abort: AbortController }
  | { readonly kind: 'live'; readonly live: Live }
  | { readonly kind: 'prompting'; readonly live: Live; readonly turn: Turn }
  | { readonly kind: 'ending'; readonly live: Live; readonly ending: Ending };

/** As in `data.cause` of `turn_outcome_unknown`. */
export interface EndCause {
  readonly kind: 'sleep' | 'closed' | 'idle' | 'cancel_timeout' | 'taken_over' | 'host_failed' | 'agent_gone';
  readonly reason: string;
  /** What the caller of a running prompt is told instead of `turn_outcome_unknown`. */
  readonly error?: unknown;
}

/** Held by the lease, which is renewed until `stop`. */
export type SessionLog = ReturnType<typeof openLog>;

export function openLog(session: Session, held: Pick<WriterOptions, 'fence' | 'latestSeq' | 'redact'>) {
  const { config, store, subscriptions } = session.parts;
  const { database: db, limits, clock } = config;
  const { fence } = held;
  const onCommitted: WriterOptions['onCommitted'] = (events) => subscriptions.publish(fence.sessionId, events);
  const onLost = (reason: unknown) => session.fail(reason);
  const writer = createWriter({ ...held, db, store, limits, clock, onCommitted, onLost });
  const every = Math.max(1, Math.floor(limits.leaseMs / 3));
  const renew = () => {
    // A session that writes renews its lease. After a clock was set back, `renewedAt` would look recent for a long time.
    if (Math.abs(clock() - writer.renewedAt) >= every) writer.append({ events: [] }).catch(onLost);
  };
  const timer = inBackground(setInterval(renew, every));
  return { writer, fence, stop: () => clearInterval(timer) };
}

/** What a live session's claim to its agent session rests on. */
export type Basis =
  /** It is the stored one, and has answered a turn or was just created. */
  | { readonly kind: 'proven' }
  | {
      /** `resumed` may still be taken back at the prompt; a `successor` becomes the stored one only when it has answered a turn (I4). */
      readonly kind: 'resumed' | 'successor';
      readonly attempts: readonly ResumeAttempt[];
      /** What goes in front of its first prompt (I6), or of the next of one whose replay showed that it lost its preamble. */
      readonly preamble: readonly ContentBlock[] | null;
      readonly beganSeq: number;
    };

export interface Live {
  readonly context: SessionContext;
  readonly agent: Agent;
  readonly log: SessionLog;
  readonly permissions: Permissions;
  readonly agentSession: AgentSession;
  basis: Basis;
  /** How it became live, until a prompt has reported it. */
  report: ResumeReport | null;
  /** Words that continue the last answered turn belong to it. */
  lastTurn: { readonly turnId: string; readonly said: LastSaid } | null;
  /** When the agent last said something, and when the session was last used, by `performance.now`. */
  saidAt: number;
  usedAt: number;
  /** Resolves to the cause when the agent is gone and the log says so. */
  readonly over: Promise<EndCause>;
}

export interface Turn {
  readonly turnId: string;
  /** Drops the prompt's echo and what a late replay still owed. */
  filter: LiveFilter;
  readonly said: LastSaid;
  /** Aborted when the agent is asked to end it. */
  readonly cancelling: AbortController;
  /** For what the agent asks in it: then nobody wants the answer, as when the agent is gone. */
  readonly wanted: AbortSignal;
  progress:
    /** It is being stored, or another tier is tried for it because the agent answered that it does not know the session. */
    | { readonly kind: 'unsent' }
    | { readonly kind: 'sent' }
    /** Its end is on its way into the log. */
    | { readonly kind: 'answered'; settle(failure: { readonly error: unknown } | null): void };
  /** The turn is over for another reason than the agent's answer; its end is in the log. */
  ended(error: unknown): void;
}

export interface Ending {
  readonly cause: EndCause;
  /** The turn that ran when it began, until the agent's answer to it is in the log. */
  turn: Turn | null;
  /** In order: it is tried once more with the end. */
  readonly unwritten: Work[];
  /** True when something after that was dropped: its turn then has no end of its own. */
  dropped: boolean;
}

const asleep: SessionPhase = { kind: 'asleep' };

export class Session {
  readonly sessionId: string;
  /** Values that a caller gave (`create`, `update`, `adopt`), not those of the port; gone with the host. */
  secrets: SecretValues | null = null;
  /** Further parameters of `session/new`, given at `create`; gone with the host, too. */
  params: Readonly<Record<string, unknown>> | undefined = undefined;
  /** The client of the latest operation, which is asked what the agent asks. */
  client: ClientServices | null = null;
  /** What was passed on to it last and may not have been taken yet. */
  private passing: Promise<void> | null = null;
  private phase: SessionPhase = asleep;
  readonly parts: HostParts;

  constructor(sessionId: string, parts: HostParts) {
    this.sessionId = sessionId;
    this.parts = parts;
  }

  get state(): SessionPhase {
    return this.phase;
  }

  /** The data of a live session that can go on; null in every other state, and once its agent is gone. */
  get live(): Live | null {
    const { phase } = this;
    return (phase.kind === 'live' || phase.kind === 'prompting') && !phase.live.agent.connection.ended ? phase.live : null;
  }

  /**
   * The same once it is certain: an agent that is gone or going is waited for, until the session sleeps. One that ended by itself is not
   * hurried, so that its exit is the true one (I8).
   */
  async settled(): Promise<Live | null> {
    const { live, phase } = this;
    if (live || !('live' in phase)) return live;
    const { agent, over } = phase.live;
    if (!agent.connection.ended) await agent.connection.end('kill');
    await over;
    return null;
  }

  /** Every change of state goes through here, and only as the table allows. */
  become(on: TransitionName, next: SessionPhase): void {
    const to = transition(this.phase.kind, on);
    if (to !== next.kind) throw new Error(`session ${this.sessionId}: ${on} does not lead from ${this.phase.kind} to ${next.kind}`);
    this.phase = next;
  }

  // -------------------------------------------------------------- becoming live

  /** Runs `work`, which calls `opened` when the agent has the session. When it fails, the session sleeps again. */
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

  /** What the agent says and asks goes to the session. */
  listener(mine: AgentSession): AgentListener {
    return {
      onUpdate: (update, agent) => {
        const live = this.liveOf(mine);
        if (live) live.saidAt = live.agent.connection.heardAt;
        if (isOthers(mine, agent, 'session/update', update.agentSessionId)) {
          const said = live && this.turn?.said;
          if (said) Object.assign(said, { foreign: said.foreign + 1, foreignId: beginning(String(update.agentSessionId), NOTE_CHARS) });
          return;
        }
        try {
          if (live || !mine.isOpen) mine.take(update);
        } catch (error) {
          this.fail(error);
        }
      },
      onRequest: (request, agent) => this.answer(mine, agent, request),
      onOther: (method, params, agent) => {
        if (!isOthers(mine, agent, method, params['sessionId'])) this.passing = this.passOn(mine, agent, method, params);
      },
      room: () => this.passed() ?? this.liveOf(mine)?.log.writer.room() ?? null,
    };
  }

  private liveOf(mine: AgentSession): Live | null {
    return 'live' in this.phase && this.phase.live.agentSession === mine ? this.phase.live : null;
  }

  /** The agent has the session, and how it has it is in the log, or was handed to it in this tick. */
  opened({ agentSession, agent, report }: Pick<Live, 'agentSession' | 'agent' | 'report'>, log: SessionLog, basis: Basis): Live {
    const { config } = this.parts;
    const { context } = agentSession;
    const now = performance.now();
    const live: Live = {
      ...{ context, agent, log, agentSession, basis, report, lastTurn: null, saidAt: now, usedAt: now },
      permissions: createPermissions({ config, context, writer: log.writer }),
      over: agent.connection.gone.then((exit) => this.agentGone(live, exit)),
    };
    this.become('opened', { kind: 'live', live });
    this.resumeIntake(live);
    return live;
  }

  /** What the agent said meanwhile follows. In the tick in which how it has the session was handed to the log, so that nothing comes in between. */
  resumeIntake(live: Live): void {
    live.agentSession.resumeIntake((item) => this.hear(live, item), {
      limits: this.parts.config.limits,
      store: (news) => this.record(live, news),
      fail: (error) => this.fail(error),
    });
  }

  // -------------------------------------------------------------- what the agent says

  private hear(live: Live, item: AgentUpdate): void {
    const { agentSession, lastTurn } = live;
    const { turn } = this;
    const { update, meta } = agentSession.redacted(item);
    if (classOf(update, meta) === 'state') return this.hearState(live, turn, { update, meta });
    const running = runs(turn);
    if (agentSession.replay?.take(update, meta, !running)) return;
    if (!running) return this.record(live, inTurn(turnContinuedBy(turn ?? lastTurn, { update, meta }), [{ update, meta }]));
    const { filter } = running;
    this.recordInTurn(live, running, filter.push(update, meta));
    if (filter.asks) this.passing = this.tellLog(live, running);
  }

  private recordInTurn(live: Live, running: Turn, passed: readonly UpdateWithMeta[]): void {
    for (const each of passed) remember(running.said, each);
    if (passed.length > 0) this.record(live, inTurn(running.turnId, passed));
  }

  /** Words of the user's that are not known to be old: the whole log tells. The agent is not listened to meanwhile. */
  private async tellLog(live: Live, running: Turn): Promise<void> {
    const { filter } = running;
    try {
      const whole = await live.agentSession.replay!.wholeLog();
      if (runs(this.turn) === running) this.recordInTurn(live, running, filter.know(whole));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Stored where it says something new, at once, whatever messages are held back. */
  private hearState(live: Live, turn: Turn | null, said: UpdateWithMeta): void {
    const { agentSession: mine } = live;
    const { update } = said;
    if (mine.isTitleOfPreamble(update)) return;
    const before = mine.reported;
    const learnt = mine.learn(update);
    if (!learnt && !isUnreadable(update)) return;
    // A mode that the agent changed during a turn (a plan was approved) is the one the user goes on in.
    const mode = turn && learnt && modeChange(learnt, before);
    if (mode) mine.requested = { ...mine.requested, mode };
    this.record(live, inTurn(this.runningTurnId, [said]), {
      ...reportedColumns(learnt ?? {}),
      ...(mode ? { wishes: mine.requested } : {}),
    });
  }

  /** After a failed write nothing more is written: a gap is worse than an end (I11). */
  private record(live: Live, updates: readonly LoggedUpdate[], lastKnown: LastKnown = {}): void {
    const { phase } = this;
    if (phase.kind === 'ending' && phase.ending.unwritten.length > 0) {
      phase.ending.dropped = true;
      return;
    }
    live.log.writer.push({ events: updateEvents(updates, this.parts.config.clock()), said: true, lastKnown }, this.keepUnwritten);
  }

  // -------------------------------------------------------------- what the agent asks

  private async answer(mine: AgentSession, agent: Agent, request: IncomingRequest): Promise<RpcResponse> {
    const { params, method, signal } = request;
    if (isOthers(mine, agent, method, params['sessionId']))
      return { error: { code: RPC.invalidParams, message: `Invalid params: the session of this connection is ${mine.id}` } };
    const kind = asksFor(method);
    if (kind === null) return this.askClient(mine, agent, request);
    // Nobody has prompted while the session is being opened, so nobody can answer; in a cancelled turn nobody is to.
    const permissions = mine.isOpen && this.liveOf(mine)?.permissions;
    if (!permissions || runs(this.turn)?.cancelling.signal.aborted) return cancelled(kind);
    try {
      return kind === 'permission'
        ? await permissions.ask(signal, agent.protocol.readPermission(params), this.runningTurnId)
        : await permissions.elicit(signal, params, this.runningTurnId, (unwanted) =>
            this.askClient(mine, agent, request, AbortSignal.any([agent.untilGone, unwanted])),
          );
    } catch (error) {
      this.fail(error);
      return { error: { code: RPC.internal, message: 'the host could not take the request' } };
    }
  }

  /** Has the client answer while that is wanted, with session ids exchanged both ways. */
  private async askClient(
    mine: AgentSession,
    agent: Agent,
    request: IncomingRequest,
    signal = AbortSignal.any([request.signal, this.wanted ?? agent.untilGone]),
  ): Promise<RpcResponse> {
    const { method, params } = request;
    const { context } = mine;
    const { sessionId, parts } = this;
    const { config } = parts;
    const client = this.client ?? config.clientFor(context.agent);
    if (!client) return { error: { code: RPC.methodNotFound, message: `Method not found: ${method}` } };
    agent.clients.add(client);
    try {
      const { cwd, additionalDirectories } = context;
      const asked = { method, params: mine.fromAgent(params), sessionId, cwd, additionalDirectories, signal };
      const result = await unlessAborted((async () => client.handle(asked))(), signal);
      return { result: mine.toAgent(result ?? null) };
    } catch (error) {
      return { error: thrownError(error) };
    }
  }

  /** Nobody waits for an answer, so an error of the client is no reason to end the agent. */
  private async passOn(mine: AgentSession, agent: Agent, method: string, params: Readonly<Record<string, unknown>>): Promise<void> {
    const client = this.client ?? this.parts.config.clientFor(mine.context.agent);
    if (!client?.notify) return;
    agent.clients.add(client);
    try {
      const told = client.notify({ method, params: mine.fromAgent(params), sessionId: this.sessionId });
      // What it has not taken by then does not hold up the agent any longer (I10).
      if (told) await within(told, this.parts.config.limits.callbackMs);
    } catch {
      // See above.
    }
  }

  private passed(): Promise<void> | null {
    const { passing } = this;
    this.passing = null;
    return passing;
  }

  /** The turn whose end is not in the log yet. */
  private get turn(): Turn | null {
    const { phase } = this;
    return phase.kind === 'prompting' ? phase.turn : phase.kind === 'ending' ? phase.ending.turn : null;
  }

  /** After a cancel an agent cleans up, and asks for what that takes. */
  private get wanted(): AbortSignal | undefined {
    const { cancelling, wanted } = runs(this.turn) ?? {};
    return cancelling?.signal.aborted ? undefined : wanted;
  }

  private get runningTurnId(): string | null {
    return runs(this.turn)?.turnId ?? null;
  }

  // -------------------------------------------------------------- a turn

  /** Called before the batch that stores the turn, so that the death of the agent meanwhile ends this turn, too. */
  beginTurn(live: Live, turn: Turn): void {
    this.become('prompt', { kind: 'prompting', live, turn });
  }

  /** Its prompt could not be stored. */
  dropTurn(live: Live, turn: Turn): void {
    if (this.phase.kind === 'prompting' && this.phase.turn === turn) this.become('unsent', { kind: 'live', live });
  }

  /** If that fails, the session ends (see `agentGone`). */
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

  /** It runs, and everything said in it so far is, or will be, in the log. */
  isRunning(turn: Turn): boolean {
    const { phase } = this;
    return this.turn === turn && !(phase.kind === 'ending' && phase.ending.dropped);
  }

  // -------------------------------------------------------------- the end

  /**
   * After the agent's last words. `tell`: the agent's own session is closed or deleted with ours, where it can do that, whatever it
   * answers.
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

  /** Agents go on after their answer: last chunks, a title. */
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

  /** Resolves when the process tree is gone and what that ended is written, or at once when nothing lives. */
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
   * The log cannot be written, so nothing more may be shown (I2), or a function the host was given failed. A running prompt gets the
   * reason.
   */
  fail(error: unknown): void {
    const { phase } = this;
    if (phase.kind === 'starting' || phase.kind === 'resuming') return phase.abort.abort(error);
    const takenOver = RehydrateError.is(error) && error.code === 'session_busy';
    // Never rejects: what `agentGone` cannot write is settled later.
    void this.end(
      takenOver
        ? { kind: 'taken_over', reason: 'the session was taken over by another host' }
        : { kind: 'host_failed', reason: `the host failed: ${error instanceof Error ? error.message : String(error)}`, error },
      'kill',
    );
  }

  /** What could not be written when it came is written before the end of the agent, together with it. */
  readonly keepUnwritten = (error: unknown, work: Work): void => {
    this.fail(error);
    if (this.phase.kind === 'ending') this.phase.ending.unwritten.push(work);
  };

  /** Everything that ends with the agent is ended in one batch, and the lease is released. */
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
    // What is still on its way into the log goes before the end.
    await log.writer.settled();
    const { phase } = this;
    if (phase.kind !== 'ending') throw new Error(`session ${sessionId}: its agent ended while it was ${phase.kind}`);
    const { cause, turn, unwritten } = phase.ending;
    const running = runs(turn);
    // Its end is written here, whatever comes of what was tried for it meanwhile.
    if (running) phase.ending.turn = null;
    const at = config.clock();
    const failed = exit.kind === 'killed' && exit.why === undefined && cause.kind === 'host_failed';
    const stored = brief(redact(failed ? { ...exit, why: cause.reason.replace(/\.$/, '') } : exit));
    const diagnostics = ENDED_BY_ITSELF.has(cause.kind) ? quoteDiagnostics(agent.connection.diagnostics()) : '';
    const end = running && redact(interruptedBy({ kind: cause.kind, reason: cause.reason, exit: stored }, running.turnId, diagnostics));
    const events: NewEvent[] = [
      ...(running ? updateEvents(inTurn(running.turnId, running.filter.end()), at) : []),
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
      // The turn is ended when the session is settled; the caller must be told, unless another host has the lease.
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

/** One process serves one session: what names another, such as a sub-session of the agent's own, is noted. */
function isOthers(mine: AgentSession, { connection }: Agent, method: string, named: unknown): boolean {
  if (mine.ownId === null || !isForeign(named, mine.ownId)) return false;
  const id = beginning(JSON.stringify(named), NOTE_CHARS);
  connection.note(`sent ${method} for the session ${id}, which is not this connection's`);
  return true;
}

/** The turn, unless the agent has answered it. */
const runs = (turn: Turn | null): Turn | null => (turn && turn.progress.kind !== 'answered' ? turn : null);

/** The agent's own doing: its last words say why. */
const ENDED_BY_ITSELF: ReadonlySet<EndCause['kind']> = new Set(['agent_gone', 'cancel_timeout']);

/** With the end of stderr, not all of it. */
function brief(exit: AgentExit): AgentExit {
  const kept = FIXED_LIMITS.storedStderrChars;
  return exit.stderr === undefined || exit.stderr.length <= kept ? exit : { ...exit, stderr: exit.stderr.slice(-kept) };
}
