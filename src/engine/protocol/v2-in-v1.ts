/**
 * Updates of v2, told to a client of v1. There messages only grow, a tool call's content is always sent whole, and terminals are the
 * client's, so what was told last is kept. Those of v1 stay as they are.
 */
import { fieldsOf, objectOf, stringOf, type Fields } from '../objects.ts';
import { keepLatest } from './bounded.ts';
import { modesAmong, readConfigOptions } from './reported-state.ts';
import { chunksOf, mergeToolCalls, readToolCall, replacesMessage, textOf, toolOutput, type ToolCallReport } from './updates.ts';

/** What a client of v1 was told of a session. */
export interface ToldInV1 {
  /** The messages told last, by role and id. */
  readonly messages: Map<string, ToldMessage>;
  readonly calls: Map<string, ToldCall>;
  /** The output of terminals. */
  readonly terminals: Map<string, ToolCallReport>;
}

export const nothingToldInV1 = (): ToldInV1 => ({ messages: new Map(), calls: new Map(), terminals: new Map() });

/** Of a tool call: its content, how long that is as JSON, how long it was when it was told last, and all that was told of it. */
interface ToldCall {
  readonly content: unknown[];
  chars: number;
  told: number;
  toldInAll: number;
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
/** Content that comes in pieces is told whole with each while it is no longer than this, and then so many times its length in all. */
const TOLD_CHARS = 16 * 1024;
const TOLD_TIMES = 8;
/** Of each so many characters, in base64. */
const TERMINALS_KEPT = 16;
const TERMINAL_CHARS = 256 * 1024;

/** What to tell. v1 does not have the state. */
export function inV1(session: ToldInV1, said: Fields): readonly Fields[] {
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
      const before = session.calls.get(id);
      const content = Array.isArray(said['content']) ? (said['content'] as unknown[]) : null;
      if (!before || content) keep(session.calls, id, content ?? []);
      const told = content || (before && before.told < before.chars) ? { ...said, content: contentV1(session, id) } : said;
      return [!before && typeof said['title'] === 'string' ? { ...told, sessionUpdate: 'tool_call' } : told];
    }
    case 'tool_call_content_chunk': {
      const { chars, toldInAll } = keep(session.calls, id, [said['content']], true);
      if (chars > TOLD_CHARS && toldInAll > (TOLD_TIMES - 1) * chars) return [];
      return [{ sessionUpdate: 'tool_call_update', toolCallId: id, content: contentV1(session, id) }];
    }
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

function messageV1(messages: ToldInV1['messages'], said: Fields): readonly Fields[] {
  let chunks = chunksOf(said as never) as unknown as readonly Fields[];
  const id = stringOf(said['messageId']);
  if (id === '') return chunks;
  const key = `${stringOf(said['sessionUpdate']).replace('_chunk', '')} ${id}`;
  const before = messages.get(key);
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
function terminalV1(session: ToldInV1, said: Fields): readonly Fields[] {
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

const charsOf = (part: unknown): number => JSON.stringify(part)?.length ?? 0;

/** `adds`: to what there is. */
function keep(calls: ToldInV1['calls'], id: string, content: readonly unknown[], adds = false): ToldCall {
  const call = (adds && calls.get(id)) || { content: [], chars: 0, told: 0, toldInAll: 0 };
  for (const part of content) {
    call.content.push(part);
    call.chars += charsOf(part);
  }
  // Of a single one that is longer the client has the end.
  while (call.chars > CONTENT_CHARS && call.content.length > 1) call.chars -= charsOf(call.content.shift());
  keepLatest(calls, id, call, CALLS_KEPT);
  let over = [...calls.values()].reduce((sum, { chars }) => sum + chars, -CONTENT_CHARS);
  for (const [other, { chars }] of calls) {
    if (over <= 0) break;
    if (other === id) continue;
    calls.set(other, { content: [], chars: 0, told: 0, toldInAll: 0 });
    over -= chars;
  }
  return call;
}

/** In v1, which wants each file's old and new text, a patch of v2 is text, and so is the agent's own terminal. */
function contentV1({ calls, terminals }: ToldInV1, id: string): readonly unknown[] {
  const call = calls.get(id);
  const { content } = call ?? { content: [] };
  if (call) {
    call.told = call.chars;
    call.toldInAll += call.chars;
  }
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
