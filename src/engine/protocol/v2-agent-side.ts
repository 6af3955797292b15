/**
 * Translates between a client, in whichever version of ACP it speaks, and an agent's side that speaks v1. What v1 lacks (the snapshot of
 * the state, the early answer to a prompt) is made here. Updates may be of either version, as the log has them.
 */
import { randomId } from '../random-id.ts';
import { RPC } from './agent-protocol.ts';
import { keepLatest } from './bounded.ts';
import { fieldsOf, objectOf, stringOf, type Fields } from '../objects.ts';
import { withText } from './reported-state.ts';
import { inV1, nothingToldInV1, type ToldInV1 } from './v2-in-v1.ts';

export interface WireOptions {
  /** The versions that are spoken. Default: both. A client that asks for another one gets the newest of them. */
  readonly speaks?: readonly (1 | 2)[];
  /** Whether a v2 turn ends with its stop reason, which not all agents give. Default: true. */
  readonly stopReasons?: boolean;
  /** Whether the snapshot of the state is sent before the answer to a resume (default) or after it. */
  readonly snapshot?: 'before' | 'after';
}

type Message = {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: unknown;
  readonly error?: unknown;
};

/** What a client was told of a session. */
interface Told {
  modes: Fields | null;
  options: readonly Fields[];
  /** The running prompt of this client, with the id of its request. */
  prompt: { readonly id: Message['id']; readonly blocks: unknown; isAnswered: boolean; messageId: string } | null;
  /** Whether another client has a turn running. */
  othersTurn: boolean;
  /** The last message that was sent, and whether its id was made here. */
  last: { readonly role: string; readonly id: string; readonly isMade: boolean } | null;
  inV1: ToldInV1;
}

/** How many sessions without a running turn are remembered, since a client may name as many as it likes. */
const SESSIONS_KEPT = 1_000;

const ASKS_THE_USER: ReadonlySet<string> = new Set(['session/request_permission', 'elicitation/create']);

/** The id of the option that stands for v1's modes. */
const MODE_OPTION = 'mode';

