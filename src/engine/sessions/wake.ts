/**
 * Waking a session of the record, in the order in which it happens: the lease, the agent, the tiers, the settings that the user asked for,
 * the report, and all of it into the log. And resuming it once more, when the agent turns out not to have it.
 */
import { RehydrateError, sessionNotFound } from '../errors.ts';
import { fieldsOf } from '../objects.ts';
import type { AnsweredSettings, NewAgentSession, SessionParams } from '../protocol/agent-protocol.ts';
import { describeError, diedUnasked, failureError, limitFault, quoteDiagnostics } from '../protocol/connection.ts';
import type { RpcError } from '../protocol/json-rpc.ts';
import { NOTHING_REPORTED } from '../protocol/reported-state.ts';
import { isConversation } from '../protocol/updates.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import { isNative, nextStep, verifyResume, type Listed, type NativeMethod, type NextStep, type TriedStep } from '../resume/decide.ts';
import type { StoredSession } from '../storage/rows.ts';
import type { LastKnown, NewEvent } from '../storage/statements.ts';
import type { Store, StoredAgentSession } from '../storage/store.ts';
import type { AttemptMethod, AttemptOutcome, ResumeAttempt, ResumePolicy, ResumeReport, Tier, Verification } from '../types.ts';
import { AgentSession, contextOf } from './agent-session.ts';
import { askList } from './ask-list.ts';
import { authRequired, callWithAuth, newAgentSession, unnamed, withAgent, type Agent } from './agent-startup.ts';
import type { Config } from './config.ts';
import { releaseLease, takeLease } from './lease.ts';
import { updateEvents } from './logged-updates.ts';
import { renderPreamble, type MadePreamble } from './render-record.ts';
import { openReplay, type Replay, type ReplayOutcome } from './replay.ts';
import { resolveSecrets } from './secrets.ts';
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
    // Modes and options are as the agent says now; the rest stays until it says otherwise.
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
    // An abort that came too late to stop the wake still stops what was to follow.
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
  /** By `performance.now`. */
  readonly began: number;
  /** The record is told as it was before this event. */
  readonly before?: number;
  /** What was tried before, on this process. */
  readonly tried?: readonly ResumeAttempt[];
}

interface Circumstances extends Omit<OpenRequest, 'params'> {
  readonly config: Config;
  readonly agent: Agent;
  /** As it was before the request's event. */
  readonly store: Store;
  readonly params: SessionParams;
  /** How a person signed in. */
  readonly authMethod: string | undefined;
  readonly hasHistory: boolean;
  /** What was said in an adopted session only the agent has: without a replay there is no session. */
  readonly adopted: boolean;
  /** The agent session that the record names. */
  readonly own: OwnSession | null;
}

interface OwnSession {
  readonly id: string;
  readonly kept: StoredAgentSession | null;
  /** What the agent's list says of it, once it was asked. */
  listed?: Listed;
}

/** As in the report, with `weak` as the classifier has it. */
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
  /** What else the agent answered to `session/new`. */
  readonly answer: NewAgentSession['rest'] | null;
}

/** `failed`: the agent refused, or cannot be believed. */
type StepResult = { readonly attempt: Attempt } & (
  { readonly kind: 'opened'; readonly session: OpenSession } | { readonly kind: 'failed' }
);

export interface Opened extends OpenSession {
  readonly agent: Agent;
  readonly agentSession: AgentSession;
  readonly report: ResumeReport;
}

/** In a new process or an idle one. When it fails, no agent is left. */
export function openOnAgent(request: OpenRequest, signal: AbortSignal): Promise<Opened> {
  const { session, agentSession } = request;
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
  return withAgent(start, (agent) => openByTiers(request, agent));
}

/** One tier after the other, as `nextStep` decides. Errors: those of calling an agent, and what `nextStep` stops with. */
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
    ...{ ...request, config, agent, store, hasHistory },
    params: { cwd, mcpServers: secrets.mcpServers, additionalDirectories, extra },
    authMethod: agents.authMethod(name),
    adopted: !hasHistory && fieldsOf(stored?.origin)['kind'] === 'adopt',
    own: id === null ? null : { id, kept: await store.agentSession(sessionId, id) },
  };
}

