/**
 * Starting an agent: launch, `initialize`, signing in, `session/new`. When any of it fails, the agent's whole process tree is gone before
 * the failure is reported (I7).
 */
import { inBackground, unlessAborted } from '../waiting.ts';
import type { Fields } from '../objects.ts';
import { invalid, RehydrateError } from '../errors.ts';
import type { ClientServices } from '../ports.ts';
import {
  RPC,
  type AgentFacts,
  type AgentProtocol,
  type AgentUpdate,
  type NewAgentSession,
  type SessionParams,
} from '../protocol/agent-protocol.ts';
import { beginning, NOTE_CHARS, QUOTE_CHARS } from '../protocol/bounded.ts';
import { describeError, failureError, openConnection, type Connection, type Outcome } from '../protocol/connection.ts';
import type { IncomingRequest, RpcError, RpcResponse } from '../protocol/json-rpc.ts';
import { readNotification } from '../protocol/v1.ts';
import { introduce as introduceTo } from '../protocol/versions.ts';
import { classifyResumeFailure } from '../resume/classify.ts';
import { isNative } from '../resume/decide.ts';
import { redactTokens } from '../transcript/token-shapes.ts';
import type { AgentDescription } from '../types.ts';
import { NAME, VERSION } from '../version.ts';
import type { Config } from './config.ts';
import type { DescribeOptions } from './host.ts';

export interface AgentListener {
  onUpdate(update: AgentUpdate, agent: Agent): void;
  onRequest(request: IncomingRequest, agent: Agent): Promise<RpcResponse>;
  onOther(method: string, params: Fields, agent: Agent): void;
  /** See `PeerHandlers.room`. */
  room(): Promise<void> | null;
}

export class Agent {
  readonly name: string;
  connection!: Connection;
  /** Clients that may hold something for the agent, to be released when it is gone. */
  readonly clients = new Set<ClientServices>();
  /** The agent's own time (`agentMs`) before its process became this session's. */
  msBefore = 0;
  private readonly gone = new AbortController();
  private introduced: AgentProtocol | null = null;
  private listener: AgentListener;
  private readonly release: Config['release'];

  private constructor(name: string, listener: AgentListener, release: Config['release']) {
    this.name = name;
    this.release = release;
    this.listener = listener;
  }

  /** Starts the process. `initialize` is still to come. */
  static async launch({ config, name, cwd, env, sessionId, signal, listener }: AgentStart): Promise<Agent> {
    const agent = new Agent(name, listener, config.release);
    agent.connection = await openConnection(
      config.launcher,
      { agent: name, ...(cwd === undefined ? {} : { cwd }), env, sessionId },
      signal,
      {
        onRequest: (request) => agent.listener.onRequest(request, agent),
        onNotification: (method, params) => agent.hearNotification(method, params),
        room: () => agent.listener.room(),
      },
      config.limits,
    );
    void agent.connection.gone.then(() => agent.gone.abort());
    return agent;
  }

  get protocol(): AgentProtocol {
    if (!this.introduced) throw new Error(`agent "${this.name}" has not introduced itself yet`);
    return this.introduced;
  }

  get facts(): AgentFacts {
    return this.protocol.facts;
  }

  get untilGone(): AbortSignal {
    return this.gone.signal;
  }

  introducedAs(protocol: AgentProtocol): void {
    this.introduced = protocol;
  }

  /** Hands an idle process to a session, which waited `waitedMs` for it. */
  listen(listener: AgentListener, waitedMs: number): void {
    this.listener = listener;
    this.msBefore = this.connection.agentMs - waitedMs;
  }

  async end(how: 'ask' | 'kill', sessionId: string): Promise<void> {
    await this.connection.end(how);
    await this.releaseClients(sessionId);
  }

  /** Call it when the agent is gone. An error of a client's is ignored: it must not hide why the agent is gone. */
  async releaseClients(sessionId: string): Promise<void> {
    const clients = [...this.clients];
    this.clients.clear();
    await Promise.allSettled(clients.map((client) => this.release(client, sessionId)));
  }

