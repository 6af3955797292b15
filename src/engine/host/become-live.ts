/**
 * Makes a durable session live again (DESIGN §6): starts the agent, goes through the tiers as
 * `nextStep` decides, checks a success, and writes the report. When it fails, the agent's whole
 * process tree is gone before it rejects (I7).
 */
import { callError, openLink, type AgentLink, type CallOutcome } from '../acp/link.ts';
import { readInitialize, readSettings, PROTOCOL_VERSION } from '../acp/v1.ts';
import { RehydrateError } from '../errors.ts';
import { describeExit } from '../ports.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import { nextStep, type NextStep, type TriedStep } from '../resume/decide.ts';
import type { StoredSession } from '../storage/rows.ts';
import type { NewEvent } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';
import type { AttemptMethod, AttemptOutcome, ResumeAttempt, ResumePolicy, ResumeReport, Tier, Verification } from '../types.ts';
import { askList, type Listed } from './ask-list.ts';
import { knownFrom, toColumns, type KnownState } from './last-known.ts';
import type { LiveSession } from './live-session.ts';
import type { Config } from './options.ts';
import { makePreamble, type MadePreamble } from './preamble.ts';
import { openReplay, type Replay, type ReplayResult } from './replay.ts';
import type { SecretValues } from './secrets.ts';
import { restoreSettings } from './settings.ts';

export interface BecomeLive {
  readonly config: Config;
  readonly store: Store;
  readonly session: LiveSession;
  readonly agent: string;
  readonly cwd: string;
  readonly additionalDirectories: readonly string[];
  readonly secrets: SecretValues;
  readonly policy: ResumePolicy;
  readonly signal: AbortSignal;
  /** The remembered way to authenticate with this agent, if a person chose one. */
  readonly authMethod: string | undefined;
}

/** What opening an agent gives, before it is written down. */
export interface Opened {
  readonly tier: Exclude<Tier, 'live'>;
  readonly attempts: readonly ResumeAttempt[];
  readonly agentSessionId: string;
  readonly previousAgentSessionId: string | null;
  readonly verified: Verification | null;
  readonly replay: ReplayResult | null;
  readonly preamble: MadePreamble | null;
  readonly settings: ResumeReport['settings'];
  readonly known: KnownState;
  readonly began: number;
}

