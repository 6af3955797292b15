/** What counts as a JSON-RPC message, and how it is read and written, for every transport. Runs in browsers and Node. */
import type { AnyMessage } from '@agentclientprotocol/sdk';

/**
 * Whether a parsed value is one JSON-RPC 2.0 message. Strict about `jsonrpc`, because log lines in JSON (`{"level":30,"method":"GET"}`) share
 * stdout with messages. ACP has no batches. Some agents leave out a `result` that is null.
 */
export function isMessage(value: unknown): value is AnyMessage {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const message = value as Record<string, unknown>;
  if (message['jsonrpc'] !== '2.0') return false;
  const { method } = message;
  return typeof method === 'string' || ((method === undefined || method === null) && 'id' in message);
}

/** The message in a text, or null. Characters that a terminal does not show may surround it. */
export function parseText(text: string): AnyMessage | null {
  return findMessage(text, false)?.message ?? null;
}

/** Whether a line that is not a message was meant to be one, or a part of one. It may contain `NaN`, for example, or be one of two on a line. */
export function looksLikeMessage(text: string): boolean {
  return /"(?:jsonrpc|sessionUpdate)"\s*:|^\s*\{\s*"id"\s*:[^,{}[\]]*,\s*"(?:result|error)"\s*:/.test(text);
}

export interface FoundMessage {
  readonly message: AnyMessage;
  /** `[start, end)`. */
  readonly start: number;
  readonly end: number;
}

/**
 * The message in a line that may contain more: a byte-order mark, escape sequences (a window title, colours), control characters, text that a
 * carriage return overwrites. While an agent is `opening`, a response may also follow a visible banner. A request may not, because agents log
 * the requests they get.
 */
export function findMessage(text: string, opening: boolean): FoundMessage | null {
  const whole = parseWhole(text);
  if (whole !== null) return { message: whole, start: 0, end: text.length };
  if (!text.includes('{')) return null;
  let tries = 0;
  for (let to = text.length; to > 0 && tries < MOST_TRIES;) {
    const from = text.lastIndexOf('\r', to - 1) + 1;
    const found = text.slice(from, to).includes('{') && (tries++, findIn(text, from, to, opening));
    if (found) return found;
    to = from - 1;
  }
  return null;
}

function findIn(text: string, from: number, to: number, opening: boolean): FoundMessage | null {
  const part = text.slice(from, to);
  const start = from + (INVISIBLE_START.exec(part)?.[0].length ?? 0);
  const end = endOfVisible(text, start, to);
  if (text[start] === '{' && (start > 0 || end < text.length)) {
    const message = parseWhole(text.slice(start, end));
    if (message !== null) return { message, start, end };
  }
  if (!opening) return null;
  let tries = 0;
  for (const { index } of part.matchAll(OBJECT_START)) {
    if (++tries > MOST_TRIES) break;
    const message = from + index === start ? null : parseWhole(text.slice(from + index, end));
    if (message !== null && !('method' in message)) return { message, start: from + index, end };
  }
  return null;
}

/**
 * Control characters except the escape, a byte-order mark, and whole escape sequences: CSI, OSC, DCS and the like, two characters. Repeats are
 * bounded, since millions of them make the search throw.
 */
const INVISIBLE = String.raw`[\u0000-\u001a\u001c-\u0020\u007f-\u009a\u00a0\ufeff]|(?:\u001b\[|\u009b)[0-?]{0,256}[ -/]{0,256}[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]{0,4096}(?:\u0007|\u001b\\|\u009c)|\u001b[PX^_][^\u001b]{0,4096}\u001b\\|\u001b[ -/]{0,256}[0-OQ-WYZ\\${'`'}-~]`;
const INVISIBLE_START = new RegExp(`^(?:${INVISIBLE}){1,65536}`);
const INVISIBLE_REST = new RegExp(`^(?:${INVISIBLE})*$`);
const OBJECT_START = /\{\s{0,256}"/g;
/** Each try costs as much as parsing the whole line. */
const MOST_TRIES = 8;
/** How much invisible text may follow a message, which switches a colour off or sets a title. */
const LONGEST_TAIL = 1_024;

function endOfVisible(text: string, from: number, to: number): number {
  const tail = Math.max(from, to - LONGEST_TAIL);
  const brace = text.slice(tail, to).lastIndexOf('}');
  if (brace < 0) return to;
  const end = tail + brace + 1;
  return INVISIBLE_REST.test(text.slice(end, to)) ? end : to;
}

/** The message, if the text is one and nothing else. */
export function parseWhole(text: string): AnyMessage | null {
  try {
    const value: unknown = JSON.parse(text);
    return isMessage(value) ? withExactIds(value, text) : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null;
    throw error;
  }
}

// ---------------------------------------------------------------- ids

/**
 * An id that a JavaScript number cannot represent as it was written, such as 2^53 + 1, is replaced by a string: this prefix and the id's JSON
 * text. So is a string id that begins with the prefix itself, so that every id is sent back as it came.
 */
const STAND_IN = 'json-rpc-id:';

/** Where a message has ids: its own, and that of a request it cancels. */
interface WithIds {
  id?: unknown;
  readonly method?: unknown;
  readonly params?: { requestId?: unknown } | null;
}

function withExactIds<M extends AnyMessage>(message: M, text: string): M {
  const { id, method, params } = message as WithIds;
  // Most answers are to requests of our own, whose ids are small numbers.
  if (method === undefined && Number.isSafeInteger(id)) return message;
  if (id !== undefined) (message as WithIds).id = exactId(id, text, 'id', (read) => read.id);
  else if (method === '$/cancel_request' && params?.requestId !== undefined)
    params.requestId = exactId(params.requestId, text, 'requestId', (read) => read.params?.requestId);
  return message;
}

function exactId(id: unknown, text: string, key: string, pick: (read: WithIds) => unknown): unknown {
  if (typeof id === 'string') return id.startsWith(STAND_IN) ? STAND_IN + JSON.stringify(id) : id;
  if (typeof id !== 'number' || isPlain(id, text, key)) return id;
  const written = sourceOf(text, pick);
  return written === null || written === String(id) ? id : STAND_IN + written;
}

/** Whether the id is written as JavaScript would write it. Nearly all are, and then the text need not be parsed again. */
function isPlain(id: number, text: string, key: string): boolean {
  return (
    Number.isSafeInteger(id) &&
    [`"${key}":${id}`, `"${key}": ${id}`].some((written) => {
      const at = text.indexOf(written);
      return at >= 0 && /[\s,}]/.test(text.charAt(at + written.length));
    })
  );
}

/** How a number was written; null if this JavaScript engine cannot tell (its `JSON.parse` gives no source text). */
function sourceOf(text: string, pick: (read: WithIds) => unknown): string | null {
  class Written {
    readonly source: string;
    constructor(source: string) {
      this.source = source;
    }
  }
  const keep = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && context?.source !== undefined ? new Written(context.source) : value;
  const found = pick(JSON.parse(text, keep as (key: string, value: unknown) => unknown) as WithIds);
  return found instanceof Written ? found.source : null;
}

/** A message as JSON, with ids as they came. */
export function messageText(message: unknown): string {
  const found = (message as { id?: unknown } | null | undefined)?.id;
  if (typeof found !== 'string' || !found.startsWith(STAND_IN)) return JSON.stringify(message);
  const { id = '', ...rest } = message as { id?: string };
  return `{"id":${id.slice(STAND_IN.length)},${JSON.stringify(rest).slice(1)}`;
}
