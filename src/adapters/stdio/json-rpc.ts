import { isUtf8 } from 'node:buffer';
import type { AnyMessage } from '@agentclientprotocol/sdk';

/**
 * Whether a parsed value is one JSON-RPC 2.0 message. Strict about `jsonrpc`, because log lines in
 * JSON (`{"level":30,"method":"GET"}`) share stdout with messages. A batch is not a message: ACP has none.
 */
export function isMessage(value: unknown): value is AnyMessage {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const message = value as Record<string, unknown>;
  if (message['jsonrpc'] !== '2.0') return false;
  if (typeof message['method'] === 'string') return true;
  return 'id' in message && ('result' in message || 'error' in message);
}

/** The message in these bytes, or null when they are not one. */
export function parseMessage(bytes: Buffer): AnyMessage | null {
  // Parsing would replace broken characters without a word; such a line is not JSON text.
  if (!isUtf8(bytes)) return null;
  return parseText(bytes.toString('utf8'));
}

/** The message in this text, or null when it is not one. */
export function parseText(text: string): AnyMessage | null {
  try {
    const value: unknown = JSON.parse(text);
    return isMessage(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * A message as one line, without its newline. U+2028 and U+2029 are escaped: they are allowed in JSON,
 * but line readers in wide use (Node's `readline` for one) take them for line ends.
 */
export function messageLine(message: unknown): string {
  const text = JSON.stringify(message);
  return SEPARATORS.test(text) ? text.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029') : text;
}

const SEPARATORS = /[\u2028\u2029]/;
