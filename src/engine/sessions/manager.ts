/** The session manager: the sessions that this host has in memory. One operation at a time on each, at most `liveSessions` of them live. */
import { inBackground, unlessAborted } from '../waiting.ts';
import { invalid, RehydrateError, sessionExists, sessionNotFound } from '../errors.ts';
import { RPC, type Setting } from '../protocol/agent-protocol.ts';
import { describeError, failureError } from '../protocol/connection.ts';
import type { RpcResponse } from '../protocol/json-rpc.ts';
import { finishDeletes, removeDeleted } from '../records/delete.ts';
import { sha256Hex } from '../sha256.ts';
import { storageError } from '../storage/errors.ts';
import { withState, type StoredSession, type StoredTurn } from '../storage/rows.ts';
import { fenceAndTouch, updateEvents } from '../storage/statements.ts';
import { createStore } from '../storage/store.ts';
import type { ContentBlock, McpServer, PromptResult, SessionInfo, SessionUpdate, StopReason } from '../types.ts';
import { createAgents, redactError, type Agent } from './agent-startup.ts';
import { hostClosed } from './arguments.ts';
import type { Config } from './config.ts';
import type { Host, PromptOptions, ResumeOptions } from './host.ts';
import {
  busy,
  cleanUp,
  createLeaseCleanup,
  endAbandoned,
  progressOf,
  releaseLease,
  takeLease,
  writeAsleep,
  type AsleepWork,
} from './lease.ts';
import { resolveKnown, secretValues } from './secrets.ts';
import { Session, type EndCause, type HostParts, type Live, type StateName } from './session.ts';
import { reportedColumns, settingError, withSetting, withRequested } from './settings.ts';
import { startSession } from './start.ts';
import { createSubscriptions } from './subscriptions.ts';
import { endedMeanwhile, startTurn, type RunningTurn } from './turn.ts';
import { liveReport, wake } from './wake.ts';

interface Entry {
  readonly session: Session;
  /** Settles when the last operation on the session has ended. The next one waits for it. */
  tail: Promise<unknown>;
  waiting: number;
  requests: number;
  /** The prompt that is under way, from its first look at the record to its result. */
  prompt: Prompt | null;
}

interface Prompt {
  readonly abort: AbortController;
  readonly content: readonly ContentBlock[];
  readonly options: PromptOptions;
  /** Of the content, to tell whether another prompt with the same idempotency key has the same. */
  readonly hash: Promise<string>;
  readonly result: Promise<PromptResult>;
  turn: RunningTurn | null;
}

type LiveCalls = Pick<
  Host,
  | 'create'
  | 'prompt'
  | 'resume'
  | 'cancel'
  | 'respondPermission'
  | 'setMode'
  | 'setConfigOption'
  | 'request'
  | 'notify'
  | 'close'
  | 'delete'
>;

