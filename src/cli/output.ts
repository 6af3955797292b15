/** Where a command writes: stdout for what was asked for, stderr for the rest. A reader that leaves, or a full disk, ends neither. */
import type { Writable } from 'node:stream';
import { printable } from './printable.ts';

export interface Output {
  /** Text of an agent or a record; control characters are taken out when a terminal shows it. */
  text(text: string): void;
  line(text: string): void;
  /** One JSON object on a line of its own. */
  json(value: unknown): void;
  /** A diagnostic, on stderr, in a style where a terminal shows it. */
  note(text: string, style?: (text: string) => string): void;
  /** Ends the line that `text` left open. */
  freshLine(): void;
  /** Resolves when everything was handed to the system, or nobody reads any more. */
  flushed(): Promise<void>;
  /** Resolves when the reader has kept up, so that a slow one slows down the writer and not the machine (I10). */
  room(): Promise<void>;
  /** From `ms` milliseconds on, a reader that does not read is taken as gone: the command has to end. */
  hurry(ms: number): void;
  readonly tty: boolean;
  /** Whether nothing more can be written to stdout: its reader went away, or it failed. */
  readonly gone: boolean;
  /** Whether stdout failed, so that what was asked for is not all there. A reader that left wanted no more. */
  readonly lost: boolean;
}

export interface OutputStreams {
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/** How many bytes may wait for the reader of stdout. */
export const OUTPUT_WAITING_BYTES = 1024 * 1024;

/** What writing says when the reader of a pipe or a terminal has left, which it may do at any time. */
const READER_LEFT: readonly (string | undefined)[] = ['EPIPE', 'ECONNRESET', 'EIO'];

export function createOutput({ stdout, stderr }: OutputStreams): Output {
  let atLineStart = true;
  let gone = false;
  const leave = Promise.withResolvers<void>();
  let lost = false;
  // What happens goes on whatever becomes of its output, and is in the record.
  const broken = (error: NodeJS.ErrnoException) => {
    const known = gone;
    gone = true;
    if (known || READER_LEFT.includes(error.code)) return;
    lost = true;
    put(
      stderr,
      `rehydrate: stdout cannot be written: ${error.message}. The call goes on without it; what happens in a session is in its record (rehydrate history).\n`,
      () => undefined,
    );
  };
  stdout.on('error', broken);
  stderr.on('error', () => undefined); // nobody is left to tell

  const write = (text: string) => {
    if (gone || text === '') return;
    atLineStart = text.endsWith('\n');
    put(stdout, text, broken);
  };
  const freshLine = () => {
    if (!atLineStart) write('\n');
  };
  return {
    tty: stdout.isTTY === true,
    get gone() {
      return gone;
    },
    get lost() {
      return lost;
    },
    text: (text) => write(stdout.isTTY ? printable(text) : text),
    line: (text) => write(`${stdout.isTTY ? printable(text) : text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
    note(text, style = (plain) => plain) {
      // Both may be the same terminal.
      if (stdout.isTTY && stderr.isTTY) freshLine();
      put(stderr, `${stderr.isTTY ? style(printable(text)) : text}\n`, () => undefined);
    },
    freshLine,
    flushed: () => Promise.race([leave.promise, Promise.all([drained(stdout), drained(stderr)]).then(told)]),
    room: () => (stdout.writableLength < OUTPUT_WAITING_BYTES ? Promise.resolve() : Promise.race([leave.promise, drained(stdout)])),
    hurry(ms) {
      const giveUp = () => {
        if (stdout.writableLength > 0) gone = true;
        leave.resolve();
      };
      setTimeout(giveUp, ms).unref();
    },
  };
}

/** Resolves when streams have told of the failures they know of, which they do a moment later. */
function told(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Writes. A file may fail there and then, depending on the Node; other streams tell of it later. */
function put(stream: Writable, text: string, failed: (error: NodeJS.ErrnoException) => void): void {
  try {
    stream.write(text);
  } catch (error) {
    failed(error as NodeJS.ErrnoException);
  }
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve();
    const ends = ['drain', 'error', 'close'] as const;
    // A long turn waits thousands of times on one stream: nothing of a wait may stay there.
    const done = () => {
      for (const end of ends) stream.off(end, done);
      resolve();
    };
    for (const end of ends) stream.on(end, done);
    stream.write('', done);
  });
}
