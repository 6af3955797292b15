/** Where a command writes: stdout for what was asked for, stderr for the rest. A reader that leaves ends neither. */
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
  /** Whether stdout's reader went away. */
  readonly gone: boolean;
}

export interface OutputStreams {
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/** How many bytes may wait for the reader of stdout. */
export const OUTPUT_WAITING_BYTES = 1024 * 1024;

export function createOutput({ stdout, stderr }: OutputStreams): Output {
  let atLineStart = true;
  let gone = false;
  const leave = Promise.withResolvers<void>();
  const broken = (stream: Writable) => (error: NodeJS.ErrnoException) => {
    // The reader of a pipe may leave at any time: what happens goes on and is in the record.
    if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET' && error.code !== 'EIO') throw error;
    if (stream === stdout) gone = true;
  };
  stdout.on('error', broken(stdout));
  stderr.on('error', broken(stderr));

  const write = (text: string) => {
    if (gone || text === '') return;
    atLineStart = text.endsWith('\n');
    stdout.write(text);
  };
  const freshLine = () => {
    if (!atLineStart) write('\n');
  };
  return {
    tty: stdout.isTTY === true,
    get gone() {
      return gone;
    },
    text: (text) => write(stdout.isTTY ? printable(text) : text),
    line: (text) => write(`${stdout.isTTY ? printable(text) : text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
    note(text, style = (plain) => plain) {
      // Both may be the same terminal.
      if (stdout.isTTY && stderr.isTTY) freshLine();
      stderr.write(`${stderr.isTTY ? style(printable(text)) : text}\n`);
    },
    freshLine,
    flushed: () => Promise.race([leave.promise, Promise.all([drained(stdout), drained(stderr)]).then(() => undefined)]),
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
