/** Sessions coming to life and going to sleep in this host. */
import { SqlError } from '../ports.ts';
import { RehydrateError } from '../errors.ts';
import { createRedactor } from '../transcript/redact.ts';
import { storageError } from '../storage/errors.ts';
import { adoptAgentSession, insertEvent, updateLastKnown, type Fence, type NewEvent } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';
import { createWriter } from '../storage/writer.ts';
import type { ResumePolicy, ResumeReport, SessionEvent, SessionInfo } from '../types.ts';
import { callError, type AgentLink } from '../acp/link.ts';
import { readSettings } from '../acp/v1.ts';
import { loadResuming } from './load-resuming.ts';
import { exitWords, newAgentSession, recordOpening, reportOf, withAgent, type BecomeLive } from './opening.ts';
import type { Hub } from './hub.ts';
import { knownFrom, NOTHING_KNOWN, toColumns } from './last-known.ts';
import { notFound, releaseStatement, takeLease, type LeaseOptions } from './lease.ts';
import { LiveSession, type EndCause } from './live-session.ts';
import { invalid, type Config, type CreateOptions } from './options.ts';
import { recallKnown, recallSecrets, secretValues, withoutValues, type SecretValues } from './secrets.ts';
import { createSettling } from './settling.ts';
import type { Slot, Slots } from './slots.ts';

export interface LivingDeps {
  readonly config: Config;
  readonly store: Store;
  readonly hub: Hub;
  readonly slots: Slots;
  readonly lease: LeaseOptions;
}

export interface Living {
  create(options: CreateOptions): Promise<string>;
  /** The live session, made live if it is not. Call it inside `slots.serially`. */
  ensure(sessionId: string, slot: Slot, policy: ResumePolicy, signal: AbortSignal | undefined): Promise<LiveSession>;
  /** How the session became live; once `take`n, later prompts find it simply live. */
  reportFor(session: LiveSession, how: 'take' | 'keep'): ResumeReport;
  /** Ends what lives of the session. `then` runs in the same turn: nothing can bring it to life in between. */
  end(sessionId: string, cause: EndCause, then?: (slot: Slot) => Promise<void>): Promise<void>;
  endAll(cause: EndCause): Promise<void>;
  /** The secret values that can be had without starting anything, for redaction. */
  knownSecrets(info: Pick<SessionInfo, 'sessionId' | 'envNames' | 'mcpServers'>): Promise<SecretValues['known']>;
  /** Ends what a dead host left running. Errors: `session_busy` when its host lives, `session_not_found`. */
  settleLeftBehind(sessionId: string, slot: Slot): Promise<void>;
  authenticate(agent: string, methodId: string): Promise<void>;
}

