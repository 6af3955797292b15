/** What counts as a message, the same on every way to an agent. Runs in a browser as in Node. */
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
