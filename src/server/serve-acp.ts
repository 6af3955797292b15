/**
 * ACP's agent side over a host, for one client, to which the host is an agent whose sessions never die. It knows message streams, but neither
 * sockets nor processes.
 */
import { randomId } from '../engine/random-id.ts';
import type { AgentCapabilities, PromptResponse } from '@agentclientprotocol/sdk';
import {
  type AgentDescription,
  type ContentBlock,
  type Host,
  type MessageStream,
  RehydrateError,
  type SessionInfo,
} from '../engine/index.ts';
import { checkOptions } from '../engine/check-options.ts';
import { RPC, STOP_REASONS } from '../engine/protocol/agent-protocol.ts';
import { within } from '../engine/waiting.ts';
import type { RpcError } from '../engine/protocol/json-rpc.ts';
import { objectOf } from '../engine/objects.ts';
import { capabilitiesV1 } from '../engine/protocol/v2-in-v1.ts';
import { logPages } from '../engine/storage/log-pages.ts';
import { withLimits } from '../engine/with-limits.ts';
import { isOnlyAdopted, takeIn } from './adoption.ts';
import { Attachment, type AttachedClient } from './attachment.ts';
import { clientServices } from './client-services.ts';
import { connect, type ClientCall, type Params } from './connection.ts';
import { RpcFailure, wasGivenUp } from './errors.ts';
import { ACP_SERVER_LIMITS, type AcpServerLimits } from './limits.ts';
import { createList } from './list.ts';
import { createNames, type Names } from './names.ts';
import { besides, given, object, rehydrateMeta, text } from './params.ts';
import { createReplay, lastWords, NO_NEWS, stateOf, type Outgoing } from './replay.ts';

export interface ServeAcpOptions {
  /** The name in the host of the agent that this client uses. Sessions of other agents are not shown. */
  readonly agent: string;
  /** Values for the environment of the agents of new sessions. Only their names are stored. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Where the agent is started to learn what it can, before a session names a directory. Default: in no project's directory. */
  readonly cwd?: string | undefined;
  /** The client may only look: it lists, loads and watches, and changes nothing. */
  readonly observe?: boolean | undefined;
  /** Also lists the agent's own sessions, and takes each into the record when it is loaded. */
  readonly adopt?: boolean | undefined;
  readonly limits?: Partial<Record<keyof AcpServerLimits, number | undefined>> | undefined;
}

export interface AcpServing {
  /** Resolves when the client is gone. Turns that it began go on in the host. */
  readonly closed: Promise<void>;
  /** Resolves when the client has all its answers, or is gone. */
  idle(): Promise<void>;
  /** The client sends nothing more, but may still read. Its prompts are cancelled, and requests of the agent to it get no answer. */
  inputEnded(): void;
  /** Disconnects the client. */
  close(): void;
}

const PROTOCOL_VERSION = 1;

/** A prompt of the client that is not answered yet. `key` is its idempotency key. */
interface UnderWay {
  readonly sessionId: string;
  readonly key: string;
  readonly cancelled: AbortController;
}

/** By host and session, the clients that may close a session: only the last one that does so closes it, the others just leave. */
const clientsOf = new WeakMap<Host, Map<string, Set<Attachment>>>();

/**
 * Serves one client until it goes.
 *
 * @example
 * await serveAcp(host, ndJsonStream(output, input), { agent: 'claude' }).closed;
 */
