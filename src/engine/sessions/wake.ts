/**
 * Waking a session of the record, in the order in which it happens: the lease, the agent, the tiers, the settings that the user asked for,
 * the report, the log. At the end, resuming once more, when the agent turns out at a prompt not to have the session.
 */
import { RehydrateError, sessionNotFound } from '../errors.ts';
import { fieldsOf } from '../objects.ts';
import type { AnsweredSettings, NewAgentSession, SessionParams } from '../protocol/agent-protocol.ts';
import { describeError, diedUnasked, failureError, limitFault, quoteDiagnostics } from '../protocol/connection.ts';
import type { RpcError } from '../protocol/json-rpc.ts';
import { NOTHING_REPORTED } from '../protocol/reported-state.ts';
import { isConversation } from '../protocol/updates.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import { isNative, nextStep, type Listed, type NativeMethod, type NextStep, type TriedStep } from '../resume/decide.ts';
import type { StoredSession } from '../storage/rows.ts';
import { updateEvents, type LastKnown, type LoggedUpdate, type NewEvent } from '../storage/statements.ts';
import type { Store, StoredAgentSession } from '../storage/store.ts';
import type { AttemptMethod, AttemptOutcome, ResumeAttempt, ResumePolicy, ResumeReport, Tier, Verification } from '../types.ts';
import { AgentSession, contextOf } from './agent-session.ts';
import { authRequired, callWithAuth, newAgentSession, unnamed, withAgent, type Agent } from './agent-startup.ts';
import type { Config } from './config.ts';
import { releaseLease, takeLease } from './lease.ts';
import { renderPreamble, type MadePreamble } from './render-record.ts';
import { openReplay, type Replay, type ReplayOutcome } from './replay.ts';
import { resolveSecrets } from './secrets.ts';
import { askList } from './session-list.ts';
import { openLog, type Basis, type Live, type Session, type Turn } from './session.ts';
import { reportedColumns, restoreSettings, requestedOf, withAnswer, withSetting } from './settings.ts';

/** Takes the lease and resumes. When it fails, the lease is free again and no agent is left. */
export function wake(session: Session, policy: ResumePolicy, caller: AbortSignal | undefined): Promise<Live> {
  const { sessionId, params, parts } = session;
  const { config, store } = parts;
  return session.open('resuming', caller, async (signal) => {
    const began = performance.now();
    const stored = await store.session(sessionId);
    if (!stored) throw sessionNotFound(sessionId);
    const { info } = stored;
    const secrets = await resolveSecrets(config.secrets, info, session.secrets, signal);
    const context = contextOf(config, sessionId, info, secrets);
    const { fence, latestSeq } = await takeLease(parts, sessionId, signal);
    const log = openLog(session, { fence, latestSeq, redact: context.redact });
    // Modes and options count only as the agent reports them now; the rest stays until it reports something else.
    const reported = { ...NOTHING_REPORTED, commands: info.commands, title: info.title, usage: info.usage };
    const agentSession = new AgentSession(context, reported, requestedOf(info, stored.requested));
    let live: Live;
    try {
      const opened = await openOnAgent({ session, agentSession, params, stored, policy, began }, signal);
      const events = openedEvents(config, opened, agentSession.changesSince(info));
      const written = log.writer.append({ events, lastKnown: knownOf(opened) });
      live = session.opened(opened, log, basisOf(opened, latestSeq + 1));
      try {
        await written;
      } catch (error) {
        await session.end({ kind: 'host_failed', reason: 'the report could not be stored', error }, 'kill');
        throw error;
      }
    } catch (error) {
      log.stop();
      await log.writer.settled();
      await releaseLease(parts, fence);
      throw error;
    }
    // An abort that came too late to stop the wake still stops what its caller does next.
    signal.throwIfAborted();
    return live;
  });
}

// ---------------------------------------------------------------- the agent and the tiers

