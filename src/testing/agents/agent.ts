/**
 * The core of the scripted agents: a real ACP agent built with the SDK, deterministic, without a model, for any platform. It knows only what is
 * in its context, so its answers show what has survived.
 */
import {
  agent,
  type AgentContext,
  type ClientCapabilities,
  type McpServer,
  methods,
  RequestError,
  type SessionUpdate,
  type Stream,
} from '@agentclientprotocol/sdk';
import { checkOptions } from '../../engine/check-options.ts';
import { randomId } from '../../engine/random-id.ts';
import { answerBothVersions } from './both-versions.ts';
import { withStreamFaults } from './stream-faults.ts';
import { replayUpdates } from './replay.ts';
import { configOptions, type LiveSession, MODELS, MODES, modeState, startSession } from './session.ts';
import { memoryStore, type SessionStore, type StoredEntry, type StoredSession } from './store.ts';
import type { Surroundings } from './surroundings.ts';
import { runTurn } from './turn.ts';
import { type AgentVariant, behaviourOf, type FaultPhase, unknownSession } from './variants.ts';

export interface ScriptedAgentOptions {
  readonly variant: AgentVariant;
  /** The agent's own store. Variants that keep nothing leave it alone. */
  readonly store: SessionStore;
  readonly around: Surroundings;
}

const LIST_PAGE = 50;

const AUTH_METHOD = { id: 'demo', name: 'Demonstration', description: 'Always succeeds.' };
const COMMANDS = [
  { name: 'help', description: 'What this agent can do' },
  { name: 'facts', description: 'What this agent remembers' },
];

/**
 * Serves ACP on the stream until it closes.
 *
 * @example
 * await runScriptedAgent(stream, { variant: 'liar', store: memoryStore(), around }).closed;
 */
