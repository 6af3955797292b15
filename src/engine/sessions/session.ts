/**
 * One session of a host: what state it is in, with everything that belongs to that state, and its life while an agent
 * lives: what the agent says goes into the log, what it asks is answered, and when it is gone the log says how. Starting and
 * waking (`resume.ts`) and prompting (`turn.ts`) move it on.
 */
import { inBackground } from '../background-timer.ts';
import { RehydrateError } from '../errors.ts';
import { exceeds } from '../exceeds.ts';
import { FIXED_LIMITS } from '../limits.ts';
import type { AgentExit, ClientServices } from '../ports.ts';
import { RPC, type AgentUpdate } from '../protocol/agent-protocol.ts';
import type { IncomingRequest, RpcResponse } from '../protocol/json-rpc.ts';
import { isUnreadable, learn, type ReportedState } from '../protocol/reported-state.ts';
import { classOf, messageIdOf, readToolCall, roleOf } from '../protocol/updates.ts';
import { asksFor } from '../protocol/versions.ts';
import type { DeleteParts } from '../records/delete.ts';
import type { LiveFilter } from '../resume/match-live.ts';
import { endTurn, type NewEvent } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';
import { createWriter, type Work, type WriterOptions } from '../storage/writer.ts';
import type { ContentBlock, ResumeAttempt, ResumeReport, SessionUpdate } from '../types.ts';
import type { Agent, AgentListener, Agents } from './agent-startup.ts';
import type { Config } from './config.ts';
import { failedAfterSending, interruptedBy, releaseStatement, type LeaseOptions } from './lease.ts';
import { cancelled, createPermissions, type Permissions } from './permissions.ts';
import type { Heard, Replay } from './replay.ts';
import type { SecretValues } from './secrets.ts';
import { modeChange, reportedColumns, type Wishes } from './settings.ts';
import { transition, type TransitionName } from './states.ts';
import type { Subscriptions } from './subscriptions.ts';

/** What the parts of a host share. */
export interface HostParts {
  readonly config: Config;
  readonly store: Store;
  readonly subscriptions: Subscriptions;
  readonly lease: LeaseOptions;
  readonly agents: Agents;
  readonly deletes: DeleteParts;
}

/** A session's state in this host. What exists only in some states is data of those states. */
export type SessionPhase =
  | { readonly kind: 'asleep' }
  | { readonly kind: 'starting' | 'resuming'; readonly abort: AbortController }
  | { readonly kind: 'live'; readonly live: Live }
  | { readonly kind: 'prompting'; readonly live: Live; readonly turn: Turn }
  | { readonly kind: 'ending'; readonly live: Live; readonly turn: Turn | null; readonly ending: Ending };

/** Why a session's agent is being ended, in the words of `turn_outcome_unknown`'s `data.cause`. */
export interface EndCause {
  readonly kind: 'sleep' | 'closed' | 'idle' | 'cancel_timeout' | 'taken_over' | 'host_failed' | 'agent_gone';
  readonly words: string;
  /** What the caller of a running prompt is told instead of `turn_outcome_unknown`. */
  readonly error?: unknown;
}

/** What stays the same from the start of an agent to its end. */
export interface SessionContext {
  readonly sessionId: string;
  readonly agent: string;
  readonly cwd: string;
  readonly additionalDirectories: readonly string[];
  readonly secrets: SecretValues;
  /** Replaces known secret values: in all that is stored, and in what a caller is told in the agent's words. */
  readonly redact: <T>(value: T) => T;
}

/** A session's place in the log, held by the lease, which is renewed until `stop`. */
export type SessionLog = ReturnType<typeof openLog>;

/** `onLost`: nothing more can be written, since the lease is another host's, or nobody knows what is in the log. */
export function openLog(
  { config, store, subscriptions }: HostParts,
  held: Pick<WriterOptions, 'fence' | 'latestSeq' | 'redact' | 'onLost'>,
) {
  const { database: db, limits, clock } = config;
  const { fence } = held;
  const onCommitted: WriterOptions['onCommitted'] = (events) => subscriptions.publish(fence.sessionId, events);
  const writer = createWriter({ ...held, db, store, limits, clock, onCommitted });
  const every = Math.max(1, Math.floor(limits.leaseMs / 3));
  const renew = () => {
    // One that writes renews the lease as it writes. A clock that was set back would say for long that it was just renewed.
    if (Math.abs(clock() - writer.renewedAt) >= every) writer.append({ events: [] }).catch(held.onLost);
  };
  const timer = inBackground(setInterval(renew, every));
  return { writer, fence, stop: () => clearInterval(timer) };
}