interface OpenRequest {
  readonly session: Session;
  readonly agentSession: AgentSession;
  /** Further parameters of `session/new`. */
  readonly params: Session['params'];
  /** Null for a new session. */
  readonly stored: StoredSession | null;
  readonly policy: ResumePolicy;
  /** When it was asked for, by `performance.now`. */
  readonly began: number;
  /** A successor is told only what the log has before this event. */
  readonly before?: number;
  /** What was tried before on this process. */
  readonly tried?: readonly ResumeAttempt[];
}

interface Circumstances extends Omit<OpenRequest, 'params'> {
  readonly config: Config;
  readonly agent: Agent;
  /** The store, without what comes after `before`. */
  readonly store: Store;
  readonly params: SessionParams;
  /** The method by which a person signed in. */
  readonly authMethod: string | undefined;
  readonly hasHistory: boolean;
  /** An adopted session of which nothing is in the log yet: only the agent has it, so only a native tier will do. */
  readonly adopted: boolean;
  /** The agent session that the record names. */
  readonly own: OwnSession | null;
}

interface OwnSession {
  readonly id: string;
  readonly kept: StoredAgentSession | null;
  /** What the agent's list says of it, once that was asked. */
  listed?: Listed;
}

type Attempt = ResumeAttempt & Pick<TriedStep, 'weak'>;

interface OpenSession {
  readonly settings: AnsweredSettings;
  readonly verified: Verification | null;
  readonly replay: ReplayOutcome | null;
  /** Whether it is another agent session than the stored one. */
  readonly isNew: boolean;
  /** The event with which it begins; null for one that was just made, which begins with the report. */
  readonly beganSeq: number | null;
  readonly preamble: MadePreamble | null;
  /** The rest of the agent's answer to `session/new`. */
  readonly answer: NewAgentSession['rest'] | null;
}

/** `failed`: the agent refused, or its success is not believed. */
type StepResult = { readonly attempt: Attempt } & (
  { readonly kind: 'opened'; readonly session: OpenSession } | { readonly kind: 'failed' }
);

export interface Opened extends OpenSession {
  readonly agent: Agent;
  readonly agentSession: AgentSession;
  readonly report: ResumeReport;
}

/** Opens the session on an idle process, or else on a new one. When it fails, no agent is left. */
export function openOnAgent(request: OpenRequest, signal: AbortSignal): Promise<Opened> {
  const { session, agentSession } = request;
  const { config, agents } = session.parts;
  const { sessionId, agent: name, cwd, secrets, redact } = agentSession.context;
  const { env } = secrets;
  const client = session.client ?? config.clientFor(name);
  const start = {
    config,
    name,
    cwd,
    env,
    sessionId,
    signal,
    client,
    redact,
    listener: session.listener(agentSession),
    async takeIdle() {
      // A new process fails when its directory is gone. An idle one runs elsewhere and would not notice.
      const isGone = (await config.directoryExists(cwd, { sessionId, signal })) === false;
      return isGone ? null : agents.takeIdle(name, env, client, signal);
    },
  };
  return withAgent(start, (agent) => openByTiers(request, agent));
}

/** Tries the tiers in the order that `nextStep` decides. Errors: those of calling an agent, and those with which `nextStep` stops. */
async function openByTiers(request: OpenRequest, agent: Agent): Promise<Opened> {
  const { agentSession, policy, tried = [] } = request;
  const on = await circumstancesOf(request, agent);
  const { own, adopted, hasHistory } = on;
  const { canResume, canLoad, canList, canFork } = agent.facts;
  agentSession.preamble = own?.kept?.preamble ?? null;
  let attempts: readonly Attempt[] = tried;
  let open: OpenSession | null = null;

  if (own === null && policy !== 'transcript' && canFork && tried.length === 0) {
    const forked = await forkSession(on);
    if (forked) attempts = [forked.attempt];
    if (forked?.kind === 'opened') return reported('resume', forked.session, attempts, on);
  }
  for (;;) {
    const step = nextStep({
      policy: adopted ? 'strict' : policy,
      capabilities: { resume: canResume && !(adopted && canLoad), load: canLoad, list: canList },
      agentSessionId: own?.id ?? null,
      hasHistory: hasHistory || adopted,
      attempts: attempts.filter((attempt): attempt is TriedStep & Attempt => isNative(attempt.method)),
      listed: own?.listed,
    });
    switch (step.do) {
      case 'session/resume':
      case 'session/load': {
        const result = await resumeOrLoad(step.do, own!, on);
        attempts = [...attempts, result.attempt];
        if (result.kind === 'opened') open = result.session;
        continue;
      }
      case 'ask-list':
        attempts = await judgeByList(attempts, own!, on);
        continue;
      case 'session/new': {
        const made = await newSession(step.tier, on);
        return reported(step.tier, made.session, [...attempts, made.attempt], on);
      }
      case 'accept':
        return reported(step.tier, open!, attempts, on);
      case 'stop':
        throw stopError(step, attempts, on);
    }
  }
}