export function createLiving({ config, store, hub, slots, lease }: LivingDeps): Living {
  const { database, limits, clock } = config;
  const authMethods = new Map<string, string>();
  /** Agents that are being authenticated; a login in a browser may take minutes. */
  const authenticating = new Set<{ readonly abort: AbortController; readonly over: Promise<unknown> }>();
  /** Set when the host goes to sleep: from then on nothing is opened, however late it was asked. */
  let ended = false;

  const redactWith = (secrets: SecretValues): (<T>(value: T) => T) => {
    const known = [...secrets.known, ...config.knownSecrets];
    if (known.length === 0) return (value) => value;
    const redactor = createRedactor(known);
    return (value) => redactor.deep(value);
  };

  const newSession = (sessionId: string, agent: string, cwd: string, additionalDirectories: readonly string[], secrets: SecretValues, slot: Slot): LiveSession =>
    new LiveSession({
      config,
      sessionId,
      agent,
      cwd,
      additionalDirectories,
      redact: redactWith(secrets),
      onGone(session) {
        const { activity } = slot;
        if ((activity.kind === 'live' || activity.kind === 'prompting') && activity.session === session) slot.activity = { kind: 'asleep' };
        if (session.unsettled) settling.later(sessionId);
      },
    });

  const writerFor = (session: LiveSession, fence: Fence, latestSeq: number) => {
    const writer = createWriter({
      db: database,
      store,
      fence,
      latestSeq,
      limits,
      clock,
      onCommitted: (events) => hub.publish(fence.sessionId, events),
      onLost: (reason) => session.fail(reason),
    });
    session.attachWriter(writer, fence);
    return writer;
  };

  /** Keeps the lease of a session that says nothing. One that writes renews it as it writes. */
  const keepLease = (session: LiveSession) => {
    const every = Math.max(1, Math.floor(limits.leaseMs / 3));
    const timer = setInterval(() => {
      if (clock() - session.writer.renewedAt < every) return;
      session.writer.append({ events: [] }).catch((error: unknown) => session.fail(error));
    }, every);
    // A lease alone must not keep a process running.
    (timer as { unref?: () => void }).unref?.();
    void session.link.gone.then(() => clearInterval(timer));
  };

  const checkRoom = () => {
    if (slots.occupied >= limits.liveSessions) {
      throw new RehydrateError('limit_exceeded', `This host keeps liveSessions (${limits.liveSessions}) sessions live at once, and they all are. Close one, or raise the limit.`, {
        limit: 'liveSessions',
        allowed: limits.liveSessions,
      });
    }
  };

  const join = (abort: AbortController, signal: AbortSignal | undefined): AbortSignal => (signal ? AbortSignal.any([abort.signal, signal]) : abort.signal);

  /** Opens with `work`; the slot says so meanwhile, and is asleep again when it fails. */
  async function opening<T>(slot: Slot, kind: 'starting' | 'resuming', signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<{ session: LiveSession; value: T }>): Promise<T> {
    if (ended) throw invalid('This host sleeps; nothing can be opened with it any more. Open another one on the same database.');
    checkRoom();
    const abort = new AbortController();
    slot.activity = { kind, abort };
    try {
      const { session, value } = await work(join(abort, signal));
      slot.activity = { kind: 'live', session };
      session.watch();
      keepLease(session);
      return value;
    } catch (error) {
      slot.activity = { kind: 'asleep' };
      throw error;
    }
  }

  async function create(options: CreateOptions): Promise<string> {
    const sessionId = options.sessionId ?? config.newId();
    checkCreate(options, sessionId);
    return slots.serially(sessionId, async (slot) => {
      if (slot.activity.kind !== 'asleep' || (await store.session(sessionId))) throw exists(sessionId);
      const secrets = secretValues(options.env ?? {}, options.mcpServers ?? []);
      const directories = options.additionalDirectories ?? [];
      await opening(slot, 'starting', options.signal, async (signal) => {
        const began = performance.now();
        const session = newSession(sessionId, options.agent, options.cwd, directories, secrets, slot);
        const open: BecomeLive = {
          config,
          store,
          session,
          agent: options.agent,
          cwd: options.cwd,
          additionalDirectories: directories,
          secrets,
          policy: config.policy,
          signal,
          authMethod: authMethods.get(options.agent),
        };
        await withAgent(open, (link) => newAgentSession(open, link), ({ agentSessionId, result }, link) => {
          const said = readSettings(result);
          session.known = { ...session.known, modes: said.modes ?? session.known.modes, configOptions: said.configOptions ?? session.known.configOptions };
          const report = reportOf(
            {
              tier: 'new',
              attempts: [{ method: 'session/new', outcome: 'ok', evidence: 'a new session', ms: Math.round(link.agentMs) }],
              agentSessionId,
              previousAgentSessionId: null,
              verified: null,
              replay: null,
              preamble: null,
              settings: { restored: [], failed: directories.length > 0 && !session.facts.additionalDirectories ? [{ id: 'additionalDirectories', reason: 'the agent does not support them' }] : [] },
              known: session.known,
              began,
            },
            link,
          );
          return insertSession(session, options, agentSessionId, report);
        });
        slot.secrets = secrets;
        return { session, value: undefined };
      });
      return sessionId;
    });
  }

  /** The row, its lease and its first events, all in one batch; then what came early follows. */
  async function insertSession(session: LiveSession, options: CreateOptions, agentSessionId: string, report: ResumeReport): Promise<void> {
    const now = clock();
    const { sessionId } = session;
    const fence: Fence = { sessionId, owner: lease.self, generation: 1 };
    const fresh: NewEvent[] = [
      { kind: 'resumed', turnId: null, at: now, origin: 'host', payload: report },
      ...session.takeStateChanges(NOTHING_KNOWN).map(({ update, meta }): NewEvent => ({ kind: 'update', turnId: null, at: now, origin: 'agent', payload: update, ...(meta ? { meta } : {}) })),
    ];
    const events = fresh.map((event, index) => ({ ...event, seq: index + 1 }) as SessionEvent);
    const written = session.known;
    const known = updateLastKnown(sessionId, { ...toColumns(session.known), capabilities: session.facts.capabilities, agent_info: session.facts.info });
    try {
      await database.batch([
        {
          sql: `INSERT INTO acp_sessions (session_id, agent, agent_session_id, cwd, additional_directories, mcp_servers, env_names, latest_seq, lease_owner, lease_generation, lease_expires_at, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)`,
          params: [
            sessionId,
            options.agent,
            agentSessionId,
            options.cwd,
            JSON.stringify(options.additionalDirectories ?? []),
            JSON.stringify(withoutValues(options.mcpServers ?? [])),
            JSON.stringify(Object.keys(options.env ?? {})),
            events.length,
            lease.self,
            now + limits.leaseMs,
            now,
            now,
          ],
        },
        ...adoptAgentSession(sessionId, agentSessionId, 1, null, now),
        ...events.map((event) => insertEvent(sessionId, event.seq, event)),
        ...(known ? [known] : []),
      ]);
    } catch (error) {
      if (error instanceof SqlError && error.kind === 'constraint') throw exists(sessionId);
      throw storageError(error, `Session "${sessionId}" could not be written`);
    }
    writerFor(session, fence, events.length);
    hub.publish(sessionId, events);
    session.report = report;
    // What the agent said of its state while the batch was on its way.
    const since = session.takeStateChanges(written);
    if (since.length > 0) session.writer.push({ events: session.asEvents(since, null), said: true, lastKnown: toColumns(session.known) }, session.keepUnwritten);
    session.finishOpening();
  }

  async function ensure(sessionId: string, slot: Slot, policy: ResumePolicy, signal: AbortSignal | undefined): Promise<LiveSession> {
    const { activity } = slot;
    if (activity.kind === 'live' || activity.kind === 'prompting') {
      if (activity.session.link.exit === null && activity.session.failure === null) return activity.session;
      // It died and nobody has written that down yet.
      await activity.session.shutdown({ kind: 'agent_gone', words: 'the agent is gone' }, 'kill');
    }
    let wanted: AbortSignal | undefined;
    const made = await opening(slot, 'resuming', signal, async (joined) => {
      wanted = joined;
      const began = performance.now();
      const stored = await store.session(sessionId);
      if (!stored) throw notFound(sessionId);
      const { info } = stored;
      const secrets = slot.secrets ?? (await recallSecrets(config.secrets, info));
      const taken = await takeLease(lease, sessionId);
      hub.poke(sessionId);
      const session = newSession(sessionId, info.agent, info.cwd, info.additionalDirectories, secrets, slot);
      const before = knownFrom(info);
      // Modes and options are as the agent says now; the others stay until it says otherwise.
      session.known = { ...before, modes: null, configOptions: null };
      writerFor(session, taken.fence, taken.latestSeq);
      const open: BecomeLive = {
        config,
        store,
        session,
        agent: info.agent,
        cwd: info.cwd,
        additionalDirectories: info.additionalDirectories,
        secrets,
        policy,
        signal: joined,
        authMethod: authMethods.get(info.agent),
      };
      try {
        await withAgent(
          open,
          async (link) => (await loadResuming()).resumeAgent(open, stored, link, began),
          (opened) => recordOpening(session, opened, config, before),
        );
      } catch (error) {
        await letGo(session, taken.fence);
        throw error;
      }
      slot.secrets = secrets;
      return { session, value: session };
    });
    // It came too late for the opening, and in time for what was to follow.
    wanted?.throwIfAborted();
    return made;
  }

  /** Lets the lease go after a failure; later, where even that cannot be written now. */
  async function letGo(session: LiveSession, fence: Fence): Promise<void> {
    await session.writer.settled();
    try {
      await database.batch([releaseStatement(fence)]);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      settling.later(session.sessionId);
    }
  }

  async function settleLeftBehind(sessionId: string, slot: Slot): Promise<void> {
    const { activity } = slot;
    if (activity.kind === 'live' || activity.kind === 'prompting') {
      const stored = await store.session(sessionId);
      // What runs is ours, and ends by itself.
      if (stored?.lease.owner === lease.self) return;
      // Another host took the session over, and this one has not noticed yet.
      await activity.session.shutdown({ kind: 'taken_over', words: 'the session was taken over by another host' }, 'kill');
    }
    const { fence } = await takeLease(lease, sessionId);
    hub.poke(sessionId);
    await database.batch([releaseStatement(fence)]);
  }

  const settling = createSettling((sessionId) => slots.serially(sessionId, (slot) => settleLeftBehind(sessionId, slot)), limits.settleRetryMs);

  async function end(sessionId: string, cause: EndCause, then?: (slot: Slot) => Promise<void>): Promise<void> {
    if (!slots.has(sessionId) && !then) return;
    const slot = slots.of(sessionId);
    const { activity } = slot;
    if (activity.kind === 'starting' || activity.kind === 'resuming') {
      activity.abort.abort(new RehydrateError('agent_exited', `Session "${sessionId}" was being opened when ${cause.words.replace('while it ran', 'meanwhile')}; nothing was sent. Prompt it again.`, { sessionId, cause: { kind: cause.kind } }));
    } else if (activity.kind !== 'asleep' && slot.waiting > 0) {
      // What holds the session up, such as a setting the agent does not answer, ends with the agent: so it is not waited for.
      void activity.session.shutdown(cause);
    }
    await slots.serially(sessionId, async () => {
      const now = slot.activity;
      if (now.kind === 'live' || now.kind === 'prompting') await now.session.shutdown(cause);
      await then?.(slot);
    });
  }

  return {
    create,
    ensure,
    end,
    reportFor(session, how) {
      const report = session.report;
      if (how === 'take') session.report = null;
      return report ?? liveReport(session);
    },
    async endAll(cause) {
      ended = true;
      for (const { abort } of authenticating) abort.abort(new RehydrateError('agent_exited', 'The agent was being authenticated when the host was put to sleep. Authenticate again.'));
      await Promise.all([...[...authenticating].map(({ over }) => over), ...[...slots.entries()].map(([sessionId]) => end(sessionId, cause))]);
      await settling.end();
    },
    async knownSecrets(info) {
      const held = slots.has(info.sessionId) ? slots.of(info.sessionId).secrets : null;
      return [...(held ? held.known : await recallKnown(config.secrets, info)), ...config.knownSecrets];
    },
    settleLeftBehind,
    async authenticate(agent, methodId) {
      const abort = new AbortController();
      const sessionId = `authenticate-${config.newId()}`;
      const slot: Slot = { activity: { kind: 'asleep' }, prompting: null, tail: Promise.resolve(), waiting: 0, secrets: null };
      const secrets = secretValues({}, []);
      const session = newSession(sessionId, agent, '.', [], secrets, slot);
      const open: BecomeLive = { config, store, session, agent, cwd: '.', additionalDirectories: [], secrets, policy: config.policy, signal: abort.signal, authMethod: undefined };
      const authenticated = async (opened: AgentLink) => {
        const methods = session.facts.authMethods;
        if (!methods.some((method) => method.id === methodId)) {
          const names = methods.map((method) => `"${method.id}"`).join(', ') || 'none';
          throw invalid(`Agent "${agent}" has no way to authenticate called "${methodId}"; it offers ${names}.`, { agent, methodId, authMethods: methods });
        }
        const outcome = await opened.call('authenticate', { methodId }, limits.sessionMs);
        if (outcome.kind !== 'answered') throw callError(outcome, 'authenticate', agent, opened, await exitWords(opened, outcome));
      };
      const work = withAgent(open, authenticated, (_, opened) => opened.end('ask')).finally(() => authenticating.delete(entry));
      const entry = { abort, over: work.catch(() => undefined) };
      authenticating.add(entry);
      await work;
      authMethods.set(agent, methodId);
    },
  };
}