/** Runs `work` on a freshly started, initialised agent; whatever goes wrong, nothing is left running. */
export async function withAgent<T>(open: BecomeLive, work: (link: AgentLink) => Promise<T>): Promise<T> {
  const { session, config, signal } = open;
  signal.throwIfAborted();
  const link = await openLink(
    config.launcher,
    { agent: open.agent, cwd: open.cwd, env: open.secrets.env, sessionId: session.sessionId },
    signal,
    session.handlers,
  );
  session.link = link;
  const onAbort = () => void link.end('kill');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await initialize(open, link);
    const result = await work(link);
    signal.throwIfAborted();
    if (session.failure) throw session.failure;
    return result;
  } catch (error) {
    await link.end(isHang(error) ? 'kill' : 'ask');
    await config.clientFor(open.agent)?.release(session.sessionId);
    if (session.failure) throw session.failure;
    if (signal.aborted) throw signal.reason;
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const isHang = (error: unknown) => RehydrateError.is(error) && error.code === 'agent_timeout';

async function initialize(open: BecomeLive, link: AgentLink): Promise<void> {
  const { config, session, agent } = open;
  const outcome = await link.call(
    'initialize',
    {
      protocolVersion: PROTOCOL_VERSION,
      clientCapabilities: config.clientFor(agent)?.capabilities ?? {},
      clientInfo: { name: 'acp-rehydrate', version: '0.1.0' },
    },
    config.limits.initializeMs,
  );
  if (outcome.kind !== 'answered') throw callError(outcome, 'initialize', agent, link, await exitWords(link, outcome));
  const facts = readInitialize(outcome.result);
  if (typeof facts === 'string') {
    throw new RehydrateError('agent_protocol_error', `Agent "${agent}" cannot be used: ${facts}. Check its version.`, { agent, method: 'initialize', result: outcome.result });
  }
  session.facts = facts;
}

async function exitWords(link: AgentLink, outcome: CallOutcome): Promise<string> {
  return outcome.kind === 'ended' ? describeExit(await link.gone) : '';
}

/** The parameters that new, load and resume share. */
function sessionParams(open: BecomeLive): Record<string, unknown> {
  return {
    cwd: open.cwd,
    mcpServers: open.secrets.mcpServers,
    ...(open.session.facts.additionalDirectories && open.additionalDirectories.length > 0 ? { additionalDirectories: open.additionalDirectories } : {}),
  };
}

/** `session/new`, for a fresh session and for a successor. Resolves to the agent's answer with its id. */
export async function newAgentSession(open: BecomeLive, link: AgentLink): Promise<{ agentSessionId: string; result: unknown }> {
  const { session, agent } = open;
  session.agentSessionId = null;
  session.gate = null;
  const outcome = await callWithAuth(open, link, 'session/new', sessionParams(open));
  if (outcome.kind !== 'answered') {
    if (outcome.kind === 'refused') {
      const { outcome: kind } = classifyResumeFailure(outcome.error, { method: 'session/new', agentSessionId: '' });
      if (kind === 'auth_required') throw authRequired(open, outcome.error);
    }
    throw callError(outcome, 'session/new', agent, link, await exitWords(link, outcome));
  }
  const agentSessionId = (outcome.result as { sessionId?: unknown } | null)?.sessionId;
  if (typeof agentSessionId !== 'string' || agentSessionId === '') {
    throw new RehydrateError('agent_protocol_error', `Agent "${agent}" answered session/new without a sessionId. It does not keep to ACP; try another version of it.`, {
      agent,
      method: 'session/new',
      result: outcome.result ?? null,
    });
  }
  session.adopt(agentSessionId);
  return { agentSessionId, result: outcome.result };
}

/** A call that may be refused for want of authentication: then the remembered method is tried once. */
async function callWithAuth(open: BecomeLive, link: AgentLink, method: 'session/new' | 'session/load' | 'session/resume', params: Record<string, unknown>): Promise<CallOutcome> {
  const { limits } = open.config;
  const outcome = await link.call(method, params, limits.sessionMs);
  if (outcome.kind !== 'refused' || open.authMethod === undefined) return outcome;
  const { outcome: kind } = classifyResumeFailure(outcome.error, { method, agentSessionId: String(params['sessionId'] ?? '') });
  if (kind !== 'auth_required') return outcome;
  const auth = await link.call('authenticate', { methodId: open.authMethod }, limits.sessionMs);
  return auth.kind === 'answered' ? link.call(method, params, limits.sessionMs) : outcome;
}

export function authRequired(open: Pick<BecomeLive, 'agent' | 'session'>, error: unknown): RehydrateError {
  const methods = open.session.facts.authMethods;
  const names = methods.map((method) => `${method.id} (${method.name})`).join(', ') || 'none';
  return new RehydrateError(
    'auth_required',
    `Agent "${open.agent}" wants you to sign in first. It offers: ${names}. Authenticate with one of them, or sign in with the agent's own command, and try again.`,
    { agent: open.agent, authMethods: methods, error },
  );
}

/** Goes through the tiers. */
export async function resumeAgent(open: BecomeLive, stored: StoredSession, link: AgentLink, began: number): Promise<Opened> {
  const { session, store, config, policy } = open;
  const { info } = stored;
  const before = knownFrom(info);
  const oldId = info.agentSessionId;
  const attempts: ResumeAttempt[] = [];
  /** The same, as `nextStep` wants them. */
  const tried: TriedStep[] = [];
  const hasHistory = await store.hasMessages(info.sessionId);
  let replay: Replay | null = null;
  let outcomeOfReplay: ReplayResult | null = null;
  let verified: Verification | null = null;
  let lastRefusal: { method: 'session/resume' | 'session/load'; error: NonNullable<ResumeAttempt['error']>; at: number } | null = null;
  let listed: Listed | undefined;
  let result: unknown = null;

  const record = (method: AttemptMethod, outcome: AttemptOutcome, evidence: string, since: number, error?: ResumeAttempt['error'], weak?: boolean) => {
    tried.push({ method, outcome, ...(weak ? { weak } : {}) });
    attempts.push({ method, outcome, evidence, ...(error ? { error } : {}), ms: tenths(link.agentMs - since) });
  };

  const list = async (): Promise<Listed> => (listed ??= oldId !== null && session.facts.canList ? await askList(link, oldId, open.cwd, config.limits) : 'unknown');

  const native = async (method: 'session/resume' | 'session/load'): Promise<void> => {
    const id = oldId as string;
    const since = link.agentMs;
    session.adopt(id);
    replay ??= await openReplay(store, info.sessionId, id, session.redactText);
    replay.restart();
    session.gate = replay;
    verified = null;
    const outcome = await callWithAuth(open, link, method, { sessionId: id, ...sessionParams(open) });
    switch (outcome.kind) {
      case 'hung':
        return record(method, 'hang', `no answer within ${outcome.afterMs / 1000} s`, since);
      case 'ended':
        return record(method, 'crash', `the agent ${describeExit(await link.gone)}`, since);
      case 'refused': {
        const verdict = classifyResumeFailure(outcome.error, { method, agentSessionId: id, ...(listed ? { listed } : {}) });
        lastRefusal = { method, error: outcome.error, at: attempts.length };
        return record(method, verdict.outcome, verdict.evidence, since, outcome.error, verdict.weak);
      }
      case 'answered':
        break;
    }
    result = outcome.result;
    if (method === 'session/load') {
      await replay.untilQuiet(link, config.limits);
      outcomeOfReplay = await replay.finish();
      verified = outcomeOfReplay.verified;
      return record(method, 'ok', `answered; ${words(outcomeOfReplay)}`, since);
    }
    const shown = await list();
    if (shown === 'absent' && hasHistory) {
      return record(method, 'unknown_session', 'it answered with success, but session/list does not show the session', since);
    }
    verified = shown === 'present' ? 'listed' : 'unverified';
    outcomeOfReplay = replay.received > 0 ? await replay.finish() : null;
    const replayed = outcomeOfReplay ? `; it replayed ${outcomeOfReplay.received} messages although session/resume must not, and they were not stored again` : '';
    record(method, 'ok', `${shown === 'present' ? 'answered, and session/list shows the session' : 'answered'}${replayed}`, since);
  };

  for (;;) {
    const expectsMessages = (replay as Replay | null)?.expectsMessages ?? hasHistory;
    const step: NextStep = nextStep({
      policy,
      capabilities: { resume: session.facts.canResume, load: session.facts.canLoad, list: session.facts.canList },
      agentSessionId: oldId,
      hasHistory,
      attempts: tried,
      verification: verified,
      expectsMessages,
      ...(listed ? { listed } : {}),
    });
    switch (step.do) {
      case 'session/resume':
      case 'session/load':
        await native(step.do);
        continue;
      case 'ask-list': {
        const since = link.agentMs;
        const shown = await list();
        const refusal = lastRefusal as { method: 'session/resume' | 'session/load'; error: NonNullable<ResumeAttempt['error']>; at: number } | null;
        if (refusal) {
          const { method, error, at } = refusal;
          const verdict = classifyResumeFailure(error, { method, agentSessionId: oldId as string, listed: shown });
          const attempt = attempts[at] as ResumeAttempt;
          tried[at] = { method, outcome: verdict.outcome, ...(verdict.weak ? { weak: true } : {}) };
          attempts[at] = { ...attempt, outcome: verdict.outcome, evidence: verdict.evidence, ms: tenths(attempt.ms + link.agentMs - since) };
        }
        continue;
      }
      case 'session/new': {
        const since = link.agentMs;
        const made = await newAgentSession(open, link);
        const preamble = step.tier === 'transcript' ? await makePreamble(store, info.sessionId, config, [...open.secrets.known, ...config.knownSecrets], session.facts.embeddedContext) : null;
        const evidence = preamble ? `a successor; the record goes in front of its first prompt${preamble.instead ? `; ${preamble.instead}` : ''}` : 'a new session: the record has nothing to tell';
        record('session/new', 'ok', evidence, since);
        return finish(step.tier, made.agentSessionId, made.result, preamble, null, null);
      }
      case 'accept':
        return finish(step.tier, oldId as string, result, null, verified, outcomeOfReplay);
      case 'stop':
        throw await stopError(step.code, step.reason);
    }
  }

  async function finish(
    tier: Exclude<Tier, 'live'>,
    agentSessionId: string,
    answer: unknown,
    preamble: MadePreamble | null,
    verification: Verification | null,
    replayed: ReplayResult | null,
  ): Promise<Opened> {
    const said = readSettings(answer);
    const now: KnownState = {
      ...session.known,
      modes: said.modes ?? session.known.modes,
      configOptions: said.configOptions ?? session.known.configOptions,
    };
    const restored = await restoreSettings(link, agentSessionId, before, now, config.limits.settingMs);
    const failed = [...restored.settings.failed];
    if (open.additionalDirectories.length > 0 && !session.facts.additionalDirectories) {
      failed.push({ id: 'additionalDirectories', reason: 'the agent does not support them' });
    }
    return {
      tier,
      attempts,
      agentSessionId,
      previousAgentSessionId: agentSessionId === oldId ? null : oldId,
      verified: verification,
      replay: replayed,
      preamble,
      settings: { restored: restored.settings.restored, failed },
      known: { ...restored.now, modes: restored.now.modes ?? before.modes, configOptions: restored.now.configOptions ?? before.configOptions },
      began,
    };
  }

  async function stopError(code: RehydrateError['code'], reason: string): Promise<RehydrateError> {
    const last = attempts.at(-1);
    if (code === 'auth_required') return authRequired(open, last?.error);
    const exit = link.exit;
    const noise = link.diagnostics().trimEnd().split('\n').slice(-10).join('\n').trim();
    const raw = last?.error ? ` It said: error ${last.error.code}: ${last.error.message}.` : '';
    return new RehydrateError(code, `Session "${info.sessionId}" could not be resumed: ${reason}.${raw}${ADVICE[code] ?? ''}${noise ? ` The agent last wrote:\n${noise}` : ''}`, {
      sessionId: info.sessionId,
      attempts,
      ...(exit ? { exit } : {}),
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

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

function words(replay: ReplayResult): string {
  return `${replay.matched} of ${replay.matched + replay.missing} messages were replayed${replay.imported.length > 0 ? `, ${replay.importedMessages} came from elsewhere` : ''}`;
}

/** The report of an opening, and the work that writes it down. */
export function reportOf(opened: Opened, link: AgentLink): ResumeReport {
  return {
    tier: opened.tier,
    attempts: opened.attempts,
    verified: opened.verified,
    replay: opened.replay && {
      received: opened.replay.received,
      matched: opened.replay.matched,
      missing: opened.replay.missing,
      imported: opened.replay.importedMessages,
    },
    preamble: opened.preamble && {
      mode: opened.preamble.mode,
      bytes: opened.preamble.bytes,
      events: opened.preamble.events,
      truncated: opened.preamble.truncated,
    },
    settings: opened.settings,
    agentSessionId: opened.agentSessionId,
    previousAgentSessionId: opened.previousAgentSessionId,
    ms: tenths(performance.now() - opened.began),
    agentMs: tenths(link.agentMs),
  };
}

/** Writes what the opening found: imported messages, the report, what is known now. Then early updates follow. */
export async function recordOpening(session: LiveSession, opened: Opened, config: Config, before: KnownState): Promise<ResumeReport> {
  const at = config.clock();
  const report = reportOf(opened, session.link);
  session.known = opened.known;
  const changes = session.takeStateChanges(before);
  const events: NewEvent[] = [
    ...(opened.replay?.imported ?? []).map(({ update, meta, turnId }): NewEvent => ({ kind: 'update', turnId, at, origin: 'import', payload: update, ...(meta ? { meta } : {}) })),
    { kind: 'resumed', turnId: null, at, origin: 'host', payload: report },
    ...changes.map(({ update, meta }): NewEvent => ({ kind: 'update', turnId: null, at, origin: 'agent', payload: update, ...(meta ? { meta } : {}) })),
  ];
  // In the same tick, so that nothing comes in between.
  const written = session.writer.append({
    events,
    lastKnown: { ...toColumns(session.known), capabilities: session.facts.capabilities, agent_info: session.facts.info },
  });
  session.finishOpening();
  const { lastSeq } = await written;
  if (opened.tier === 'transcript' || opened.tier === 'new') {
    session.successor = { preamble: opened.preamble?.blocks ?? null, preambleText: opened.preamble?.text ?? null, beganSeq: lastSeq - changes.length };
  }
  session.report = report;
  return report;
}