async function circumstancesOf(request: OpenRequest, agent: Agent): Promise<Circumstances> {
  const { session, agentSession, stored, before } = request;
  const { config, agents, store: whole } = session.parts;
  const { sessionId, agent: name, cwd, secrets, additionalDirectories } = agentSession.context;
  const store = before === undefined ? whole : storeBefore(whole, before);
  const { sessionId: _, ...extra } = request.params ?? {};
  const hasHistory = stored !== null && (await store.hasMessages(sessionId));
  const id = stored?.info.agentSessionId ?? null;
  return {
    ...request,
    config,
    agent,
    store,
    hasHistory,
    params: { cwd, mcpServers: secrets.mcpServers, additionalDirectories, extra },
    authMethod: agents.authMethod(name),
    adopted: !hasHistory && fieldsOf(stored?.origin)['kind'] === 'adopt',
    own: id === null ? null : { id, kept: await store.agentSession(sessionId, id) },
  };
}

/** Begins to measure an attempt. The function that it returns makes its entry in the report. */
function beginAttempt(method: AttemptMethod, { connection }: Agent) {
  const since = connection.agentMs;
  return (outcome: AttemptOutcome, evidence: string, more: Pick<Attempt, 'error' | 'weak'> = {}): Attempt => {
    const ms = tenths(connection.agentMs - since);
    return { method, outcome, evidence, ...more, ms };
  };
}

const failed = (attempt: Attempt): StepResult => ({ kind: 'failed', attempt });

const patienceOf = ({ limits }: Config) => ({ ms: limits.sessionMs, of: 'silence' }) as const;

// ---------------------------------------------------------------- session/resume, session/load

async function resumeOrLoad(method: NativeMethod, own: OwnSession, on: Circumstances): Promise<StepResult> {
  const { agent, agentSession, config, store } = on;
  const { connection, protocol } = agent;
  const attempt = beginAttempt(method, agent);
  const replay = replayOf(own.kept, on)(method);
  agentSession.ask(own.id, replay);
  const isLoad = method === 'session/load';
  const outcome = await callWithAuth(agent, config, on.authMethod, () =>
    protocol.resumeOrLoad(isLoad ? 'load' : 'resume', own.id, on.params, patienceOf(config)),
  );
  switch (outcome.kind) {
    case 'hung':
      return failed(attempt('hang', `no answer within ${outcome.afterMs / 1000} s`));
    case 'ended': {
      await connection.gone;
      const fault = limitFault(connection);
      return fault ? failed(attempt('limit', fault.message)) : failed(attempt('crash', `the agent ${connection.exitDescription}`));
    }
    case 'refused': {
      const { error } = outcome;
      const { outcome: how, evidence, weak } = classifyResumeFailure(error, { method, agentSessionId: own.id, listed: own.listed });
      return failed(attempt(how, evidence, { error, weak }));
    }
  }
  const check = await (isLoad ? checkLoad(replay, own, on) : checkResume(replay, own, on));
  const { evidence, verified, replay: replayed } = check;
  if (check.outcome !== 'ok') return failed(attempt(check.outcome, evidence));
  // Some agents do not keep what was put in front of a prompt. Then the replay lacks the preamble, and it is given again.
  const lost = replayed?.preamble === 'gone' ? own.kept : null;
  const again = lost ? '; the record it had been given is not in it any more, and goes in front of the next prompt again' : '';
  return {
    kind: 'opened',
    attempt: attempt('ok', `${evidence}${again}`),
    session: {
      settings: outcome.value,
      verified,
      replay: replayed,
      isNew: false,
      answer: null,
      beganSeq: own.kept?.beganSeq ?? 0,
      preamble: lost && (await preambleOf(storeBefore(store, lost.beganSeq), on)),
    },
  };
}