export function runScriptedAgent(stream: Stream, options: ScriptedAgentOptions): { readonly closed: Promise<void> } {
  checkOptions('runScriptedAgent', options, ['variant', 'store', 'around']);
  const { variant, around } = options;
  const behaviour = behaviourOf(variant);
  const { load, resume, list, embeddedContext, auth, versions } = behaviour;
  const store = behaviour.keeps === 'lost' ? memoryStore() : options.store;
  const wire = answerBothVersions(withStreamFaults(stream, behaviour, around), versions);
  const live = new Map<string, LiveSession>();
  let clientCapabilities: ClientCapabilities = {};

  const { agent: on } = methods;
  const app = agent({ name: `scripted-${variant}` })
    .onRequest(on.initialize, async ({ params, client }) => {
      await fault('initialize');
      if (versions.refusesOthers && params.protocolVersion !== 1)
        throw new RequestError(-32022, 'Unsupported protocol version', { requested: params.protocolVersion, supported: [1] });
      clientCapabilities = params.clientCapabilities ?? {};
      if (behaviour.requestsAtStart) await requestEarly(client);
      return {
        protocolVersion: versions.claims ?? 1,
        agentInfo: { name: `scripted-${variant}`, title: `Scripted agent (${variant})`, version: '1.0.0' },
        agentCapabilities: {
          loadSession: load,
          promptCapabilities: { image: true, audio: true, embeddedContext },
          mcpCapabilities: { http: true, sse: true },
          sessionCapabilities: {
            ...(resume ? { resume: {} } : {}),
            ...(list ? { list: {}, delete: {} } : {}),
            close: {},
            additionalDirectories: {},
          },
        },
        authMethods: auth ? [AUTH_METHOD] : [],
      };
    })
    .onRequest(on.authenticate, async ({ params }) => {
      if (params.methodId !== AUTH_METHOD.id) throw new RequestError(-32602, `There is no authentication method "${params.methodId}"`);
      await store.setFlag('authenticated', true);
      return {};
    })
    .onRequest(on.session.new, async ({ params, client }) => {
      await authorised();
      await fault('new');
      if (behaviour.requestsAtStart) await requestEarly(client);
      const head = { sessionId: randomId(), cwd: params.cwd, title: null, updatedAt: Date.now() };
      if (behaviour.keeps === 'always') await store.put(head);
      const session = open({ ...head, entries: [] }, params.mcpServers, client);
      return { sessionId: session.sessionId, modes: modeState(session), configOptions: configOptions(session) };
    })
    .onRequest(on.session.prompt, async ({ params, client }) => {
      await authorised();
      const session = mine(params.sessionId, on.session.prompt);
      if (session.turn) throw new RequestError(-32600, 'A prompt is already running in this session');
      const firstWords = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'Let me see…' } } as const;
      await fault('prompt', () => notify(client, session, firstWords));
      session.turn = new AbortController();
      try {
        const { signal } = session.turn;
        const turn = { session, client, clientCapabilities, behaviour, store, around, signal, version: wire.version };
        return { stopReason: await runTurn(params.prompt, turn) };
      } finally {
        session.turn = null;
      }
    })
    .onNotification(on.session.cancel, ({ params }) => live.get(params.sessionId)?.turn?.abort())
    .onRequest(on.session.setMode, ({ params }) => {
      const session = mine(params.sessionId, on.session.setMode);
      if (!MODES.some((mode) => mode.id === params.modeId)) throw new RequestError(-32602, `There is no mode "${params.modeId}"`);
      session.modeId = params.modeId;
      return {};
    })
    .onRequest(on.session.setConfigOption, ({ params }) => {
      const session = mine(params.sessionId, on.session.setConfigOption);
      if (params.configId !== 'model' || !MODELS.some((model) => model.value === params.value)) {
        throw new RequestError(-32602, `There is no option "${params.configId}" with the value "${String(params.value)}"`);
      }
      session.model = String(params.value);
      return { configOptions: configOptions(session) };
    })
    .onRequest(on.session.close, ({ params }) => close(params.sessionId));
  if (load) app.onRequest(on.session.load, ({ params, client }) => resumeOrLoad('load', params, client));
  if (resume) app.onRequest(on.session.resume, ({ params, client }) => resumeOrLoad('resume', params, client));
  if (list) {
    app
      .onRequest(on.session.list, async ({ params }) => {
        await authorised();
        return listed(params.cwd ?? null, params.cursor ?? null);
      })
      .onRequest(on.session.delete, async ({ params }) => {
        close(params.sessionId);
        await store.delete(params.sessionId);
        return {};
      });
  }
  return app.connect(wire.stream);

  async function resumeOrLoad(how: 'load' | 'resume', params: { sessionId: string; mcpServers?: McpServer[] }, client: AgentContext) {
    const { sessionId, mcpServers = [] } = params;
    await authorised();
    await fault(how);
    if (behaviour.busy) throw new RequestError(-32603, `Session ${sessionId} is already open in another process`);
    const known = await stored(sessionId);
    if (behaviour.refuses || (!known && !behaviour.lies))
      throw new RequestError(...unknownSession(behaviour.unknown, sessionId, `session/${how}`));
    const session = open(known ?? { sessionId, cwd: '/', title: null, updatedAt: 0, entries: [] }, mcpServers, client);
    if (how === 'load' || behaviour.replay.on === 'both') await replay(session, client);
    return { modes: modeState(session), configOptions: configOptions(session) };
  }

  async function stored(sessionId: string): Promise<StoredSession | null> {
    const found = await store.get(sessionId);
    if (!found || !behaviour.foreignTurn || found.entries.length === 0) return found;
    const elsewhere: StoredEntry[] = [
      { type: 'user', messageId: `msg_${randomId()}`, blocks: [{ type: 'text', text: 'my cat is called Miette' }] },
      { type: 'agent', messageId: `msg_${randomId()}`, text: 'Noted. Your cat: Miette. (You told me in another client.)' },
    ];
    await store.append(sessionId, elsewhere);
    return { ...found, entries: [...found.entries, ...elsewhere] };
  }

  async function replay(session: LiveSession, client: AgentContext): Promise<void> {
    const [first, ...rest] = replayUpdates(session.entries, behaviour.replay);
    const { late } = behaviour.replay;
    if (first) await notify(client, session, first);
    const others = async () => {
      for (const update of rest) {
        if (late) await around.sleep(20);
        await notify(client, session, update);
      }
    };
    if (late) others().catch((error: unknown) => around.log(`the late replay stopped: ${String(error)}`));
    else await others();
  }

  async function listed(cwd: string | null, cursor: string | null) {
    const heads = (await store.list()).filter((head) => cwd === null || head.cwd === cwd);
    const from = cursor === null ? 0 : Number(cursor);
    if (!Number.isInteger(from) || from < 0) throw new RequestError(-32602, `"${cursor}" is not a cursor of this list`);
    const to = from + LIST_PAGE;
    return {
      sessions: heads.slice(from, to).map((head) => ({ ...head, updatedAt: new Date(head.updatedAt).toISOString() })),
      ...(to < heads.length ? { nextCursor: String(to) } : {}),
    };
  }

  function open(from: StoredSession, mcpServers: readonly McpServer[], client: AgentContext): LiveSession {
    const session = startSession(from, mcpServers);
    live.set(session.sessionId, session);
    // Sent after the response, as some agents do.
    setTimeout(() => {
      notify(client, session, { sessionUpdate: 'available_commands_update', availableCommands: COMMANDS }).catch(() =>
        around.log('the client left before it was told the commands'),
      );
    }, 0);
    return session;
  }

  function close(sessionId: string): object {
    live.get(sessionId)?.turn?.abort();
    live.delete(sessionId);
    return {};
  }

  function mine(sessionId: string, method: string): LiveSession {
    const session = live.get(sessionId);
    if (!session) throw new RequestError(...unknownSession(behaviour.unknown, sessionId, method));
    return session;
  }

  async function authorised(): Promise<void> {
    if (auth && !(await store.flag('authenticated')))
      throw new RequestError(-32000, 'Authentication required', { authMethods: [AUTH_METHOD] });
  }

  async function fault(phase: FaultPhase, before?: () => Promise<void>): Promise<void> {
    if (behaviour.fault?.phase !== phase) return;
    await before?.();
    if (behaviour.fault.how === 'crash') {
      around.log(`crashed in ${phase}`);
      around.exit(3);
    }
    await new Promise(() => undefined);
  }

  function notify(client: AgentContext, { sessionId }: LiveSession, update: SessionUpdate): Promise<void> {
    return client.notify(methods.client.session.update, { sessionId, update });
  }

  /** Sends the client requests before there is a session, and waits for the answers, good or bad. */
  async function requestEarly(client: AgentContext): Promise<void> {
    const questions = [
      client.request(methods.client.fs.readTextFile, { sessionId: 'not-yet', path: '/nowhere/settings.json' }),
      client.request<unknown>('_demo/hello', { from: variant }),
    ];
    for (const result of await Promise.allSettled(questions)) {
      if (result.status === 'rejected') around.log(`the client answered: ${String(result.reason)}`);
    }
  }
}
