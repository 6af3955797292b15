/**
 * Reads session updates: the only place that knows their kinds and fields. They are stored as the agent sent them, so they may be anything.
 * Nothing here throws; a field of a wrong type counts as missing.
 */
import { fieldsOf, stringOf, type Fields } from '../objects.ts';
import { formatBytes, utf8Length } from '../transcript/text.ts';
import type { SessionEvent, SessionUpdate } from '../types.ts';

// ---------------------------------------------------------------- classes

/**
 * - `message`: a piece of what the user or the agent said, or of what the agent thought (`roleOf`);
 * - `tool_call`, `tool_call_update`, `plan`: the rest of a conversation;
 * - `state`: how things are now, such as the mode;
 * - `notice`: a word of the agent's to the person beside its reply; no part of the conversation, and not replayed;
 * - `compaction`: the agent shortened its own memory;
 * - `unknown`: a kind that neither stable ACP v1 nor v2 has; stored like the rest.
 *
 * In version 2 messages and tool calls are upserts by id: a whole message replaces what was said under its id, a chunk adds to it. An
 * update of the agent's own terminal is read as one of the tool call that shows the terminal, since agents give both the same id.
 */
export type UpdateClass = 'message' | 'tool_call' | 'tool_call_update' | 'plan' | 'state' | 'notice' | 'compaction' | 'unknown';
export type Role = 'user' | 'agent' | 'thought';

const KINDS: ReadonlyMap<unknown, UpdateClass | Role> = new Map<unknown, UpdateClass | Role>([
  ['user_message_chunk', 'user'],
  ['agent_message_chunk', 'agent'],
  ['agent_thought_chunk', 'thought'],
  ['user_message', 'user'],
  ['agent_message', 'agent'],
  ['agent_thought', 'thought'],
  ['tool_call', 'tool_call'],
  ['tool_call_update', 'tool_call_update'],
  ['tool_call_content_chunk', 'tool_call_update'],
  ['terminal_update', 'tool_call_update'],
  ['terminal_output_chunk', 'tool_call_update'],
  ['plan', 'plan'],
  ['plan_update', 'plan'],
  ['state_update', 'state'],
  ['available_commands_update', 'state'],
  ['current_mode_update', 'state'],
  ['config_option_update', 'state'],
  ['session_info_update', 'state'],
  ['usage_update', 'state'],
  ['notice', 'notice'],
  ['compaction_update', 'compaction'],
  ['compaction_summary_chunk', 'compaction'],
]);

/** `meta` is the `_meta` of the notification. */
export function classOf(update: unknown, meta?: unknown): UpdateClass {
  const known = KINDS.get(fieldsOf(update)['sessionUpdate']) ?? 'unknown';
  if (known !== 'user' && known !== 'agent' && known !== 'thought') return known;
  return known === 'agent' && isAside(update, meta) ? 'notice' : 'message';
}

/** Who says a message; null for any other update, and for a notice in the shape of a message. */
export function roleOf(update: unknown, meta?: unknown): Role | null {
  const known = KINDS.get(fieldsOf(update)['sessionUpdate']);
  if (known === 'agent') return isAside(update, meta) ? null : 'agent';
  return known === 'user' || known === 'thought' ? known : null;
}

export function kindsOf(...roles: readonly Role[]): string[] {
  return [...KINDS].flatMap(([kind, role]) => ((roles as readonly unknown[]).includes(role) ? [String(kind)] : []));
}

/** Whether a replay brings it back. */
export function isConversation(update: unknown, meta?: unknown): boolean {
  return ['message', 'tool_call', 'tool_call_update', 'plan'].includes(classOf(update, meta));
}

/**
 * Whether a message is a notice, for a client that did not ask for notices: marked in `_meta`, and without an id (Claude's agent 0.101).
 */
function isAside(update: unknown, meta: unknown): boolean {
  const own = fieldsOf(update)['_meta'];
  if (own === undefined && meta === undefined) return false;
  return [own, meta].some((value) => fieldsOf(fieldsOf(value)['claudeCode'])['kind'] === 'informational');
}

/** Whether it may come between two pieces of a message without ending the message. */
export function isBeside(update: unknown, meta?: unknown): boolean {
  return ['state', 'notice', 'compaction'].includes(classOf(update, meta));
}

export function messageIdOf(update: unknown): string | null {
  const id = fieldsOf(update)['messageId'];
  return typeof id === 'string' ? id : null;
}

export interface MessagePiece extends Pick<SessionEvent, 'origin' | 'turnId'> {
  readonly role: Role;
  readonly messageId: string | null;
}