type Check = Pick<Attempt, 'outcome' | 'evidence'> & Pick<OpenSession, 'verified' | 'replay'>;

/** A load that replayed none of the expected messages is not believed. */
async function checkLoad(replay: Replay, own: OwnSession, on: Circumstances): Promise<Check> {
  const outcome = await replay.untilQuiet(on.agent.connection, on.config.limits);
  const { verified } = outcome;
  const check = { outcome: 'ok', evidence: `answered; ${describeReplay(outcome)}`, verified, replay: outcome } as const;
  if (verified !== 'replay-empty' && (verified !== 'replay-mismatch' || outcome.missing === 0)) return check;
  if (on.hasHistory) return { ...check, outcome: 'unproven' };
  if ((await askOwnList(own, on)) !== 'absent') return check;
  return { ...check, outcome: 'unknown_session', evidence: `${check.evidence}, and session/list does not show the session` };
}

/** `session/resume` must not replay, so all there is to check is the list. */
async function checkResume(replay: Replay, own: OwnSession, on: Circumstances): Promise<Check> {
  const listed = await askOwnList(own, on);
  const check = { outcome: 'ok', evidence: 'answered', verified: listed === 'present' ? 'listed' : 'unverified', replay: null } as const;
  if (listed === 'absent' && (on.hasHistory || on.adopted))
    return { ...check, outcome: 'unknown_session', evidence: 'it answered with success, but session/list does not show the session' };
  const outcome = replay.received > 0 ? await replay.match() : null;
  const shown = listed === 'present' ? ', and session/list shows the session' : '';
  const suppressed = outcome?.isReplay
    ? `; it replayed ${outcome.received} messages although session/resume must not, and they were not stored again`
    : '';
  return { ...check, evidence: `answered${shown}${suppressed}`, replay: outcome };
}

// ---------------------------------------------------------------- session/list

/** Asks the agent's list, and classifies the refusals again with its answer. */
async function judgeByList(attempts: readonly Attempt[], own: OwnSession, on: Circumstances): Promise<readonly Attempt[]> {
  const { connection } = on.agent;
  const since = connection.agentMs;
  const listed = await askOwnList(own, on);
  const judged = attempts.map((attempt): Attempt => {
    const { method, error } = attempt;
    if (!error || !isNative(method)) return attempt;
    return { ...attempt, ...classifyResumeFailure(error, { method, agentSessionId: own.id, listed }) };
  });
  const last = judged.at(-1)!;
  return judged.with(-1, { ...last, ms: tenths(last.ms + connection.agentMs - since) });
}

async function askOwnList(own: OwnSession, { agent, agentSession, config }: Circumstances): Promise<Listed> {
  return (own.listed ??= agent.facts.canList ? await askList(agent, own.id, agentSession.context.cwd, config) : 'unknown');
}

// ---------------------------------------------------------------- session/new, session/fork

async function newSession(tier: 'transcript' | 'new', on: Circumstances): Promise<Extract<StepResult, { kind: 'opened' }>> {
  const { agent, agentSession, config, store, stored } = on;
  const attempt = beginAttempt('session/new', agent);
  const named = agentSession.awaitName();
  const { agentSessionId: id, settings, rest } = await newAgentSession(agent, config, on.params, on.authMethod);
  named(id);
  const preamble = tier === 'transcript' ? await preambleOf(store, on) : null;
  agentSession.preamble = preamble?.blocks ?? null;
  const evidence = preamble
    ? `a successor; the record goes in front of its first prompt${preamble.instead ? `; ${preamble.instead}` : ''}`
    : `a new session${stored ? ': the record has nothing to tell' : ''}`;
  const answer = Object.keys(rest).length > 0 ? rest : null;
  return {
    kind: 'opened',
    attempt: attempt('ok', evidence),
    session: { settings, verified: null, replay: null, isNew: true, beganSeq: null, preamble, answer },
  };
}

