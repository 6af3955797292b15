/**
 * The core of the scripted agents: a real ACP agent built with the SDK, deterministic, without a model,
 * and without a platform. What it can know is what is in its context, so an answer shows what survived.
 */
import { agent, methods, RequestError } from '@agentclientprotocol/sdk';
import type { AgentContext, ClientCapabilities, InitializeResponse, McpServer, Stream } from '@agentclientprotocol/sdk';
import { answerBothVersions, type BothVersions } from '../../engine/protocol/v2-agent-side.ts';
import { randomId } from '../../engine/random-id.ts';
import { misbehave } from './mischief.ts';
import { replayUpdates } from './replay.ts';
import { configOptions, MODELS, MODES, modeState, startSession } from './session.ts';
import type { LiveSession } from './session.ts';
import { memoryStore } from './store.ts';
import type { SessionStore, StoredEntry, StoredSession } from './store.ts';
import type { Around, Surroundings } from './surroundings.ts';
import { runTurn } from './turn.ts';
import { behaviourOf, unknownSession } from './variants.ts';
import type { AgentVariant, Behaviour, FaultPhase } from './variants.ts';

export interface ScriptedAgentOptions {
  readonly variant: AgentVariant;
  /** The agent's own store. Variants that keep nothing leave it alone. */
  readonly store: SessionStore;
  readonly around: Surroundings;
}

/** How many sessions one page of `session/list` has. */
export const LIST_PAGE = 50;

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
  const server = new ScriptedAgent(options);
  const behaviour = behaviourOf(options.variant);
  return server.serve(answerBothVersions(misbehave(stream, behaviour, options.around), behaviour.versions));
}

class ScriptedAgent {
  readonly #variant: AgentVariant;
  readonly #behaviour: Behaviour;
  readonly #store: SessionStore;
  /** Flags, such as having been authenticated, outlive the process even where sessions do not. */
  readonly #flags: SessionStore;
  readonly #around: Around;
  readonly #live = new Map<string, LiveSession>();
  #clientCapabilities: ClientCapabilities = {};

  constructor({ variant, store, around }: ScriptedAgentOptions) {
    this.#variant = variant;
    this.#behaviour = behaviourOf(variant);
    this.#flags = store;
    this.#store = this.#behaviour.keeps === 'lost' ? memoryStore() : store;
    this.#around = { newId: randomId, ...around };
  }