export function pieceOf({ kind, origin, turnId, payload, meta }: SessionEvent): MessagePiece | null {
  const role = kind === 'update' ? roleOf(payload, meta) : null;
  return role && { role, origin, turnId, messageId: messageIdOf(payload) };
}

/** Whether a piece belongs to a message: it has the same id, or neither has one and nothing came between them (`isParted`). */
export function continuesMessage(message: MessagePiece, piece: MessagePiece, isParted: boolean): boolean {
  return (
    message.role === piece.role &&
    message.origin === piece.origin &&
    message.turnId === piece.turnId &&
    message.messageId === piece.messageId &&
    (piece.messageId !== null || !isParted)
  );
}

const WHOLE = new Set<unknown>(['user_message', 'agent_message', 'agent_thought']);

/** Whether a message replaces what was said under its id before. */
export function replacesMessage(update: unknown): boolean {
  const { sessionUpdate, content } = fieldsOf(update);
  return WHOLE.has(sessionUpdate) && content !== undefined;
}

/** The content blocks of a message: one of a chunk, all of a whole message. */
export function blocksOf(update: unknown): readonly unknown[] {
  const { sessionUpdate, content } = fieldsOf(update);
  if (!WHOLE.has(sessionUpdate)) return [content];
  return Array.isArray(content) ? (content as unknown[]) : [];
}

/** A message as chunks: a chunk itself, or one chunk for each block of a whole message. */
export function chunksOf(update: SessionUpdate): readonly SessionUpdate[] {
  if (!WHOLE.has(update.sessionUpdate)) return [update];
  const { sessionUpdate, content: _content, ...rest } = fieldsOf(update);
  return blocksOf(update).map((block) => ({ ...rest, sessionUpdate: `${stringOf(sessionUpdate)}_chunk`, content: block }) as never);
}

/** The text of a message. For `others` see `textOf`. */
export function messageText(update: unknown, others: 'name' | 'describe' | 'omit' = 'omit'): string {
  // Nearly all messages are chunks, for which no list is made.
  if (!WHOLE.has(fieldsOf(update)['sessionUpdate'])) return textOf(fieldsOf(update)['content'], others) ?? '';
  return blocksOf(update)
    .map((block) => textOf(block, others) ?? '')
    .join('');
}

// ---------------------------------------------------------------- content

export function contentKind(content: unknown): string {
  return stringOf(fieldsOf(content)['type']) || 'unknown';
}

/**
 * The text of a content block. For a block that is not text (an image, a link, a resource), `omit` gives null, `name` its kind in brackets,
 * and `describe` also its name and size.
 */
export function textOf(content: unknown): string | null;
export function textOf(content: unknown, others: 'name' | 'describe'): string;
export function textOf(content: unknown, others: 'omit' | 'name' | 'describe'): string | null;
export function textOf(content: unknown, others: 'omit' | 'name' | 'describe' = 'omit'): string | null {
  const block = fieldsOf(content);
  if (block['type'] === 'text' && typeof block['text'] === 'string') return block['text'];
  if (others === 'omit') return null;
  const kind = name(block['type']) || 'something unreadable';
  if (others === 'name') return `[${kind}]`;
  switch (block['type']) {
    case 'text':
      return '';
    case 'image':
    case 'audio':
      return attachment(kind, block['mimeType'], block['uri'], base64Size(block['data']));
    case 'resource_link':
      return attachment('link', block['title'] || block['name'], block['uri'], typeof block['size'] === 'number' ? block['size'] : 0);
    case 'resource': {
      const resource = fieldsOf(block['resource']);
      const text = stringOf(resource['text']);
      return attachment(kind, resource['mimeType'], resource['uri'], text === '' ? base64Size(resource['blob']) : utf8Length(text));
    }
    default:
      return `[${kind}]`;
  }
}

function attachment(kind: string, what: unknown, uri: unknown, bytes: number): string {
  const address = stringOf(uri).startsWith('data:') ? '' : name(uri);
  return `[${[kind, name(what), address, bytes > 0 ? formatBytes(bytes) : ''].filter((part) => part !== '').join(', ')}]`;
}

const base64Size = (data: unknown): number => Math.floor(stringOf(data).length * 0.75);

/** Of a longer name only the size is told: if it were cut, half a secret could stay. */
const MAX_NAME = 2_000;

function name(value: unknown): string {
  const text = stringOf(value);
  return text.length > MAX_NAME ? `(a name of ${formatBytes(utf8Length(text))})` : text.replace(/\s+/g, ' ');
}

// ---------------------------------------------------------------- tool calls and plans