/** What the agent session that a live session has stands on. */
export type Standing =
  /** It is the stored one, and has answered a turn or was just made. */
  | { readonly kind: 'proven' }
  | {
      /**
       * `taken_up`: it was resumed or loaded, which the agent may still take back at the prompt. `successor`: it is not the stored one
       * before it has answered a turn (I4).
       */
      readonly kind: 'taken_up' | 'successor';
      readonly attempts: readonly ResumeAttempt[];
      /** What goes in front of its first prompt (I6); of one that was taken up when its replay showed that it did not keep what it was given. */
      readonly preamble: GivenPreamble | null;
      /** The event with which it begins. */
      readonly beganSeq: number;
    };

export interface GivenPreamble {
  readonly blocks: readonly ContentBlock[];
  /** All its text, so that a replay of it is recognised. */
  readonly text: string;
}

/** The data of a session that has an agent. */
export interface Live {
  readonly context: SessionContext;
  readonly agent: Agent;
  readonly log: SessionLog;
  readonly permissions: Permissions;
  readonly agentSession: LiveAgentSession;
  standing: Standing;
  /** How it became live, until a prompt was handed it. */
  report: ResumeReport | null;
  /** The last turn that was answered: words that continue it belong to it. */
  lastTurn: { readonly turnId: string; readonly said: LastSaid } | null;
  /** Since when, and for how long still, what comes before the first prompt waits to be told from a late replay. */
  settling: { readonly began: number; readonly timer: ReturnType<typeof setTimeout> } | null;
  /** When the agent last said something, and when the session was last used; of `performance.now`. */
  saidAt: number;
  usedAt: number;
  /** Resolves to why, when the agent is gone and the log says so. */
  readonly over: Promise<EndCause>;
}

/** What a client says about a session, as the agent knows it, and the other way round. */
export const toAgent = (live: Live, value: unknown): unknown => exchangeIds(value, live.context.sessionId, live.agentSession.knownId);
export const fromAgent = (live: Live, value: unknown): unknown => exchangeIds(value, live.agentSession.knownId, live.context.sessionId);

/** What the agent said last in a turn, as far as more of it can be told. */
export interface LastSaid {
  /** Whether it said anything of the conversation. */
  anything: boolean;
  kind: string | null;
  messageId: string | null;
  readonly toolCalls: Set<string>;
  /** Updates that named another agent session, and the last such name. */
  foreign: number;
  foreignId: string | null;
}

/** A turn that runs. */
export interface Turn {
  readonly turnId: string;
  /** Takes out the prompt's echo and what a late replay still owed. */
  filter: LiveFilter;
  readonly said: LastSaid;
  progress:
    | { readonly kind: 'storing' }
    | { readonly kind: 'sent' }
    /** The agent did not know the session: another tier is being tried, and the prompt goes out again. */
    | { readonly kind: 'taking_up_again' }
    /** Its end is on its way into the log. */
    | { readonly kind: 'answered'; settle(failure: { readonly error: unknown } | null): void };
  /** The turn is over for another reason than the agent's answer; its end is in the log. */
  ended(error: unknown): void;
}

export interface Ending {
  readonly cause: EndCause;
  /** What was said and could not be written when it came, in order: it is tried once more with the end. */
  readonly unwritten: Work[];
  /** True when something after that was let go: its turn has no end of its own. */
  dropped: boolean;
}

const asleep: SessionPhase = { kind: 'asleep' };

export class Session {
  readonly sessionId: string;
  /** Values given at `create`; gone with the host. */
  secrets: SecretValues | null = null;
  /** Further parameters of `session/new`, given at `create`; gone with the host, too. */
  params: Readonly<Record<string, unknown>> | undefined = undefined;
  /** The client of the latest operation, which is asked what the agent asks. */
  client: ClientServices | null = null;
  private phase: SessionPhase = asleep;
  private readonly config: Config;
  /** The session's end could not be written: a turn may stand as running, and the lease as held. */
  private readonly onUnsettled: () => void;