  serve(wire: BothVersions): { readonly closed: Promise<void> } {
    const { agent: on } = methods;
    const app = agent({ name: `scripted-${this.#variant}` })
      .onRequest(on.initialize, async ({ params, client }) => {
        await this.#fault('initialize');
        if (this.#behaviour.versions.refusesOthers && params.protocolVersion !== 1)
          throw new RequestError(-32022, 'Unsupported protocol version', { requested: params.protocolVersion, supported: [1] });
        this.#clientCapabilities = params.clientCapabilities ?? {};
        if (this.#behaviour.requestsAtStart) await this.#pester(client);
        return this.#initialized();
      })
      .onRequest(on.authenticate, async ({ params }) => {
        if (params.methodId !== AUTH_METHOD.id) throw new RequestError(-32602, `There is no authentication method "${params.methodId}"`);
        await this.#flags.setFlag('authenticated', true);
        return {};
      })
      .onRequest(on.session.new, async ({ params, client }) => {
        await this.#authorised();
        await this.#fault('new');
        if (this.#behaviour.requestsAtStart) await this.#pester(client);
        const head = { sessionId: this.#around.newId(), cwd: params.cwd, title: null, updatedAt: Date.now() };
        if (this.#behaviour.keeps === 'always') await this.#store.put(head);
        const session = this.#open({ ...head, entries: [] }, params.mcpServers, client);
        return { sessionId: session.sessionId, modes: modeState(session), configOptions: configOptions(session) };
      })
      .onRequest(on.session.prompt, async ({ params, client }) => {
        await this.#authorised();
        const session = this.#mine(params.sessionId, on.session.prompt);
        if (session.turn) throw new RequestError(-32600, 'A prompt is already running in this session');
        await this.#fault('prompt', () => this.#firstWords(client, session));
        session.turn = new AbortController();
        try {
          const { signal } = session.turn;
          const turn = {
            session,
            client,
            behaviour: this.#behaviour,
            store: this.#store,
            around: this.#around,
            signal,
            version: wire.version,
          };
          return { stopReason: await runTurn(params.prompt, { ...turn, clientCapabilities: this.#clientCapabilities }) };
        } finally {
          session.turn = null;
        }
      })
      .onNotification(on.session.cancel, ({ params }) => this.#live.get(params.sessionId)?.turn?.abort())
      .onRequest(on.session.setMode, ({ params }) => {
        const session = this.#mine(params.sessionId, on.session.setMode);
        if (!MODES.some((mode) => mode.id === params.modeId)) throw new RequestError(-32602, `There is no mode "${params.modeId}"`);
        session.modeId = params.modeId;
        return {};
      })
      .onRequest(on.session.setConfigOption, ({ params }) => {
        const session = this.#mine(params.sessionId, on.session.setConfigOption);
        if (params.configId !== 'model' || !MODELS.some((model) => model.value === params.value)) {
          throw new RequestError(-32602, `There is no option "${params.configId}" with the value "${String(params.value)}"`);
        }
        session.model = String(params.value);
        return { configOptions: configOptions(session) };
      });

    if (this.#behaviour.load) {
      app.onRequest(on.session.load, ({ params, client }) => this.#takeUp('load', params.sessionId, params.mcpServers, client));
    }
    if (this.#behaviour.resume) {
      app.onRequest(on.session.resume, ({ params, client }) => this.#takeUp('resume', params.sessionId, params.mcpServers ?? [], client));
    }
    if (this.#behaviour.list) {
      app
        .onRequest(on.session.list, async ({ params }) => {
          await this.#authorised();
          return this.#list(params.cwd ?? null, params.cursor ?? null);
        })
        .onRequest(on.session.delete, async ({ params }) => {
          this.#close(params.sessionId);
          await this.#store.delete(params.sessionId);
          return {};
        });
    }
    app.onRequest(on.session.close, ({ params }) => {
      this.#close(params.sessionId);
      return {};
    });
    return app.connect(wire.stream);
  }

  #initialized(): InitializeResponse {
    const { load, resume, list, embeddedContext, auth, versions } = this.#behaviour;
    return {
      protocolVersion: versions.claims ?? 1,
      agentInfo: { name: `scripted-${this.#variant}`, title: `Scripted agent (${this.#variant})`, version: '1.0.0' },
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
  }

  /** `session/load` and `session/resume`. */
  async #takeUp(how: 'load' | 'resume', sessionId: string, mcpServers: readonly McpServer[], client: AgentContext) {
    await this.#authorised();
    await this.#fault(how);
    const method = `session/${how}`;
    if (this.#behaviour.busy) throw new RequestError(-32603, `Session ${sessionId} is already open in another process`);
    const stored = await this.#stored(sessionId);
    if (this.#behaviour.refuses || (!stored && !this.#behaviour.lies)) {
      throw new RequestError(...unknownSession(this.#behaviour.unknown, sessionId, method));
    }
    const session = this.#open(stored ?? { sessionId, cwd: '/', title: null, updatedAt: 0, entries: [] }, mcpServers, client);
    if (how === 'load' || this.#behaviour.replay.on === 'both') await this.#replay(session, client);
    return { modes: modeState(session), configOptions: configOptions(session) };
  }

  async #stored(sessionId: string): Promise<StoredSession | null> {
    const stored = await this.#store.get(sessionId);
    if (!stored || !this.#behaviour.foreignTurn || stored.entries.length === 0) return stored;
    const elsewhere: StoredEntry[] = [
      { type: 'user', messageId: `msg_${this.#around.newId()}`, blocks: [{ type: 'text', text: 'my cat is called Miette' }] },
      { type: 'agent', messageId: `msg_${this.#around.newId()}`, text: 'Noted. Your cat: Miette. (You told me in another client.)' },
    ];
    await this.#store.append(sessionId, elsewhere);
    return { ...stored, entries: [...stored.entries, ...elsewhere] };
  }

  async #replay(session: LiveSession, client: AgentContext): Promise<void> {
    const [first, ...rest] = replayUpdates(session.entries, this.#behaviour.replay);
    const send = (update: typeof first) => update && client.notify(methods.client.session.update, { sessionId: session.sessionId, update });
    await send(first);
    const others = async () => {
      for (const update of rest) {
        if (this.#behaviour.replay.late) await this.#around.sleep(20);
        await send(update);
      }
    };
    if (this.#behaviour.replay.late) {
      others().catch((error: unknown) => this.#around.log(`the late replay stopped: ${String(error)}`));
    } else {
      await others();
    }
  }

  async #list(cwd: string | null, cursor: string | null) {
    const heads = (await this.#store.list()).filter((head) => cwd === null || head.cwd === cwd);
    const from = cursor === null ? 0 : Number(cursor);
    if (!Number.isInteger(from) || from < 0) throw new RequestError(-32602, `"${cursor}" is not a cursor of this list`);
    const page = heads.slice(from, from + LIST_PAGE);
    return {
      sessions: page.map(({ sessionId, cwd: directory, title, updatedAt }) => ({
        sessionId,
        cwd: directory,
        title,
        updatedAt: new Date(updatedAt).toISOString(),
      })),
      ...(from + LIST_PAGE < heads.length ? { nextCursor: String(from + LIST_PAGE) } : {}),
    };
  }

  #open(stored: StoredSession, mcpServers: readonly McpServer[], client: AgentContext): LiveSession {
    const session = startSession(stored, mcpServers);
    this.#live.set(session.sessionId, session);
    // After the response, as agents do whose commands come from elsewhere.
    setTimeout(() => {
      const update = { sessionUpdate: 'available_commands_update' as const, availableCommands: COMMANDS };
      client
        .notify(methods.client.session.update, { sessionId: session.sessionId, update })
        .catch(() => this.#around.log('the client left before it was told the commands'));
    }, 0);
    return session;
  }

  #close(sessionId: string): void {
    this.#live.get(sessionId)?.turn?.abort();
    this.#live.delete(sessionId);
  }

  #mine(sessionId: string, method: string): LiveSession {
    const session = this.#live.get(sessionId);
    if (!session) throw new RequestError(...unknownSession(this.#behaviour.unknown, sessionId, method));
    return session;
  }

  async #authorised(): Promise<void> {
    if (this.#behaviour.auth && !(await this.#flags.flag('authenticated'))) {
      throw new RequestError(-32000, 'Authentication required', { authMethods: [AUTH_METHOD] });
    }
  }

  async #fault(phase: FaultPhase, before: () => Promise<void> = async () => undefined): Promise<void> {
    const { fault } = this.#behaviour;
    if (fault?.phase !== phase) return;
    await before();
    if (fault.how === 'crash') {
      this.#around.log(`crashed in ${phase}`);
      this.#around.exit(3);
    }
    await new Promise(() => undefined);
  }

  async #firstWords(client: AgentContext, session: LiveSession): Promise<void> {
    const update = { sessionUpdate: 'agent_message_chunk' as const, content: { type: 'text' as const, text: 'Let me see…' } };
    await client.notify(methods.client.session.update, { sessionId: session.sessionId, update });
  }

  /** Asks what a client must answer even before there is a session, and waits for the answers, good or bad. */
  async #pester(client: AgentContext): Promise<void> {
    const questions = [
      client.request(methods.client.fs.readTextFile, { sessionId: 'not-yet', path: '/nowhere/settings.json' }),
      client.request<unknown>('_demo/hello', { from: this.#variant }),
    ];
    for (const result of await Promise.allSettled(questions)) {
      if (result.status === 'rejected') this.#around.log(`the client answered: ${String(result.reason)}`);
    }
  }
}
