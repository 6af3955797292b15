/** Where a command writes: stdout for what was asked for, stderr for the rest. A reader that leaves, or a full disk, ends neither. */
import { fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { withoutControls } from '../engine/safe-text.ts';

export type Output = ReturnType<typeof createOutput>;

type OutputStream = Writable & { readonly isTTY?: boolean; readonly fd?: number };

/** How many bytes may wait for the reader of stdout. */
export const OUTPUT_WAITING_BYTES = 1024 * 1024;

/** What writing says when the reader of a pipe or a terminal has left, which it may do at any time. */
const READER_LEFT: readonly (string | undefined)[] = ['EPIPE', 'ECONNRESET', 'EIO'];

/** What a piece of text may end in that means something only with the piece after it: half a character, half a line end. */
const UNFINISHED = /[\ud800-\udbff\r]$/;

export function createOutput({ stdout, stderr }: { readonly stdout: OutputStream; readonly stderr: OutputStream }) {
  const together = oneFile(stdout, stderr);
  let atLineStart = true;
  let unfinished = '';
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
    /** Whether nothing more can be written to stdout: its reader went away, or it failed. */
    get gone() {
      return gone;
    },
    /** Whether stdout failed, so that what was asked for is not all there. A reader that left wanted no more. */
    get lost() {
      return lost;
    },
    /** Text of an agent or a record as it is, a piece of it perhaps; what a terminal would obey is taken out when one shows it. */
    text,
    /** What the command lays out: the same for every reader, as a pipe may lead to a terminal. */
    line(line: string): void {
      finish();
      write(`${printable(line)}\n`);
    },
    /** One JSON object on a line of its own. */
    json: (value: unknown): void => write(`${jsonText(value)}\n`),
    /** A diagnostic, on stderr, in a style where that is a terminal. */
    note(text: string, style = (plain: string) => plain): void {
      if (together) freshLine();
      put(stderr, `${stderr.isTTY ? style(printable(text)) : printable(text)}\n`, () => undefined);
    },
    /** Ends the line that `text` left open. */
    freshLine,
    /** Resolves when everything was handed to the system, or nobody reads any more. */
    flushed(): Promise<unknown> {
      finish();
      return Promise.race([
        leave.promise, // Streams tell of the failures they know of a moment later.
        Promise.all([drained(stdout), drained(stderr)]).then(() => new Promise(setImmediate)),
      ]);
    },
    /** Resolves when the reader has kept up, so that a slow one slows down the writer and not the machine (I10). */
    room: (): Promise<void> =>
      stdout.writableLength < OUTPUT_WAITING_BYTES ? Promise.resolve() : Promise.race([leave.promise, drained(stdout)]),
    /** From `ms` milliseconds on, a reader that does not read is taken as gone: the command has to end. */
    hurry(ms: number): void {
      const giveUp = () => {
        if (stdout.writableLength > 0) gone = true;
        leave.resolve();
      };
      setTimeout(giveUp, ms).unref();
    },
  };
}

/** Text that a terminal shows and does not obey: what agents print must not move the cursor, fill the clipboard or look like something else. */
export function printable(text: string): string {
  return withoutControls(text, 'text', (char) => (char === '\u001b' ? '␛' : '\ufffd'));
}

/** The same for JSON: what would act is written as an escape, so that whoever parses it gets what was sent. */
export function jsonText(value: unknown, indent?: number): string {
  return withoutControls(JSON.stringify(value, null, indent), 'page', (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Whether both lead to one place, a terminal or a pipe, so that the lines of one would land in those of the other. */
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