/** What one update says of a tool call. What it leaves out, or has in a wrong type, is undefined. */
export interface ToolCallReport {
  readonly id: string;
  readonly title?: string | undefined;
  readonly kind?: string | undefined;
  readonly status?: string | undefined;
  /** Content, diffs and terminals, as sent. Undefined when the list is empty. */
  readonly content?: readonly unknown[] | undefined;
  /** Whether `content` adds to what was there, instead of replacing it. */
  readonly adds?: true | undefined;
  readonly terminal?:
    | {
        /** Its output as pieces of base64, joined by commas. A piece may end within a character. */
        readonly data?: string | undefined;
        /** Whether `data` adds to what was there, instead of replacing it. */
        readonly adds: boolean;
        /** Whether only the terminal is known, and not the tool call that shows it. A title and kind are then the terminal's. */
        readonly isAlone: boolean;
      }
    | undefined;
  readonly paths?: readonly string[] | undefined;
  readonly rawInput?: unknown;
  readonly rawOutput?: unknown;
}

/** Whether a tool call with this status can still come to an end. `paused` is v2's. */
export const isOpenCall = (status: unknown): boolean => /^(?:pending|in_progress|paused|undefined|null)$/.test(String(status));

export interface KnownCall extends Pick<SessionEvent, 'turnId'>, Pick<ToolCallReport, 'status'> {
  /** Whether it is known from `tool_call_update`s alone, as in ACP v2. */
  readonly isUpserted: boolean;
}

/**
 * Whether an update is about the tool call that is known under its id, or begins another one: a successor, or an agent that counts from 1
 * at each start, uses ids again in later turns. What comes between turns belongs to the known one.
 */
export function isSameCall(before: KnownCall, update: unknown, turnId: string | null): boolean {
  if (turnId === null || before.turnId === turnId) return true;
  if (classOf(update) === 'tool_call') return false;
  if (!before.isUpserted || isOpenCall(before.status)) return true;
  // Content that is added, and a terminal without its command, begin no call. A terminal may run on when its call is over.
  const { adds, terminal, title } = readToolCall(update);
  return adds === true || (terminal !== undefined && title === undefined);
}

/** Tells which open tool calls will not be finished after this event; null when it ends none. */
export function cutOffBy(event: SessionEvent): ((call: Pick<KnownCall, 'turnId' | 'status'>) => boolean) | null {
  switch (event.kind) {
    case 'agent_exited':
    case 'resumed':
      return ({ status }) => isOpenCall(status);
    case 'turn_ended':
      return event.payload.state === 'completed' ? null : ({ status, turnId }) => isOpenCall(status) && turnId === event.turnId;
    default:
      return null;
  }
}

/** Reads a `tool_call`, an update of one, or the tool call of a permission request. */
export function readToolCall(update: unknown): ToolCallReport {
  const fields = fieldsOf(update);
  const said = (key: string): string | undefined => stringOf(fields[key]) || undefined;
  const list = (key: string): readonly unknown[] => (Array.isArray(fields[key]) ? (fields[key] as unknown[]) : []);
  if (fields['terminalId'] !== undefined) return readTerminal(fields);
  const adds = fields['sessionUpdate'] === 'tool_call_content_chunk';
  const content = adds ? [fields['content']] : list('content');
  const paths = list('locations')
    .map((location) => stringOf(fieldsOf(location)['path']))
    .filter((path) => path !== '');
  return {
    id: stringOf(fields['toolCallId']),
    title: said('title') ?? said('name'),
    kind: said('kind'),
    status: said('status'),
    content: content.length > 0 ? content : undefined,
    ...(adds ? { adds } : {}),
    paths: paths.length > 0 ? paths : undefined,
    rawInput: fields['rawInput'] ?? undefined,
    rawOutput: fields['rawOutput'] ?? undefined,
  };
}

function readTerminal({ terminalId, sessionUpdate, command, output, exitStatus, data }: Fields): ToolCallReport {
  const adds = sessionUpdate === 'terminal_output_chunk';
  const bytes = adds ? data : fieldsOf(output)['data'];
  const { exitCode, signal } = fieldsOf(exitStatus);
  const failed = (typeof exitCode === 'number' && exitCode !== 0) || stringOf(signal) !== '';
  return {
    id: stringOf(terminalId),
    ...(typeof command === 'string' ? { title: command, kind: 'execute' } : {}),
    status: fieldsOf(exitStatus) === exitStatus ? (failed ? 'failed' : 'completed') : undefined,
    terminal: { data: typeof bytes === 'string' ? bytes : undefined, adds, isAlone: true },
  };
}

