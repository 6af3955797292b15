/**
 * Becoming live. A new session is whole in the record or not there at all. A session of the record wakes, from top to bottom in the
 * order in which it happens: the lease, the agent, the tiers, the check of a success, the settings, the report.
 */
import { RehydrateError, sessionExists, sessionNotFound } from '../errors.ts';
import type { AnsweredSettings, NewAgentSession, SessionParams } from '../protocol/agent-protocol.ts';
import { describeError, failureError, limitFault, quoteDiagnostics } from '../protocol/connection.ts';
import type { RpcError } from '../protocol/json-rpc.ts';
import { NOTHING_REPORTED, type ReportedState } from '../protocol/reported-state.ts';
import { SqlError, type Row } from '../ports.ts';
import { classOf, isConversation } from '../protocol/updates.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import { nextStep, verifyResume, type NativeMethod, type TriedStep } from '../resume/decide.ts';
import { createRedactor, type Secret } from '../transcript/redact.ts';
import { storageError } from '../storage/errors.ts';
import { toSession, type StoredSession } from '../storage/rows.ts';
import {
  adoptAgentSession,
  fenceAndTouch,
  insertEvent,
  insertRow,
  updateLastKnown,
  type Fence,
  type LastKnown,
  type NewEvent,
} from '../storage/statements.ts';
import { sessionStatement, type Store } from '../storage/store.ts';
import { buildPreamble, choosePreambleMode } from '../transcript/preamble.ts';
import { renderRecord as render, type TranscriptRecord } from '../transcript/render.ts';
import type {
  AttemptMethod,
  AttemptOutcome,
  PreambleMode,
  ResumeAttempt,
  ResumePolicy,
  ResumeReport,
  SessionEvent,
  Tier,
  Verification,
} from '../types.ts';
import { authRequired, callWithAuth, newAgentSession, withAgent, type Agent } from './agent-startup.ts';
import type { Config } from './config.ts';
import type { CreateOptions } from './host.ts';
import { letGo, takeLease } from './lease.ts';
import { openReplay, type ReplayOutcome } from './replay.ts';
import { resolveSecrets, secretValues, withoutValues, type SecretValues } from './secrets.ts';
import {
  openLog,
  LiveAgentSession,
  updateEvents,
  type GivenPreamble,
  type HostParts,
  type Live,
  type Session,
  type SessionContext,
  type SessionLog,
  type SessionPhase,
  type Standing,
  type Turn,
} from './session.ts';
import { NO_WISHES, reportedColumns, restoreWishes, withAnswer, withSetting, wishesOf } from './settings.ts';

// ---------------------------------------------------------------- a new session

/** Resolves to the session as it was written, and what else the agent answered. Errors: as `Host.create`; on any of them nothing is left. */
export function startSession(
  parts: HostParts,
  session: Session,
  options: CreateOptions,
  abort: AbortController,
): Promise<{ readonly stored: StoredSession; readonly answer: NewAgentSession['rest'] | null }> {
  session.client = options.client ?? null;
  return becoming(session, { kind: 'starting', abort }, async (began) => {
    const secrets = secretValues(options.env ?? {}, options.mcpServers ?? []);
    const agentSession = new LiveAgentSession(contextOf(parts, session, options, secrets), NOTHING_REPORTED, NO_WISHES);
    const signal = options.signal ? AbortSignal.any([abort.signal, options.signal]) : abort.signal;
    session.params = options.params;
    try {
      const search: TierSearch = { parts, session, agentSession, stored: null, policy: 'auto', began };
      return await withAgentFound(search, signal, async (found) => {
        const stored = await insertSession(parts, session, agentSession, options, found);
        session.secrets = secrets;
        return { stored, answer: found.answer };
      });
    } catch (error) {
      session.params = undefined;
      throw error;
    }
  });
}

/** Runs `work` while the session is being opened; when it fails, the session sleeps again. */
async function becoming<T>(
  session: Session,
  phase: Extract<SessionPhase, { readonly abort: AbortController }>,
  work: (began: number) => Promise<T>,
): Promise<T> {
  session.become(phase.kind === 'starting' ? 'create' : 'wake', phase);
  try {
    return await work(performance.now());
  } catch (error) {
    if ('abort' in session.state) session.become('failed', { kind: 'asleep' });
    throw error;
  }
}

