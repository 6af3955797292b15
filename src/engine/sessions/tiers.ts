/**
 * How an agent that runs comes to have a session: the tiers in the order that `nextStep` decides, the check of a success, the
 * settings that the user asked for, and the report.
 */
import { RehydrateError } from '../errors.ts';
import type { AnsweredSettings, NewAgentSession, SessionParams } from '../protocol/agent-protocol.ts';
import { describeError, failureError, limitFault, quoteDiagnostics } from '../protocol/connection.ts';
import type { RpcError } from '../protocol/json-rpc.ts';
import { isConversation } from '../protocol/updates.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import { isNative, nextStep, verifyResume, type NativeMethod, type TriedStep } from '../resume/decide.ts';
import type { StoredSession } from '../storage/rows.ts';
import type { LastKnown, NewEvent } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';
import type { AttemptMethod, AttemptOutcome, ResumeAttempt, ResumePolicy, ResumeReport, Tier, Verification } from '../types.ts';
import type { AgentSession } from './agent-session.ts';
import { authRequired, callWithAuth, newAgentSession, unnamed, withAgent, type Agent } from './agent-startup.ts';
import type { Config } from './config.ts';
import { updateEvents } from './logged-updates.ts';
import { openReplay, type Replay, type ReplayOutcome } from './replay.ts';
import type { Session } from './session.ts';
import { reportedColumns, restoreWishes, withAnswer, withSetting } from './settings.ts';
import { renderPreamble, type MadePreamble } from './render-record.ts';

export interface TierSearch {
  readonly session: Session;
  readonly agentSession: AgentSession;
  /** Further parameters of `session/new`. */
  readonly params: Session['params'];
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

/** What the agent answered, checked. */
interface TakenUp {
  readonly settings: AnsweredSettings;
  readonly verified: Verification | null;
  readonly replay: ReplayOutcome | null;
}

/** Which agent session the session has now, and on what. */
interface Basis {
  /** Whether it is another than the stored one. */
  readonly isNew: boolean;
  /** The event with which it begins: of one that was just made null, which is the report's. */
  readonly beganSeq: number | null;
  readonly preamble: MadePreamble | null;
}

/** How the agent has the session. */
export interface Found extends Basis, Pick<TakenUp, 'replay'> {
  /** What else the agent answered to `session/new`. */
  readonly answer: NewAgentSession['rest'] | null;
  readonly report: ResumeReport;
}

/** Has an agent open the session by one of the tiers, in a new process or an idle one; `commit` stores what was found. */
export function findAgent<T>(search: TierSearch, signal: AbortSignal, commit: (found: Found, agent: Agent) => Promise<T>): Promise<T> {
  const { session, agentSession } = search;
  const { config, agents } = session.parts;
  const { sessionId, agent: name, cwd, secrets, redact } = agentSession.context;
  const { env } = secrets;
  const client = session.client ?? config.clientFor(name);
  const start = {
    ...{ config, name, cwd, env, sessionId, signal, client, redact },
    listener: session.listener(agentSession),
    // An agent that is started in a directory that is gone fails; an idle one, which runs elsewhere, would not notice.
    takeIdle: async () =>
      (await config.directoryExists(cwd, { sessionId, signal })) === false ? null : agents.takeIdle(name, env, client, signal),
  };
  return withAgent(start, (agent) => resumeByTiers(search, agent), commit);
}

/** Errors: those of calling an agent, and what `nextStep` stops with. */
export async function resumeByTiers(search: TierSearch, agent: Agent): Promise<Found> {
  const { session, agentSession, stored, policy, began, before } = search;
  const { config, agents, store: whole } = session.parts;
  const store = before === undefined ? whole : storeBefore(whole, before);
  const { limits } = config;
  const { connection, protocol, facts } = agent;
  const { context } = agentSession;
  const { sessionId } = context;
  const oldId = stored?.info.agentSessionId ?? null;
  const authMethod = agents.authMethod(context.agent);
  const { sessionId: _, ...extra } = search.params ?? {};
  const params: SessionParams = {
    cwd: context.cwd,
    mcpServers: context.secrets.mcpServers,
    additionalDirectories: context.additionalDirectories,
    extra,
  };
  const patience = { ms: limits.sessionMs, of: 'silence' } as const;
  /** What was tried, in order; `weak` as the classifier has it. */
  const attempts: (ResumeAttempt & { readonly weak?: true })[] = [...(search.tried ?? [])];
  const hasHistory = stored !== null && (await store.hasMessages(sessionId));
  // Only the agent has what was said in an adopted session: a replay brings it, and without one there is no session.
  const adopted = !hasHistory && (stored?.origin as { readonly kind?: unknown } | null)?.kind === 'adopt';
  const kept = oldId === null ? null : await store.agentSession(sessionId, oldId);
  agentSession.preamble = kept?.preamble ?? null;
  const replays = oldId === null ? null : await openReplay(store, sessionId, oldId, context.redact, adopted);
  let listed: Listed | undefined;

  if (stored && policy !== 'transcript' && facts.canFork && oldId === null && attempts.length === 0) {
    const forked = await forkOf(stored);
    if (forked) return forked;
  }
  for (let taken: TakenUp | null = null; ;) {
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
        taken = await native(step.do, oldId!, replays!(step.do));
        continue;
      case 'ask-list':
        await judgeByList();
        continue;
      case 'session/new':
        return successor(step.tier);
      case 'accept':
        return found(step.tier, taken!, { isNew: false, beganSeq: kept?.beganSeq ?? 0, preamble: await givenAgain(taken!) });
      case 'stop':
        throw await stopError(step.code, step.reason);
    }
  }

