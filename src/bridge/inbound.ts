/**
 * What a client's frame may do. The decision is made on the parsed value, and that value, written out
 * afresh, is what the agent gets. So nothing that two JSON readers might understand differently
 * (keys that come twice, escapes, line ends inside a frame) reaches the agent.
 */
import { isUtf8 } from 'node:buffer';
import { isMessage } from '../adapters/json-rpc.ts';
import { messageLine } from '../adapters/stdio/json-rpc.ts';

export type FrameVerdict =
  /** One line for the agent, without its newline. */
  | { readonly verdict: 'forward'; readonly line: string }
  /** A JSON-RPC error for the client; the agent never sees the request. */
  | { readonly verdict: 'answer'; readonly text: string; readonly why: string }
  /** A notification that cannot be answered and must not be passed on. */
  | { readonly verdict: 'drop'; readonly why: string }
  /** Not one JSON-RPC message in a text frame: the connection is closed with 1002. */
  | { readonly verdict: 'close'; readonly why: string };

export interface InboundRules {
  readonly allowMcp: boolean;
}

/** Judges one frame. Pure. */
export function judgeFrame(data: Buffer, binary: boolean, rules: InboundRules): FrameVerdict {
  if (binary) return { verdict: 'close', why: 'a binary frame' };
  if (!isUtf8(data)) return { verdict: 'close', why: 'invalid UTF-8' };
  const text = data.toString('utf8');
  let value: unknown;
  try {
    value = parseExactly(text);
    if (!isMessage(value)) return { verdict: 'close', why: 'JSON, but not one JSON-RPC 2.0 message' };
    if (!rules.allowMcp && 'method' in value && carriesCommand(value)) return refusal(value as unknown as Record<string, unknown>);
    return { verdict: 'forward', line: messageLine(value) };
  } catch (error) {
    // RangeError: nested deeper than the stack goes.
    if (error instanceof SyntaxError || error instanceof RangeError) return { verdict: 'close', why: 'not JSON' };
    throw error;
  }
}

/** Numbers that lose something on the way through a double: many digits, an exponent, a negative zero. */
const RISKY_NUMBER = /\d[\d.]{15}|\d[eE]|-0/;

interface RawJson {
  rawJSON(text: string): unknown;
}

/** `JSON.parse` whose result writes every number out as it was spelled, so that large ids survive. */
function parseExactly(text: string): unknown {
  if (!RISKY_NUMBER.test(text)) return JSON.parse(text);
  const raw = JSON as unknown as RawJson;
  const keep = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source ? raw.rawJSON(context.source) : value;
  return JSON.parse(text, keep as (key: string, value: unknown) => unknown);
}

/** Agents differ in how they read keys (any case, snake_case), so all spellings are one here. */
function plainKey(key: string): string {
  return key.replaceAll(/[_\-\s]/g, '').toLowerCase();
}

/**
 * Whether anywhere in a message something under a key `mcpServers` has a key `command`. Anywhere,
 * because agents read extensions of their own (`_meta`, unstable methods) that we do not know.
 */
export function carriesCommand(message: unknown): boolean {
  const work: { value: unknown; inServers: boolean }[] = [{ value: message, inServers: false }];
  for (let item = work.pop(); item !== undefined; item = work.pop()) {
    const { value, inServers } = item;
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) {
      for (const element of value) if (typeof element === 'object') work.push({ value: element, inServers });
      continue;
    }
    for (const [key, child] of Object.entries(value)) {
      const name = plainKey(key);
      if (inServers && name === 'command') return true;
      if (typeof child === 'object') work.push({ value: child, inServers: inServers || name === 'mcpservers' });
    }
  }
  return false;
}

function refusal(message: Record<string, unknown>): FrameVerdict {
  if (!('id' in message)) return { verdict: 'drop', why: 'mcpServers with a command in a notification' };
  const text = JSON.stringify({
    jsonrpc: '2.0',
    id: message['id'],
    error: {
      code: -32602,
      message:
        'mcpServers with a command are not accepted over this bridge: they would start programs on its machine. Use http servers, or start the bridge with --allow-mcp.',
      data: { reason: 'mcp_command_not_allowed' },
    },
  });
  return { verdict: 'answer', text, why: 'mcp_command_not_allowed' };
}