function contextOf(
  { config }: HostParts,
  { sessionId }: Session,
  { agent, cwd, additionalDirectories = [] }: Pick<CreateOptions, 'agent' | 'cwd' | 'additionalDirectories'>,
  secrets: SecretValues,
): SessionContext {
  const redact = createRedactor([...secrets.known, ...config.knownSecrets]);
  return { sessionId, agent, cwd, additionalDirectories, secrets, redact };
}

/** The row, its lease and its first events, all in one batch; then what came early follows. */
async function insertSession(
  parts: HostParts,
  session: Session,
  agentSession: LiveAgentSession,
  { agent, cwd, additionalDirectories = [], mcpServers = [], env = {} }: CreateOptions,
  found: Found,
): Promise<StoredSession> {
  const { config, store, subscriptions, lease } = parts;
  const { database, limits, clock } = config;
  const { sessionId } = session;
  const { redact } = agentSession.context;
  const agentSessionId = agentSession.id;
  const now = clock();
  const fence: Fence = { sessionId, owner: lease.self, generation: 1 };
  const before = await store.lastSeqOf(sessionId);
  const events = foundEvents(config, found, agentSession.newsSince(NOTHING_REPORTED)).map(
    (event, index) => ({ ...event, seq: before + index + 1 }) as SessionEvent,
  );
  const written = agentSession.reported;
  const row: Row = {
    session_id: sessionId,
    agent,
    agent_session_id: agentSessionId,
    cwd,
    additional_directories: JSON.stringify(additionalDirectories),
    mcp_servers: JSON.stringify(withoutValues(mcpServers)),
    env_names: JSON.stringify(Object.keys(env)),
    latest_seq: 0,
    lease_owner: lease.self,
    lease_generation: 1,
    created_at: now,
    updated_at: now,
  };
  const known = updateLastKnown(sessionId, redact({ ...knownOf(agentSession), wishes: NO_WISHES }));
  // Whoever follows this id followed another session, which somebody else deleted.
  subscriptions.end(sessionId);
  let stored: StoredSession | null;
  try {
    const results = await database.batch([
      { ...insertRow('acp_sessions', row), note: 'session_created' },
      fenceAndTouch(fence, before, events.length, now + limits.leaseMs, now),
      ...adoptAgentSession(sessionId, agentSessionId, before + 1, null, now),
      ...events.map((event) => insertEvent(sessionId, event.seq, event)),
      ...(known ? [known] : []),
      sessionStatement(sessionId),
    ]);
    stored = toSession(results.at(-1)?.rows[0] as Row);
  } catch (error) {
    stored = await store.session(sessionId).catch((unread: unknown) => {
      lease.later(sessionId);
      throw unread;
    });
    // The answer may be lost although the batch was written.
    if (stored?.lease.owner !== lease.self || stored.lease.generation !== 1)
      throw stored || (error instanceof SqlError && error.kind === 'constraint')
        ? sessionExists(sessionId)
        : storageError(error, `Session "${sessionId}" could not be written`);
  }
  const log = openLog(parts, { fence, latestSeq: before + events.length, redact, onLost: (reason) => session.fail(reason) });
  subscriptions.publish(sessionId, events);
  session.opened(agentSession, log, { kind: 'proven' }, found.report);
  // What the agent said of its state while the batch was on its way.
  const since = agentSession.newsSince(written);
  if (since.length > 0)
    log.writer.push(
      { events: updateEvents(since, null, 'agent', clock()), said: true, lastKnown: reportedColumns(agentSession.reported) },
      session.keepUnwritten,
    );
  session.opening(agentSession, false);
  return stored;
}

/** What is known of the agent and its session when it was opened. */
function knownOf({ reported, agent }: LiveAgentSession): LastKnown {
  const { capabilities, info } = (agent as Agent).facts;
  return { ...reportedColumns(reported), capabilities, agent_info: info };
}

// ---------------------------------------------------------------- waking

export interface WakeOptions {
  readonly policy: ResumePolicy;
  readonly abort: AbortController;
  readonly signal: AbortSignal;
}