/** `toClient` must send a message as it is. */
export function createWire(toClient: (message: object) => void, options: WireOptions = {}) {
  const { speaks = [1, 2], stopReasons = true, snapshot = 'before' } = options;
  let version: 1 | 2 = 1;
  let made = 0;
  const sessions = new Map<string, Told>();
  /** Requests whose answers must be translated. */
  const asked = new Map<Message['id'], { readonly method: string; readonly params: Fields }>();
  /** Requests of the agent's for which a turn waits, and their sessions. */
  const blocking = new Map<Message['id'], string>();

  const send = (message: object): void => toClient({ jsonrpc: '2.0', ...message });
  const tell = (sessionId: string, update: object, meta?: unknown): void =>
    send({ method: 'session/update', params: meta === undefined ? { sessionId, update } : { sessionId, update, _meta: meta } });
  const tellState = (sessionId: string, state: string, more: object = {}, meta?: unknown): void =>
    tell(sessionId, { sessionUpdate: 'state_update', state, ...more }, meta);

  function told(sessionId: unknown): Told {
    const id = stringOf(sessionId);
    const known = sessions.get(id) ?? { modes: null, options: [], prompt: null, othersTurn: false, last: null, inV1: nothingToldInV1() };
    keepLatest(sessions, id, known, SESSIONS_KEPT, ({ prompt }) => prompt !== null);
    return known;
  }

  /** The agent asks the user something. The running turn goes on when that is answered. */
  function block(id: Message['id'], sessionId: string): void {
    const prompt = sessions.get(sessionId)?.prompt;
    if (!prompt) return;
    inserted(sessionId, prompt);
    blocking.set(id, sessionId);
    tellState(sessionId, 'requires_action');
  }

  /** The request is answered: its turn goes on, unless another request holds it up. */
  function unblock(id: unknown): void {
    const sessionId = blocking.get(id as Message['id']);
    blocking.delete(id as Message['id']);
    if (sessionId === undefined || [...blocking.values()].includes(sessionId)) return;
    if (told(sessionId).prompt) tellState(sessionId, 'running');
  }

  // ---------------------------------------------------------------- what the client says

  function fromClient(message: Message): Message | null {
    const { id, method } = message;
    const params = fieldsOf(message.params);
    if (method === 'initialize' && id !== undefined) return initialize(message);
    if (version === 1) {
      // The client is told everything anew.
      if (method === 'session/load') told(params['sessionId']).inV1 = nothingToldInV1();
      return message;
    }
    if (method === undefined) {
      unblock(id);
      return message;
    }
    // Notifications are the same in both versions.
    if (id === undefined) return message;
    const refuse = (code: number, message: string): null => {
      send({ id, error: { code, message } });
      return null;
    };
    const ask = (as: string, given: Fields): Message => {
      asked.set(id, { method: as, params: given });
      return { ...message, method: as, params: given };
    };
    switch (method) {
      case 'session/load':
      case 'session/set_mode':
      case 'authenticate':
        return refuse(RPC.methodNotFound, `Method not found: ${method} is not a method of ACP v2`);
      case 'auth/login':
        return { ...message, method: 'authenticate' };
      case 'session/new':
        return ask(method, { ...params, mcpServers: serversV1(params['mcpServers'] ?? []) });
      case 'session/fork':
        // Without the field the fork has the servers of the original.
        return ask(method, { ...params, ...('mcpServers' in params ? { mcpServers: serversV1(params['mcpServers']) } : {}) });
      case 'session/resume': {
        const { replayFrom: from = null, ...rest } = params;
        if (from !== null && fieldsOf(from)['type'] !== 'start')
          return refuse(RPC.invalidParams, 'Invalid params: replayFrom is { "type": "start" }, or absent');
        const session = told(params['sessionId']);
        session.othersTurn = false;
        // The prompt of a running turn is part of what the client is told now, so it is not left out.
        if (session.prompt) session.prompt.messageId = '';
        return ask(from === null ? method : 'session/load', { ...rest, mcpServers: serversV1(params['mcpServers'] ?? []) });
      }
      case 'session/prompt':
        // A prompt that comes while another is running gets no turn of its own.
        told(params['sessionId']).prompt ??= { id, blocks: params['prompt'], isAnswered: false, messageId: '' };
        return ask(method, params);
      case 'session/set_config_option': {
        const { type, value, ...rest } = params;
        const session = told(params['sessionId']);
        if (session.modes && params['configId'] === modeOptionOf(session))
          return ask('session/set_mode', { sessionId: params['sessionId'], modeId: value });
        return ask(method, { ...rest, value, ...(type === 'boolean' ? { type } : {}) });
      }
      default:
        return message;
    }
  }

  function initialize(message: Message): Message {
    const { id } = message;
    const params = fieldsOf(message.params);
    const asks = params['protocolVersion'];
    const wanted = typeof asks === 'number' && asks >= 2 ? 2 : 1;
    version = speaks.includes(wanted) ? wanted : (Math.max(...speaks) as 1 | 2);
    if (version === 1) return message;
    const { capabilities, info, clientCapabilities: _v1, clientInfo, _meta } = params;
    const given = {
      protocolVersion: 1,
      clientCapabilities: { ...objectOf(capabilities), session: { notices: {} } },
      clientInfo: info ?? clientInfo,
      ...(_meta === undefined ? {} : { _meta }),
    };
    asked.set(id, { method: 'initialize', params: given });
    return { ...message, params: given };
  }

  // ---------------------------------------------------------------- what the agent says

  function fromAgent(message: Message): void {
    const { id, method } = message;
    const params = fieldsOf(message.params);
    const sessionId = stringOf(params['sessionId']);
    // With an id it is a request, which the client will refuse.
    const isUpdate = method === 'session/update' && id === undefined;
    if (version === 1) {
      if (!isUpdate) return send(message);
      for (const said of inV1(told(sessionId).inV1, fieldsOf(params['update']))) tell(sessionId, said, params['_meta']);
      return;
    }
    if (method === undefined) return answer(message);
    if (isUpdate) return update(sessionId, fieldsOf(params['update']), params['_meta']);
    if (id !== undefined && ASKS_THE_USER.has(method)) block(id, sessionId);
    if (id === undefined || method !== 'session/request_permission') {
      send(message);
      if (method === '$/cancel_request') unblock(params['requestId']);
      return;
    }
    const { toolCall, ...rest } = params;
    const title = stringOf(fieldsOf(toolCall)['title']) || 'A tool call';
    send({ ...message, params: { ...rest, title, subject: { type: 'tool_call', toolCall: toolCallV2(fieldsOf(toolCall)) } } });
  }

  function answer(message: Message): void {
    const { id, result, error } = message;
    const request = asked.get(id);
    asked.delete(id);
    const { method, params = {} } = request ?? {};
    const makes = method === 'session/new' || method === 'session/fork';
    const sessionId = stringOf((makes ? fieldsOf(result) : params)['sessionId']);
    if (method === 'session/prompt') return turnOver(sessionId, message);
    if (method === undefined || error !== undefined) return send(message);
    const { modes, configOptions, ...rest } = fieldsOf(result);
    if (method === 'initialize') return send({ id, result: initializedV2(rest) });
    const session = told(sessionId);
    if (objectOf(modes)) session.modes = objectOf(modes);
    if (Array.isArray(configOptions)) takeOptions(session, configOptions as Fields[]);
    if (method === 'session/set_mode') session.modes = { ...session.modes, currentModeId: params['modeId'] };
    const given = { id, result: { ...rest, configOptions: optionsV2(session) } };
    const isResumed = method === 'session/load' || method === 'session/resume';
    const tellSnapshot = (): void => {
      if (isResumed && !session.othersTurn) tellState(sessionId, session.prompt?.isAnswered ? 'running' : 'idle');
    };
    if (snapshot === 'before') tellSnapshot();
    send(given);
    if (snapshot === 'after') tellSnapshot();
  }

  /** Answers the prompt, since the user's message is in the conversation. */
  function inserted(sessionId: string, prompt: NonNullable<Told['prompt']>, messageId = `prompt-${randomId()}`): void {
    if (prompt.isAnswered) return;
    Object.assign(prompt, { isAnswered: true, messageId });
    send({ id: prompt.id, result: { messageId } });
    tellState(sessionId, 'running');
  }

  function turnOver(sessionId: string, { id, result, error }: Message): void {
    const session = told(sessionId);
    const { prompt } = session;
    if (!prompt || prompt.id !== id)
      return send({ id, ...(error === undefined ? { result: { messageId: turnOf(result) ?? prompt?.messageId ?? '' } } : { error }) });
    session.prompt = null;
    session.last = null;
    for (const [requestId, blocked] of blocking) if (blocked === sessionId) blocking.delete(requestId);
    if (error !== undefined && !prompt.isAnswered) return send({ id, error });
    const { stopReason, ...rest } = fieldsOf(result);
    const turnId = turnOf(result);
    // Cancelled before a turn was made of it, so there is no message whose id could be the answer.
    if (!prompt.isAnswered && stopReason === 'cancelled' && turnId === undefined)
      return send({ id, error: { code: RPC.cancelled, message: 'The prompt was cancelled before its message was inserted' } });
    inserted(sessionId, prompt, turnId);
    const why = error === undefined ? { ...rest, stopReason } : { stopReason: 'error', error };
    tellState(sessionId, 'idle', stopReasons || error !== undefined ? why : rest);
  }

  function update(sessionId: string, said: Fields, meta: unknown): void {
    const session = told(sessionId);
    const { prompt } = session;
    const kind = stringOf(said['sessionUpdate']);
    const pass = (changes: object = {}): void => tell(sessionId, { ...said, ...changes }, meta);
    const role = /^(user|agent)_(message|thought)(_chunk)?$/.exec(kind)?.[1];
    // What other clients did may come before this client's prompt. A host's updates say to which turn they belong; without that, everything
    // belongs to this turn.
    const record = recordOf(meta);
    const begins = record ? record['turnId'] !== undefined : role !== undefined || kind === 'tool_call' || kind === 'plan';
    if (prompt && !prompt.isAnswered && begins) {
      if (role === 'user') {
        const messageId = stringOf(said['messageId']) || madeId(meta);
        tell(sessionId, { sessionUpdate: 'user_message', messageId, content: prompt.blocks }, meta);
        return inserted(sessionId, prompt, messageId);
      }
      inserted(sessionId, prompt);
    }
    switch (kind) {
      case 'user_message_chunk':
        // The prompt was sent as one `user_message`.
        if (prompt && said['messageId'] === prompt.messageId) return;
        return pass({ messageId: idOf(session, kind, said, meta).id });
      case 'agent_message_chunk':
      case 'agent_thought_chunk': {
        const { id, isNew } = idOf(session, kind, said, meta);
        if (isNew && prompt) tell(sessionId, { sessionUpdate: kind.replace('_chunk', ''), messageId: id, content: [] });
        return pass({ messageId: id });
      }
      case 'user_message':
      case 'agent_message':
      case 'agent_thought':
        idOf(session, `${kind}_chunk`, said, meta);
        return pass();
      case 'tool_call':
      case 'tool_call_update':
        session.last = null;
        return tell(sessionId, { ...toolCallV2(said), sessionUpdate: 'tool_call_update' }, meta);
      case 'plan': {
        const { entries, ...rest } = said;
        return tell(sessionId, { ...rest, sessionUpdate: 'plan_update', plan: { type: 'items', planId: 'plan', entries } }, meta);
      }
      case 'current_mode_update':
        session.modes = { ...session.modes, currentModeId: said['currentModeId'] };
        return tell(sessionId, { sessionUpdate: 'config_option_update', configOptions: optionsV2(session) }, meta);
      case 'config_option_update':
        if (Array.isArray(said['configOptions'])) takeOptions(session, said['configOptions'] as Fields[]);
        return pass({ configOptions: optionsV2(session) });
      case 'available_commands_update':
        return pass({ availableCommands: withText(said['availableCommands'], 'name').map(commandV2) });
      // `state_update`s are made here, from what happens on this connection.
      case 'state_update':
        return;
      case 'session_info_update': {
        // A host tells of other clients' turns in `_meta`, since v1 has no update for that.
        const turn = objectOf(recordOf(meta)?.['turn']);
        if (!turn || prompt) return pass();
        session.othersTurn = turn['state'] === 'running';
        if (session.othersTurn) return tellState(sessionId, 'running', {}, meta);
        return tellState(sessionId, 'idle', { stopReason: turn['stopReason'] }, meta);
      }
      default:
        return pass();
    }
  }

  /** A message without an id gets one, which its further chunks keep until something else is said. */
  function idOf(session: Told, role: string, said: Fields, meta: unknown): { readonly id: string; readonly isNew: boolean } {
    const last = session.last?.role === role ? session.last : null;
    const given = stringOf(said['messageId']);
    const id = given || (last?.isMade ? last.id : madeId(meta));
    session.last = { role, id, isMade: given === '' };
    return { id, isNew: last?.id !== id };
  }

  /** Made of the message's first number in the log, so that it is the same live and in every replay. */
  function madeId(meta: unknown): string {
    const { seq = (made += 1), from = seq } = recordOf(meta) ?? {};
    return `message-${String(from)}`;
  }

  return {
    /** Translates a message of the client's for the v1 side; null when it was answered here. */
    fromClient,
    /** Translates a message of the v1 side, and sends it to the client. */
    fromAgent,
    get version() {
      return version;
    },
  };
}

