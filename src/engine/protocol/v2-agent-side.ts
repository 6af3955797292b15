/**
 * The agent's side of ACP in the client's version, in front of one that answers in v1. What v1 does not have (the snapshot of the state,
 * the answer to a prompt that was inserted) is made here. Updates may be of either version, as the log has them.
 */
import { randomId } from '../random-id.ts';
import { RPC } from './agent-protocol.ts';
import { fieldsOf, objectOf, stringOf, type Fields } from '../objects.ts';
import { modesAmong, readConfigOptions, withText } from './reported-state.ts';
import { chunksOf, mergeToolCalls, readToolCall, replacesMessage, textOf, toolOutput, type ToolCallReport } from './updates.ts';

export interface WireOptions {
  /** Default: both. A client that asks for another version gets the newest of them. */
  readonly speaks?: readonly (1 | 2)[];
  /** Whether to say why a turn stopped (default); not all agents do. */
  readonly stopReasons?: boolean;
  /** Whether the state is sent before the answer to a resume (default), or after it. */
  readonly snapshot?: 'before' | 'after';
}

type Message = {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: unknown;
  readonly error?: unknown;
};

interface Told {
  modes: Fields | null;
  options: readonly Fields[];
  /** The running prompt, with the id of its request. */
  prompt: { readonly id: Message['id']; readonly blocks: unknown; isAnswered: boolean; messageId: string } | null;
  /** Whether a turn of another client runs. */
  othersTurn: boolean;
  /** The message that was sent last. */
  last: { readonly role: string; readonly id: string } | null;
  /** The messages told last in v1, by role and id. */
  readonly messages: Map<string, ToldMessage>;
  /** The content of tool calls told in v1, where it is always sent whole. */
  readonly calls: Map<string, { readonly content: readonly unknown[]; readonly chars: number }>;
  /** The output of terminals told in v1. */
  readonly terminals: Map<string, ToolCallReport>;
}

/** In v1 nothing that was told can be taken back: what replaces it is a message of its own. */
interface ToldMessage {
  readonly name: string;
  readonly times: number;
  words: string;
}

/** Each as long as this, at most: a longer one is not told again. */
const MESSAGES_KEPT = 4;
const MESSAGE_CHARS = 256 * 1024;
/** The oldest calls, and the oldest content (as JSON), are forgotten first. */
const CALLS_KEPT = 1_000;
const CONTENT_CHARS = 4 * 1024 * 1024;
/** Of each so many characters, in base64. */
const TERMINALS_KEPT = 16;
const TERMINAL_CHARS = 256 * 1024;
/** Besides those with a running turn: a client may name as many as it likes. */
const SESSIONS_KEPT = 1_000;

const ASKS_THE_USER: ReadonlySet<string> = new Set(['session/request_permission', 'elicitation/create']);

/** The option that the modes are. */
const MODE_OPTION = 'mode';