  constructor(sessionId: string, config: Config, onUnsettled: () => void) {
    this.sessionId = sessionId;
    this.config = config;
    this.onUnsettled = onUnsettled;
  }

  get state(): SessionPhase {
    return this.phase;
  }

  /** The data of a live session that can go on; null in every other state, and when its agent is gone. */
  get live(): Live | null {
    const { phase } = this;
    return (phase.kind === 'live' || phase.kind === 'prompting') && !phase.live.agent.connection.ended ? phase.live : null;
  }

  /** Every change of state goes through here, and only as the table has it. */
  become(on: TransitionName, next: SessionPhase): void {
    const to = transition(this.phase.kind, on);
    if (to !== next.kind) throw new Error(`session ${this.sessionId}: ${on} does not lead from ${this.phase.kind} to ${next.kind}`);
    this.phase = next;
  }

  // -------------------------------------------------------------- becoming live

  /** The agent's connection speaks to the session from here on. */
  listener(mine: LiveAgentSession): AgentListener {
    return {
      onUpdate: (update) => this.hear(mine, update),
      onRequest: (request) => this.answer(mine, request),
      onWithdrawn: (requestId) => {
        this.liveOf(mine)
          ?.permissions.withdraw(requestId)
          .catch((error: unknown) => this.fail(error));
      },
      onOther: (method, params) => this.passOn(mine, method, params),
      room: () => this.liveOf(mine)?.log.writer.room() ?? null,
    };
  }

  /** The live session of this agent session, while it is being ended, too. */
  private liveOf(mine: LiveAgentSession): Live | null {
    return 'live' in this.phase && this.phase.live.agentSession === mine ? this.phase.live : null;
  }

  /**
   * The agent has the session. The caller appends what this found in the same tick, so that nothing comes before it, and calls
   * `opening` then.
   */
  opened(agentSession: LiveAgentSession, log: SessionLog, standing: Standing, report: ResumeReport): Live {
    const { config } = this;
    const { context } = agentSession;
    const agent = agentSession.agent as Agent;
    const now = performance.now();
    const live: Live = {
      context,
      agent,
      log,
      permissions: createPermissions({ config, context, writer: log.writer }),
      agentSession,
      standing,
      report,
      lastTurn: null,
      settling: null,
      saidAt: now,
      usedAt: now,
      over: agent.connection.gone.then((exit) => this.agentGone(live, exit)),
    };
    this.become('opened', { kind: 'live', live });
    return live;
  }

  /** The agent's id of the session is known: what came before belongs to it. */
  named(mine: LiveAgentSession, id: string): void {
    mine.knownId = id;
    this.hearHeld(mine);
  }

  /** It is written down how the agent has the session: what came while it was found out follows. */
  opening(mine: LiveAgentSession, isOpening: boolean): void {
    mine.isOpening = isOpening;
    if (isOpening) mine.stateSaid.clear();
    else this.hearHeld(mine);
  }

  private hearHeld(mine: LiveAgentSession): void {
    const { early } = mine;
    Object.assign(mine, { early: [], earlyBytes: 0 });
    for (const item of early) this.hear(mine, item);
  }

  // -------------------------------------------------------------- what the agent says

  private hear(mine: LiveAgentSession, item: AgentUpdate): void {
    const { isOpening, context } = mine;
    const live = this.liveOf(mine);
    if (live) live.saidAt = live.agent.connection.heardAt;
    else if (!isOpening) return;
    if (mine.knownId === null) return this.hold(mine, item);
    const turn = !isOpening && 'turn' in this.phase ? this.phase.turn : null;
    // One process serves one session; what names another is a sub-session of the agent's own.
    if (item.agentSessionId !== undefined && item.agentSessionId !== mine.knownId) {
      if (turn) Object.assign(turn.said, { foreign: turn.said.foreign + 1, foreignId: String(item.agentSessionId) });
      return;
    }
    const update = context.redact(item.update);
    const meta = item.meta && context.redact(item.meta);
    const running = turn && turn.progress.kind !== 'answered' ? turn : null;
    if (classOf(update, meta) === 'state') return this.hearState(mine, live, turn, { update, meta });
    if (mine.replay) {
      mine.replay.take(update, meta, isOpening);
      if (live && !isOpening) this.settleReplaySoon(live, mine.replay);
      return;
    }
    if (isOpening || !live) return this.hold(mine, item);
    const passed = running ? running.filter.push(update, meta) : [{ update, meta }];
    if (passed.length === 0) return;
    if (running) for (const each of passed) remember(running.said, each.update);
    const turnId = running?.turnId ?? turnContinuedBy(turn ?? live.lastTurn, update);
    this.record(live, { events: this.asEvents(passed, turnId), said: true });
  }