export function serveAcp(host: Host, stream: MessageStream, options: ServeAcpOptions): AcpServing {
  checkOptions('serveAcp', options, ['agent', 'env', 'cwd', 'observe', 'adopt', 'limits'], ['agent']);
  const limits = withLimits(ACP_SERVER_LIMITS, options.limits);
  const { agent, observe = false } = options;
  const adopt = options.adopt === true && !observe;
  const attachments = new Map<string, Attachment>();
  let clientCapabilities: Params = {};
  /** The session of the client's latest call, for requests that name none. */
  let latest: string | null = null;
  let prompts = 0;
  /** The client's unanswered prompts. A cancel may come before the host has them. */
  const prompting = new Set<UnderWay>();
  const clientId = randomId();
  const clients = clientsOf.get(host) ?? new Map<string, Set<Attachment>>();
  clientsOf.set(host, clients);

  /** The last call for each session that opens or closes it. */
  const changing = new Map<string, Promise<unknown>>();

  type Method = (params: Params, call: ClientCall) => Promise<object>;

  /** Runs calls that open or close a session one after the other, because a client need not wait for the answers. */
  function afterOthers<T>(sessionId: string, work: () => Promise<T>): Promise<T> {
    const done = Promise.resolve(changing.get(sessionId)).then(work);
    const over = done.catch(() => undefined);
    changing.set(sessionId, over);
    void over.then(() => changing.get(sessionId) === over && changing.delete(sessionId));
    return done;
  }

  const inOrder =
    (method: Method): Method =>
    async (params, call) =>
      afterOthers(text(params, 'sessionId'), () => method(params, call));

  const methods: Readonly<Record<string, Method>> = {
    async initialize(params, { signal }) {
      clientCapabilities = object(params['clientCapabilities']);
      const described = await description(signal);
      const capabilities = capabilitiesV1(described.capabilities) as AgentCapabilities;
      return {
        protocolVersion: PROTOCOL_VERSION,
        agentCapabilities: {
          ...capabilities,
          loadSession: true,
          sessionCapabilities: { ...capabilities.sessionCapabilities, list: {}, resume: {}, close: {}, delete: {} },
        },
        ...(described.info ? { agentInfo: described.info } : {}),
        authMethods: described.authMethods,
      };
    },

    async authenticate(params) {
      await host.authenticate(agent, text(params, 'methodId'));
      return {};
    },

    async 'session/new'(params, call) {
      checkRoom();
      const info = await host.create({
        agent,
        cwd: params['cwd'] as string,
        env: options.env,
        ...given(params, 'mcpServers', 'additionalDirectories'),
        ...besides(params, ['cwd', 'mcpServers', 'additionalDirectories']),
        client: services,
        signal: call.signal,
      });
      return opened(call, info, 0, createNames(limits.toldIds), { ...info.answer, sessionId: info.sessionId });
    },

    async 'session/fork'(params, call) {
      checkRoom();
      const original = await mine(text(params, 'sessionId'));
      const info = await host.fork(original.sessionId, given(params, 'cwd'));
      await takePlace(params, info).catch(async (error: unknown) => {
        await host.delete(info.sessionId);
        throw error;
      });
      return opened(call, info, info.latestSeq, await namesBefore(info, info.latestSeq), { sessionId: info.sessionId });
    },

    'session/load': inOrder((params, call) => resumeOrLoad(params, 'load', call)),
    'session/resume': inOrder((params, call) => resumeOrLoad(params, 'resume', call)),

    'session/list': (params, { signal }) => list(params, { client: services, signal }),

    'session/delete': inOrder(async (params) => {
      const { sessionId, openPermissions } = await mine(text(params, 'sessionId'));
      const attachment = attachments.get(sessionId);
      await cancel(sessionId);
      // Detached first, so that the client is not told that the session it deletes is gone.
      await detach(sessionId);
      try {
        await host.delete(sessionId);
      } catch (error) {
        if (attachment && !attachment.failed) attach(sessionId, attachment.cursor, attachment.names).start(openPermissions);
        throw error;
      }
      return {};
    }),

    'session/close': inOrder(async (params) => {
      const { sessionId } = await mine(text(params, 'sessionId'));
      const isLast = (): boolean => !observe && [...(clients.get(sessionId) ?? [])].every((each) => each === attachments.get(sessionId));
      // As ACP wants it: a running prompt is cancelled, and answered as cancelled.
      if (isLast()) await cancel(sessionId);
      await detach(sessionId);
      if (isLast()) await host.close(sessionId).catch(unlessBusy);
      return {};
    }),

    async 'session/prompt'(params, { signal }) {
      // A key that is not a string is passed on for the host to refuse. If it were ignored, a repeated prompt would run twice.
      const { idempotencyKey: named = null } = rehydrateMeta(params);
      const key = named === null ? `${clientId}:${prompts++}` : (named as string);
      const underWay = { sessionId: text(params, 'sessionId'), key, cancelled: new AbortController() };
      prompting.add(underWay);
      if (connection.answersNothing) underWay.cancelled.abort();
      try {
        return await prompted(params, key, AbortSignal.any([signal, underWay.cancelled.signal]));
      } catch (error) {
        // In ACP a cancelled prompt has a result. Only a withdrawn request ($/cancel_request) is answered with an error.
        if (wasGivenUp(error) && !signal.aborted) return { stopReason: 'cancelled' } satisfies PromptResponse;
        throw error;
      } finally {
        prompting.delete(underWay);
      }
    },

    /** In ACP this is a notification, but some clients send it as a request and wait for an answer. */
    async 'session/cancel'(params) {
      const { sessionId } = await mine(text(params, 'sessionId'));
      void cancel(sessionId);
      return {};
    },

    async 'session/set_mode'(params) {
      await carriedOut(params, (sessionId, attachment) =>
        attachment.unechoed('current_mode_update', () => host.setMode(sessionId, text(params, 'modeId'))),
      );
      return {};
    },

    async 'session/set_config_option'(params) {
      const { value } = params as { value: string | boolean };
      await carriedOut(params, (sessionId, attachment) =>
        attachment.unechoed('config_option_update', () => host.setConfigOption(sessionId, text(params, 'configId'), value)),
      );
      return { configOptions: (await host.get(text(params, 'sessionId'))).configOptions ?? [] };
    },
  };

  /** What a client that only looks may call. */
  const LOOKING = new Set(['initialize', 'session/load', 'session/resume', 'session/list', 'session/close']);

  const connection = connect(stream, limits, {
    async onRequest(method, params, call) {
      if (observe && !LOOKING.has(method))
        throw new RpcFailure({
          code: RPC.invalidRequest,
          message: `This connection may only look (observe.v1): ${method} is not for it. Connect with acp.v1.`,
        });
      const known = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (known) return known(params, call);
      const named = sessionFor(params);
      if (named === null) throw new RpcFailure({ code: RPC.methodNotFound, message: `Method not found: ${method}`, data: { method } });
      return carriedOut({ sessionId: named }, (sessionId, { names }) =>
        host.request(sessionId, method, byOwnId(params, names), { client: services, signal: call.signal }),
      );
    },

    onNotification(method, params) {
      const sessionId = sessionFor(params);
      if (observe || sessionId === null) return;
      if (method === 'session/cancel') void cancel(sessionId);
      else host.notify(sessionId, method, byOwnId(params, attachments.get(sessionId)?.names));
    },
  });

  function cancel(sessionId: string): Promise<void> {
    for (const each of prompting) if (each.sessionId === sessionId) each.cancelled.abort();
    return host.cancel(sessionId).catch(() => undefined);
  }

  const services = clientServices({
    connection,
    capabilities: () => clientCapabilities,
    namesOf: (sessionId) => attachments.get(sessionId)?.names,
    async caughtUp(sessionId) {
      const attachment = attachments.get(sessionId);
      if (attachment) await told(sessionId, attachment);
    },
  });

  const list = createList(host, { agent, adopt, limit: limits.listPage });

  const attachedClient: AttachedClient = {
    host,
    connection,
    observes: observe,
    isOwn: (sessionId, key) => [...prompting].some((each) => each.sessionId === sessionId && each.key === key),
    showsNotices: () => objectOf(object(clientCapabilities['session'])['notices']) !== null,
    answering: (sessionId) => clients.get(sessionId) ?? [],
    onDeleted: (attachment) => {
      if (attachments.get(attachment.sessionId) === attachment) void detach(attachment.sessionId);
    },
  };

  /** What the agent says of itself. If it does not in time, what the record knows of it, so that its sessions can be opened all the same. */
  async function description(signal: AbortSignal): Promise<Pick<AgentDescription, 'capabilities' | 'info' | 'authMethods'>> {
    const asked = host.describeAgent(agent, { cwd: options.cwd, client: services, signal });
    // A failure is reported by the next call that needs the agent.
    const told = await within(
      asked.catch(() => null),
      limits.describeMs,
    );
    if (told) return told;
    const { sessions } = await host.list({ agent, limit: limits.listPage });
    const last = sessions.find(({ agentCapabilities }) => agentCapabilities !== null) ?? sessions[0];
    // Without any session there is nothing to open, so the agent's failure is the answer.
    return last ? { capabilities: last.agentCapabilities ?? {}, info: last.agentInfo, authMethods: [] } : asked;
  }

  function sessionFor(params: Params): string | null {
    return typeof params['sessionId'] === 'string' ? params['sessionId'] : latest;
  }

  async function mine(sessionId: string): Promise<SessionInfo> {
    const info = await host.get(sessionId);
    if (info.agent === agent) return info;
    throw new RehydrateError(
      'session_not_found',
      `Session "${sessionId}" is one of the agent "${info.agent}"; this is "${agent}". Open it with its own agent.`,
      { sessionId, agent: info.agent },
    );
  }

  /** Throws if the client can have no more sessions open. Called before anything is made or changed. */
  function checkRoom(sessionId?: string): void {
    if (attachments.size < limits.attached || (sessionId !== undefined && attachments.has(sessionId))) return;
    throw new RehydrateError(
      'limit_exceeded',
      `This client has attached (${limits.attached}) sessions open. Close one with session/close first.`,
      { limit: 'attached', allowed: limits.attached },
    );
  }

  function attach(sessionId: string, after: number, names: Names): Attachment {
    const attachment = new Attachment(attachedClient, sessionId, after, names);
    if (connection.gone.aborted) {
      // A client that is gone follows nothing, and does not keep others from closing the session.
      void attachment.stop();
      return attachment;
    }
    attachments.set(sessionId, attachment);
    if (!observe) clients.set(sessionId, (clients.get(sessionId) ?? new Set()).add(attachment));
    return attachment;
  }

  async function detach(sessionId: string): Promise<void> {
    const attachment = attachments.get(sessionId);
    if (!attachment) return;
    attachments.delete(sessionId);
    if (latest === sessionId) latest = [...attachments.keys()].at(-1) ?? null;
    const left = clients.get(sessionId);
    left?.delete(attachment);
    if (left?.size === 0) clients.delete(sessionId);
    await attachment.stop();
  }

  /**
   * The client's attachment to the session that a call names, made where there is none. One that failed goes on where the client has got
   * to.
   */
  async function attached(params: Params): Promise<{ readonly sessionId: string; readonly attachment: Attachment }> {
    const sessionId = text(params, 'sessionId');
    const attachment = await afterOthers(sessionId, async () => {
      const before = attachments.get(sessionId);
      if (before && !before.failed) return before;
      checkRoom(sessionId);
      const info = await mine(sessionId);
      const names = before?.names ?? (await namesBefore(info, info.latestSeq));
      await detach(sessionId);
      const made = attach(sessionId, before?.cursor ?? info.latestSeq, names);
      made.start(info.openPermissions);
      return made;
    });
    latest = sessionId;
    return { sessionId, attachment };
  }

  /** Resolves when the client was sent what the record has. Called before a call is answered. */
  async function told(sessionId: string, attachment: Attachment): Promise<void> {
    await attachment.reached((await host.get(sessionId)).latestSeq);
  }

  /** Runs a call that the agent answers. An error of the agent reaches the client unchanged. */
  async function carriedOut<T>(params: Params, work: (sessionId: string, attachment: Attachment) => Promise<T>): Promise<T> {
    const { sessionId, attachment } = await attached(params);
    const result = await work(sessionId, attachment).catch((error: unknown) => {
      const raw =
        RehydrateError.is(error) && /^(agent_protocol_error|invalid_argument)$/.test(error.code) ? error.data['error'] : undefined;
      throw raw === undefined ? error : new RpcFailure(raw as RpcError);
    });
    await told(sessionId, attachment);
    return result;
  }

  async function prompted(params: Params, key: string, signal: AbortSignal): Promise<object> {
    const { sessionId, attachment } = await attached(params);
    // The host would also take a string, but ACP does not have that.
    if (!Array.isArray(params['prompt']))
      throw new RehydrateError('invalid_argument', 'session/prompt needs a prompt: a list of content blocks.', { sessionId });
    try {
      const result = await host.prompt(sessionId, params['prompt'] as ContentBlock[], {
        idempotencyKey: key,
        ...besides(params, ['sessionId', 'prompt']),
        client: services,
        signal,
      });
      await told(sessionId, attachment);
      const given = object(result.answer);
      const { stopReason, report, turnId, repeated } = result;
      // Clients refuse stop reasons that ACP does not have, so those are told in `_meta`.
      const isKnown = STOP_REASONS.has(stopReason);
      const rehydrate = { report, turnId, ...(isKnown ? {} : { stopReason }), ...(repeated ? { repeated } : {}) };
      return {
        ...given,
        stopReason: isKnown ? stopReason : 'end_turn',
        _meta: { ...object(given['_meta']), rehydrate },
      } satisfies PromptResponse;
    } catch (error) {
      // A turn that was begun has its end in the log, which the client is sent before the error. If the log cannot be read, the attachment
      // reports that.
      if (RehydrateError.is(error) && error.data['turnId'] !== undefined) await told(sessionId, attachment).catch(() => undefined);
      throw error;
    }
  }

  async function resumeOrLoad(params: Params, how: 'load' | 'resume', call: ClientCall): Promise<object> {
    const sessionId = text(params, 'sessionId');
    checkRoom(sessionId);
    const recorded = await mine(sessionId).catch((error: unknown) => {
      if (!adopt || !RehydrateError.is(error) || error.code !== 'session_not_found' || error.data['agent'] !== undefined) throw error;
      return null;
    });
    const place = () => ({ cwd: text(params, 'cwd'), ...given(params, 'mcpServers') });
    const info =
      recorded && (observe || !isOnlyAdopted(recorded))
        ? recorded
        : await takeIn(host, sessionId, { agent, client: services, signal: call.signal }, recorded ? null : place());
    const { after } = rehydrateMeta(params) as { readonly after?: number };
    // Throws for a bad cursor, before anything is changed.
    if (after !== undefined) await host.history(sessionId, { after, limit: 0 });
    await takePlace(params, info);
    await detach(sessionId);
    const replays = how === 'load' || after !== undefined;
    const names = await namesBefore(info, replays ? (after ?? 0) : info.latestSeq);
    const hasHeard = replays && (await replay(info, after, names));
    // A client that comes in the middle of a turn is told that it is running.
    if (!hasHeard && /^(prompting|busy)$/.test(info.state) && (await isRunning(info)))
      await connection.notify('session/update', { sessionId, update: NO_NEWS, _meta: { rehydrate: { turn: { state: 'running' } } } });
    return opened(call, info, info.latestSeq, names);
  }

  /** Attaches the client to a session that its call opens, and makes the answer. Following begins after the answer was sent. */
  function opened(call: ClientCall, info: SessionInfo, after: number, names: Names, given: object = {}): object {
    const { sessionId, openPermissions, modes, configOptions } = info;
    latest = sessionId;
    const attachment = attach(sessionId, after, names);
    call.afterwards = () => attachment.start(openPermissions);
    return { ...given, ...(modes ? { modes } : {}), ...(configOptions ? { configOptions } : {}) };
  }

  /**
   * Stores the directories and MCP servers that the client names for the next resume; only the client has the servers' secrets. What it
   * does not name stays.
   */
  async function takePlace(params: Params, info: SessionInfo): Promise<void> {
    const { cwd, mcpServers, ...others } = given(params, 'cwd', 'mcpServers', 'additionalDirectories');
    const isWithoutServers = Array.isArray(mcpServers) && (mcpServers as unknown[]).length === 0 && info.mcpServers.length === 0;
    const changes = {
      ...(cwd === undefined || cwd === info.cwd ? {} : { cwd }),
      ...(mcpServers === undefined || isWithoutServers ? {} : { mcpServers }),
      ...others,
    };
    if (observe || Object.keys(changes).length === 0) return;
    // A session that another process has live can only be read; its directories are up to that process.
    await host.update(info.sessionId, changes).catch(unlessBusy);
  }

  const pages = (sessionId: string, after: number, last: number) =>
    logPages((range) => host.history(sessionId, range), { after, before: last + 1 }, { page: limits.replayPage, signal: connection.gone });

  /** The ids known to a client that has the record up to `last`, looked up `earlierEvents` back. */
  async function namesBefore({ sessionId, firstSeq }: SessionInfo, last: number): Promise<Names> {
    const names = createNames(limits.toldIds);
    const after = Math.max(firstSeq - 1, last - limits.earlierEvents);
    for await (const page of pages(sessionId, after, last)) for (const event of page) names.told(event);
    return names;
  }

  /**
   * Whether the last turn event is a start. The state does not say that of another process, and of this one it changes a little after the
   * record.
   */
  async function isRunning({ sessionId, firstSeq, latestSeq }: SessionInfo): Promise<boolean> {
    const after = Math.max(firstSeq - 1, latestSeq - limits.earlierEvents);
    // If no turn event is found, the turn is longer than what is looked through.
    let runs = after >= firstSeq;
    for await (const page of pages(sessionId, after, latestSeq))
      for (const { kind } of page) if (kind === 'turn_started' || kind === 'turn_ended') runs = kind === 'turn_started';
    return runs;
  }

  /** Sends the record, each message once. With `after`, sends what came since, turns included, and returns whether the last one is running. */
  async function replay(info: SessionInfo, after: number | undefined, names: Names): Promise<boolean> {
    const { sessionId, latestSeq } = info;
    const folding = createReplay(after !== undefined);
    let runs = false;
    const send = async (updates: readonly Outgoing[]) => {
      for (const { update, meta, rehydrate } of updates) {
        if (rehydrate.turn) runs = rehydrate.turn.state === 'running';
        await connection.notify('session/update', { sessionId, update, _meta: { ...meta, rehydrate } });
      }
    };
    for await (const page of pages(sessionId, after ?? 0, latestSeq)) await send(lastWords(page.flatMap(names.told)).flatMap(folding.push));
    await send([...folding.end(), ...stateOf(info).map((update) => ({ update, rehydrate: { seq: latestSeq } }))]);
    return runs;
  }

  void connection.closed.then(() => Promise.all([...attachments.keys()].map(detach)));
  return {
    closed: connection.closed,
    idle: connection.idle,
    inputEnded() {
      connection.inputEnded();
      for (const { sessionId } of prompting) void cancel(sessionId);
    },
    close: connection.close,
  };
}

/** Parameters for the agent, in which a tool call that the client knows by another id has the agent's own again. */
function byOwnId(params: Params, names: Names | undefined): Params {
  const { toolCallId: told } = params;
  if (!names || typeof told !== 'string') return params;
  const toolCallId = told.slice(0, Math.max(0, told.lastIndexOf('~')));
  return names.current({ toolCallId }).toolCallId === told ? { ...params, toolCallId } : params;
}

function unlessBusy(error: unknown): void {
  if (!RehydrateError.is(error) || error.code !== 'session_busy') throw error;
}
