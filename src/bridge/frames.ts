/** Unmasked WebSocket text frames, written straight into one buffer: one system call for a block of lines. */
import { isUtf8 } from 'node:buffer';
import { parseText } from '../adapters/stdio/json-rpc.ts';
import { eachLine } from '../adapters/stdio/lines.ts';

const FINAL_TEXT = 0x81;

/**
 * Turns a block of lines into a run of text frames, one JSON-RPC message each; the lines' own bytes are
 * the payloads. Lines that are not JSON-RPC go to `reject`. Null when no line was a message.
 */
export function framesOf(block: Buffer, reject: (line: Buffer) => void): { frames: Buffer; messages: number } | null {
  const clean = isUtf8(block);
  const bounds: number[] = [];
  let size = 0;
  eachLine(block, (start, end) => {
    // Checking the whole block once is what the good case costs; only a bad block is checked line by line.
    if ((!clean && !isUtf8(block.subarray(start, end))) || parseText(block.toString('utf8', start, end)) === null) {
      reject(block.subarray(start, end));
      return;
    }
    bounds.push(start, end);
    size += headerBytes(end - start) + end - start;
  });
  if (bounds.length === 0) return null;
  const frames = Buffer.allocUnsafe(size);
  let at = 0;
  for (let index = 0; index < bounds.length; index += 2) {
    const start = bounds[index]!;
    const end = bounds[index + 1]!;
    at = writeHeader(frames, at, end - start);
    at += block.copy(frames, at, start, end);
  }
  return { frames, messages: bounds.length / 2 };
}

/** One text frame. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerBytes(length) + length);
  frame.write(text, writeHeader(frame, 0, length), 'utf8');
  return frame;
}

function headerBytes(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

function writeHeader(target: Buffer, at: number, length: number): number {
  target[at] = FINAL_TEXT;
  if (length < 126) {
    target[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    target[at + 1] = 126;
    target.writeUInt16BE(length, at + 2);
    return at + 4;
  }
  target[at + 1] = 127;
  target.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2);
  target.writeUInt32BE(length >>> 0, at + 6);
  return at + 10;
}
