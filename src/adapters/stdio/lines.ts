/** ACP's stdio framing: one JSON-RPC message a line. */
import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { findMessage, type FoundMessage, messageText } from '../json-rpc.ts';
import { messageQueue } from '../message-queue.ts';
import type { StdioLimits } from './limits.ts';

export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
  readonly limit: number;
  constructor(limit: number) {
    super(`A line is longer than ${limit} bytes.`);
    this.limit = limit;
  }
}

const NEWLINE = 0x0a;

/** Cuts a byte stream into blocks of whole lines, so that many lines are decoded at once and no UTF-8 character is split. */
export class LineCutter {
  readonly #limit: number;
  #carry: Buffer[] = [];
  #carried = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Returns all lines that the chunk completes, up to the last newline, or null. After it threw `LineTooLong` the cutter is unusable. */
  push(chunk: Buffer): Buffer | null {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#keep(chunk);
      return null;
    }
    if (this.#carried === 0 && end === chunk.length && chunk.length <= this.#limit) return chunk;
    const first = chunk.indexOf(NEWLINE);
    if (this.#carried + first > this.#limit) throw new LineTooLong(this.#limit);
    if (chunk.length > this.#limit) this.#checkEach(chunk, first + 1, end);
    const head = chunk.subarray(0, end);
    const block = this.#carried === 0 ? head : Buffer.concat([...this.#carry, head], this.#carried + end);
    this.#carry = [];
    this.#carried = 0;
    if (end < chunk.length) this.#keep(chunk.subarray(end));
    return block;
  }

  /** Called at the end of the stream: returns what came after the last newline, or null. */
  rest(): Buffer | null {
    if (this.#carried === 0) return null;
    const rest = Buffer.concat(this.#carry, this.#carried);
    this.#carry = [];
    this.#carried = 0;
    return rest;
  }

  #keep(part: Buffer): void {
    this.#carried += part.length;
    if (this.#carried > this.#limit) throw new LineTooLong(this.#limit);
    this.#carry.push(part);
  }

  #checkEach(chunk: Buffer, from: number, end: number): void {
    for (let start = from; start < end;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline - start > this.#limit) throw new LineTooLong(this.#limit);
      start = newline + 1;
    }
  }
}

/** Visits the bounds of each line that is not blank, without its line end (`\n` or `\r\n`). */
export function eachLine(block: Buffer, visit: (start: number, end: number) => void): void {
  const length = block.length;
  for (let start = 0; start < length;) {
    let newline = block.indexOf(NEWLINE, start);
    if (newline < 0) newline = length;
    let end = newline;
    while (end > start && block[end - 1]! <= 0x20) end -= 1;
    if (end > start) visit(start, end);
    start = newline + 1;
  }
}

export interface BlockReader {
  /** No more blocks come. Whether the stream itself is read further is up to the caller. */
  stop(): void;
}

/** Reads an output in blocks of whole lines, and at the end what follows the last newline. */
export function readBlocks(
  stdout: Readable,
  limit: number,
  on: {
    readonly block: (block: Buffer) => void;
    /** Called when a line is over the limit, or `block` threw. After that nothing more is read. */
    readonly failed: (error: unknown) => void;
    /** Called once. */
    readonly end: () => void;
  },
): BlockReader {
  const cutter = new LineCutter(limit);
  let over = false;
  stdout.on('data', (chunk: Buffer) => {
    if (over) return;
    try {
      const block = cutter.push(chunk);
      if (block !== null) on.block(block);
    } catch (error) {
      over = true;
      on.failed(error);
    }
  });
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    const rest = over ? null : cutter.rest();
    over = true;
    if (rest !== null) on.block(rest);
    on.end();
  };
  stdout.once('end', end);
  stdout.once('close', end);
  return { stop: () => void (over = true) };
}

/** The lines of an input as a stream with backpressure. `take` turns a line into an item, or leaves it out with undefined. */
export function readLines<T>(
  input: Readable,
  limits: Pick<StdioLimits, 'messageBytes' | 'queuedBytes' | 'queuedMessages'>,
  take: (line: Buffer) => T | undefined,
  on: {
    /** Makes the error that the reader gets when a line is too long. */
    readonly tooLong: (error: LineTooLong) => Error;
    /** Called when the reader wants no more. */
    readonly left: () => void;
  },
): ReadableStream<T> {
  const resume = (): void => void input.resume();
  const queue = messageQueue<T>(limits.queuedBytes, resume, () => {
    blocks.stop();
    on.left();
  });
  const blocks = readBlocks(input, limits.messageBytes, {
    block: (block) => {
      let room = true;
      eachLine(block, (start, end) => {
        const taken = take(block.subarray(start, end));
        // A line counts at least its share of `queuedBytes`, so that `queuedMessages` holds, too.
        if (taken !== undefined) room = queue.push(taken, Math.max(end - start, limits.queuedBytes / limits.queuedMessages));
      });
      if (!room) input.pause();
    },
    failed: (error) => queue.end(error instanceof LineTooLong ? on.tooLong(error) : (error as Error)),
    end: () => queue.end(),
  });
  input.pause();
  return queue.readable;
}

/** Combines the writes of one turn of the event loop into one system call. */
export function corker(stream: { cork(): void; uncork(): void }): () => void {
  let corked = false;
  return () => {
    if (corked) return;
    corked = true;
    stream.cork();
    // Runs in the same turn, after its reads.
    setImmediate(() => {
      corked = false;
      stream.uncork();
    });
  };
}

/** The message in these bytes, or null. UTF-8 is checked, because decoding alone would silently replace broken characters. */
export function parseMessage(bytes: Buffer): AnyMessage | null {
  return isUtf8(bytes) ? (findInLine(bytes, false)?.message ?? null) : null;
}

/**
 * Makes an agent's output valid UTF-8. Other bytes become U+FFFD, because without its line an answer would never come. `note` is told of the
 * first.
 */
export function utf8Reader(note: (message: string) => void): (bytes: Buffer) => Buffer {
  let noted = false;
  return (bytes) => {
    if (isUtf8(bytes)) return bytes;
    if (!noted) note('[the agent wrote bytes that are not UTF-8; they were read as U+FFFD]');
    noted = true;
    return Buffer.from(bytes.toString('utf8'));
  };
}

/** `findMessage` for a line of UTF-8, with bounds in bytes. */
export function findInLine(line: Buffer, opening: boolean): FoundMessage | null {
  const text = line.toString('utf8');
  const found = findMessage(text, opening);
  if (found === null) return null;
  if (found.start === 0 && found.end === text.length) return { message: found.message, start: 0, end: line.length };
  const start = Buffer.byteLength(text.slice(0, found.start));
  return { message: found.message, start, end: start + Buffer.byteLength(text.slice(found.start, found.end)) };
}

/**
 * A message as one line, without the newline. U+2028 and U+2029 are escaped: JSON allows them, but common line readers (such as Node's
 * `readline`) take them for line ends.
 */
export const messageLine = (message: unknown): string => oneLine(messageText(message));

/** The same for JSON text. */
export function oneLine(text: string): string {
  return SEPARATORS.test(text) ? text.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029') : text;
}

const SEPARATORS = /[\u2028\u2029]/;
