/** The session manager: which sessions this host has in memory, one thing at a time for each, and no more alive than may be. */
import { RehydrateError } from '../errors.ts';
import { sha256Hex } from '../sha256.ts';
import { finishDeletes, removeDeleted } from '../records/delete.ts';
import { storageError } from '../storage/errors.ts';
import type { ClientServices, Statement } from '../ports.ts';
import { RPC, type Setting } from '../protocol/agent-protocol.ts';
import { describeError } from '../protocol/connection.ts';
import type { RpcResponse } from '../protocol/json-rpc.ts';
import type { StoredTurn } from '../storage/rows.ts';
import { endTurn, fenceAndTouch, type LastKnown, type NewEvent } from '../storage/statements.ts';
import type {
  ContentBlock,
  McpServer,
  PermissionRequested,
  PromptResult,
  ResumePolicy,
  ResumeReport,
  SessionInfo,
  SessionUpdate,
  StopReason,
  TurnEnded,
} from '../types.ts';
import { redactError, type Agent } from './agent-startup.ts';
import { hostClosed, type CreateOptions, type PromptOptions, type ResumeOptions } from './config.ts';
import { busy, createLeaseCleanup, endLeftBehind, letGo, takeLease, writeAsleep } from './lease.ts';
import { exists, liveReport, startSession, wake } from './resume.ts';
import { resolveKnown, secretValues } from './secrets.ts';
import { fromAgent, Session, toAgent, updateEvents, type EndCause, type HostParts, type Live, type UnsentTurn } from './session.ts';
import { reportedColumns, settingError, withSetting, withWish } from './settings.ts';
import { endedMeanwhile, startTurn, type RunningTurn } from './turn.ts';

/** In ACP v2 the modes are an option. It is kept as the mode, so that the wish holds under both versions, and there is one of it. */
function asMode(setting: Setting, { agentSession: { reported }, agent }: Live): Setting {
  if (setting.kind === 'mode' || agent.facts.protocolVersion !== 2 || typeof setting.value !== 'string') return setting;
  const option = reported.configOptions?.find(({ id }) => id === setting.id);
  return option?.category === 'mode' ? { id: 'mode', kind: 'mode', value: setting.value } : setting;
}

/** What a host has in memory for one session. */
interface Entry {
  readonly session: Session;
  /** The end of the last thing that changed the session, so that the next waits for it. */
  tail: Promise<unknown>;
  /** How much is under way or waits its turn. While there is any, the entry must stay the session's only one. */
  waiting: number;
  /** A prompt from its first look at the record to its result; at most one. */
  prompt: Prompt | null;
}

interface Prompt {
  readonly abort: AbortController;
  readonly idempotencyKey: string | undefined;
  readonly hash: Promise<string>;
  readonly result: Promise<PromptResult>;
  turn: RunningTurn | null;
}

