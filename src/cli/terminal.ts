/** A terminal where a person types lines and answers questions. */
import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline';
import { type Readable, Writable } from 'node:stream';
import { printable } from './output.ts';

/** The answer of a person who just presses Enter, or who has left. */
export const REFUSED = '';

/** The line being typed is hidden while other output comes, and shown again after this much quiet. */
const QUIET_MS = 100;

/** Bracketed paste: turned on, the terminal marks where a paste begins and ends. */
const BRACKETED_PASTE = { on: '\u001b[?2004h', off: '\u001b[?2004l' };

export type Terminal = ReturnType<typeof openTerminal>;

/** The line editor of a chat on a terminal. */
interface Editor {
  /** What Ctrl-C does. */
  readonly interrupt: () => void;
  readonly prompt: string;
  /** Ends a line that other output has left unfinished. */
  readonly freshLine: () => void;
}

/** Without `editor` the terminal stays in its normal mode, in which Ctrl-C sends a signal. */
export function openTerminal(input: Readable & { readonly isTTY?: boolean }, output: Writable, editor?: Editor) {
  const tty = editor !== undefined && input.isTTY === true;
  const readline = createInterface({
    input,
    output: tty ? echoOn(output, () => !hides && (waiting !== null || asking !== null)) : undefined,
    terminal: tty,
    ...(editor ? { prompt: editor.prompt } : {}),
  });
  const lines: string[] = [];
  /** Pasted lines wait here until the person presses Enter: a line end within a paste sends nothing. */
  const pasted: string[] = [];
  let pasting = false;
  if (tty) {
    output.write(BRACKETED_PASTE.on);
    input.on('keypress', (_text: unknown, { name }: { readonly name?: string }) => {
      if (name === 'paste-start' || name === 'paste-end') pasting = name === 'paste-start';
    });
  }
  /** `ended` by the input (Ctrl-D, for example), `closed` by the chat. */
  let state: 'open' | 'ended' | 'closed' = input.readableEnded || input.destroyed ? 'ended' : 'open';
  let waiting: ((line: string | null) => void) | null = null;
  let asking: { answer(line: string): void; takeBack(reason: Error): void } | null = null;
  /** Set while the line being typed is hidden; it shows the line again. */
  let hidden: NodeJS.Timeout | null = null;
  let hides = false;
  /** Changes the line without an echo. */
  const unseen = (change: () => void) => {
    hides = true;
    change();
    hides = false;
  };
  const empty = () => {
    readline.write(null, { ctrl: true, name: 'u' });
    readline.write(null, { ctrl: true, name: 'k' });
  };
  /** Shows the prompt again below other output, which readline would overwrite. What was typed so far stays. */
  const prompt = () => {
    const { line, cursor } = readline;
    unseen(empty);
    readline.prompt();
    if (line !== '') readline.write(line);
    for (let left = line.length - cursor; left > 0; left -= 1) readline.write(null, { name: 'left' });
  };
  const show = () => {
    if (hidden) clearTimeout(hidden);
    hidden = null;
    editor?.freshLine();
    if (waiting && !asking && state === 'open') prompt();
  };
  const ending = (): Error => new DOMException('the chat ends', 'AbortError');
  readline.on('line', (last) => {
    if (hidden) show();
    if (pasting) {
      pasted.push(last);
      return;
    }
    const line = [...pasted.splice(0), last].join('\n');
    if (asking) asking.answer(line);
    else if (waiting) waiting(line);
    else lines.push(line); // typed or piped ahead
  });
  readline.on('close', () => {
    if (state === 'open') state = 'ended';
    if (tty) output.write(BRACKETED_PASTE.off);
    if (asking || (tty && waiting && !hidden)) output.write('\n');
    // Without this the agent would wait for an answer that nobody gives.
    if (state === 'ended') asking?.answer(REFUSED);
    else asking?.takeBack(ending());
    waiting?.(null);
  });
  if (editor) readline.on('SIGINT', editor.interrupt);
  return {
    /** Null at the end of the input. */
    line(): Promise<string | null> {
      const next = lines.shift();
      if (next !== undefined) {
        if (tty) output.write(`${editor.prompt}${printable(next)}\n`);
        return Promise.resolve(next);
      }
      if (state !== 'open') return Promise.resolve(null);
      return new Promise((resolve) => {
        waiting = (line) => {
          waiting = null;
          resolve(line);
        };
        if (tty) prompt();
      });
    },
    /** Resolves to the answer, or to `REFUSED` at the end of the input. Rejects when the signal aborts. */
    question(question: string, signal: AbortSignal): Promise<string> {
      if (signal.aborted) return Promise.reject(signal.reason as Error);
      if (state === 'closed') return Promise.reject(ending());
      if (state === 'ended') return Promise.resolve(REFUSED);
      // A line being typed is not the answer: it is set aside, and restored after the question.
      const draft = tty ? readline.line : '';
      if (draft !== '') unseen(empty);
      output.write(printable(question));
      return new Promise((resolve, reject) => {
        const abort = () => {
          output.write('\n');
          asking?.takeBack(signal.reason as Error);
        };
        const done = () => {
          asking = null;
          signal.removeEventListener('abort', abort);
          if (draft !== '' && state === 'open') unseen(() => readline.write(draft));
          if (tty && waiting) show();
        };
        asking = {
          answer(line) {
            done();
            resolve(line);
          },
          takeBack(reason) {
            done();
            reject(reason);
          },
        };
        signal.addEventListener('abort', abort, { once: true });
      });
    },
    /** Makes room for other output: hides the line being typed until it has been quiet for a while. */
    aside(): void {
      if (!tty || state !== 'open' || !waiting) return;
      if (hidden) {
        hidden.refresh();
        return;
      }
      moveCursor(output, 0, -readline.getCursorPos().rows);
      cursorTo(output, 0);
      clearScreenDown(output);
      hidden = setTimeout(show, QUIET_MS);
    },
    /** Empties the line that is being typed. */
    clear(): void {
      if (!tty || state !== 'open') return;
      pasted.length = 0;
      empty();
      output.write('\n');
      readline.prompt();
    },
    /** Closes the terminal. An open question is withdrawn. */
    close(): void {
      state = 'closed';
      if (hidden) clearTimeout(hidden);
      readline.close();
    },
  };
}

/** Echoes typing only while a line or an answer is asked for, so that it never lands among an agent's words. */
function echoOn(output: Writable & { readonly columns?: number }, isShown: () => boolean): Writable {
  const echo = new Writable({
    decodeStrings: false,
    write(text: string, _encoding, written) {
      if (isShown()) output.write(text);
      written();
    },
  });
  output.on('resize', () => echo.emit('resize'));
  return Object.defineProperty(echo, 'columns', { get: () => output.columns });
}