  function note(method: AttemptMethod, outcome: AttemptOutcome, evidence: string, since: number, error?: RpcError, weak?: true): void {
    attempts.push({ method, outcome, evidence, ...(error && { error }), ms: tenths(connection.agentMs - since), ...(weak && { weak }) });
  }

  function toldAttempts(): ResumeAttempt[] {
    return attempts.map(({ weak: _, ...attempt }) => attempt);
  }

  function amendLast(change: (last: ResumeAttempt) => Partial<ResumeAttempt>): void {
    const last = attempts.pop() as ResumeAttempt;
    attempts.push({ ...last, ...change(last) });
  }

  async function list(): Promise<Listed> {
    return (listed ??= oldId !== null && facts.canList ? await askList(agent, oldId, context.cwd, config) : 'unknown');
  }

  /** Has the agent resume or load it. Null where it refused, or cannot be believed. */
  async function native(method: NativeMethod, id: string, replay: Replay): Promise<TakenUp | null> {
    const since = connection.agentMs;
    const failed = (outcome: AttemptOutcome, evidence: string, error?: RpcError, weak?: true): null => {
      note(method, outcome, evidence, since, error, weak);
      return null;
    };
    agentSession.ask(id, replay);
    const how = method === 'session/load' ? 'load' : 'resume';
    const outcome = await callWithAuth(agent, config, authMethod, () => protocol.takeUp(how, id, params, patience));
    switch (outcome.kind) {
      case 'hung':
        return failed('hang', `no answer within ${outcome.afterMs / 1000} s`);
      case 'ended': {
        await connection.gone;
        const fault = limitFault(connection);
        return fault ? failed('limit', fault.message) : failed('crash', `the agent ${connection.exitDescription}`);
      }
      case 'refused': {
        const verdict = classifyResumeFailure(outcome.error, { method, agentSessionId: id, ...(listed ? { listed } : {}) });
        return failed(verdict.outcome, verdict.evidence, outcome.error, verdict.weak);
      }
    }
    const settings = outcome.value;
    if (how === 'load') {
      const came = await replay.untilQuiet(connection, limits);
      const { verified } = came;
      const evidence = `answered; ${replayWords(came)}`;
      // A success that brought none of the expected messages is not believed.
      const nothing = verified === 'replay-empty' || (verified === 'replay-mismatch' && came.missing > 0);
      if (nothing && hasHistory) return failed('unproven', evidence);
      if (nothing && (await list()) === 'absent')
        return failed('unknown_session', `${evidence}, and session/list does not show the session`);
      note(method, 'ok', evidence, since);
      return { settings, verified, replay: came };
    }
    const shown = await list();
    if (shown === 'absent' && (hasHistory || adopted))
      return failed('unknown_session', 'it answered with success, but session/list does not show the session');
    const came = replay.received > 0 ? await replay.match() : null;
    const suppressed = came?.isReplay
      ? `; it replayed ${came.received} messages although session/resume must not, and they were not stored again`
      : '';
    note(method, 'ok', `${shown === 'present' ? 'answered, and session/list shows the session' : 'answered'}${suppressed}`, since);
    return { settings, verified: verifyResume(shown), replay: came };
  }

