/**
 * The output of a command: stdout for what was asked for, stderr for everything else. The call goes on when the reader leaves or the disk is
 * full.
 */
import { fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { withoutControls } from '../engine/safe-text.ts';

export type Output = ReturnType<typeof createOutput>;

type OutputStream = Writable & { readonly isTTY?: boolean; readonly fd?: number };

/** How many bytes may wait for the reader of stdout. */
export const OUTPUT_WAITING_BYTES = 1024 * 1024;

const READER_LEFT: readonly (string | undefined)[] = ['EPIPE', 'ECONNRESET', 'EIO'];

/** How long a command that is ending waits for a reader that does not read. */
const READER_GRACE_MS = 2_000;

/** The end of a text that may be half a character or half a line end. It waits for the next piece. */
const UNFINISHED = /[\ud800-\udbff\r]$/;

export function createOutput({ stdout, stderr }: { readonly stdout: OutputStream; readonly stderr: OutputStream }) {
  const together = sameFile(stdout, stderr);
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
    /** Whether nothing more can be written to stdout, because its reader left or it failed. */
    get gone() {
      return gone;
    },
    /** Whether output is missing because stdout failed. A reader that left wanted no more, so that does not count. */
    get lost() {
      return lost;
    },
    /** Writes text unchanged, except that control characters are made visible for a terminal. */
    text,
    /** Writes a line that people read. Its control characters are made visible in a pipe, too, since that may lead to a terminal. */
    line(line: string): void {
      finish();
      write(`${printable(line)}\n`);
    },
    json: (value: unknown): void => write(`${jsonText(value)}\n`),
    /** Writes a diagnostic to stderr. `style` is applied on a terminal. */
    note(text: string, style = (plain: string) => plain): void {
      if (together) freshLine();
      put(stderr, `${stderr.isTTY ? style(printable(text)) : printable(text)}\n`, () => undefined);
    },
    /** Ends a line that `text` has left unfinished. */
    freshLine,
    /** Resolves when everything was handed to the operating system, or when `hurry` gave up on the reader. */
    flushed(): Promise<unknown> {
      finish();
      return Promise.race([
        leave.promise,
        // Streams report a failed write a moment later.
        Promise.all([drained(stdout), drained(stderr)]).then(() => new Promise(setImmediate)),
      ]);
    },
    /** Backpressure: resolves when the reader has kept up, so that a slow one does not fill the memory (I10). */
    room: (): Promise<void> =>
      stdout.writableLength < OUTPUT_WAITING_BYTES ? Promise.resolve() : Promise.race([leave.promise, drained(stdout)]),
    /** The command is ending: after `ms` a reader that does not read counts as gone. */
    hurry(ms = READER_GRACE_MS): void {
      const giveUp = () => {
        if (stdout.writableLength > 0) gone = true;
        leave.resolve();
      };
      setTimeout(giveUp, ms).unref();
    },
  };
}

/** Makes control characters visible: what an agent prints must not move the cursor, fill the clipboard or pose as something else. */
export function printable(text: string): string {
  return withoutControls(text, 'text', (char) => (char === '\u001b' ? '␛' : '\ufffd'));
}

/** The same for JSON, with escapes, so that a parser still gets the original text. */
export function jsonText(value: unknown, indent?: number): string {
  return withoutControls(JSON.stringify(value, null, indent), 'page', (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Whether both are the same terminal, pipe or file, so that a note could land in the middle of a line of the output. */
function sameFile(stdout: OutputStream, stderr: OutputStream): boolean {
  if (stdout.isTTY && stderr.isTTY) return true;
  if (stdout.fd === undefined || stderr.fd === undefined) return false;
  try {
    const out = fstatSync(stdout.fd);
    const err = fstatSync(stderr.fd);
    return out.ino !== 0 && out.ino === err.ino && out.dev === err.dev;
  } catch {
    return false; // one of them is closed
  }
}

/** Writes. In some versions of Node a file throws; other streams report failures later. */
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
    // A long turn waits here thousands of times for one stream, so no listener may stay behind.
    const done = () => {
      for (const end of ends) stream.off(end, done);
      resolve();
    };
    for (const end of ends) stream.on(end, done);
    stream.write('', done);
  });
}