  private hearNotification(method: string, params: IncomingRequest['params']): void {
    // Before `initialize` is answered the version is unknown; v1's reading fits both.
    const said = this.introduced ? this.introduced.readNotification(method, params) : readNotification(method, params);
    if (said.kind === 'update') {
      this.listener.onUpdate(said, this);
      said.after?.();
    }
    // A `session/update` without an update is not passed on: only what is in the record is shown (I2).
    else if (said.method !== 'session/update') this.listener.onOther(said.method, said.params, this);
  }
}

interface AgentStart {
  readonly config: Config;
  readonly name: string;
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly sessionId: string;
  readonly signal: AbortSignal;
  /** Its capabilities are advertised in `initialize`. */
  readonly client: ClientServices | undefined;
  readonly listener: AgentListener;
  /** Gives an idle process that may be used instead of a new one. */
  readonly takeIdle?: () => Promise<Agent | null>;
  readonly redact?: <T>(value: T) => T;
}

/** Runs `work` on an initialized agent, and leaves the agent running. When that fails or is aborted, no agent is left. */
export async function withAgent<T>(start: AgentStart, work: (agent: Agent) => Promise<T>): Promise<T> {
  const { config, signal, sessionId, client } = start;
  signal.throwIfAborted();
  const asked = performance.now();
  const idle = (await start.takeIdle?.()) ?? null;
  const agent =
    idle ??
    (await Agent.launch(start).catch((error: unknown) => {
      throw redactError(start.redact, error);
    }));
  idle?.listen(start.listener, performance.now() - asked);
  if (client) agent.clients.add(client);
  const { connection } = agent;
  const onAbort = () => void connection.end('kill');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    if (!idle) await introduce(agent, config, client);
    const made = await work(agent);
    signal.throwIfAborted();
    return made;
  } catch (error) {
    await agent.end(isHang(error) ? 'kill' : 'ask', sessionId);
    if (signal.aborted) throw signal.reason;
    throw redactError(start.redact, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Takes secret values and token shapes out of an error, since it may quote the agent. */
export function redactError(redact: AgentStart['redact'] = (value) => value, error: unknown): unknown {
  if (!RehydrateError.is(error)) return error;
  const message = redactTokens(redact(error.message));
  const data = redact(error.data);
  return message === error.message && data === error.data ? error : new RehydrateError(error.code, message, data);
}

const isHang = (error: unknown) => RehydrateError.is(error) && error.code === 'agent_timeout';

async function introduce(agent: Agent, config: Config, client: ClientServices | undefined): Promise<void> {
  const introduced = await introduceTo(
    agent.connection,
    config.protocol,
    { capabilities: client?.capabilities ?? {}, info: client?.info ?? { name: NAME, version: VERSION } },
    { ms: config.limits.initializeMs },
  );
  if (!('kind' in introduced)) return agent.introducedAs(introduced);
  if (introduced.kind !== 'unusable') throw await failureError(introduced, agent.name, agent.connection);
  throw new RehydrateError(
    'agent_protocol_error',
    `Agent "${agent.name}" cannot be used: it ${introduced.why}. Check its version, and the host's option protocol.`,
    { agent: agent.name, method: 'initialize' },
  );
}

/** Errors: `auth_required`, and those of a call. */
export async function newAgentSession(
  agent: Agent,
  config: Config,
  params: SessionParams,
  authMethod: string | undefined,
): Promise<NewAgentSession & { agentSessionId: string }> {
  const made = await callForSession(agent, config, authMethod, () =>
    agent.protocol.newSession(params, { ms: config.limits.sessionMs, of: 'silence' }),
  );
  const { agentSessionId } = made;
  if (agentSessionId === null) {
    throw new RehydrateError(
      'agent_protocol_error',
      `Agent "${agent.name}" answered session/new ${unnamed(made.raw)}. It does not keep to ACP; try another version of it.`,
      { agent: agent.name, method: 'session/new', result: made.raw ?? null },
    );
  }
  return { ...made, agentSessionId };
}

/** What is wrong with the session id of an answer to `session/new`. */
export function unnamed(answer: unknown): string {
  const id = (answer as { readonly sessionId?: unknown } | null | undefined)?.sessionId;
  return id === undefined
    ? 'without naming the session'
    : `with the session id ${beginning(JSON.stringify(id), NOTE_CHARS)}, which must be a well-formed string that is not empty`;
}

/** The answer to a call. Errors: `auth_required`, and those of a call. */
export async function callForSession<T>(
  agent: Agent,
  config: Config,
  authMethod: string | undefined,
  call: () => Promise<Outcome<T>>,
): Promise<T> {
  const outcome = await callWithAuth(agent, config, authMethod, call);
  if (outcome.kind === 'answered') return outcome.value;
  if (outcome.kind === 'refused' && asksToSignIn(outcome)) throw authRequired(agent, outcome.error);
  throw await failureError(outcome, agent.name, agent.connection);
}

/** If the agent refuses because nobody has signed in, signs in with the remembered method and calls once more. */
export async function callWithAuth<T>(
  agent: Agent,
  config: Config,
  authMethod: string | undefined,
  call: () => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const outcome = await call();
  if (outcome.kind !== 'refused' || authMethod === undefined || !asksToSignIn(outcome)) return outcome;
  const auth = await agent.protocol.authenticate(authMethod, { ms: config.limits.sessionMs });
  return auth.kind === 'answered' ? call() : outcome;
}

function asksToSignIn({ method, error }: Extract<Outcome, { kind: 'refused' }>): boolean {
  const context = { method: isNative(method) ? method : ('session/new' as const), agentSessionId: '' };
  return classifyResumeFailure(error, context).outcome === 'auth_required';
}

export function authRequired({ name, facts }: Agent, error: RpcError | undefined): RehydrateError {
  const names = beginning(facts.authMethods.map((method) => `${method.id} (${method.name})`).join(', '), QUOTE_CHARS);
  const said = error ? ` It answered with ${describeError(error)}.` : '';
  const next = names
    ? `It offers: ${names}. Authenticate with one of them, or sign in with the agent's own command, and try again.`
    : "It names no way to do so: sign in with the agent's own command, and try again.";
  return new RehydrateError('auth_required', `Agent "${name}" wants you to sign in first.${said} ${next}`, {
    agent: name,
    authMethods: facts.authMethods,
    error,
  });
}

// ---------------------------------------------------------------- agents without a session

/** Ignores everything: there is no session yet that it could be for. */
const DEAF: AgentListener = {
  onUpdate: () => undefined,
  onRequest: ({ method }) => Promise.resolve({ error: { code: RPC.methodNotFound, message: `Method not found: ${method}` } }),
  onOther: () => undefined,
  room: () => null,
};

export type Agents = ReturnType<typeof createAgents>;

/** An initialized process that no session has yet. */
interface IdleProcess {
  readonly advertised: string;
  readonly agent: Promise<Agent>;
  /** Ends it before it has answered `initialize`. */
  readonly abort: AbortController;
}

/** The agents of a host that belong to no session: idle processes, sign-ins, descriptions. */
export function createAgents(config: Config) {
  const authMethods = new Map<string, string>();
  const described = new Map<string, AgentDescription>();
  const idle = new Map<string, IdleProcess>();
  const running = new Set<{ readonly abort: AbortController; readonly over: Promise<unknown> }>();
  /** Set when the host goes to sleep: why no agent is started any more. */
  let ended: RehydrateError | null = null;

  const advertised = (client: ClientServices | undefined) => JSON.stringify(client?.capabilities ?? {});

  /** Runs `work` on an agent of its own, which is ended when the host goes to sleep. `what` is part of its made-up session id. */
  async function run<T>(
    name: string,
    what: string,
    { cwd, client, signal }: DescribeOptions,
    work: (agent: Agent) => Promise<T>,
  ): Promise<T> {
    if (ended) throw ended;
    const abort = new AbortController();
    const over = withAgent(
      {
        config,
        name,
        cwd,
        env: {},
        sessionId: `${what}-${config.newId()}`,
        signal: signal ? AbortSignal.any([abort.signal, signal]) : abort.signal,
        client,
        listener: DEAF,
      },
      work,
    ).finally(() => running.delete(entry));
    const entry = { abort, over: over.catch(() => undefined) };
    running.add(entry);
    return over;
  }

  /** The idle process of an agent, started if there is none. It is kept for the first session that can use it. */
  async function idleAgent(name: string, options: DescribeOptions): Promise<Agent> {
    for (;;) {
      const held = idle.get(name);
      if (!held) {
        const mine = startIdle(name, options);
        try {
          return await mine.agent;
        } catch (error) {
          // Aborted: a session took the process and gave up. This caller gets another one.
          if (!mine.abort.signal.aborted) throw error;
          continue;
        }
      }
      // Another caller started this one; its failure is not ours.
      const agent = await unlessAborted(
        held.agent.catch(() => null),
        options.signal,
      );
      if (agent && !agent.connection.ended) return agent;
      if (idle.get(name) === held) idle.delete(name);
    }
  }

  function startIdle(name: string, options: DescribeOptions): IdleProcess {
    const client = options.client ?? config.clientFor(name);
    const abort = new AbortController();
    const signal = options.signal ? AbortSignal.any([abort.signal, options.signal]) : abort.signal;
    const kept: IdleProcess = {
      advertised: advertised(client),
      agent: run(name, 'describe', { ...options, ...(client ? { client } : {}), signal }, (agent) => Promise.resolve(agent)),
      abort,
    };
    idle.set(name, kept);
    const forget = () => idle.get(name) === kept && idle.delete(name);
    kept.agent.then(({ connection }) => {
      void connection.gone.then(forget);
      const { idleMs } = config.limits;
      if (idleMs > 0) inBackground(setTimeout(() => void (idle.get(name) === kept && connection.end('ask')), idleMs));
    }, forget);
    return kept;
  }

  return {
    idleAgent,

    /** The idle process of an agent; null when none runs. */
    async runningIdle(name: string): Promise<Agent | null> {
      const agent = (await idle.get(name)?.agent.catch(() => null)) ?? null;
      return agent?.connection.ended ? null : agent;
    },

    authMethod: (name: string): string | undefined => authMethods.get(name),

    /** Errors: `invalid_argument` for a method the agent does not offer, and those of starting an agent. */
    async authenticate(name: string, methodId: string): Promise<void> {
      const client = config.clientFor(name);
      await run(name, 'authenticate', client ? { client } : {}, async (agent) => {
        const { authMethods: offered } = agent.facts;
        if (!offered.some((method) => method.id === methodId)) {
          const names = beginning(offered.map((method) => `"${method.id}"`).join(', ') || 'none', QUOTE_CHARS);
          throw invalid(`Agent "${name}" has no way to authenticate called "${methodId}"; it offers ${names}.`, {
            agent: name,
            methodId,
            authMethods: offered,
          });
        }
        const outcome = await agent.protocol.authenticate(methodId, { ms: config.limits.sessionMs });
        if (outcome.kind !== 'answered') throw await failureError(outcome, name, agent.connection);
        await agent.connection.end('ask');
      });
      authMethods.set(name, methodId);
    },

    /** What an agent said of itself in `initialize`. Starts it if that is not known yet. */
    async describe(agent: string, options: DescribeOptions): Promise<AgentDescription> {
      const known = described.get(agent);
      if (known) return known;
      const { protocolVersion, info, capabilities, authMethods } = (await idleAgent(agent, options)).facts;
      const description: AgentDescription = { agent, protocolVersion, info, capabilities, authMethods };
      described.set(agent, description);
      return description;
    },

    /**
     * Takes the idle process, if a session with this environment and client can use it. If the signal aborts while it is being started, it
     * is ended.
     */
    async takeIdle(
      name: string,
      env: Readonly<Record<string, string>>,
      client: ClientServices | undefined,
      signal: AbortSignal,
    ): Promise<Agent | null> {
      const held = idle.get(name);
      if (!held || Object.keys(env).length > 0 || held.advertised !== advertised(client)) return null;
      idle.delete(name);
      const giveUp = () => held.abort.abort(signal.reason);
      signal.addEventListener('abort', giveUp, { once: true });
      const agent = await held.agent.catch(() => null);
      signal.removeEventListener('abort', giveUp);
      if (!agent) signal.throwIfAborted();
      return agent?.connection.ended ? null : agent;
    },

    /** The host goes to sleep. Aborts a sign-in, too, which may take minutes in a browser. */
    async end(): Promise<void> {
      ended = new RehydrateError(
        'agent_exited',
        'The agent was being started without a session when the host was put to sleep. Ask again on another host.',
      );
      const unfinished = [...running];
      for (const { abort } of unfinished) abort.abort(ended);
      await Promise.all([
        ...unfinished.map(({ over }) => over),
        ...[...idle.values()].map(async ({ agent }) => (await agent.catch(() => null))?.connection.end('ask')),
      ]);
    },
  };
}