/** `toClient` sends a message as it is. */
export function createWire(toClient: (message: object) => void, options: WireOptions = {}) {
  const { speaks = [1, 2], stopReasons = true, snapshot = 'before' } = options;
  let version: 1 | 2 = 1;
  let made = 0;
  const sessions = new Map<string, Told>();
  /** Requests whose answers are different in v2. */
  const asked = new Map<Message['id'], { readonly method: string; readonly params: Fields }>();
  /** Requests that a turn waits for. */
  const blocking = new Map<Message['id'], string>();

  const send = (message: object): void => toClient({ jsonrpc: '2.0', ...message });
  const tell = (sessionId: string, update: object, meta?: unknown): void =>
    send({ method: 'session/update', params: { sessionId, update, ...(meta === undefined ? {} : { _meta: meta }) } });
  const tellState = (sessionId: string, state: string, more: object = {}, meta?: unknown): void =>
    tell(sessionId, { sessionUpdate: 'state_update', state, ...more }, meta);

  function told(sessionId: unknown): Told {
    const id = stringOf(sessionId);
    const known = sessions.get(id) ?? {
      ...{ modes: null, options: [], prompt: null, othersTurn: false, last: null },
      ...{ messages: new Map(), calls: new Map(), terminals: new Map() },
    };
    keepLatest(sessions, id, known, SESSIONS_KEPT, ({ prompt }) => prompt !== null);
    return known;
  }

  function toldInV1(sessionId: string): readonly { clear(): void }[] {
    const { messages, calls, terminals } = sessions.get(sessionId) ?? {};
    return [messages, calls, terminals].filter((each) => each !== undefined);
  }

  /** A request is asked of the user: the running turn goes on when it is answered. */
  function block(id: Message['id'], sessionId: string): void {
    const prompt = sessions.get(sessionId)?.prompt;
    if (!prompt) return;
    inserted(sessionId, prompt);
    blocking.set(id, sessionId);
    tellState(sessionId, 'requires_action');
  }

  /** Its turn goes on when no other request holds it up. */
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
      // The replay begins anew.
      if (method === 'session/load') for (const told of toldInV1(stringOf(params['sessionId']))) told.clear();
      return message;
    }
    if (method === undefined) {
      unblock(id);
      return message;
    }
    // v2 has the same notifications.
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
        // Without the field, those of the original stay.
        return ask(method, { ...params, ...('mcpServers' in params ? { mcpServers: serversV1(params['mcpServers']) } : {}) });
      case 'session/resume': {
        const { replayFrom: from = null, ...rest } = params;
        if (from !== null && fieldsOf(from)['type'] !== 'start')
          return refuse(RPC.invalidParams, 'Invalid params: replayFrom is { "type": "start" }, or absent');
        told(params['sessionId']).othersTurn = false;
        return ask(from === null ? method : 'session/load', { ...rest, mcpServers: serversV1(params['mcpServers'] ?? []) });
      }
      case 'session/prompt':
        // A prompt that comes while another runs is no turn of its own.
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
    // One with an id is a request, for the client to refuse.
    const isUpdate = method === 'session/update' && id === undefined;
    if (version === 1) {
      if (!isUpdate) return send(message);
      for (const said of inV1(told(sessionId), fieldsOf(params['update']))) tell(sessionId, said, params['_meta']);
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
      if (isResumed && !session.othersTurn) tellState(sessionId, session.prompt ? 'running' : 'idle');
    };
    if (snapshot === 'before') tellSnapshot();
    send(given);
    if (snapshot === 'after') tellSnapshot();
  }

  /** Answers the prompt: the user's message is in the conversation. */
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
    for (const [asking, of] of blocking) if (of === sessionId) blocking.delete(asking);
    if (error !== undefined && !prompt.isAnswered) return send({ id, error });
    const { stopReason, ...rest } = fieldsOf(result);
    const turnId = turnOf(result);
    // No turn was made of it, so no message has an id.
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
    // A record says which message is the prompt, since what other clients did meanwhile may come before it; without one everything is of
    // this turn.
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
        // It was sent whole.
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
      // The state is made from what happens on this connection.
      case 'state_update':
        return;
      case 'session_info_update': {
        // The turn of another client, which v1 cannot say.
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

  /** A message without an id gets one, which holds until the other side speaks. */
  function idOf(session: Told, role: string, said: Fields, meta: unknown): { readonly id: string; readonly isNew: boolean } {
    const { last } = session;
    const isSame = last?.role === role;
    const id = stringOf(said['messageId']) || (isSame ? last.id : madeId(meta));
    const isNew = !isSame || last.id !== id;
    session.last = { role, id };
    return { id, isNew };
  }

  /** Made from where in the log the message begins, so that it is the same live and in every replay. */
  function madeId(meta: unknown): string {
    const { seq = (made += 1), from = seq } = recordOf(meta) ?? {};
    return `message-${String(from)}`;
  }

  return {
    /** What the side that speaks v1 reads; null where it was answered here. */
    fromClient,
    /** What that side says. */
    fromAgent,
    get version() {
      return version;
    },
  };
}