/** What a host adds to its updates. */
const recordOf = (meta: unknown): Fields | null => objectOf(objectOf(meta)?.['rehydrate']);

/** The id of the turn, which serves as the id of the prompt's message. */
function turnOf(result: unknown): string | undefined {
  const turnId = recordOf(fieldsOf(result)['_meta'])?.['turnId'];
  return typeof turnId === 'string' ? turnId : undefined;
}

// ---------------------------------------------------------------- shapes

function initializedV2({ agentCapabilities, agentInfo, authMethods, protocolVersion: _1, ...rest }: Fields): object {
  const { promptCapabilities, mcpCapabilities, sessionCapabilities, loadSession: _2, session: v2, ...others } = fieldsOf(agentCapabilities);
  const { delete: canDelete, fork, additionalDirectories } = fieldsOf(sessionCapabilities);
  const ifSo = (name: string, value: unknown): object => (value === true || objectOf(value) ? { [name]: {} } : {});
  const prompt = fieldsOf(promptCapabilities);
  return {
    ...rest,
    protocolVersion: 2,
    info: agentInfo ?? { name: 'unnamed', version: '0' },
    capabilities: {
      ...others,
      session: {
        ...fieldsOf(v2),
        ...(objectOf(promptCapabilities)
          ? { prompt: Object.assign({}, ...['image', 'audio', 'embeddedContext'].map((name) => ifSo(name, prompt[name]))) as object }
          : {}),
        ...(objectOf(mcpCapabilities) ? { mcp: { stdio: {}, ...ifSo('http', fieldsOf(mcpCapabilities)['http']) } } : {}),
        ...ifSo('delete', canDelete),
        ...ifSo('fork', fork),
        ...ifSo('additionalDirectories', additionalDirectories),
      },
    },
    authMethods: (Array.isArray(authMethods) ? authMethods : []).map((method: unknown) => {
      const { id, methodId = id, ...more } = fieldsOf(method);
      return { type: 'agent', ...more, methodId };
    }),
  };
}