/** Gives the function that makes its entry in the report. */
function beginAttempt(method: AttemptMethod, { connection }: Agent) {
  const since = connection.agentMs;
  return (outcome: AttemptOutcome, evidence: string, more: Pick<Attempt, 'error' | 'weak'> = {}): Attempt => ({
    ...{ method, outcome, evidence, ...more, ms: tenths(connection.agentMs - since) },
  });
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
  const { outcome: worth, evidence, verified, replay: came } = await (isLoad ? checkLoad : checkResume)(replay, own, on);
  if (worth !== 'ok') return failed(attempt(worth, evidence));
  // Some agents do not keep what they were given in front of a prompt: then it is gone from the replay, and given again.
  const gone = came?.preamble === 'gone' ? own.kept : null;
  const again = gone ? '; the record it had been given is not in it any more, and goes in front of the next prompt again' : '';
  return {
    kind: 'opened',
    attempt: attempt('ok', `${evidence}${again}`),
    session: {
      ...{ settings: outcome.value, verified, replay: came, isNew: false, answer: null },
      beganSeq: own.kept?.beganSeq ?? 0,
      preamble: gone && (await preambleOf(storeBefore(store, gone.beganSeq), on)),
    },
  };
}

/** What a success is worth. */
type Check = Pick<Attempt, 'outcome' | 'evidence'> & Pick<OpenSession, 'verified' | 'replay'>;

/** A load that brought none of the expected messages is not believed. */
async function checkLoad(replay: Replay, own: OwnSession, on: Circumstances): Promise<Check> {
  const came = await replay.untilQuiet(on.agent.connection, on.config.limits);
  const { verified } = came;
  const check = { outcome: 'ok', evidence: `answered; ${describeReplay(came)}`, verified, replay: came } as const;
  if (verified !== 'replay-empty' && (verified !== 'replay-mismatch' || came.missing === 0)) return check;
  if (on.hasHistory) return { ...check, outcome: 'unproven' };
  if ((await askOwnList(own, on)) !== 'absent') return check;
  return { ...check, outcome: 'unknown_session', evidence: `${check.evidence}, and session/list does not show the session` };
}

/** After `session/resume`, which must not replay, all there is to check is the list. */
async function checkResume(replay: Replay, own: OwnSession, on: Circumstances): Promise<Check> {
  const listed = await askOwnList(own, on);
  const check = { outcome: 'ok', evidence: 'answered', verified: verifyResume(listed), replay: null } as const;
  if (listed === 'absent' && (on.hasHistory || on.adopted))
    return { ...check, outcome: 'unknown_session', evidence: 'it answered with success, but session/list does not show the session' };
  const came = replay.received > 0 ? await replay.match() : null;
  const shown = listed === 'present' ? ', and session/list shows the session' : '';
  const suppressed = came?.isReplay
    ? `; it replayed ${came.received} messages although session/resume must not, and they were not stored again`
    : '';
  return { ...check, evidence: `answered${shown}${suppressed}`, replay: came };
}

// ---------------------------------------------------------------- session/list

/** Asks the list, and classifies the refusals again with its answer. */
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

/** Errors: those of calling an agent. */
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