/** Takes the lease and resumes. When it fails, the lease is free again and no agent is left. */
export function wake(parts: HostParts, session: Session, { policy, abort, signal }: WakeOptions): Promise<Live> {
  const { config, store, lease } = parts;
  const { sessionId } = session;
  return becoming(session, { kind: 'resuming', abort }, async (began) => {
    const stored = await store.session(sessionId);
    if (!stored) throw sessionNotFound(sessionId);
    const { info } = stored;
    const secrets = await resolveSecrets(config.secrets, info, session.secrets);
    const context = contextOf(parts, session, info, secrets);
    const { fence, latestSeq } = await takeLease(lease, sessionId);
    const log = openLog(parts, { fence, latestSeq, redact: context.redact, onLost: (reason) => session.fail(reason) });
    // Modes and options are as the agent says now; the others stay until it says otherwise.
    const reported = { ...NOTHING_REPORTED, commands: info.commands, title: info.title, usage: info.usage };
    const agentSession = new LiveAgentSession(context, reported, wishesOf(info, stored.wishes));
    const search = { parts, session, agentSession, stored, policy, began };
    try {
      return await withAgentFound(search, signal, async (found) => {
        const live = await recordFound(config, session, agentSession, log, info, found);
        session.secrets = secrets;
        return live;
      });
    } catch (error) {
      log.stop();
      await log.writer.settled();
      await letGo(lease, fence);
      throw error;
    }
  });
}

/**
 * The agent answered a prompt with an error that says it does not know the session, and had said nothing in the turn: it has
 * not got it, whatever it said when it took it up. What was not tried yet is tried on the same process, and the prompt can be
 * sent again.
 */
export async function takeUpAgain(
  parts: HostParts,
  session: Session,
  live: Live,
  {
    turn,
    refusal,
    listed,
    policy,
    firstSeq,
  }: {
    readonly turn: Turn;
    readonly refusal: RpcError;
    /** What the agent's list said, where it was asked about the refusal. */
    readonly listed: Listed;
    readonly policy: ResumePolicy;
    /** The number of the turn's first event: what follows is no part of the record that is told. */
    readonly firstSeq: number;
  },
): Promise<ResumeReport> {
  const { config, store } = parts;
  const { standing, agentSession } = live;
  const before = agentSession.reported;
  turn.progress = { kind: 'taking_up_again' };
  session.opening(agentSession, true);
  const stored = await store.session(session.sessionId);
  if (!stored) throw sessionNotFound(session.sessionId);
  const { evidence } = classifyResumeFailure(refusal, { method: 'session/prompt', agentSessionId: agentSession.id, listed });
  const found = await throughTheTiers(
    {
      parts,
      session,
      agentSession,
      stored: standing.kind === 'successor' ? { ...stored, info: { ...stored.info, agentSessionId: null } } : stored,
      policy,
      began: performance.now(),
      before: firstSeq,
      tried: [
        ...(standing.kind === 'taken_up' ? standing.attempts.map((attempt) => disproved(attempt, evidence)) : []),
        { method: 'session/prompt', outcome: 'unknown_session', evidence, error: refusal, ms: 0 },
      ],
    },
    live.agent,
  );
  const news = agentSession.newsSince(before);
  live.standing = standingOf(found, firstSeq);
  const written = live.log.writer.append({
    events: foundEvents(config, found, news),
    also: () => [{ sql: 'UPDATE acp_turns SET report = ? WHERE turn_id = ?', params: [JSON.stringify(found.report), turn.turnId] }],
    lastKnown: reportedColumns(agentSession.reported),
  });
  // In the same tick, so that nothing comes in between.
  turn.progress = { kind: 'storing' };
  session.opening(agentSession, false);
  await written;
  return found.report;
}

/** What it answered to the taking up, in the light of what it answered to the prompt. */
function disproved(attempt: ResumeAttempt, evidence: string): ResumeAttempt {
  return attempt.outcome === 'ok'
    ? { ...attempt, outcome: 'unknown_session', evidence: `${attempt.evidence}; then, at the prompt: ${evidence}` }
    : attempt;
}

/** The store as it was before an event. */
function storeBefore(store: Store, before: number): Store {
  return {
    ...store,
    eventsBackwards: (sessionId, edge) => store.eventsBackwards(sessionId, Math.min(edge ?? before, before)),
    async hasMessages(sessionId) {
      for await (const page of store.eventsBackwards(sessionId, before))
        if (page.some((event) => event.kind === 'update' && classOf(event.payload) === 'message')) return true;
      return false;
    },
  };
}