  /** Classifies the refusals again, now with the agent's own list. */
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

  /** A new session of the agent's, which is told the record. */
  async function successor(tier: 'transcript' | 'new'): Promise<Found> {
    const since = connection.agentMs;
    const named = agentSession.awaitName();
    const { agentSessionId: id, settings, rest } = await newAgentSession(agent, config, params, authMethod);
    named(id);
    const preamble = tier === 'transcript' ? await preambleOf(store) : null;
    agentSession.preamble = preamble?.text ?? null;
    const evidence = preamble
      ? `a successor; the record goes in front of its first prompt${preamble.instead ? `; ${preamble.instead}` : ''}`
      : `a new session${stored ? ': the record has nothing to tell' : ''}`;
    note('session/new', 'ok', evidence, since);
    const made = await found(tier, { settings, verified: null, replay: null }, { isNew: true, beganSeq: null, preamble });
    return Object.keys(rest).length > 0 ? { ...made, answer: rest } : made;
  }

  /** A fork of a session that the agent has, and that has not gone on since: the agent may be able to fork its own. */
  async function forkOf({ origin }: StoredSession): Promise<Found | null> {
    const source = await forkSource(store, sessionId, origin);
    if (source === null) return null;
    const since = connection.agentMs;
    const named = agentSession.awaitName();
    const outcome = await callWithAuth(agent, config, authMethod, () => protocol.forkSession(source, params, patience));
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
    const { agentSessionId: id, settings, raw } = outcome.value;
    if (id === null) {
      note('session/fork', 'unsupported', `it answered ${unnamed(raw)}`, since);
      return null;
    }
    const replays = await openReplay(store, sessionId, id, context.redact);
    named(id, replays('session/resume'));
    note('session/fork', 'ok', `the agent forked its own session ${source}, which holds the record up to here`, since);
    // Its replay begins with the record's first event.
    return found('resume', { settings, verified: 'unverified', replay: null }, { isNew: true, beganSeq: 0, preamble: null });
  }

  function preambleOf(of: Store): Promise<MadePreamble> {
    const secrets = [...context.secrets.known, ...config.knownSecrets];
    // Who gives up ends the agent.
    return renderPreamble(of, sessionId, config, secrets, facts.embeddedContext, { signal: agent.untilGone });
  }

  /** Some agents do not keep what they were given in front of a prompt: then it is gone from the replay, and given again. */
  async function givenAgain({ replay }: TakenUp): Promise<MadePreamble | null> {
    if (replay?.preamble !== 'gone' || !kept) return null;
    const preamble = await preambleOf(storeBefore(store, kept.beganSeq));
    amendLast(({ evidence }) => ({
      evidence: `${evidence}; the record it had been given is not in it any more, and goes in front of the next prompt again`,
    }));
    return preamble;
  }