/**
 * Null when the agent cannot fork its own session: the record is not a fork of a session that the agent has, or one of the two has gone on
 * since. Errors: those of calling an agent.
 */
async function forkSession(on: Circumstances): Promise<StepResult | null> {
  const { agent, agentSession, config, store, stored } = on;
  const source = stored && (await forkSource(store, agentSession.context.sessionId, stored.origin));
  if (source === null) return null;
  const attempt = beginAttempt('session/fork', agent);
  const named = agentSession.awaitName();
  const outcome = await callWithAuth(agent, config, on.authMethod, () => agent.protocol.forkSession(source, on.params, patienceOf(config)));
  if (outcome.kind === 'refused') {
    const { error } = outcome;
    const { outcome: how, evidence } = classifyResumeFailure(error, { method: 'session/new', agentSessionId: source });
    return failed(attempt(how, evidence, { error }));
  }
  if (outcome.kind !== 'answered') throw await failureError(outcome, agent.name, agent.connection);
  const { agentSessionId: id, settings, raw } = outcome.value;
  if (id === null) return failed(attempt('unsupported', `it answered ${unnamed(raw)}`));
  named(id, replayOf(null, on)('session/resume'));
  return {
    kind: 'opened',
    attempt: attempt('ok', `the agent forked its own session ${source}, which holds the record up to here`),
    // Its replay begins with the record's first event.
    session: { settings, verified: 'unverified', replay: null, isNew: true, beganSeq: 0, preamble: null, answer: null },
  };
}

/** The agent's own session from which the record was forked, if neither has gone on since. */
async function forkSource(store: Store, sessionId: string, origin: unknown): Promise<string | null> {
  const { kind, sessionId: from, agentSessionId, after } = fieldsOf(origin);
  if (kind !== 'fork' || typeof from !== 'string' || typeof agentSessionId !== 'string' || typeof after !== 'number') return null;
  const [source, fork] = [await store.session(from), await store.session(sessionId)];
  if (!source || !fork || source.info.agentSessionId !== agentSessionId) return null;
  for (const { sessionId: id, firstSeq } of [source.info, fork.info]) {
    const since = await store.events(id, { after: after - source.info.firstSeq + firstSeq, limit: MOST_EVENTS_SINCE_FORK });
    if (since.length === MOST_EVENTS_SINCE_FORK) return null;
    if (since.some(({ kind, payload }) => kind === 'turn_started' || isConversation(payload))) return null;
  }
  return agentSessionId;
}

/** With as many events since the fork as this, they are not looked at: the session counts as gone on. */
const MOST_EVENTS_SINCE_FORK = 100;

// ---------------------------------------------------------------- shared

/** `kept` is null for a session that was just forked: its replay begins with the record's first event. */
const replayOf = (kept: StoredAgentSession | null, { agentSession, session, adopted }: Circumstances) =>
  openReplay(session.parts.store, agentSession.context.sessionId, kept, agentSession.context.redact, adopted);

function preambleOf(store: Store, { agent, agentSession, config }: Circumstances): Promise<MadePreamble> {
  const { sessionId, secrets } = agentSession.context;
  // A caller that gives up ends the agent, so this signal covers both.
  return renderPreamble(store, sessionId, config, [...secrets.known, ...config.knownSecrets], agent.facts.embeddedContext, {
    signal: agent.untilGone,
  });
}

function storeBefore(store: Store, before: number): Store {
  return {
    ...store,
    eventsBackwards: (sessionId, edge = before) => store.eventsBackwards(sessionId, Math.min(edge, before)),
    hasMessages: (sessionId) => store.hasMessages(sessionId, before),
  };
}