// ---------------------------------------------------------------- the tiers

interface TierSearch {
  readonly parts: HostParts;
  readonly session: Session;
  readonly agentSession: LiveAgentSession;
  /** Null for a session that is being made. */
  readonly stored: StoredSession | null;
  readonly policy: ResumePolicy;
  /** By `performance.now`. */
  readonly began: number;
  /** The record is told as it was before this event. */
  readonly before?: number;
  /** What was tried before, on this process. */
  readonly tried?: readonly ResumeAttempt[];
}

/** How the agent has the session again. */
interface Found {
  readonly replay: ReplayOutcome | null;
  readonly preamble: MadePreamble | null;
  /** The event with which the agent session begins: that which was taken up, or of a new one null, which is the report's. */
  readonly beganSeq: number | null;
  /** Whether it is another than the stored one. */
  readonly isNew: boolean;
  /** What else the agent answered to `session/new`. */
  readonly answer: NewAgentSession['rest'] | null;
  readonly report: ResumeReport;
}

/** Has an agent for the session, started or waiting for one, and goes through the tiers with it; `commit` writes down what was found. */
function withAgentFound<T>(search: TierSearch, signal: AbortSignal, commit: (found: Found) => Promise<T>): Promise<T> {
  const { session, agentSession } = search;
  const { config, agents } = search.parts;
  const { sessionId, agent: name, cwd, secrets, redact } = agentSession.context;
  const client = session.client ?? config.clientFor(name);
  const start = {
    ...{ config, name, cwd, env: secrets.env, sessionId, signal, client, redact },
    listener: session.listener(agentSession),
    // One that is started in a directory that is gone says so; one that runs elsewhere does not notice.
    takeSpare: async () => ((await config.directoryExists?.(cwd)) === false ? null : agents.takeSpare(name, secrets.env, client)),
    onAgent: (agent: Agent) => (agentSession.agent = agent),
  };
  return withAgent(start, (agent) => throughTheTiers(search, agent), commit);
}

const isNative = (method: AttemptMethod): method is NativeMethod => method === 'session/resume' || method === 'session/load';