/** The report of a prompt that found the session live. */
function liveReport(session: LiveSession): ResumeReport {
  return {
    tier: 'live',
    attempts: [],
    verified: null,
    replay: null,
    preamble: null,
    settings: { restored: [], failed: [] },
    agentSessionId: session.agentSessionId,
    previousAgentSessionId: null,
    ms: 0,
    agentMs: 0,
  };
}

function checkCreate(options: CreateOptions, sessionId: string): void {
  if (typeof options.agent !== 'string' || options.agent === '') throw invalid('create needs the name of an agent.');
  if (typeof options.cwd !== 'string' || !/^(\/|[A-Za-z]:[\\/]|\\\\)/.test(options.cwd)) {
    throw invalid(`create needs cwd as an absolute path; it is ${JSON.stringify(options.cwd)}.`);
  }
  if (typeof sessionId !== 'string' || sessionId === '' || sessionId.length > 256 || sessionId.includes('\0')) {
    throw invalid(`A session id is a string of 1 to 256 characters; it is ${JSON.stringify(sessionId)}.`);
  }
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (typeof value !== 'string') throw invalid(`The environment value ${name} must be a string.`);
  }
}

function exists(sessionId: string): RehydrateError {
  return new RehydrateError('session_exists', `There is a session "${sessionId}" already. Prompt it, delete it first, or choose another id.`, { sessionId });
}

