/**
 * Decides about a client's frame. It is parsed, judged and serialised again for the agent, so that nothing reaches the agent that two JSON parsers
 * might understand differently (repeated keys, escapes, line ends within a frame).
 */
import { isUtf8 } from 'node:buffer';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { messageText, parseWhole } from '../adapters/json-rpc.ts';
import { messageLine } from '../adapters/stdio/lines.ts';
import { findCommand, type FoundCommand } from './commands.ts';

export type FrameVerdict =
  /** `line` is the message for the agent, without a newline. */
  | { readonly verdict: 'forward'; readonly message: AnyMessage; readonly line: string }
  /** A JSON-RPC error for the client; the agent never sees the request. */
  | { readonly verdict: 'answer'; readonly text: string; readonly why: string }
  /** A notification that cannot be answered and must not be passed on. */
  | { readonly verdict: 'drop'; readonly why: string }
  /** The frame is not one JSON-RPC message as text, so the connection is closed with 1002. */
  | { readonly verdict: 'close'; readonly why: string };

export function judgeFrame(data: Buffer, binary: boolean, rules: { readonly allowMcp: boolean }): FrameVerdict {
  if (binary) return { verdict: 'close', why: 'a binary frame' };
  if (!isUtf8(data)) return { verdict: 'close', why: 'invalid UTF-8' };
  try {
    const message = parseWhole(data.toString('utf8'));
    if (message === null) return { verdict: 'close', why: 'not one JSON-RPC 2.0 message' };
    const asks = 'method' in message && typeof message.method === 'string';
    const found = rules.allowMcp || !asks ? null : findCommand(message);
    return found === null ? { verdict: 'forward', message, line: messageLine(message) } : refusal(message, found);
  } catch (error) {
    // The stack is not deep enough for the nesting.
    if (error instanceof RangeError) return { verdict: 'close', why: 'too deeply nested' };
    throw error;
  }
}

function refusal(message: AnyMessage, { reason, path }: FoundCommand): FrameVerdict {
  // SECURITY: only the reason is logged, because the path is the client's own words.
  if (!('id' in message)) return { verdict: 'drop', why: reason };
  const text = messageText({
    jsonrpc: '2.0',
    id: message.id,
    error: { code: -32602, message: MESSAGES[reason](path), data: { reason, path } },
  });
  return { verdict: 'answer', text, why: reason };
}

const ALLOW = 'or start it (rehydrate bridge, rehydrate serve) with --allow-mcp.';

const MESSAGES: Readonly<Record<FoundCommand['reason'], (path: string) => string>> = {
  mcp_command_not_allowed: (path) =>
    `MCP servers with a command (${path}) are not accepted here: they would start programs on this machine. Leave them out of the client's settings, use http servers, ${ALLOW}`,
  meta_not_allowed: (path) =>
    `“${path}” is not accepted here: agents are known to start programs by such fields, or to start them otherwise. Leave it out, ${ALLOW}`,
  method_not_allowed: () =>
    `A method of this name is not accepted here: ACP does not have it, and its name says that it runs or sets up programs. Do without it, ${ALLOW}`,
};