  async function found(tier: Exclude<Tier, 'live'>, { settings, verified, replay }: TakenUp, basis: Basis): Promise<Found> {
    const agentSessionId = agentSession.id;
    const { preamble } = basis;
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
      replay: replay?.isReplay ? countsOf(replay) : null,
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
    return { ...basis, replay, answer: null, report: context.redact(report) };
  }

  async function stopError(code: RehydrateError['code'], reason: string): Promise<RehydrateError> {
    const last = attempts.at(-1);
    if (code === 'auth_required') return authRequired(agent, last?.error);
    const { exit } = connection;
    const fault = limitFault(connection);
    const raw = last?.error ? ` It said: ${describeError(last.error)}.` : exit ? ` It ${connection.exitDescription}.` : '';
    const why = fault
      ? `${reason}: ${fault.message}`
      : `${reason}.${raw}${adviceFor(code, adopted)}${quoteDiagnostics(connection.diagnostics())}`;
    return new RehydrateError(fault?.code ?? code, `Session "${sessionId}" could not be resumed: ${why}`, {
      sessionId,
      attempts: toldAttempts(),
      ...(exit ? { exit } : {}),
      ...fault?.data,
    });
  }
}

/** What to do next, where the reason does not say it: with the agent, and with the record. */
const ADVICE: Partial<Record<RehydrateError['code'], readonly [agent: string, record: string]>> = {
  agent_timeout: ['Try again, raise the limit sessionMs', ', or use policy transcript'],
  agent_exited: ['Try again, run the agent by hand to see why', ', or use policy transcript'],
  agent_protocol_error: ['Try another version of the agent', ', or use policy transcript'],
  resume_indeterminate: ['Try again', ', or use policy transcript'],
  session_not_resumable: ['Policy strict allows no other way', '; use policy auto or transcript'],
};

/** An adopted session of which nothing is stored yet can only come from the agent, whatever the policy. */
function adviceFor(code: RehydrateError['code'], adopted: boolean): string {
  const advice = ADVICE[code];
  if (!advice) return '';
  const [agent, record] = advice;
  if (!adopted) return ` ${agent}${record} to go on from the stored record.`;
  return code === 'session_not_resumable' ? ' The record has nothing of it to go on from.' : ` ${agent}.`;
}

function countsOf({ received, matched, missing, importedMessages: imported, next }: ReplayOutcome): NonNullable<ResumeReport['replay']> {
  // Where nothing matched, the agent told a summary instead.
  const newestMissing = matched > 0 ? next.filter(({ isCertain }) => isCertain).length : 0;
  return { received, matched, missing, imported, ...(newestMissing > 0 && { newestMissing }) };
}

function replayWords(replay: ReplayOutcome): string {
  if (replay.received === 0 && replay.missing === 0) return 'nothing was replayed';
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
    // A cursor that is not a string, or comes a second time, never ends.
    if (typeof nextCursor !== 'string' || seen.has(nextCursor)) return 'unknown';
    seen.add(nextCursor);
    cursor = nextCursor;
  }
  return 'unknown';
}

/** The store as it was before an event. */
function storeBefore(store: Store, before: number): Store {
  return {
    ...store,
    eventsBackwards: (sessionId, edge = before) => store.eventsBackwards(sessionId, Math.min(edge, before)),
    hasMessages: (sessionId) => store.hasMessages(sessionId, before),
  };
}

// ---------------------------------------------------------------- into the log

/** What is known of the agent and its session when it is opened. */
export function knownOf({ reported }: AgentSession, { facts }: Agent): LastKnown {
  return { ...reportedColumns(reported), capabilities: facts.capabilities, agent_info: facts.info };
}

/** What was imported, the report, and what is new of the state that the agent reported. */
export function foundEvents(config: Config, { replay, report }: Found, news: Parameters<typeof updateEvents>[0]): NewEvent[] {
  const at = config.clock();
  return [
    ...updateEvents(replay?.news ?? [], at),
    { kind: 'resumed', turnId: null, at, origin: 'host', payload: report },
    ...updateEvents(news, at),
  ];
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