export function createManager(config: Config) {
  const { database, limits, owner } = config;
  const entries = new Map<string, Entry>();
  const cleanup = createLeaseCleanup((sessionId) => serially(sessionId, interruptAbandoned), limits.settleRetryMs);
  const store = createStore(database);
  const parts: HostParts = {
    config,
    store,
    self: JSON.stringify(owner),
    later: cleanup.later,
    agents: createAgents(config),
    subscriptions: createSubscriptions({ store, limits, progress: (sessionId) => progressOf(parts, sessionId) }),
  };
  /** Whether the host went to sleep. Then nothing is opened any more. */
  let ended = false;

  // -------------------------------------------------------------- one thing at a time

  function entryOf(sessionId: string): Entry {
    let entry = entries.get(sessionId);
    if (!entry) {
      const session = new Session(sessionId, parts);
      entries.set(sessionId, (entry = { session, tail: Promise.resolve(), waiting: 0, requests: 0, prompt: null }));
    }
    return entry;
  }

  const liveOf = (sessionId: string): Live | null => entries.get(sessionId)?.session.live ?? null;
  const stateOf = (sessionId: string): StateName => entries.get(sessionId)?.session.state.kind ?? 'asleep';

  /** Removes the entry, unless the session is in use or the entry holds what the record does not have. */
  function forget(sessionId: string): void {
    const entry = entries.get(sessionId);
    if (!entry || entry.waiting > 0 || entry.prompt || entry.session.state.kind !== 'asleep') return;
    if (!entry.session.secrets?.known.length && !entry.session.params) entries.delete(sessionId);
  }

  /** Runs `work` after all earlier operations on the session. */
  function serially<T>(sessionId: string, work: (entry: Entry) => Promise<T>): Promise<T> {
    const entry = entryOf(sessionId);
    entry.waiting += 1;
    const result = entry.tail.then(() => work(entry));
    entry.tail = settled(result).then(() => {
      entry.waiting -= 1;
      forget(sessionId);
    });
    return result;
  }

  // -------------------------------------------------------------- coming to life

  /** Resolves when another session may become live. The caller must take the place in the same tick. */
  async function makeRoom(): Promise<void> {
    for (;;) {
      if (ended) throw hostClosed();
      const awake = [...entries.values()].filter(({ session }) => session.state.kind !== 'asleep');
      if (awake.length < limits.liveSessions) return;
      const [idlest] = awake.flatMap(idleSince).sort((a, b) => a.since - b.since);
      if (config.whenFull === 'refuse' || !idlest)
        throw new RehydrateError(
          'limit_exceeded',
          `This host keeps liveSessions (${limits.liveSessions}) sessions live at once, and they all are. Close one, or raise the limit.`,
          { limit: 'liveSessions', allowed: limits.liveSessions },
        );
      await end(idlest.sessionId, { kind: 'idle', reason: 'another session needed its place' });
    }
  }

  /** Since when a live session has been idle; an empty list when it is in use or not live. */
  function idleSince({ session, waiting, requests, prompt }: Entry): { readonly sessionId: string; readonly since: number }[] {
    const { sessionId, state, live } = session;
    const inUse = waiting > 0 || requests > 0 || prompt;
    return live && state.kind === 'live' && !inUse ? [{ sessionId, since: Math.max(live.usedAt, live.saidAt) }] : [];
  }

  /** The live session, woken if it sleeps. Call it inside `serially`. */
  async function ensureLive({ session, prompt: running }: Entry, options: ResumeOptions = {}): Promise<Live> {
    const { policy = config.policy, signal, client } = options;
    // A turn's client stays the one that prompts.
    if (client && (running === null || running.options.client === client)) session.client = client;
    const live = await session.settled();
    if (live) {
      // Another tier is being tried for a running prompt, so there is no agent session at the moment.
      if (!live.agentSession.isOpen) throw inProgress(session.sessionId, running?.turn?.turnId);
      live.usedAt = performance.now();
      return live;
    }
    await makeRoom();
    return wake(session, policy, signal);
  }

  // -------------------------------------------------------------- prompts

  async function prompt(sessionId: string, content: readonly ContentBlock[], options: PromptOptions): Promise<PromptResult> {
    const { idempotencyKey: key, signal } = options;
    if (signal?.aborted) throw unsent(sessionId, signal.reason);
    const entry = entryOf(sessionId);
    const running = entry.prompt;
    const hash = sha256Hex(JSON.stringify(content));
    if (running) {
      if (key === undefined || running.options.idempotencyKey !== key) {
        // The key may belong to a finished turn.
        const prior = key === undefined ? null : await store.turnByKey(sessionId, key);
        if (prior) return repeat(prior, await hash);
        throw inProgress(sessionId, running.turn?.turnId);
      }
      if ((await running.hash) !== (await hash)) throw conflict(sessionId, key);
      return unlessAborted(running.result, signal);
    }
    const abort = new AbortController();
    const started: Prompt = { abort, content, options, hash, turn: null, result: Promise.resolve().then(() => run(entry, started)) };
    entry.prompt = started;
    const onAbort = () => void stop(started, unsent(sessionId, signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await started.result;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      entry.prompt = null;
      forget(sessionId);
    }
  }

  async function run(entry: Entry, prompt: Prompt): Promise<PromptResult> {
    const { session } = entry;
    const { sessionId } = session;
    const { content, options } = prompt;
    const { signal } = prompt.abort;
    const { idempotencyKey, params, policy = config.policy } = options;
    const contentHash = await prompt.hash;
    if (idempotencyKey !== undefined) {
      const prior = await store.turnByKey(sessionId, idempotencyKey);
      if (prior) return repeat(prior, contentHash);
    }
    const turn = await serially(sessionId, async () => {
      for (let attempt = 1; ; attempt++) {
        const live = await ensureLive(entry, { ...options, signal });
        signal.throwIfAborted();
        const request = { turnId: config.newId(), content, contentHash, idempotencyKey, policy, params };
        const started = await startTurn(session, live, request);
        if (started) return started;
        // The agent died before anything was stored or sent. The session is woken again, once.
        if (attempt > 1) throw endedMeanwhile(sessionId);
      }
    });
    prompt.turn = turn;
    if (signal.aborted) void turn.cancel();
    return turn.result;
  }

  /** The outcome of an earlier prompt with the same idempotency key. */
  async function repeat(prior: StoredTurn, hash: string): Promise<PromptResult> {
    const { sessionId } = prior;
    const key = prior.idempotencyKey as string;
    if (prior.contentHash !== hash) throw conflict(sessionId, key);
    let turn = prior;
    if (turn.state === 'running') {
      // It runs in another host. If that is dead, this ends the turn; else it throws `session_busy`.
      await serially(sessionId, interruptAbandoned);
      turn = (await store.turnByKey(sessionId, key)) ?? turn;
    }
    const { turnId, state, error, stopReason, report, lastSeq } = turn;
    // Then it is this host's own, and its end is on its way into the record.
    if (state === 'running') throw inProgress(sessionId, turnId);
    if (error) throw new RehydrateError(error.code, error.message, { turnId, ...(error.data as object | undefined) });
    const [end] = lastSeq === null ? [] : await store.events(sessionId, { after: lastSeq - 1, before: lastSeq + 1 });
    const answer = end?.kind === 'turn_ended' ? end.payload.answer : undefined;
    return { turnId, stopReason: stopReason as StopReason, report, ...(answer ? { answer } : {}), repeated: true };
  }

  async function stop({ abort, turn }: Prompt, reason: unknown): Promise<void> {
    if (!abort.signal.aborted) abort.abort(reason);
    await turn?.cancel();
  }

  // -------------------------------------------------------------- settings

  async function set(sessionId: string, asked: Setting): Promise<void> {
    await serially(sessionId, async (entry) => {
      const { agent, agentSession, context, log } = await ensureLive(entry);
      const outcome = await agent.protocol.set(agentSession.id, asked, { ms: limits.settingMs });
      if (outcome.kind !== 'answered') throw redactError(context.redact, settingError(sessionId, asked, outcome, agentSession.reported));
      // The agent may have reported the change before it answered.
      const before = agentSession.reported;
      agentSession.requested = withRequested(agentSession.requested, asked, before);
      agentSession.reported = withSetting(before, asked, outcome.value);
      const { modes, configOptions } = agentSession.reported;
      const mode: SessionUpdate[] =
        modes && (asked.kind === 'mode' || modes.currentModeId !== before.modes?.currentModeId)
          ? [{ sessionUpdate: 'current_mode_update', currentModeId: modes.currentModeId }]
          : [];
      const options: SessionUpdate[] =
        asked.kind === 'option' || configOptions !== before.configOptions
          ? [{ sessionUpdate: 'config_option_update', configOptions: [...(configOptions ?? [])] }]
          : [];
      const said = (asked.kind === 'mode' ? [...mode, ...options] : [...options, ...mode]).map(
        (update) => ({ update, origin: 'host' }) as const,
      );
      await log.writer.append({
        events: updateEvents(said, config.clock()),
        lastKnown: { ...reportedColumns({ modes, configOptions }), wishes: agentSession.requested },
      });
    });
  }

  // -------------------------------------------------------------- the calls of the host

  const calls: LiveCalls = {
    async create(options) {
      const sessionId = options.sessionId ?? config.newId();
      const { stored, answer } = await serially(sessionId, async ({ session }) => {
        if (session.state.kind !== 'asleep' || (await store.session(sessionId))) throw sessionExists(sessionId);
        await finishDeletes(parts, { sessionId });
        await makeRoom();
        return startSession(session, options);
      });
      return { ...(await describe(stored)), ...(answer ? { answer } : {}) };
    },

    prompt: (sessionId, content, options = {}) => prompt(sessionId, content as readonly ContentBlock[], options),

    resume: (sessionId, options) =>
      serially(sessionId, async (entry) => {
        const { report, agentSession } = await ensureLive(entry, options);
        return report ?? liveReport(agentSession.id);
      }),

    async cancel(sessionId) {
      const running = entries.get(sessionId)?.prompt;
      if (running) {
        await stop(running, unsent(sessionId));
        await settled(running.result);
      } else if (!ended) await refuseElsewhere(sessionId);
    },

    async respondPermission(sessionId, requestId, optionId) {
      const live = liveOf(sessionId);
      if (live) return live.permissions.respond(requestId, optionId);
      await storedSession(sessionId);
      throw invalid(`Session "${sessionId}" is not live here, so no permission request of it is open. Prompt it again.`, {
        sessionId,
        requestId,
      });
    },

    setMode: (sessionId, value) => set(sessionId, { id: 'mode', kind: 'mode', value }),
    setConfigOption: (sessionId, id, value) => set(sessionId, { id, kind: 'option', value }),

    async request(sessionId, method, params, options = {}) {
      const entry = entryOf(sessionId);
      entry.requests += 1;
      try {
        const live = await serially(sessionId, () => ensureLive(entry, options));
        return await ask(live, method, params, options.signal);
      } finally {
        entry.requests -= 1;
        const { live } = entry.session;
        if (live) live.usedAt = performance.now();
      }
    },

    notify(sessionId, method, params) {
      const live = liveOf(sessionId);
      live?.agent.protocol.notify(method, live.agentSession.toAgent(params));
    },

    async close(sessionId) {
      await refuseElsewhere(sessionId);
      await end(sessionId, { kind: 'closed', reason: 'the session was closed while it ran' }, 'close');
    },

    delete: (sessionId, { recordOnly = false } = {}) =>
      end(sessionId, { kind: 'closed', reason: 'the session was deleted while it ran' }, recordOnly ? 'close' : 'delete', async (told) => {
        const stored = told || recordOnly ? null : await store.session(sessionId);
        await deleteRecord(parts, sessionId);
        if (stored) await deleteAtAgent(stored.info);
        const { session } = entryOf(sessionId);
        session.secrets = null;
        session.params = undefined;
      }),
  };

  async function ask(live: Live, method: string, params: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    const { agent, context, agentSession } = live;
    const { sessionId } = context;
    signal?.throwIfAborted();
    const answered = new Promise<RpcResponse | null>((resolve) =>
      agent.protocol.request(method, agentSession.toAgent(params), resolve, signal),
    );
    const response = await unlessAborted(answered, signal);
    if (response === null) {
      await live.over;
      throw redactError(context.redact, await failureError({ kind: 'ended', method }, agent.name, agent.connection, { sessionId }));
    }
    if ('result' in response) return agentSession.fromAgent(response.result);
    const { error } = response;
    const unknown = error.code === RPC.methodNotFound ? ' It does not know this method.' : '';
    const message = `Agent "${agent.name}" answered ${method} with ${describeError(error)}.${unknown}`;
    throw redactError(context.redact, new RehydrateError('agent_protocol_error', message, { sessionId, method, error }));
  }

  // -------------------------------------------------------------- what the record says

  async function storedSession(sessionId: string): Promise<StoredSession> {
    const stored = await store.session(sessionId);
    if (!stored) throw sessionNotFound(sessionId);
    return stored;
  }

  /** Errors: `session_not_found`, and `session_busy` when another host runs the session. */
  async function refuseElsewhere(sessionId: string): Promise<void> {
    const { lease } = await storedSession(sessionId);
    if (stateOf(sessionId) === 'asleep' && (await cleanUp(parts, sessionId, lease)) === 'held') throw busy(sessionId, lease);
  }

  /** The session with its state. A turn that a dead host left is ended first, so that it does not show as running. */
  async function describe(stored: StoredSession): Promise<SessionInfo> {
    const { sessionId } = stored.info;
    const here = stateOf(sessionId);
    if (here !== 'asleep') return withState(stored, here === 'ending' ? 'live' : here, liveOf(sessionId)?.permissions.open);
    const verdict = await cleanUp(parts, sessionId, stored.lease);
    const now = verdict === 'cleaned' ? ((await store.session(sessionId)) ?? stored) : stored;
    return withState(now, verdict === 'held' ? 'busy' : 'asleep');
  }

  // -------------------------------------------------------------- the end

  /**
   * Ends the session here. With `tell`, a live agent is asked to close or delete its own session; `then` gets whether it was asked. It runs
   * in the same operation, so that nothing wakes the session in between.
   */
  async function end(
    sessionId: string,
    cause: EndCause,
    tell?: 'close' | 'delete',
    then?: (told: boolean) => Promise<void>,
  ): Promise<void> {
    if (!entries.has(sessionId) && !then) return;
    const { session, waiting } = entryOf(sessionId);
    const { state } = session;
    if ('abort' in state) {
      const again = state.kind === 'starting' ? 'Create' : 'Prompt';
      const message = `Session "${sessionId}" was being opened when ${cause.reason.replace('while it ran', 'meanwhile')}; nothing was sent. ${again} it again.`;
      state.abort.abort(new RehydrateError('agent_exited', message, { sessionId, cause: { kind: cause.kind } }));
    }
    // Ends the agent at once, since an operation (a setting that the agent does not answer) may be waiting for it.
    else if (waiting > 0) void session.end(cause);
    await serially(sessionId, async () => {
      const told = session.state.kind === 'live';
      await session.endGently(cause, tell);
      await then?.(told);
    });
  }

  /** Has the agent delete its own session, if a process of that agent runs anyway. */
  async function deleteAtAgent({ agent: name, agentSessionId }: Pick<SessionInfo, 'agent' | 'agentSessionId'>): Promise<void> {
    const agent = liveWith(name)[0]?.agent ?? (await parts.agents.runningIdle(name));
    if (agentSessionId !== null && agent?.facts.canDelete)
      await agent.protocol.deleteSession(agentSessionId, { ms: Math.min(limits.settingMs, limits.cancelGraceMs) });
  }

  function liveWith(name: string): { readonly sessionId: string; readonly agent: Agent; readonly agentSessionId: string | null }[] {
    return [...entries.values()].flatMap(({ session: { sessionId, live } }) =>
      live?.agent.name === name ? [{ sessionId, agent: live.agent, agentSessionId: live.agentSession.ownId }] : [],
    );
  }

  /** Ends what a dead host left running. Errors: `session_busy` when that host is alive, `session_not_found`. */
  async function interruptAbandoned({ session }: Entry): Promise<void> {
    const { sessionId, state } = session;
    if (state.kind !== 'asleep') {
      const stored = await store.session(sessionId);
      if (stored?.lease.owner === parts.self) return;
      // Another host has taken it over, and this one has not noticed yet.
      await session.end({ kind: 'taken_over', reason: 'the session was taken over by another host' }, 'kill');
    }
    await endAbandoned(parts, sessionId);
  }

  const idleCheck = limits.idleMs > 0 ? inBackground(setInterval(endIdle, Math.max(5, Math.min(limits.idleMs / 4, 30_000)))) : undefined;

  function endIdle(): void {
    for (const { sessionId, since } of [...entries.values()].flatMap(idleSince))
      if (performance.now() - since >= limits.idleMs) void end(sessionId, { kind: 'idle', reason: 'it was not used for idleMs' });
  }

  return {
    parts,
    calls,
    storedSession,
    describe,
    stateOf,
    liveWith,
    /**
     * Writes what `workOf` returns for the session as it is stored now, whether it is live here or nowhere. In the same operation it takes
     * over the values of `mcpServers`, so that no wake sees only one of the two changes. A live agent keeps the servers it has.
     */
    change: (
      sessionId: string,
      workOf: (stored: StoredSession) => Promise<AsleepWork | null>,
      mcpServers?: readonly McpServer[],
    ): Promise<void> =>
      serially(sessionId, async ({ session }) => {
        const work = await workOf(await storedSession(sessionId));
        if (work && session.live) await session.live.log.writer.append(work);
        else if (work) await writeAsleep(parts, sessionId, work);
        if (mcpServers) session.secrets = secretValues(session.secrets?.env ?? {}, mcpServers);
      }),
    shareSecrets(from: string, to: string): void {
      const secrets = entries.get(from)?.session.secrets;
      if (secrets) entryOf(to).session.secrets = secrets;
    },
    /** The session's secret values, as far as they are known without starting an agent: for redaction. */
    async knownSecrets(info: Pick<SessionInfo, 'sessionId' | 'envNames' | 'mcpServers'>) {
      const session = entries.get(info.sessionId)?.session;
      const held = session?.live?.context.secrets ?? session?.secrets;
      return [...(await resolveKnown(config.secrets, info, held)), ...config.knownSecrets];
    },
    /** How many sessions are in memory. A test watches it. */
    get size() {
      return entries.size;
    },
    async endAll(cause: EndCause): Promise<void> {
      ended = true;
      clearInterval(idleCheck);
      const ends = [parts.agents.end(), ...[...entries.keys()].map((sessionId) => end(sessionId, cause))];
      config.giveUp(hostClosed());
      await Promise.all(ends);
      await cleanup.end();
    },
  };
}

/**
 * Deletes the record: one small batch hides the session, then its rows are removed. Call it only when the session is not live here. Errors:
 * `session_not_found`, `session_busy`, and those of the storage. After one of the storage's, the record is either as it was, or hidden;
 * then the error says that some of it is still on the disk.
 */
async function deleteRecord(parts: HostParts, sessionId: string): Promise<void> {
  const { config, store, subscriptions } = parts;
  const { fence, latestSeq } = await takeLease(parts, sessionId);
  const at = config.clock();
  try {
    await config.database.batch([
      // If another host took the session over meanwhile, nothing is deleted (I9).
      fenceAndTouch(fence, latestSeq, 0, at + config.limits.leaseMs, null),
      { sql: 'UPDATE acp_sessions SET deleted_at = ? WHERE session_id = ?', params: [at, sessionId], note: 'session deleted' },
    ]);
  } catch (error) {
    const stored = await store.session(sessionId).catch(() => undefined);
    // Null: the batch was written, and only its answer was lost.
    if (stored !== null) {
      if (stored && stored.lease.generation !== fence.generation) throw busy(sessionId, stored.lease);
      await releaseLease(parts, fence);
      throw storageError(error, `Session "${sessionId}" could not be deleted`);
    }
  }
  subscriptions.end(sessionId);
  try {
    await removeDeleted({ sessionId, deletedAt: at }, config);
  } catch (error) {
    const left = await store.deletedSessions(sessionId).catch(() => null);
    // Another host removed the rest, or only the answer of the last batch was lost.
    if (left?.length === 0) return;
    throw storageError(error, `Session "${sessionId}" was deleted, but some of it is still on the disk; the next host removes it`);
  }
}

/** Resolves when the promise has settled, either way. */
const settled = (result: Promise<unknown>): Promise<void> =>
  result.then(
    () => undefined,
    () => undefined,
  );

/** The error of a prompt that was stopped before its turn: the reason itself, if that is an error of this library. */
function unsent(sessionId: string, reason?: unknown): RehydrateError {
  if (RehydrateError.is(reason)) return reason;
  return new RehydrateError(
    'prompt_cancelled',
    `The prompt of session "${sessionId}" was cancelled before it was sent: no turn was made. Prompt again when you want to.`,
    { sessionId },
    { cause: reason },
  );
}

function inProgress(sessionId: string, turnId: string | undefined): RehydrateError {
  return new RehydrateError(
    'turn_in_progress',
    `Session "${sessionId}" is in the middle of a turn. Wait for it, or cancel it, and prompt again.`,
    { sessionId, ...(turnId === undefined ? {} : { turnId }) },
  );
}

function conflict(sessionId: string, key: string): RehydrateError {
  return new RehydrateError(
    'idempotency_conflict',
    `The idempotency key ${JSON.stringify(key)} was used in session "${sessionId}" with other content. Use a new key for a new prompt.`,
    { sessionId, idempotencyKey: key },
  );
}