/** Anything but a list stays as it is, so that it is refused as in v1. */
function serversV1(servers: unknown): unknown {
  if (!Array.isArray(servers)) return servers;
  return servers.map((given: unknown) => {
    const server = objectOf(given);
    if (!server) return given;
    if (server['type'] !== 'stdio') return { headers: [], ...server };
    const { type: _stdio, ...rest } = server;
    return { args: [], env: [], ...rest };
  });
}

/** If the mode is an option, too, the latest value of the two counts. */
function takeOptions(session: Told, options: Fields[]): void {
  session.options = options;
  const mode = options.map(fieldsOf).find(({ category }) => category === 'mode')?.['currentValue'];
  if (session.modes && mode !== undefined) session.modes = { ...session.modes, currentModeId: mode };
}

function optionsV2({ modes, options }: Told): object[] {
  const given = options.map((option) => {
    const { id, configId = id, ...rest } = fieldsOf(option);
    return { ...rest, configId, ...(modes && rest['category'] === 'mode' ? { currentValue: modes['currentModeId'] } : {}) };
  });
  if (!modes || given.some((option) => fieldsOf(option)['category'] === 'mode')) return given;
  const values = withText(modes['availableModes'], 'id').map(({ id, ...mode }) => ({ ...mode, value: id }));
  return [
    { type: 'select', configId: MODE_OPTION, name: 'Mode', category: 'mode', currentValue: modes['currentModeId'], options: values },
    ...given,
  ];
}