export function createManager(parts: HostParts) {
  const { config, store, lease, deletes } = parts;
  const { limits } = config;
  const entries = new Map<string, Entry>();
  /** Set when the host goes to sleep: from then on nothing is opened, however late it was asked. */
  let ended = false;

  // -------------------------------------------------------------- one thing at a time

  function entryOf(sessionId: string): Entry {
    let entry = entries.get(sessionId);
    if (!entry) {
      const session = new Session(sessionId, config, () => cleanup.later(sessionId));
      entries.set(sessionId, (entry = { session, tail: Promise.resolve(), waiting: 0, prompt: null }));
    }
    return entry;
  }

  /** Forgets a session that is not in use, that nothing waits for, and of which nothing is known that the record does not have. */
  function forget(sessionId: string): void {
    const entry = entries.get(sessionId);
    if (!entry || entry.waiting > 0 || entry.prompt || entry.session.state.kind !== 'asleep') return;
    if (!entry.session.secrets?.known.length && !entry.session.params) entries.delete(sessionId);
  }

  /** Runs `work` when everything asked before for this session is over. */
  function serially<T>(sessionId: string, work: (entry: Entry) => Promise<T>): Promise<T> {
    const entry = entryOf(sessionId);
    entry.waiting += 1;
    const result = entry.tail.then(() => work(entry));
    entry.tail = result
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        entry.waiting -= 1;
        forget(sessionId);
      });
    return result;
  }

  // -------------------------------------------------------------- coming to life

  function checkAwake(): void {
    if (ended) throw hostClosed();
  }

  /** Waits until another session may live. In the tick after it the caller takes the place. */
  async function makeRoom(): Promise<void> {
    for (;;) {
      checkAwake();
      const alive = [...entries.values()].filter(({ session }) => session.state.kind !== 'asleep');
      if (alive.length < limits.liveSessions) return;
      const idle = alive.filter((entry) => entry.session.state.kind === 'live' && isIdle(entry));
      const [idlest] = idle.sort((a, b) => a.session.live!.usedAt - b.session.live!.usedAt);
      if (config.whenFull === 'refuse' || !idlest)
        throw new RehydrateError(
          'limit_exceeded',
          `This host keeps liveSessions (${limits.liveSessions}) sessions live at once, and they all are. Close one, or raise the limit.`,
          { limit: 'liveSessions', allowed: limits.liveSessions },
        );
      await end(idlest.session.sessionId, { kind: 'idle', words: 'another session needed its place' });
    }
  }

  const isIdle = ({ session, waiting, prompt }: Entry): boolean => waiting === 0 && prompt === null && session.live !== null;

  /** The live session, made live if it is not. Call it inside `serially`. */
  async function ensure(
    { session }: Entry,
    {
      policy = config.policy,
      signal,
      client,
      unsent,
    }: {
      readonly policy?: ResumePolicy | undefined;
      readonly signal?: AbortSignal | undefined;
      readonly client?: ClientServices | undefined;
      readonly unsent?: UnsentTurn | undefined;
    },
  ): Promise<Live> {
    if (client) session.client = client;
    const { live } = session;
    if (live) {
      live.usedAt = performance.now();
      return live;
    }
    // It died, or is being ended, and that is not written down yet. One that ends by itself is not hurried: its exit tells the truth (I8).
    const { state } = session;
    if ('live' in state && state.live.agent.connection.ended) await state.live.over;
    await session.end({ kind: 'agent_gone', words: 'the agent is gone' }, 'kill');
    await makeRoom();
    const abort = new AbortController();
    const joined = signal ? AbortSignal.any([abort.signal, signal]) : abort.signal;
    const made = await wake(parts, session, { policy, abort, signal: joined, unsent });
    // It came too late for the opening, and in time for what was to follow.
    joined.throwIfAborted();
    return made;
  }

  // -------------------------------------------------------------- prompts

  async function prompt(sessionId: string, content: readonly ContentBlock[], options: PromptOptions): Promise<PromptResult> {
    const { idempotencyKey: key, signal } = options;
    signal?.throwIfAborted();
    const entry = entryOf(sessionId);
    const running = entry.prompt;
    const hash = hashOf(content);
    if (running) {
      if (key === undefined || running.idempotencyKey !== key) {
        // Another turn runs; one that is over has its result all the same.
        const prior = key === undefined ? null : await store.turnByKey(sessionId, key);
        if (prior) return repeat(entry, prior, await hash);
        throw inProgress(sessionId, running.turn?.turnId);
      }
      if ((await running.hash) !== (await hash)) throw conflict(sessionId, key);
      return unlessAborted(running.result, signal);
    }
    const abort = new AbortController();
    const mine: Prompt = {
      abort,
      idempotencyKey: key,
      hash,
      turn: null,
      result: Promise.resolve().then(() => run(entry, mine, content, options)),
    };
    entry.prompt = mine;
    const onAbort = () => void stop(mine, signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await mine.result;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      entry.prompt = null;
      forget(sessionId);
    }
  }

  async function run(entry: Entry, mine: Prompt, content: readonly ContentBlock[], options: PromptOptions): Promise<PromptResult> {
    const { session } = entry;
    const { sessionId } = session;
    const { idempotencyKey: key, policy = config.policy } = options;
    const contentHash = await mine.hash;
    if (key !== undefined) {
      const prior = await store.turnByKey(sessionId, key);
      if (prior) return repeat(entry, prior, contentHash);
    }
    let unsent: UnsentTurn | undefined;
    for (;;) {
      const turn: RunningTurn = await serially(sessionId, async () => {
        try {
          const { signal } = mine.abort;
          const { params } = options;
          for (let lives = 1; ; lives++) {
            const live = await ensure(entry, { policy, signal, client: options.client, unsent });
            signal.throwIfAborted();
            const turnId = unsent?.turnId ?? config.newId();
            const request = { turnId, content, contentHash, idempotencyKey: key, policy, params, unsent };
            mine.turn = await startTurn(parts, session, live, request);
            if (mine.turn) return mine.turn;
            // It died before anything was stored or sent, so it is woken; one that was just woken is not.
            if (lives > 1) throw endedMeanwhile(sessionId);
          }
        } catch (error) {
          if (unsent) await endUnsent(sessionId, unsent, error);
          throw error;
        }
      });
      if (mine.abort.signal.aborted) void turn.cancel();
      const result = await turn.result;
      if (result) return result;
      // The agent was dying: the prompt goes to its next life, with nothing of it lost or repeated.
      unsent = { turnId: turn.turnId, firstSeq: turn.firstSeq };
    }
  }

  /** No agent could be had for a turn that is in the log: it ends with the reason. */
  async function endUnsent(sessionId: string, { turnId }: UnsentTurn, error: unknown): Promise<void> {
    const end: TurnEnded = RehydrateError.is(error)
      ? { state: 'failed', error: { code: error.code, message: error.message, data: error.data } }
      : { state: 'cancelled', stopReason: 'cancelled' };
    try {
      const events: NewEvent[] = [{ kind: 'turn_ended', turnId, at: config.clock(), origin: 'host', payload: end }];
      await writeAsleep(lease, sessionId, { events, lastKnown: {}, also: ({ last }) => [endTurn(turnId, end, last)] }, turnId);
    } catch {
      // The caller hears why no agent was had; the turn is ended as soon as that can be written.
      cleanup.later(sessionId);
    }
  }

  /** What the same key is told again. */
  async function repeat(entry: Entry, prior: StoredTurn, hash: string): Promise<PromptResult> {
    const { sessionId } = entry.session;
    if (prior.contentHash !== hash) throw conflict(sessionId, prior.idempotencyKey as string);
    let turn = prior;
    if (turn.state === 'running') {
      // Not ours, or it would have been joined. Taking the lease ends it if its host is dead, and says who is not.
      await serially(sessionId, settleLeftBehind);
      turn = (await store.turnByKey(sessionId, prior.idempotencyKey as string)) ?? turn;
    }
    // It is over, and its end not yet in the record.
    if (turn.state === 'running') throw inProgress(sessionId, turn.turnId);
    if (turn.error)
      throw new RehydrateError(turn.error.code, turn.error.message, { turnId: turn.turnId, ...(turn.error.data as object | undefined) });
    const [end] = turn.lastSeq === null ? [] : await store.events(sessionId, { after: turn.lastSeq - 1, before: turn.lastSeq + 1 });
    const answer = end?.kind === 'turn_ended' ? end.payload.answer : undefined;
    return {
      turnId: turn.turnId,
      stopReason: turn.stopReason as StopReason,
      report: turn.report,
      ...(answer ? { answer } : {}),
      repeated: true,
    };
  }

  async function stop(prompt: Prompt, reason: unknown): Promise<void> {
    if (!prompt.abort.signal.aborted) prompt.abort.abort(reason);
    await prompt.turn?.cancel();
  }

  // -------------------------------------------------------------- what is not a prompt

  async function set(sessionId: string, asked: Setting): Promise<void> {
    await serially(sessionId, async (entry) => {
      const live = await ensure(entry, {});
      const setting = asMode(asked, live);
      const before = live.agentSession.reported;
      const outcome = await live.agent.protocol.set(live.agentSession.id, setting, { ms: limits.settingMs });
      if (outcome.kind !== 'answered') throw redactError(live.context.redact, settingError(sessionId, setting, outcome));
      live.agentSession.reported = withSetting(before, setting, outcome.value);
      live.agentSession.wishes = withWish(live.agentSession.wishes, setting);
      const { modes, configOptions } = live.agentSession.reported;
      const said: SessionUpdate[] = [
        ...(setting.kind === 'mode' ? [{ sessionUpdate: 'current_mode_update' as const, currentModeId: setting.value }] : []),
        ...(setting.kind === 'option' || configOptions !== before.configOptions
          ? [{ sessionUpdate: 'config_option_update' as const, configOptions: [...(configOptions ?? [])] }]
          : []),
      ];
      await live.log.writer.append({
        events: updateEvents(
          said.map((update) => ({ update })),
          null,
          'host',
          config.clock(),
        ),
        lastKnown: { ...reportedColumns({ modes, configOptions }), wishes: live.agentSession.wishes },
      });
    });
  }

  /** Writes into the record, whether the session is live here or nowhere. */
  async function write(
    sessionId: string,
    work: { readonly events: readonly NewEvent[]; readonly lastKnown: LastKnown; readonly also: () => readonly Statement[] },
  ): Promise<void> {
    await serially(sessionId, async ({ session }) => {
      const { live } = session;
      if (live) await live.log.writer.append({ ...work, also: () => [...work.also()] });
      else await writeAsleep(lease, sessionId, work);
    });
  }

  async function request(
    sessionId: string,
    method: string,
    params: unknown,
    { signal, client }: { readonly signal?: AbortSignal; readonly client?: ClientServices },
  ): Promise<unknown> {
    const live = await serially(sessionId, (entry) => ensure(entry, { signal, client }));
    const response = await unlessAborted(
      new Promise<RpcResponse | null>((resolve) => live.agent.protocol.request(method, toAgent(live, params), resolve)),
      signal,
    );
    if (response === null) {
      await live.over;
      throw new RehydrateError(
        'agent_exited',
        `Agent "${live.agent.name}" ${live.agent.connection.exitDescription} before it answered ${method}.`,
        {
          sessionId,
          method,
        },
      );
    }
    if ('result' in response) return fromAgent(live, response.result);
    const { error } = response;
    const unknown = error.code === RPC.methodNotFound ? ' It does not know this method.' : '';
    throw redactError(
      live.context.redact,
      new RehydrateError('agent_protocol_error', `Agent "${live.agent.name}" answered ${method} with ${describeError(error)}.${unknown}`, {
        sessionId,
        method,
        error,
      }),
    );
  }

  // -------------------------------------------------------------- the end

  /** Ends what lives of the session. `then` runs in the same turn: nothing can bring it to life in between. */
  async function end(
    sessionId: string,
    cause: EndCause,
    { tell, then }: { readonly tell?: 'close' | 'delete'; readonly then?: () => Promise<void> } = {},
  ): Promise<void> {
    if (!entries.has(sessionId) && !then) return;
    const entry = entryOf(sessionId);
    const { session } = entry;
    const { state } = session;
    if (state.kind === 'starting' || state.kind === 'resuming') {
      state.abort.abort(
        new RehydrateError(
          'agent_exited',
          `Session "${sessionId}" was being opened when ${cause.words.replace('while it ran', 'meanwhile')}; nothing was sent. Prompt it again.`,
          { sessionId, cause: { kind: cause.kind } },
        ),
      );
    } else if (state.kind !== 'asleep' && entry.waiting > 0) {
      // What holds the session up, such as a setting the agent does not answer, ends with the agent: so it is not waited for.
      void session.end(cause);
    }
    await serially(sessionId, async () => {
      await lastWords(session);
      if (tell) await tellEnd(session, tell);
      await session.end(cause);
      await then?.();
      if (tell === 'delete') session.secrets = null;
    });
  }

  /** An agent goes on after its answer: last chunks, a title. It is ended when it has been quiet for a while. */
  async function lastWords(session: Session): Promise<void> {
    const deadline = performance.now() + limits.quietMaxMs;
    for (;;) {
      const { state } = session;
      if (state.kind !== 'live' || state.live.lastTurn === null || state.live.agent.connection.exit !== null) return;
      const left = Math.min(state.live.saidAt + limits.quietMs, deadline) - performance.now();
      if (left <= 0) return;
      await new Promise((resolve) => setTimeout(resolve, left));
    }
  }

  /** The agent's own session is closed or deleted with ours, where it can do that. Whatever it answers, it is ended next. */
  async function tellEnd(session: Session, tell: 'close' | 'delete'): Promise<void> {
    const { state } = session;
    if (state.kind !== 'live') return;
    const { agent, agentSession } = state.live;
    const { facts, protocol } = agent;
    const patience = { ms: Math.min(limits.settingMs, limits.cancelGraceMs) };
    if (tell === 'delete' && facts.canDelete) await protocol.deleteSession(agentSession.id, patience);
    else if (facts.canClose) await protocol.closeSession(agentSession.id, patience);
  }

  /** Ends what a dead host left running. Errors: `session_busy` when its host lives, `session_not_found`. */
  async function settleLeftBehind({ session }: Entry): Promise<void> {
    const { sessionId, state } = session;
    if (state.kind !== 'asleep') {
      const stored = await store.session(sessionId);
      // What runs is ours, and ends by itself.
      if (stored?.lease.owner === lease.self) return;
      // Another host took the session over, and this one has not noticed yet.
      await session.end({ kind: 'taken_over', words: 'the session was taken over by another host' }, 'kill');
    }
    await endLeftBehind(lease, sessionId);
  }

  const cleanup = createLeaseCleanup((sessionId) => serially(sessionId, settleLeftBehind), limits.settleRetryMs);

  const idleCheck = limits.idleMs > 0 ? setInterval(endIdle, Math.max(5, Math.min(limits.idleMs / 4, 30_000))) : undefined;
  (idleCheck as { unref?: () => void } | undefined)?.unref?.();

  function endIdle(): void {
    for (const entry of entries.values()) {
      const { live, sessionId } = entry.session;
      if (!live || entry.session.state.kind !== 'live' || !isIdle(entry)) continue;
      if (performance.now() - Math.max(live.usedAt, live.saidAt) < limits.idleMs) continue;
      void end(sessionId, { kind: 'idle', words: 'it was not used for idleMs' });
    }
  }

  return {
    async create(options: CreateOptions) {
      const sessionId = options.sessionId ?? config.newId();
      return serially(sessionId, async ({ session }) => {
        if (session.state.kind !== 'asleep' || (await store.session(sessionId))) throw exists(sessionId);
        await finishDeletes(deletes, { sessionId });
        await makeRoom();
        return startSession(parts, session, options, new AbortController());
      });
    },
    prompt,
    async resume(sessionId: string, options: ResumeOptions): Promise<ResumeReport> {
      return serially(sessionId, async (entry) => {
        const live = await ensure(entry, options);
        return live.report ?? liveReport(live.agentSession.id);
      });
    },
    async cancel(sessionId: string): Promise<void> {
      const prompt = entries.get(sessionId)?.prompt;
      if (!prompt) return;
      await stop(
        prompt,
        new RehydrateError(
          'prompt_cancelled',
          `The prompt of session "${sessionId}" was cancelled before it was sent: no turn was made. Prompt again when you want to.`,
          { sessionId },
        ),
      );
      await prompt.result.then(
        () => undefined,
        () => undefined,
      );
    },
    /** False when nothing of it is live here. */
    async respondPermission(sessionId: string, requestId: string, optionId: string | null): Promise<boolean> {
      const live = entries.get(sessionId)?.session.live;
      await live?.permissions.respond(requestId, optionId);
      return live !== null && live !== undefined;
    },
    set,
    openPermissions: (sessionId: string): readonly PermissionRequested[] => entries.get(sessionId)?.session.live?.permissions.open ?? [],
    write,
    /** The values of MCP servers for the wakes to come. A live agent keeps those it has. */
    holdServers: (sessionId: string, mcpServers: readonly McpServer[]): Promise<void> =>
      serially(sessionId, async ({ session }) => {
        session.secrets = secretValues(session.secrets?.env ?? {}, mcpServers);
      }),
    /** The values given for one session are known for the other, too. */
    shareSecrets(from: string, to: string): void {
      const secrets = entries.get(from)?.session.secrets;
      if (secrets) entryOf(to).session.secrets = secrets;
    },
    request,
    notify(sessionId: string, method: string, params: unknown): void {
      const live = entries.get(sessionId)?.session.live;
      live?.agent.protocol.notify(method, toAgent(live, params));
    },
    /** How many sessions are in memory. */
    get size() {
      return entries.size;
    },
    /** A live agent of this name. */
    liveAgent(name: string): Agent | null {
      for (const { session } of entries.values()) if (session.live?.agent.name === name) return session.live.agent;
      return null;
    },
    /** Which live session stands on one of the agent's own. */
    standsOn(agent: string, agentSessionId: string): string | null {
      for (const { session } of entries.values())
        if (session.live?.agent.name === agent && session.live.agentSession.knownId === agentSessionId) return session.sessionId;
      return null;
    },
    stateOf: (sessionId: string): Session['state']['kind'] => entries.get(sessionId)?.session.state.kind ?? 'asleep',
    close: (sessionId: string) => end(sessionId, { kind: 'closed', words: 'the session was closed while it ran' }, { tell: 'close' }),
    delete: (sessionId: string) =>
      end(
        sessionId,
        { kind: 'closed', words: 'the session was deleted while it ran' },
        { tell: 'delete', then: () => deleteRecord(parts, sessionId) },
      ),
    /** Ends everything; nothing is opened any more. */
    async endAll(cause: EndCause): Promise<void> {
      ended = true;
      clearInterval(idleCheck);
      await Promise.all([parts.agents.end(), ...[...entries.keys()].map((sessionId) => end(sessionId, cause))]);
      await cleanup.end();
    },
    /** The secret values that can be had without starting anything, for redaction. */
    async knownSecrets(info: Pick<SessionInfo, 'sessionId' | 'envNames' | 'mcpServers'>) {
      const held = entries.get(info.sessionId)?.session.secrets;
      return [...(await resolveKnown(config.secrets, info, held)), ...config.knownSecrets];
    },
    /** Lets a lease go that may be held although nothing lives, as soon as that can be written. */
    later: (sessionId: string) => cleanup.later(sessionId),
  };
}