function mergeTerminals(older: ToolCallReport, later: ToolCallReport): Pick<ToolCallReport, 'terminal'> {
  const [before, after] = [older.terminal, later.terminal];
  if (!before && !after) return {};
  const adds = after?.data === undefined || after.adds;
  const data = adds ? [before?.data, after?.data].filter((piece) => piece !== undefined).join(',') || undefined : after.data;
  return { terminal: { data, adds: adds && (before?.adds ?? true), isAlone: before?.isAlone === true && after?.isAlone === true } };
}

function terminalText(data: string): string {
  const decoder = new TextDecoder();
  const pieces = data.split(',').map((piece) => {
    try {
      return decoder.decode(
        Uint8Array.from(atob(piece), (char) => char.charCodeAt(0)),
        { stream: true },
      );
    } catch {
      return '[unreadable]';
    }
  });
  return pieces.join('') + decoder.decode();
}

/** The later report counts, and what it leaves out is as in the older. */
export function mergeToolCalls(older: ToolCallReport, later: ToolCallReport): ToolCallReport {
  // The title and kind of the call come before those of its terminal.
  const [first, second] = later.terminal?.isAlone ? [older, later] : [later, older];
  return {
    id: later.id,
    title: first.title ?? second.title,
    kind: first.kind ?? second.kind,
    status: later.status ?? older.status,
    content: later.adds ? [...(older.content ?? []), ...(later.content ?? [])] : (later.content ?? older.content),
    ...(older.adds && (later.adds || !later.content) ? { adds: true as const } : {}),
    ...mergeTerminals(older, later),
    paths: later.paths ?? older.paths,
    rawInput: later.rawInput ?? older.rawInput,
    rawOutput: later.rawOutput ?? older.rawOutput,
  };
}

const OUTPUT_KEYS = [
  'output', 'stdout', 'aggregated_output', 'formatted_output', 'text', 'content', 'result', 'stderr', 'error', 'message',
]; // prettier-ignore

/** The output of a tool call in parts: its content and its terminal's output, else the readable part of its raw output. */
export function toolOutput({ id, content = [], terminal, rawOutput }: ToolCallReport): readonly string[] {
  const printed = terminal?.data === undefined ? null : terminalText(terminal.data);
  const isOwnTerminal = (part: unknown): boolean => {
    const { type, terminalId } = fieldsOf(part);
    return printed !== null && type === 'terminal' && terminalId === id;
  };
  const parts = content.map((part) => (isOwnTerminal(part) ? (printed as string) : toolContentText(part)));
  if (printed !== null && !content.some(isOwnTerminal)) parts.push(printed);
  if (parts.length > 0) return parts;
  if (typeof rawOutput === 'string') return rawOutput === '' ? [] : [rawOutput];
  const fields = fieldsOf(rawOutput);
  const text = OUTPUT_KEYS.map((key) => stringOf(fields[key])).find((candidate) => candidate.trim() !== '');
  return text === undefined ? [] : [text];
}

function toolContentText(part: unknown): string {
  const fields = fieldsOf(part);
  if (fields['type'] === 'diff') return diffText(fields);
  if (fields['type'] === 'terminal') return '[terminal]';
  return textOf(fields['content'] ?? part, 'describe');
}

/** In version 1 a diff has the new text of one file, in version 2 a patch of several. */
function diffText(fields: Fields): string {
  const changes = (Array.isArray(fields['changes']) ? (fields['changes'] as unknown[]) : []).map((change) =>
    name(fieldsOf(change)['path']),
  );
  if (changes.length === 0) return `diff of ${name(fields['path'])}:\n${stringOf(fields['newText'])}`;
  return `diff of ${changes.join(', ')}:\n${stringOf(fieldsOf(fields['patch'])['text'])}`;
}

export interface PlanEntry {
  readonly text: string;
  /** `pending`, `in_progress`, `completed`, or anything else that the agent sent. */
  readonly status: string;
}

export function planEntries(update: unknown): readonly PlanEntry[] {
  const entries = fieldsOf(update)['entries'] ?? fieldsOf(fieldsOf(update)['plan'])['entries'];
  return (Array.isArray(entries) ? (entries as unknown[]) : [])
    .map(fieldsOf)
    .filter(({ content }) => typeof content === 'string')
    .map(({ content, status }) => ({ text: stringOf(content), status: stringOf(status) }));
}

/** The title of a notice and its text; null for any other update. */
export function noticeText(update: unknown, meta?: unknown): string | null {
  if (classOf(update, meta) !== 'notice') return null;
  const { title, description, content } = fieldsOf(update);
  return [stringOf(title), stringOf(description), textOf(content) ?? ''].filter((part) => part !== '').join('\n');
}