  /** Keeps it until more is known of the session. */
  private hold(mine: LiveAgentSession, item: AgentUpdate): void {
    const { queuedEvents, queuedBytes } = this.config.limits;
    mine.earlyBytes += JSON.stringify(item.update).length;
    if (mine.early.length < queuedEvents && mine.earlyBytes <= queuedBytes) return void mine.early.push(item);
    const words = `The agent sent more than queuedEvents (${queuedEvents}) or queuedBytes (${queuedBytes}) of updates before the session was open.`;
    this.fail(new RehydrateError('limit_exceeded', words, { limit: 'queuedEvents', allowed: queuedEvents }));
  }

  /**
   * What comes after the agent took the session up, before the first prompt: whether it is a late replay is known when it has been
   * quiet. Then what is new of it is stored, so that it is seen although nobody prompts.
   */
  private settleReplaySoon(live: Live, replay: Replay): void {
    const { replayQuietMs, replayMaxMs } = this.config.limits;
    const began = live.settling?.began ?? performance.now();
    clearTimeout(live.settling?.timer);
    const left = replay.isFull ? 0 : Math.max(0, Math.min(replayQuietMs, began + replayMaxMs - performance.now()));
    const settle = () => {
      live.settling = null;
      replay.settle().then(
        ({ late }) => this.record(live, { events: this.heardEvents(late), said: true }),
        (error: unknown) => this.fail(error),
      );
    };
    live.settling = { began, timer: inBackground(setTimeout(settle, left)) };
  }

  /** What was heard between two turns, as events of the log. */
  heardEvents(heard: readonly Heard[]): NewEvent[] {
    return heard.flatMap((item) => this.asEvents([item], item.turnId, item.origin));
  }

  /** How things are now is stored where it says something new, and waits for no message. */
  private hearState(mine: LiveAgentSession, live: Live | null, turn: Turn | null, said: Said): void {
    const { update } = said;
    if (mine.preamble !== null && isTitleOf(mine.preamble, update)) return;
    const learnt = learn(mine.reported, update);
    // A mode that the agent changed in the course of a turn (a plan that was approved) is what the user goes on in.
    const mode = turn && learnt && modeChange(learnt, mine.reported);
    if (learnt) mine.reported = { ...mine.reported, ...learnt };
    if (mine.isOpening || !live) return void mine.stateSaid.set(update.sessionUpdate, said);
    if (!learnt && !isUnreadable(update)) return;
    if (mode) mine.wishes = { ...mine.wishes, mode };
    this.record(live, {
      events: this.asEvents([said], this.runningTurnId),
      said: true,
      lastKnown: { ...reportedColumns(learnt ?? {}), ...(mode ? { wishes: mine.wishes } : {}) },
    });
  }

  /** Puts what the agent said into the log. After something that could not be written nothing more is: a hole is worse than an end (I11). */
  private record(live: Live, work: Work): void {
    const { phase } = this;
    if (phase.kind === 'ending' && phase.ending.unwritten.length > 0) {
      phase.ending.dropped = true;
      return;
    }
    live.log.writer.push(work, this.keepUnwritten);
  }

  /** What was let through, as events of the log. */
  asEvents(items: readonly Said[], turnId: string | null, origin: 'agent' | 'import' = 'agent'): NewEvent[] {
    return updateEvents(items, turnId, origin, this.config.clock());
  }

  // -------------------------------------------------------------- what the agent asks