/** Goes through the tiers as `nextStep` decides, checks a success, and sets the wishes again. */
async function throughTheTiers(search: TierSearch, agent: Agent): Promise<Found> {
  const { parts, session, agentSession, stored, policy, began, before } = search;
  const { config, agents } = parts;
  const store = before === undefined ? parts.store : storeBefore(parts.store, before);
  const { limits } = config;
  const { connection, protocol, facts } = agent;
  const { context } = agentSession;
  const { sessionId } = context;
  const oldId = stored?.info.agentSessionId ?? null;
  const authMethod = agents.authMethod(context.agent);
  const { sessionId: _, ...extra } = session.params ?? {};
  const params: SessionParams = {
    cwd: context.cwd,
    mcpServers: context.secrets.mcpServers,
    additionalDirectories: context.additionalDirectories,
    extra,
  };
  /** What was tried, in order; `weak` as the classifier has it. */
  const attempts: (ResumeAttempt & { readonly weak?: true })[] = [...(search.tried ?? [])];
  const hasHistory = stored !== null && (await store.hasMessages(sessionId));
  // What was said in an adopted session only the agent has: a replay brings it, and without it there is no session.
  const adopted = !hasHistory && (stored?.origin as { readonly kind?: unknown } | null)?.kind === 'adopt';
  const kept = oldId === null ? null : await store.agentSession(sessionId, oldId);
  agentSession.preamble = kept?.preamble ?? null;
  const replay = oldId === null ? null : await openReplay(store, sessionId, oldId, context.redact, adopted);
  let replayed: ReplayOutcome | null = null;
  let verified: Verification | null = null;
  let settings: AnsweredSettings = {};
  let answer: Found['answer'] = null;
  let listed: Listed | undefined;

  const note = (method: AttemptMethod, outcome: AttemptOutcome, evidence: string, since: number, error?: RpcError, weak?: true): void => {
    attempts.push({ method, outcome, evidence, ...(error && { error }), ms: tenths(connection.agentMs - since), ...(weak && { weak }) });
  };
  const toldAttempts = (): ResumeAttempt[] => attempts.map(({ weak: _, ...attempt }) => attempt);
  const amendLast = (change: (last: ResumeAttempt) => Partial<ResumeAttempt>): void => {
    const last = attempts.pop() as ResumeAttempt;
    attempts.push({ ...last, ...change(last) });
  };

  const list = async (): Promise<Listed> =>
    (listed ??= oldId !== null && facts.canList ? await askList(agent, oldId, context.cwd, config) : 'unknown');

  if (stored && policy !== 'transcript' && facts.canFork && oldId === null && attempts.length === 0) {
    const forked = await forkOf(stored);
    if (forked) return forked;
  }
  for (;;) {
    const step = nextStep({
      policy: adopted ? 'strict' : policy,
      capabilities: { resume: facts.canResume && !(adopted && facts.canLoad), load: facts.canLoad, list: facts.canList },
      agentSessionId: oldId,
      hasHistory: hasHistory || adopted,
      attempts: attempts.filter((attempt): attempt is TriedStep & ResumeAttempt => isNative(attempt.method)),
      listed,
    });
    switch (step.do) {
      case 'session/resume':
      case 'session/load':
        await native(step.do);
        continue;
      case 'ask-list':
        await judgeByList();
        continue;
      case 'session/new':
        return successor(step.tier);
      case 'accept':
        return found(step.tier, oldId as string, await givenAgain(), { isNew: false, beganSeq: kept?.beganSeq ?? 0 });
      case 'stop':
        throw await stopError(step.code, step.reason);
    }
  }

  /** The agent's own way back. */
  async function native(method: NativeMethod): Promise<void> {
    const since = connection.agentMs;
    const record = (outcome: AttemptOutcome, evidence: string, error?: RpcError, weak?: true): void =>
      note(method, outcome, evidence, since, error, weak);
    const id = oldId as string;
    replay!.restart(method);
    session.named(agentSession, id);
    agentSession.replay = replay;
    verified = null;
    const how = method === 'session/load' ? 'load' : 'resume';
    const outcome = await callWithAuth(agent, config, authMethod, () =>
      protocol.takeUp(how, id, params, { ms: limits.sessionMs, of: 'silence' }),
    );
    switch (outcome.kind) {
      case 'hung':
        return record('hang', `no answer within ${outcome.afterMs / 1000} s`);
      case 'ended': {
        await connection.gone;
        const fault = limitFault(connection);
        return fault ? record('limit', fault.message) : record('crash', `the agent ${connection.exitDescription}`);
      }
      case 'refused': {
        const verdict = classifyResumeFailure(outcome.error, { method, agentSessionId: id, ...(listed ? { listed } : {}) });
        return record(verdict.outcome, verdict.evidence, outcome.error, verdict.weak);
      }
      case 'answered':
        settings = outcome.value;
    }
    if (how === 'load') {
      await replay!.untilQuiet(connection, limits);
      replayed = await replay!.finish();
      verified = replayed.verified;
      // A success that brought none of the messages that it should have is none.
      const nothing = verified === 'replay-empty' || verified === 'replay-mismatch';
      const unproven = nothing && hasHistory && replayed.expectsMessages;
      return record(unproven ? 'unproven' : 'ok', `answered; ${replayWords(replayed)}`);
    }
    const shown = await list();
    if (shown === 'absent' && hasHistory)
      return record('unknown_session', 'it answered with success, but session/list does not show the session');
    verified = verifyResume(shown);
    replayed = replay!.received > 0 ? await replay!.finish() : null;
    const suppressed = replayed?.isReplay
      ? `; it replayed ${replayed.received} messages although session/resume must not, and they were not stored again`
      : '';
    record('ok', `${shown === 'present' ? 'answered, and session/list shows the session' : 'answered'}${suppressed}`);
  }

  /** The refusals, once more in the light of the agent's own list. */
  async function judgeByList(): Promise<void> {
    const since = connection.agentMs;
    const shown = await list();
    for (const [at, { weak: _, ...attempt }] of attempts.entries()) {
      const { method, error } = attempt;
      if (!error || !isNative(method)) continue;
      attempts[at] = { ...attempt, ...classifyResumeFailure(error, { method, agentSessionId: oldId as string, listed: shown }) };
    }
    amendLast(({ ms }) => ({ ms: tenths(ms + connection.agentMs - since) }));
  }

  /** The agent is about to name a session of its own: what it says until then belongs to that. */
  function awaitNew(): void {
    Object.assign(agentSession, { knownId: null, replay: null });
  }

  /** A new session of the agent's, which is told the record. */
  async function successor(tier: 'transcript' | 'new'): Promise<Found> {
    const since = connection.agentMs;
    awaitNew();
    const made = await newAgentSession(agent, config, params, authMethod);
    session.named(agentSession, made.agentSessionId);
    settings = made.settings;
    if (Object.keys(made.rest).length > 0) answer = made.rest;
    verified = null;
    replayed = null;
    const preamble = tier === 'transcript' ? await preambleOf(store) : null;
    agentSession.preamble = preamble?.text ?? null;
    const evidence = preamble
      ? `a successor; the record goes in front of its first prompt${preamble.instead ? `; ${preamble.instead}` : ''}`
      : `a new session${stored ? ': the record has nothing to tell' : ''}`;
    note('session/new', 'ok', evidence, since);
    return found(tier, made.agentSessionId, preamble, { isNew: true, beganSeq: null });
  }

  /** A fork of a session that the agent has, and that has not gone on since: the agent may be able to fork its own. */
  async function forkOf({ origin }: StoredSession): Promise<Found | null> {
    const source = await forkSource(store, sessionId, origin);
    if (source === null) return null;
    const since = connection.agentMs;
    awaitNew();
    const outcome = await callWithAuth(agent, config, authMethod, () =>
      protocol.forkSession(source, params, { ms: limits.sessionMs, of: 'silence' }),
    );
    switch (outcome.kind) {
      case 'hung':
      case 'ended':
        throw await failureError(outcome, agent.name, connection);
      case 'refused': {
        const { outcome: how, evidence } = classifyResumeFailure(outcome.error, { method: 'session/new', agentSessionId: source });
        note('session/fork', how, evidence, since, outcome.error);
        return null;
      }
    }
    const { agentSessionId: id } = outcome.value;
    if (id === null) {
      note('session/fork', 'unsupported', 'it answered without naming the new session', since);
      return null;
    }
    const replay = await openReplay(store, sessionId, id, context.redact);
    replay.restart('session/resume');
    agentSession.replay = replay;
    session.named(agentSession, id);
    settings = outcome.value.settings;
    verified = 'unverified';
    note('session/fork', 'ok', `the agent forked its own session ${source}, which holds the record up to here`, since);
    // Its replay begins with the record's first event.
    return found('resume', id, null, { isNew: true, beganSeq: 0 });
  }

  function preambleOf(of: Store): Promise<MadePreamble> {
    const secrets = [...context.secrets.known, ...config.knownSecrets];
    return renderPreamble(of, sessionId, config, secrets, facts.embeddedContext);
  }

  /** Some agents do not keep what they were given in front of a prompt: then it is gone from the replay, and given again. */
  async function givenAgain(): Promise<MadePreamble | null> {
    if (replayed?.preamble !== 'gone' || !kept) return null;
    const preamble = await preambleOf(storeBefore(store, kept.beganSeq));
    amendLast(({ evidence }) => ({
      evidence: `${evidence}; the record it had been given is not in it any more, and goes in front of the next prompt again`,
    }));
    return preamble;
  }

  async function found(
    tier: Exclude<Tier, 'live'>,
    agentSessionId: string,
    preamble: MadePreamble | null,
    stands: Pick<Found, 'isNew' | 'beganSeq'>,
  ): Promise<Found> {
    agentSession.reported = withAnswer(agentSession.reported, settings);
    const restored = await restoreWishes(agentSession.wishes, {
      reported: () => agentSession.reported,
      set: (setting) => protocol.set(agentSessionId, setting, { ms: limits.settingMs }),
      accepted: (setting, said) => (agentSession.reported = withSetting(agentSession.reported, setting, said)),
    });
    // What the agent does not report is as it was last seen.
    agentSession.reported = {
      ...agentSession.reported,
      modes: agentSession.reported.modes ?? stored?.info.modes ?? null,
      configOptions: agentSession.reported.configOptions ?? stored?.info.configOptions ?? null,
    };
    const unsupported = context.additionalDirectories.length > 0 && !facts.additionalDirectories;
    const report: ResumeReport = {
      tier,
      attempts: toldAttempts(),
      verified,
      replay: replayed?.isReplay
        ? { received: replayed.received, matched: replayed.matched, missing: replayed.missing, imported: replayed.importedMessages }
        : null,
      preamble: preamble && { mode: preamble.mode, bytes: preamble.bytes, events: preamble.events, truncated: preamble.truncated },
      settings: {
        restored: restored.restored,
        failed: [...restored.failed, ...(unsupported ? [{ id: 'additionalDirectories', reason: 'the agent does not support them' }] : [])],
      },
      agentSessionId,
      previousAgentSessionId: agentSessionId === oldId ? null : oldId,
      ms: tenths(performance.now() - began),
      agentMs: tenths(connection.agentMs - agent.msBefore),
    };
    return { replay: replayed, preamble, answer, ...stands, report: context.redact(report) };
  }

  async function stopError(code: RehydrateError['code'], reason: string): Promise<RehydrateError> {
    const last = attempts.at(-1);
    if (code === 'auth_required') return authRequired(agent, last?.error);
    const { exit } = connection;
    const fault = limitFault(connection);
    const raw = last?.error ? ` It said: ${describeError(last.error)}.` : '';
    const why = fault
      ? `${reason}: ${fault.message}`
      : `${reason}.${raw}${ADVICE[code] ?? ''}${quoteDiagnostics(connection.diagnostics())}`;
    return new RehydrateError(fault?.code ?? code, `Session "${sessionId}" could not be resumed: ${why}`, {
      sessionId,
      attempts: toldAttempts(),
      ...(exit ? { exit } : {}),
      ...fault?.data,
    });
  }
}