function modeOptionOf({ options }: Told): unknown {
  const { id, configId = id } = fieldsOf(options.find((option) => fieldsOf(option)['category'] === 'mode'));
  return configId ?? MODE_OPTION;
}

function commandV2(command: Fields): object {
  const input = objectOf(command['input']);
  return { type: 'command', ...command, ...(input ? { input: { type: 'text', ...input } } : {}) };
}

/** A diff in v1 has the old and the new text, in v2 a patch. */
function toolCallV2(toolCall: Fields): Fields {
  const { content } = toolCall;
  if (!Array.isArray(content)) return toolCall;
  return {
    ...toolCall,
    content: content.map((part: unknown) => {
      const { type, path, oldText, newText, changes, ...rest } = fieldsOf(part);
      if (type !== 'diff' || changes !== undefined) return part;
      const isNew = oldText === null || oldText === undefined;
      const [before, after] = [linesOf(oldText), linesOf(newText)];
      const old = isNew ? '/dev/null' : `a${stringOf(path)}`;
      const patch = [
        `--- ${old}`,
        `+++ b${stringOf(path)}`,
        `@@ -1,${before.length} +1,${after.length} @@`,
        ...before.map((line) => `-${line}`),
        ...after.map((line) => `+${line}`),
      ].join('\n');
      return { ...rest, type, changes: [{ operation: isNew ? 'add' : 'modify', path }], patch: { format: 'git_patch', text: patch } };
    }),
  };
}

const linesOf = (text: unknown): string[] => (typeof text === 'string' && text !== '' ? text.split('\n') : []);