/**
 * The record goes: first, in one small batch, nobody sees the session any more, then its rows go. Call it when nothing of the session
 * lives here. Errors: `session_not_found`, `session_busy`; `storage_full` and the like, and then either the record is as it was, or it
 * is gone for everybody and the error says that some of it is still on the disk.
 */
async function deleteRecord({ store, lease, deletes, subscriptions }: HostParts, sessionId: string): Promise<void> {
  const taken = await takeLease(lease, sessionId);
  try {
    await lease.db.batch([
      // Whoever took the session over meanwhile keeps it (I9).
      fenceAndTouch(taken.fence, taken.latestSeq, 0, lease.clock() + lease.leaseMs, null),
      { sql: 'UPDATE acp_sessions SET deleted_at = ? WHERE session_id = ?', params: [lease.clock(), sessionId], note: 'session deleted' },
    ]);
  } catch (error) {
    const stored = await store.session(sessionId).catch(() => undefined);
    // Null: the answer was lost, and nobody sees it any more.
    if (stored !== null) {
      if (stored && stored.lease.generation !== taken.fence.generation) throw busy(sessionId, stored.lease);
      await letGo(lease, taken.fence);
      throw storageError(error, `Session "${sessionId}" could not be deleted`);
    }
  }
  // Whoever follows it is done.
  subscriptions.end(sessionId);
  try {
    await removeDeleted(sessionId, deletes);
  } catch (error) {
    const left = await store.deletedSessions(sessionId).catch(() => null);
    // The answer was lost, or another host finished it.
    if (left?.length === 0) return;
    throw storageError(error, `Session "${sessionId}" was deleted, but some of it is still on the disk; the next host removes it`);
  }
}

/** The hash by which a prompt's content is told from another's under the same idempotency key. */
const hashOf = (content: readonly ContentBlock[]): Promise<string> => sha256Hex(JSON.stringify(content));

/** The result, or the signal's reason if that comes first. */
function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return result;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
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