/** What to do next, where the reason does not say it. */
const ADVICE: Partial<Record<RehydrateError['code'], string>> = {
  agent_timeout: ' Try again, raise the limit sessionMs, or use policy transcript to go on from the stored record.',
  agent_exited: ' Try again, run the agent by hand to see why, or use policy transcript to go on from the stored record.',
  agent_protocol_error: ' Try another version of the agent, or use policy transcript to go on from the stored record.',
  session_not_resumable: ' Use policy auto or transcript to go on from the stored record.',
};

function replayWords(replay: ReplayOutcome): string {
  return `${replay.matched} of ${replay.matched + replay.missing} messages were replayed${replay.imported.length > 0 ? `, ${replay.importedMessages} came from elsewhere` : ''}`;
}

export type Listed = 'present' | 'absent' | 'unknown';

/** Whether the agent's own list shows a session. Only every page, asked with the session's cwd, proves absence. */
export async function askList(
  { protocol }: Pick<Agent, 'protocol'>,
  agentSessionId: string,
  cwd: string,
  { limits }: Pick<Config, 'limits'>,
): Promise<Listed> {
  let cursor: string | undefined;
  const seen = new Set<string>();
  for (let page = 0; page < limits.listPages; page++) {
    const outcome = await protocol.listSessions(cwd, cursor, { ms: limits.listMs });
    if (outcome.kind !== 'answered' || outcome.value === null) return 'unknown';
    const { sessions, nextCursor } = outcome.value;
    if (sessions.some(({ sessionId }) => sessionId === agentSessionId)) return 'present';
    if (nextCursor === undefined) return 'absent';
    // A cursor that is no string or comes round again never ends.
    if (typeof nextCursor !== 'string' || seen.has(nextCursor)) return 'unknown';
    seen.add(nextCursor);
    cursor = nextCursor;
  }
  return 'unknown';
}