/** What the record adds to its updates. */
const recordOf = (meta: unknown): Fields | null => objectOf(objectOf(meta)?.['rehydrate']);

/** Its id is the id of its prompt everywhere. */
function turnOf(result: unknown): string | undefined {
  const turnId = recordOf(fieldsOf(result)['_meta'])?.['turnId'];
  return typeof turnId === 'string' ? turnId : undefined;
}

// ---------------------------------------------------------------- a log of v2, told in v1

/** v1 does not have the state. */
function inV1(session: Told, said: Fields): readonly Fields[] {
  const kind = stringOf(said['sessionUpdate']);
  const id = stringOf(said['toolCallId']);
  switch (kind) {
    case 'user_message':
    case 'agent_message':
    case 'agent_thought':
    case 'user_message_chunk':
    case 'agent_message_chunk':
    case 'agent_thought_chunk':
      return messageV1(session.messages, said);
    case 'tool_call':
    case 'tool_call_update': {
      const isNew = !session.calls.has(id);
      const content = Array.isArray(said['content']) ? (said['content'] as unknown[]) : null;
      if (isNew || content) keep(session.calls, id, content ?? []);
      const told = content ? { ...said, content: contentV1(session, id) } : said;
      return [isNew && typeof said['title'] === 'string' ? { ...told, sessionUpdate: 'tool_call' } : told];
    }
    case 'tool_call_content_chunk':
      keep(session.calls, id, [...(session.calls.get(id)?.content ?? []), said['content']]);
      return [{ sessionUpdate: 'tool_call_update', toolCallId: id, content: contentV1(session, id) }];
    case 'terminal_update':
    case 'terminal_output_chunk':
      return terminalV1(session, said);
    case 'plan_update': {
      const { plan, ...rest } = said;
      return [{ ...rest, sessionUpdate: 'plan', entries: fieldsOf(plan)['entries'] ?? [] }];
    }
    case 'config_option_update': {
      const modes = modesAmong(said['configOptions']);
      return [
        { ...said, configOptions: readConfigOptions(said['configOptions']) ?? said['configOptions'] },
        ...(modes ? [{ sessionUpdate: 'current_mode_update', currentModeId: modes.currentModeId }] : []),
      ];
    }
    case 'state_update':
      return [];
    default:
      return [said];
  }
}

function messageV1(messages: Told['messages'], said: Fields): readonly Fields[] {
  const id = stringOf(said['messageId']);
  if (id === '') return chunksOf(said as never) as unknown as Fields[];
  const key = `${stringOf(said['sessionUpdate']).replace('_chunk', '')} ${id}`;
  const before = messages.get(key);
  let chunks = chunksOf(said as never) as unknown as readonly Fields[];
  let message: ToldMessage = before ?? { name: id, times: 1, words: '' };
  if (before && replacesMessage(said)) {
    const more = before.words.length > MESSAGE_CHARS ? [] : moreOf(chunks, before.words);
    if (more) chunks = more;
    else message = { name: `${id}~${before.times + 1}`, times: before.times + 1, words: '' };
  }
  for (const { content } of chunks) if (message.words.length <= MESSAGE_CHARS) message.words += wordsOf(content);
  keepLatest(messages, key, message, MESSAGES_KEPT);
  return message.name === id ? chunks : chunks.map((chunk) => ({ ...chunk, messageId: message.name }));
}

const wordsOf = (content: unknown): string => textOf(content) ?? JSON.stringify(content);

/** Those that come after what was told; null where they do not begin with it. */
function moreOf(chunks: readonly Fields[], told: string): readonly Fields[] | null {
  const more: Fields[] = [];
  let rest = told;
  for (const chunk of chunks) {
    const { content } = chunk;
    const words = wordsOf(content);
    if (rest.startsWith(words)) rest = rest.slice(words.length);
    else if (rest === '') more.push(chunk);
    else if (words.startsWith(rest) && textOf(content) !== null) {
      more.push({ ...chunk, content: { ...fieldsOf(content), text: words.slice(rest.length) } });
      rest = '';
    } else return null;
  }
  return rest === '' ? more : null;
}