/** Null where the record is no fork of a session that the agent has and that has not gone on since. Errors: those of calling an agent. */
async function forkSession(on: Circumstances): Promise<StepResult | null> {
  const { agent, agentSession, config, store, stored } = on;
  const { sessionId } = agentSession.context;
  const source = stored && (await forkSource(store, sessionId, stored.origin));
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

/** The agent's own session that the fork was made of, if both are still as they were then. */
async function forkSource(store: Store, sessionId: string, origin: unknown): Promise<string | null> {
  const { kind, sessionId: from, agentSessionId, after } = fieldsOf(origin);
  if (kind !== 'fork' || typeof from !== 'string' || typeof agentSessionId !== 'string' || typeof after !== 'number') return null;
  const [source, fork] = [await store.session(from), await store.session(sessionId)];
  if (!source || !fork || source.info.agentSessionId !== agentSessionId) return null;
  for (const { sessionId: id, firstSeq } of [source.info, fork.info]) {
    const since = await store.events(id, { after: after - source.info.firstSeq + firstSeq, limit: FORK_LOOK });
    if (since.length === FORK_LOOK || since.some(({ kind, payload }) => kind === 'turn_started' || isConversation(payload))) return null;
  }
  return agentSessionId;
}

/** So many events are looked at for that. */
const FORK_LOOK = 100;

// ---------------------------------------------------------------- shared

/** From the event with which the agent session began: of one that was just forked, the first. */
const replayOf = (kept: StoredAgentSession | null, { agentSession, session, adopted }: Circumstances) =>
  openReplay(session.parts.store, agentSession.context.sessionId, kept, agentSession.context.redact, adopted);

function preambleOf(store: Store, { agent, agentSession, config }: Circumstances): Promise<MadePreamble> {
  const { sessionId, secrets } = agentSession.context;
  // A caller that gives up ends the agent.
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

/** The agent has the session: it gets the settings that the user asked for, and the report is made. */
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
  // What the agent does not report is as it was last seen.
  agentSession.reported = {
    ...agentSession.reported,
    modes: modes ?? stored?.info.modes ?? null,
    configOptions: configOptions ?? stored?.info.configOptions ?? null,
  };
  const unsupported = context.additionalDirectories.length > 0 && !facts.additionalDirectories;
  const report: ResumeReport = {
    tier,
    attempts: told(attempts),
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

const told = (attempts: readonly Attempt[]): ResumeAttempt[] => attempts.map(({ weak: _, ...attempt }) => attempt);

function countsOf({ received, matched, missing, importedMessages: imported, next }: ReplayOutcome): NonNullable<ResumeReport['replay']> {
  // Where nothing matched, the agent told a summary instead.
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
    attempts: told(attempts),
    ...(exit ? { exit } : {}),
    ...fault?.data,
  });
}

const TRY_AGAIN: Partial<Record<RehydrateError['code'], string>> = {
  agent_timeout: ', raise the limit sessionMs',
  agent_exited: ', run the agent by hand to see why',
  resume_indeterminate: '',
};

/** What to do next, where the reason does not say it. An adopted session of which nothing is stored yet can only come from the agent, whatever the policy. */
function adviceFor(code: RehydrateError['code'], adopted: boolean, died: boolean): string {
  const onward = ' to go on from the stored record.';
  if (code === 'session_not_resumable')
    return adopted
      ? ' The record has nothing of it to go on from.'
      : ` Policy strict allows no other way; use policy auto or transcript${onward}`;
  const how = code === 'agent_exited' && !died ? '' : TRY_AGAIN[code];
  return how === undefined ? '' : ` Try again${how}${adopted ? '.' : `, or use policy transcript${onward}`}`;
}

// ---------------------------------------------------------------- into the log

/** What the claim to the agent session rests on. `nextSeq`: where one that was just made begins, since it has no replay in front of its report. */
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

/** What was imported, the report, and what is new of the state that the agent reported. */
export function openedEvents(config: Config, { replay, report }: Opened, news: Parameters<typeof updateEvents>[0]): NewEvent[] {
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
 * The agent answered a prompt with an error that says it does not know the session, and had said nothing in the turn: it does not have
 * it, whatever it said before. What was not tried yet is tried on the same process.
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
    ...{ session, agentSession, params, policy, before: firstSeq },
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

function disproved(attempt: ResumeAttempt, evidence: string): ResumeAttempt {
  return attempt.outcome === 'ok'
    ? { ...attempt, outcome: 'unknown_session', evidence: `${attempt.evidence}; then, at the prompt: ${evidence}` }
    : attempt;
}