// ---------------------------------------------------------------- the report

/** The session is live, and what was found goes into the log: imported messages, the report, what is known now. */
async function recordFound(
  config: Config,
  session: Session,
  agentSession: LiveAgentSession,
  log: SessionLog,
  before: ReportedState,
  found: Found,
): Promise<Live> {
  const news = agentSession.changesSince(before);
  const live = session.opened(agentSession, log, standingOf(found, 0), found.report);
  // In the same tick, so that nothing comes in between.
  const written = log.writer.append({ events: foundEvents(config, found, news), lastKnown: knownOf(agentSession) });
  agentSession.replay?.conclude();
  session.opening(agentSession, false);
  try {
    const { lastSeq } = await written;
    live.standing = standingOf(found, lastSeq - news.length);
    return live;
  } catch (error) {
    await session.end({ kind: 'host_failed', words: 'the report could not be stored', error }, 'kill');
    throw error;
  }
}

function foundEvents(config: Config, { replay, report }: Found, news: Parameters<typeof updateEvents>[0]): NewEvent[] {
  const at = config.clock();
  return [
    ...(replay?.heard ?? []).flatMap((item) => updateEvents([item], item.turnId, item.origin, at)),
    { kind: 'resumed', turnId: null, at, origin: 'host', payload: report },
    ...updateEvents(news, null, 'agent', at),
  ];
}