/**
 * The agent's own terminal as a tool call, since terminals of v1 are the client's. Its output goes with the next update that is not output.
 */
function terminalV1(session: Told, said: Fields): readonly Fields[] {
  const { terminals, calls } = session;
  const report = readToolCall(said);
  const { id, title = 'A terminal', status } = report;
  const before = terminals.get(id);
  const { terminal } = before ? mergeToolCalls(before, report) : report;
  const all = terminal?.data ?? '';
  const data = all.length > 2 * TERMINAL_CHARS ? lastPieces(all) : all;
  keepLatest(terminals, id, { id, terminal: terminal && { ...terminal, data: data || undefined } }, TERMINALS_KEPT);
  if (before && said['sessionUpdate'] !== 'terminal_update') return [];
  const isNew = !calls.has(id);
  if (isNew) keep(calls, id, []);
  return [
    {
      sessionUpdate: isNew ? 'tool_call' : 'tool_call_update',
      toolCallId: id,
      ...(isNew ? { title, kind: 'execute', status: status ?? 'in_progress' } : status === undefined ? {} : { status }),
      content: contentV1(session, id),
    },
  ];
}

const lastPieces = (data: string): string => data.slice(data.indexOf(',', data.length - TERMINAL_CHARS) + 1);

/** The one used longest ago goes first, unless it is `inUse`. */
function keepLatest<T>(all: Map<string, T>, id: string, one: T, most: number, inUse = (_: T): boolean => false): void {
  all.delete(id);
  if (all.size >= most) {
    const oldest = [...all].find(([, each]) => !inUse(each));
    if (oldest) all.delete(oldest[0]);
  }
  all.set(id, one);
}

function keep(calls: Told['calls'], id: string, content: readonly unknown[]): void {
  keepLatest(calls, id, { content, chars: content.length === 0 ? 0 : JSON.stringify(content).length }, CALLS_KEPT);
  let over = [...calls.values()].reduce((sum, { chars }) => sum + chars, -CONTENT_CHARS);
  for (const [other, { chars }] of calls) {
    if (over <= 0) break;
    if (other === id) continue;
    calls.set(other, { content: [], chars: 0 });
    over -= chars;
  }
}

/** In v1, which wants each file's old and new text, a patch of v2 is text, and so is the agent's own terminal. */
function contentV1({ calls, terminals }: Told, id: string): readonly unknown[] {
  const content = calls.get(id)?.content ?? [];
  const isOfV2 = (part: unknown): boolean => {
    const { type, changes, terminalId } = fieldsOf(part);
    return type === 'diff' ? changes !== undefined : type === 'terminal' && terminals.has(stringOf(terminalId));
  };
  return toolOutput({ id, ...terminals.get(id), content }).map((text, i) =>
    i < content.length && !isOfV2(content[i]) ? content[i] : { type: 'content', content: { type: 'text', text } },
  );
}

/** Those of v1 stay as they are. */
export function capabilitiesV1(capabilities: Fields): Fields {
  const { session, ...others } = capabilities;
  if (!objectOf(session)) return capabilities;
  const { prompt, mcp, ...can } = fieldsOf(session);
  const given = (value: unknown, names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, objectOf(fieldsOf(value)[name]) !== null]));
  return {
    ...others,
    promptCapabilities: given(prompt, ['image', 'audio', 'embeddedContext']),
    mcpCapabilities: given(mcp, ['http']),
    sessionCapabilities: can,
  };
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

/** Anything but a list stays as it is, to be refused as in v1. */
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

/** The mode may be an option, too: the latest value holds. */
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

/** v2 has a patch where v1 has the old text and the new. */
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
