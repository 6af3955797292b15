/** Where a command writes: stdout for what was asked for, stderr for the rest. Neither a reader that leaves nor a full disk ends the call. */
import { fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { withoutControls } from '../engine/safe-text.ts';

export type Output = ReturnType<typeof createOutput>;

type OutputStream = Writable & { readonly isTTY?: boolean; readonly fd?: number };

/** How many bytes may wait for the reader of stdout. */
export const OUTPUT_WAITING_BYTES = 1024 * 1024;

const READER_LEFT: readonly (string | undefined)[] = ['EPIPE', 'ECONNRESET', 'EIO'];

/** How long a command that has to end waits for a reader that reads nothing. */
const READER_GRACE_MS = 2_000;

/** Half a character, or half a line end: it waits for the next piece. */
const UNFINISHED = /[\ud800-\udbff\r]$/;

export function createOutput({ stdout, stderr }: { readonly stdout: OutputStream; readonly stderr: OutputStream }) {
  const together = oneFile(stdout, stderr);
  let atLineStart = true;
  let unfinished = '';
  let gone = false;
  const leave = Promise.withResolvers<void>();
  let lost = false;
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
    put(stdout, stdout.isTTY ? printable(text) : text, broken);
  };
  const text = (piece: string) => {
    const whole = unfinished + piece;
    unfinished = UNFINISHED.exec(whole)?.[0] ?? '';
    write(unfinished === '' ? whole : whole.slice(0, -1));
  };
  const finish = () => {
    write(unfinished);
    unfinished = '';
  };
  const freshLine = () => {
    finish();
    if (!atLineStart) write('\n');
  };
  return {
    tty: stdout.isTTY === true,
    /** Nothing more can be written to stdout: its reader left, or it failed. */
    get gone() {
      return gone;
    },
    /** Stdout failed, so output is missing. A reader that left wanted no more. */
    get lost() {
      return lost;
    },
    /** A piece of text as it is; only a terminal is spared what it would obey. */
    text,
    /** A line that the command lays out: printable for every reader, since a pipe may lead to a terminal. */
    line(line: string): void {
      finish();
      write(`${printable(line)}\n`);
    },
    json: (value: unknown): void => write(`${jsonText(value)}\n`),
    /** A diagnostic on stderr; `style` is for terminals. */
    note(text: string, style = (plain: string) => plain): void {
      if (together) freshLine();
      put(stderr, `${stderr.isTTY ? style(printable(text)) : printable(text)}\n`, () => undefined);
    },
    /** Ends the line that `text` left open. */
    freshLine,
    /** Resolves when everything was handed to the system, or nobody reads anymore. */
    flushed(): Promise<unknown> {
      finish();
      return Promise.race([
        leave.promise,
        // Streams report their failures a moment later.
        Promise.all([drained(stdout), drained(stderr)]).then(() => new Promise(setImmediate)),
      ]);
    },
    /** Resolves when the reader has kept up: a slow one slows down the writer, and fills no memory (I10). */
    room: (): Promise<void> =>
      stdout.writableLength < OUTPUT_WAITING_BYTES ? Promise.resolve() : Promise.race([leave.promise, drained(stdout)]),
    /** After a while a reader that does not read counts as gone: the command has to end. */
    hurry(ms = READER_GRACE_MS): void {
      const giveUp = () => {
        if (stdout.writableLength > 0) gone = true;
        leave.resolve();
      };
      setTimeout(giveUp, ms).unref();
    },
  };
}

/** What agents print must not move the cursor, fill the clipboard or look like something else. */
export function printable(text: string): string {
  return withoutControls(text, 'text', (char) => (char === '\u001b' ? '␛' : '\ufffd'));
}

/** The same for JSON, by escapes: a parser gets what was sent. */
export function jsonText(value: unknown, indent?: number): string {
  return withoutControls(JSON.stringify(value, null, indent), 'page', (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Whether both lead to one terminal or pipe, where lines of one could land inside those of the other. */
function oneFile(stdout: OutputStream, stderr: OutputStream): boolean {
  if (stdout.isTTY && stderr.isTTY) return true;
  if (stdout.fd === undefined || stderr.fd === undefined) return false;
  try {
    const [out, err] = [fstatSync(stdout.fd), fstatSync(stderr.fd)];
    return out.ino !== 0 && out.ino === err.ino && out.dev === err.dev;
  } catch {
    return false; // one of them is closed
  }
}

/** In some versions of Node a file throws; other streams report failures later. */
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
    // A long turn waits thousands of times on one stream: no listener may stay.
    const done = () => {
      for (const end of ends) stream.off(end, done);
      resolve();
    };
    for (const end of ends) stream.on(end, done);
    stream.write('', done);
  });
}
