/** Messages as the bytes of a line, read and written. */
import { isUtf8 } from 'node:buffer';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { findMessage, messageText } from '../json-rpc.ts';

/** The message in these bytes, or null when they are not one. */
export function parseMessage(bytes: Buffer): AnyMessage | null {
  return findInLine(bytes, false)?.message ?? null;
}

export interface FoundInLine {
  readonly message: AnyMessage;
  /** Where its bytes are: `[start, end)`. */
  readonly start: number;
  readonly end: number;
}

/** The message in a line, and where it is; `opening` as in `findMessage`. */
export function findInLine(line: Buffer, opening: boolean): FoundInLine | null {
  // Parsing would replace broken characters without a word; such a line is not JSON text, but for a banner in front of it.
  const skipped = isUtf8(line) ? 0 : opening ? line.indexOf('{') : -1;
  if (skipped < 0 || (skipped > 0 && !isUtf8(line.subarray(skipped)))) return null;
  const text = line.toString('utf8', skipped);
  const found = findMessage(text, opening);
  if (found === null) return null;
  if (found.start === 0 && found.end === text.length) return { message: found.message, start: skipped, end: line.length };
  const start = skipped + Buffer.byteLength(text.slice(0, found.start));
  return { message: found.message, start, end: start + Buffer.byteLength(text.slice(found.start, found.end)) };
}

/**
 * A message as one line, without its newline. U+2028 and U+2029 are escaped: they are allowed in JSON,
 * but line readers in wide use (Node's `readline` for one) take them for line ends.
 */
export function messageLine(message: unknown): string {
  const text = messageText(message);
  return SEPARATORS.test(text) ? text.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029') : text;
}

const SEPARATORS = /[\u2028\u2029]/;
