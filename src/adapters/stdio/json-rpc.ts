/** Messages as the bytes of a line, read and written. */
import { isUtf8 } from 'node:buffer';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { parseText } from '../json-rpc.ts';

/** The message in these bytes, or null when they are not one. */
export function parseMessage(bytes: Buffer): AnyMessage | null {
  // Parsing would replace broken characters without a word; such a line is not JSON text.
  if (!isUtf8(bytes)) return null;
  return parseText(bytes.toString('utf8'));
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
