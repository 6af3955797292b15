/** Writes unmasked WebSocket text frames into one buffer, so that a block of lines costs one system call. */
import { eachLine, findInLine } from '../adapters/stdio/lines.ts';
import { scanMessage } from '../adapters/stdio/message-scan.ts';

const FINAL_TEXT = 0x81;
const NEWLINE = 0x0a;

/**
 * Turns a block of UTF-8 lines into text frames, one for each JSON-RPC message, with the line's own bytes. Other lines go to `reject`. Null if no
 * line was a message. `opening`, as in `findMessage`, is true until the agent's first message. Frames are written into `room` if they fit.
 */
export function framesOf(block: Buffer, reject: (line: Buffer) => void, opening = false, room = Buffer.of()): Buffer | null {
  // Enough room: the shortest message has 29 bytes, and no header is longer than an eighth of its message.
  const most = block.length + (block.length >> 3);
  const frames = most <= room.length ? room : Buffer.allocUnsafe(most);
  let at = 0;
  const add = (start: number, end: number): void => {
    at = writeHeader(frames, at, end - start);
    at += block.copy(frames, at, start, end);
  };
  for (let start = 0; start < block.length;) {
    const found = scanMessage(block, start);
    if (found >= 0 && (block[found] === NEWLINE || found === block.length)) {
      add(start, found);
      start = found + 1;
      continue;
    }
    const newline = block.indexOf(NEWLINE, start);
    const stop = newline < 0 ? block.length : newline;
    eachLine(block.subarray(start, stop), (from, to) => {
      const line = block.subarray(start + from, start + to);
      const message = findInLine(line, opening && at === 0);
      if (message === null) reject(line);
      else add(start + from + message.start, start + from + message.end);
    });
    start = stop + 1;
  }
  return at === 0 ? null : frames.subarray(0, at);
}

export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  const at = writeHeader(frame, 0, length);
  return frame.subarray(0, at + frame.write(text, at));
}

/** The longest header: one byte, a marker, and a length of eight bytes. */
const HEADER_BYTES = 10;

function writeHeader(target: Buffer, at: number, length: number): number {
  target[at] = FINAL_TEXT;
  if (length < 126) {
    target[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    target[at + 1] = 126;
    return target.writeUInt16BE(length, at + 2);
  }
  target[at + 1] = 127;
  return target.writeBigUInt64BE(BigInt(length), at + 2);
}