function standingOf({ isNew, report, preamble, beganSeq }: Found, reportSeq: number): Standing {
  return { kind: isNew ? 'successor' : 'taken_up', attempts: report.attempts, preamble, beganSeq: beganSeq ?? reportSeq };
}

/** The agent's own session that a fork was made of, if both are still as they were then. */
async function forkSource(store: Store, sessionId: string, origin: unknown): Promise<string | null> {
  const { kind, sessionId: from, agentSessionId, after } = (origin ?? {}) as Partial<Record<string, unknown>>;
  if (kind !== 'fork' || typeof from !== 'string' || typeof agentSessionId !== 'string' || typeof after !== 'number') return null;
  const [source, fork] = [await store.session(from), await store.session(sessionId)];
  if (!source || !fork || source.info.agentSessionId !== agentSessionId) return null;
  for (const { sessionId: id, firstSeq } of [source.info, fork.info]) {
    const since = await store.events(id, { after: after - source.info.firstSeq + firstSeq, limit: FORK_LOOK });
    if (since.length === FORK_LOOK || since.some(({ kind, payload }) => kind === 'turn_started' || isConversation(payload))) return null;
  }
  return agentSessionId;
}

/** How many events are looked at to see whether a session has gone on. */
const FORK_LOOK = 100;

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

/** The report of a prompt that found the session live. */
export function liveReport(agentSessionId: string): ResumeReport {
  return {
    tier: 'live',
    attempts: [],
    verified: null,
    replay: null,
    preamble: null,
    settings: { restored: [], failed: [] },
    agentSessionId,
    previousAgentSessionId: null,
    ms: 0,
    agentMs: 0,
  };
}

// ---------------------------------------------------------------- the record, for an agent to read

interface MadePreamble extends GivenPreamble, NonNullable<ResumeReport['preamble']> {
  /** Why the mode is not the one that was asked for. */
  readonly instead: string | null;
}

export function renderRecord(
  store: Store,
  sessionId: string,
  config: Config,
  secrets: readonly Secret[],
  budget?: number,
): Promise<TranscriptRecord> {
  return render(store.eventsBackwards(sessionId), {
    budget: budget ?? config.preamble.budget ?? config.limits.transcriptBytes,
    maxBudget: config.limits.transcriptMaxBytes,
    toolExcerptBytes: config.limits.toolExcerptBytes,
    secrets,
    ...(config.redact ? { redact: config.redact } : {}),
  });
}

interface PreambleRequest {
  readonly mode?: PreambleMode | undefined;
  readonly budget?: number | undefined;
  /** A preview writes no file; it shows where one would be named. */
  readonly preview: boolean;
}

export async function renderPreamble(
  store: Store,
  sessionId: string,
  config: Config,
  secrets: readonly Secret[],
  embeddedContext: boolean,
  request: PreambleRequest = { preview: false },
): Promise<MadePreamble> {
  const record = await renderRecord(store, sessionId, config, secrets, request.budget);
  const { mode, instead } = choosePreambleMode(request.mode ?? config.preamble.mode, embeddedContext);
  const path = mode === 'file' ? (request.preview ? PREVIEW_PATH : await config.preamble.files?.write(sessionId, record.text)) : undefined;
  const blocks = buildPreamble(record.text, mode, path);
  return { mode, instead, blocks, text: JSON.stringify(blocks), bytes: record.bytes, events: record.events, truncated: record.truncated };
}

/** Stands in a preview for the path that the file will have. */
const PREVIEW_PATH = '/path/given/when/it/is/sent.md';
