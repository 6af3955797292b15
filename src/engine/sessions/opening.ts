/**
 * Opens an agent for a session and writes down how that went, whichever way it goes. When it fails, the
 * agent's whole process tree is gone before it rejects (I7).
 */
import { callError, openLink, type AgentLink, type CallOutcome } from '../protocol/link.ts';
import { readInitialize, PROTOCOL_VERSION } from '../protocol/v1.ts';
import { RehydrateError } from '../errors.ts';
import type { Store } from '../storage/store.ts';
import type { ResumeAttempt, ResumePolicy, ResumeReport, Tier, Verification } from '../types.ts';
import type { KnownState } from './last-known.ts';
import type { LiveSession } from './live-session.ts';
import type { Config } from './options.ts';
import type { MadePreamble } from './preamble.ts';
import type { Outcome } from './replay.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import type { SecretValues } from './secrets.ts';

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
  readonly replay: Outcome | null;
  readonly preamble: MadePreamble | null;
  readonly settings: ResumeReport['settings'];
  /** Modes and options as they were set; the rest the session learns as the agent says it. */
  readonly known: Pick<KnownState, 'modes' | 'configOptions'>;
  readonly began: number;
}

/**
 * Runs `work` on a freshly started, initialised agent, and then `commit`, which writes down what it made: whatever goes
 * wrong, nothing is left running. What is written stands, so an abort that comes during `commit` is for the caller to see to.
 */
export async function withAgent<T, R>(
  open: BecomeLive,
  work: (link: AgentLink) => Promise<T>,
  commit: (made: T, link: AgentLink) => Promise<R>,
): Promise<R> {
  const { session, config, signal } = open;
  signal.throwIfAborted();
  const link = await openLink(
    config.launcher,
    { agent: open.agent, cwd: open.cwd, env: open.secrets.env, sessionId: session.sessionId },
    signal,
    session.handlers,
  );
  session.attachLink(link);
  const onAbort = () => void link.end('kill');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await initialize(open, link);
    const made = await work(link);
    signal.throwIfAborted();
    if (session.failure) throw session.failure;
    signal.removeEventListener('abort', onAbort);
    return await commit(made, link);
  } catch (error) {
    await link.end(isHang(error) ? 'kill' : 'ask');
    await config.clientFor(open.agent)?.release(session.sessionId);
    if (session.failure) throw session.failure;
    if (signal.aborted) throw signal.reason;
    throw toldWithout(session.redact, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** An error in the agent's words, known secret values replaced. */
export function toldWithout(redact: LiveSession['redact'], error: unknown): unknown {
  if (!RehydrateError.is(error)) return error;
  const [message, data] = [redact(error.message), redact(error.data)];
  return message === error.message && data === error.data ? error : new RehydrateError(error.code, message, data);
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
    throw new RehydrateError('agent_protocol_error', `Agent "${agent}" cannot be used: ${facts}. Check its version.`, {
      agent,
      method: 'initialize',
      result: outcome.result,
    });
  }
  session.facts = facts;
}

export async function exitWords(link: AgentLink, outcome: CallOutcome): Promise<string> {
  if (outcome.kind !== 'ended') return '';
  await link.gone;
  return link.goneWords;
}

/** The parameters that new, load and resume share. */
export function sessionParams(open: BecomeLive): Record<string, unknown> {
  return {
    cwd: open.cwd,
    mcpServers: open.secrets.mcpServers,
    ...(open.session.facts.additionalDirectories && open.additionalDirectories.length > 0
      ? { additionalDirectories: open.additionalDirectories }
      : {}),
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
    throw new RehydrateError(
      'agent_protocol_error',
      `Agent "${agent}" answered session/new without a sessionId. It does not keep to ACP; try another version of it.`,
      {
        agent,
        method: 'session/new',
        result: outcome.result ?? null,
      },
    );
  }
  session.adopt(agentSessionId);
  return { agentSessionId, result: outcome.result };
}

/** A call that may be refused for want of authentication: then the remembered method is tried once. */
export async function callWithAuth(
  open: BecomeLive,
  link: AgentLink,
  method: 'session/new' | 'session/load' | 'session/resume',
  params: Record<string, unknown>,
): Promise<CallOutcome> {
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

export const tenths = (ms: number): number => Math.round(ms * 10) / 10;

/** The report of an opening, and the work that writes it down. */
export function reportOf(opened: Opened, link: AgentLink): ResumeReport {
  return {
    tier: opened.tier,
    attempts: opened.attempts,
    verified: opened.verified,
    replay: opened.replay?.isReplay
      ? {
          received: opened.replay.received,
          matched: opened.replay.matched,
          missing: opened.replay.missing,
          imported: opened.replay.importedMessages,
        }
      : null,
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