  private async answer(mine: LiveAgentSession, request: IncomingRequest): Promise<RpcResponse> {
    const { id, params, method } = request;
    const kind = asksFor(method);
    if (kind === null) return this.askClient(mine, request);
    // While it is being opened nobody has prompted, so nobody is there to answer.
    const live = mine.isOpening ? null : this.liveOf(mine);
    if (!live) return cancelled(kind);
    const { permissions, agent } = live;
    try {
      return kind === 'permission'
        ? await permissions.ask(id, agent.protocol.readPermission(params), this.runningTurnId)
        : await permissions.elicit(id, params, this.runningTurnId, (unwanted) => this.askClient(mine, request, unwanted));
    } catch (error) {
      this.fail(error);
      return { error: { code: RPC.internal, message: 'the host could not take the request' } };
    }
  }

  /** What is for the client to answer, session ids exchanged both ways. */
  private async askClient(mine: LiveAgentSession, { method, params }: IncomingRequest, unwanted?: AbortSignal): Promise<RpcResponse> {
    const { context, agent } = mine;
    const { config, sessionId } = this;
    const client = this.client ?? config.clientFor(context.agent);
    if (!client || !agent) return { error: { code: RPC.methodNotFound, message: `Method not found: ${method}` } };
    agent.clients.add(client);
    try {
      const result = await client.handle({
        method,
        params: exchangeIds(params, mine.knownId, sessionId),
        sessionId,
        cwd: context.cwd,
        additionalDirectories: context.additionalDirectories,
        signal: unwanted ? AbortSignal.any([agent.untilGone, unwanted]) : agent.untilGone,
      });
      const { messageBytes } = config.limits;
      if (exceeds(messageBytes - ENVELOPE_BYTES, JSON.stringify(result) ?? ''))
        return {
          error: {
            code: RPC.internal,
            message: `limit_exceeded: the answer to ${method} is larger than messageBytes (${messageBytes}). Ask for less.`,
          },
        };
      return { result: exchangeIds(result, sessionId, mine.knownId) };
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

  private passOn(mine: LiveAgentSession, method: string, params: Readonly<Record<string, unknown>>): void {
    const client = this.client ?? this.config.clientFor(mine.context.agent);
    if (!client?.notify) return;
    mine.agent?.clients.add(client);
    client.notify({ method, params: exchangeIds(params, mine.knownId, this.sessionId), sessionId: this.sessionId });
  }

  private get runningTurnId(): string | null {
    const { phase } = this;
    return 'turn' in phase && phase.turn && phase.turn.progress.kind !== 'answered' ? phase.turn.turnId : null;
  }

  // -------------------------------------------------------------- a turn

  /** The turn is on its way. Before the batch that stores it, so that a death of the agent meanwhile ends this turn, too. */
  beginTurn(live: Live, turn: Turn): void {
    this.become('prompt', { kind: 'prompting', live, turn });
  }

  /** Its prompt could not be stored. */
  dropTurn(live: Live, turn: Turn): void {
    if (this.phase.kind === 'prompting' && this.phase.turn === turn) this.become('unsent', { kind: 'live', live });
  }

  /** Writes the end of an answered turn; what stands in its way ends the session (see `agentGone`). */
  endTurn(live: Live, turn: Turn, work: Work, settle: (failure: { readonly error: unknown } | null) => void): void {
    turn.progress = { kind: 'answered', settle };
    live.saidAt = performance.now();
    live.log.writer.append({ ...work, said: true }).then(
      () => {
        live.lastTurn = { turnId: turn.turnId, said: turn.said };
        const { phase } = this;
        if (phase.kind === 'prompting') this.become('answered', { kind: 'live', live });
        else if (phase.kind === 'ending') this.phase = { ...phase, turn: null };
        settle(null);
      },
      (error: unknown) => this.keepUnwritten(error, work),
    );
  }

  /** Whether the turn can still be answered: it runs, and all that was said in it before is, or will be, in the log. */
  isRunning(turn: Turn): boolean {
    const { phase } = this;
    return 'turn' in phase && phase.turn === turn && !(phase.kind === 'ending' && phase.ending.dropped);
  }

  // -------------------------------------------------------------- the end

  /** Ends the agent's process tree and writes down what that ended. Resolves when both are done, at once when nothing lives. */
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
    this.become('end', { kind: 'ending', live: phase.live, turn, ending: { cause, unwritten: [], dropped: false } });
  }

  /**
   * The host cannot do its part: the log cannot be written, so nothing more may be shown (I2), or what
   * it was given to decide with failed. The session cannot go on; a running prompt is told the reason.
   */
  fail(error: unknown): void {
    const { phase } = this;
    if (phase.kind === 'starting' || phase.kind === 'resuming') return phase.abort.abort(error);
    const takenOver = RehydrateError.is(error) && error.code === 'session_busy';
    // Never rejects: what `agentGone` could not write is settled later.
    void this.end(
      takenOver
        ? { kind: 'taken_over', words: 'the session was taken over by another host' }
        : { kind: 'host_failed', words: `the host failed: ${error instanceof Error ? error.message : String(error)}`, error },
      'kill',
    );
  }

  /** What could not be written when it came is written with the end of the agent, in front of it. */
  readonly keepUnwritten = (error: unknown, work: Work): void => {
    this.fail(error);
    if (this.phase.kind === 'ending') this.phase.ending.unwritten.push(work);
  };

  /** The agent is gone. Everything that ends with it is ended in one batch, and the lease let go. */
  private async agentGone(live: Live, exit: AgentExit): Promise<EndCause> {
    const { config, sessionId } = this;
    const { context, agent, log, permissions } = live;
    const { redact } = context;
    this.beginEnd({ kind: 'agent_gone', words: `the agent ${agent.connection.exitDescription}` });
    // What is still on its way into the log is there, or is not, before its end is written.
    await log.writer.settled();
    clearTimeout(live.settling?.timer);
    let heard: NewEvent[] = [];
    let failure: { readonly error: unknown } | null = null;
    try {
      heard = this.heardEvents((await live.agentSession.replay?.settle())?.late ?? []);
    } catch (error) {
      failure = { error };
    }
    const { phase } = this;
    if (phase.kind !== 'ending') throw new Error(`session ${sessionId}: its agent ended while it was ${phase.kind}`);
    const { turn, ending } = phase;
    const { cause, unwritten } = ending;
    const running = turn && turn.progress.kind !== 'answered' ? turn : null;
    const at = config.clock();
    const stored = brief(redact(exit));
    const end = running && redact(interruptedBy({ kind: cause.kind, words: cause.words, exit: stored }, running.turnId));
    const events: NewEvent[] = [
      ...heard,
      ...(running ? this.asEvents(running.filter.end(), running.turnId) : []),
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
      // Whoever settles the session ends the turn. The caller must hear of it, unless the lease is simply another's.
      failure = { error: cause.error ?? error };
      this.onUnsettled();
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

/** An update with its `_meta`, as it goes into the log. */
interface Said {
  readonly update: SessionUpdate;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

/** The agent's side of a session: which session of its own that is, and what it last reported of it. */
export class LiveAgentSession {
  readonly context: SessionContext;
  agent: Agent | null = null;
  /** Null while the agent is about to name it. */
  knownId: string | null = null;
  reported: ReportedState;
  /** What the user last asked for. */
  wishes: Wishes;
  /** The preamble that it was given: a title made of its opening words is no title. */
  preamble: string | null = null;
  /** Takes what the agent says before the first prompt as a replay of what it said before. */
  replay: Replay | null = null;
  /**
   * Until it is written down how the agent has the session. What it says meanwhile is kept: of its state the last word of each kind,
   * which becomes part of that if it is news; everything else follows it into the log.
   */
  isOpening = true;
  readonly stateSaid = new Map<string, Said>();
  early: AgentUpdate[] = [];
  earlyBytes = 0;

  constructor(context: SessionContext, reported: ReportedState, wishes: Wishes) {
    this.context = context;
    this.reported = reported;
    this.wishes = wishes;
  }

  get id(): string {
    if (this.knownId === null) throw new Error(`session ${this.context.sessionId}: its agent session has no name yet`);
    return this.knownId;
  }

  /** State that says something which was not known `before`, and still holds. */
  newsSince(before: ReportedState): readonly Said[] {
    return [...this.stateSaid.values()].filter(({ update }) => learn(before, update) !== null && learn(this.reported, update) === null);
  }

  /** The same, and what was known and is otherwise by the agent's answers: whoever follows the session has it from the log. */
  changesSince(before: ReportedState): readonly Said[] {
    const said = this.newsSince(before);
    const known = said.reduce((state, { update }) => ({ ...state, ...learn(state, update) }), before);
    const { modes, configOptions } = this.reported;
    const answered: SessionUpdate[] = [];
    if (known.modes && modes) answered.push({ sessionUpdate: 'current_mode_update', currentModeId: modes.currentModeId });
    // What was known comes from the row, which has no secrets.
    if (known.configOptions && configOptions)
      answered.push({ sessionUpdate: 'config_option_update', configOptions: this.context.redact([...configOptions]) });
    return [...said, ...answered.filter((update) => learn(known, update) !== null).map((update) => ({ update }))];
  }
}

/** Updates as events of the log. */
export function updateEvents(items: readonly Said[], turnId: string | null, origin: 'host' | 'agent' | 'import', at: number): NewEvent[] {
  return items.map(({ update: payload, meta }): NewEvent => {
    const event = { kind: 'update', turnId, at, origin, payload } as const;
    return meta ? { ...event, meta } : event;
  });
}

export const nothingSaid = (): LastSaid => ({
  anything: false,
  kind: null,
  messageId: null,
  toolCalls: new Set(),
  foreign: 0,
  foreignId: null,
});

export function remember(said: LastSaid, update: SessionUpdate): void {
  const kind = classOf(update);
  if (kind !== 'notice') said.anything = true;
  said.kind = roleOf(update) ?? update.sessionUpdate;
  said.messageId = messageIdOf(update);
  if (!kind.startsWith('tool_call') || said.toolCalls.size >= MAX_TOOL_CALLS) return;
  const { id } = readToolCall(update);
  if (id !== '') said.toolCalls.add(id);
}

/** Tool calls of a turn whose later updates are known to be its. */
const MAX_TOOL_CALLS = 1_000;

/** The turn that an update after its end goes on with: the rest of its last message, or of one of its tool calls. */
function turnContinuedBy(last: { readonly turnId: string; readonly said: LastSaid } | null, update: SessionUpdate): string | null {
  if (!last) return null;
  const { said, turnId } = last;
  if (classOf(update) === 'tool_call_update') return said.toolCalls.has(readToolCall(update).id) ? turnId : null;
  const continues = said.kind === roleOf(update) && said.messageId === messageIdOf(update) && classOf(update) === 'message';
  return continues ? turnId : null;
}

/** Whether a title was made of the preamble's first words: it says nothing about the session. */
function isTitleOf(preamble: string, update: SessionUpdate): boolean {
  if (update.sessionUpdate !== 'session_info_update' || typeof update.title !== 'string') return false;
  const words = update.title.replace(/(…|\.\.\.)\s*$/, '').replace(/\s+/g, '');
  return words.length >= MIN_TITLE_CHARS && preamble.replace(/\s+/g, '').includes(words);
}

/** A title of fewer characters may stand anywhere by chance. */
const MIN_TITLE_CHARS = 12;

/** Replaces one side's session id by the other's, where it is the value of a `sessionId`. */
function exchangeIds<T>(value: T, from: string | null, to: string | null, depth = 0): T {
  if (from === null || to === null || typeof value !== 'object' || value === null || depth > ID_LEVELS) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => exchangeIds(item, from, to, depth + 1)) as T;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => [
      key,
      key === 'sessionId' && item === from ? to : exchangeIds(item, from, to, depth + 1),
    ]),
  ) as T;
}

/** How deep in a message a session id is looked for. */
const ID_LEVELS = 4;

/** What stands around an answer in its message. */
const ENVELOPE_BYTES = 1_024;

/** An exit as stored: the last of stderr, not all of it. */
function brief(exit: AgentExit): AgentExit {
  const kept = FIXED_LIMITS.storedStderrChars;
  return exit.stderr === undefined || exit.stderr.length <= kept ? exit : { ...exit, stderr: exit.stderr.slice(-kept) };
}