function describeReplay(replay: ReplayOutcome): string {
  if (replay.received === 0 && replay.missing === 0) return 'nothing was replayed';
  return `${replay.matched} of ${replay.matched + replay.missing} messages were replayed${replay.imported.length > 0 ? `, ${replay.importedMessages} came from elsewhere` : ''}`;
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

// ---------------------------------------------------------------- the report

/** The agent has the session: sets again what the user asked for, and makes the report. */
async function reported(
  tier: Exclude<Tier, 'live'>,
  open: OpenSession,
  attempts: readonly Attempt[],
  { agent, agentSession, began, config, own, stored }: Circumstances,
): Promise<Opened> {
  const { preamble, replay, verified } = open;
  const { connection, facts, protocol } = agent;
  const { context, id } = agentSession;
  agentSession.reported = withAnswer(agentSession.reported, open.settings);
  const { restored, failed } = await restoreSettings(agentSession.requested, {
    reported: () => agentSession.reported,
    set: (setting) => protocol.set(id, setting, { ms: config.limits.settingMs }),
    accepted: (setting, said) => (agentSession.reported = withSetting(agentSession.reported, setting, said)),
  });
  const { modes, configOptions } = agentSession.reported;
  // What the agent does not report stays as it was last known.
  agentSession.reported = {
    ...agentSession.reported,
    modes: modes ?? stored?.info.modes ?? null,
    configOptions: configOptions ?? stored?.info.configOptions ?? null,
  };
  const unsupported = context.additionalDirectories.length > 0 && !facts.additionalDirectories;
  const report: ResumeReport = {
    tier,
    attempts: withoutWeak(attempts),
    verified,
    replay: replay?.isReplay ? countsOf(replay) : null,
    preamble: preamble && preamble.report,
    settings: {
      restored,
      failed: [...failed, ...(unsupported ? [{ id: 'additionalDirectories', reason: 'the agent does not support them' }] : [])],
    },
    agentSessionId: id,
    previousAgentSessionId: own && own.id !== id ? own.id : null,
    ms: tenths(performance.now() - began),
    agentMs: tenths(connection.agentMs - agent.msBefore),
  };
  return { ...open, agent, agentSession, report: context.redact(report) };
}

const withoutWeak = (attempts: readonly Attempt[]): ResumeAttempt[] => attempts.map(({ weak: _, ...attempt }) => attempt);

function countsOf({ received, matched, missing, importedMessages: imported, next }: ReplayOutcome): NonNullable<ResumeReport['replay']> {
  // When nothing matched, the agent replayed a summary instead, so nothing can be said of the newest messages.
  const newestMissing = matched > 0 ? next.filter(({ isCertain }) => isCertain).length : 0;
  return { received, matched, missing, imported, ...(newestMissing > 0 && { newestMissing }) };
}

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

function stopError(
  { code, reason }: Extract<NextStep, { do: 'stop' }>,
  attempts: readonly Attempt[],
  { agent, agentSession, adopted }: Circumstances,
): RehydrateError {
  const { connection } = agent;
  const { sessionId } = agentSession.context;
  const last = attempts.at(-1);
  if (code === 'auth_required') return authRequired(agent, last?.error);
  const { exit } = connection;
  const fault = limitFault(connection);
  const raw = last?.error ? ` It said: ${describeError(last.error)}.` : exit ? ` It ${connection.exitDescription}.` : '';
  const why = fault
    ? `${reason}: ${fault.message}`
    : `${reason}.${raw}${adviceFor(code, adopted, diedUnasked(exit))}${quoteDiagnostics(connection.diagnostics())}`;
  return new RehydrateError(fault?.code ?? code, `Session "${sessionId}" could not be resumed: ${why}`, {
    sessionId,
    attempts: withoutWeak(attempts),
    ...(exit ? { exit } : {}),
    ...fault?.data,
  });
}

const TRY_AGAIN: Partial<Record<RehydrateError['code'], string>> = {
  agent_timeout: ', raise the limit sessionMs',
  agent_exited: ', run the agent by hand to see why',
  resume_indeterminate: '',
};

/** What to do next, for codes whose reason does not say it. Of an adopted session nothing is stored, so there no other policy helps. */
function adviceFor(code: RehydrateError['code'], adopted: boolean, died: boolean): string {
  const onward = ' to go on from the stored record.';
  if (code === 'session_not_resumable') {
    if (adopted) return ' The record has nothing of it to go on from.';
    return ` Policy strict allows no other way; use policy auto or transcript${onward}`;
  }
  const how = code === 'agent_exited' && !died ? '' : TRY_AGAIN[code];
  if (how === undefined) return '';
  return ` Try again${how}${adopted ? '.' : `, or use policy transcript${onward}`}`;
}

// ---------------------------------------------------------------- into the log

/** `nextSeq`: the event with which an agent session that was just made begins. */
function basisOf({ isNew, report, preamble, beganSeq }: Opened, nextSeq: number): Basis {
  return {
    kind: isNew ? 'successor' : 'resumed',
    attempts: report.attempts,
    preamble: preamble?.blocks ?? null,
    beganSeq: beganSeq ?? nextSeq,
  };
}

export function knownOf({ agentSession, agent: { facts } }: Opened): LastKnown {
  return { ...reportedColumns(agentSession.reported), capabilities: facts.capabilities, agent_info: facts.info };
}

/** What the replay brought, the report, and the news of the agent's state. */
export function openedEvents(config: Config, { replay, report }: Opened, news: readonly LoggedUpdate[]): NewEvent[] {
  const at = config.clock();
  return [
    ...updateEvents(replay?.news ?? [], at),
    { kind: 'resumed', turnId: null, at, origin: 'host', payload: report },
    ...updateEvents(news, at),
  ];
}

// ---------------------------------------------------------------- once more

export interface Refusal {
  readonly turn: Turn;
  readonly error: RpcError;
  readonly evidence: string;
  readonly policy: ResumePolicy;
  /** The turn's first event: the record is told up to it. */
  readonly firstSeq: number;
}

/**
 * The agent took the session up, and then answered a prompt with an error saying that it does not know it, without saying anything else in
 * the turn. So it does not have the session, and the tiers that were not tried yet are tried on the same process.
 */
export async function resumeAgain(session: Session, live: Live, refusal: Refusal): Promise<ResumeReport> {
  const { turn, error, evidence, policy, firstSeq } = refusal;
  const { sessionId, params, parts } = session;
  const { config, store } = parts;
  const { basis, agentSession, agent } = live;
  const before = agentSession.reported;
  turn.progress = { kind: 'unsent' };
  agentSession.reopen();
  const stored = await store.session(sessionId);
  if (!stored) throw sessionNotFound(sessionId);
  const request = {
    session,
    agentSession,
    params,
    policy,
    before: firstSeq,
    began: performance.now(),
    stored: basis.kind === 'successor' ? { ...stored, info: { ...stored.info, agentSessionId: null } } : stored,
    tried: [
      ...(basis.kind === 'resumed' ? basis.attempts.map((attempt) => disproved(attempt, evidence)) : []),
      { method: 'session/prompt', outcome: 'unknown_session', evidence, error, ms: 0 } as const,
    ],
  };
  const opened = await openByTiers(request, agent);
  const news = agentSession.newsSince(before);
  live.basis = basisOf(opened, firstSeq);
  const written = live.log.writer.append({
    events: openedEvents(config, opened, news),
    also: () => [{ sql: 'UPDATE acp_turns SET report = ? WHERE turn_id = ?', params: [JSON.stringify(opened.report), turn.turnId] }],
    lastKnown: reportedColumns(agentSession.reported),
  });
  session.resumeIntake(live);
  await written;
  return opened.report;
}

/** A success that turned out at the prompt to be none. */
function disproved(attempt: ResumeAttempt, evidence: string): ResumeAttempt {
  return attempt.outcome === 'ok'
    ? { ...attempt, outcome: 'unknown_session', evidence: `${attempt.evidence}; then, at the prompt: ${evidence}` }
    : attempt;
}
