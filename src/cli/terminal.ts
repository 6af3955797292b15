/** Where a person types lines and answers to questions. */
import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline';
import { type Readable, Writable } from 'node:stream';
import { printable } from './output.ts';

/** The answer of a person who only presses Enter, or has left. */
export const REFUSED = '';

/** How long nothing must come between turns before the line being typed is shown again. */
const QUIET_MS = 100;

/** The terminal marks where a paste begins and ends. */
const MARKED_PASTES = { on: '\u001b[?2004h', off: '\u001b[?2004l' };

export type Terminal = ReturnType<typeof openTerminal>;

/** The line editor of a chat on a terminal. */
interface Editor {
  /** What Ctrl-C does. */
  readonly interrupt: () => void;
  readonly prompt: string;
  /** Ends the line that other output left open. */
  readonly freshLine: () => void;
}

/** Without an editor a terminal stays as it is and sends signals for its keys. */
export function openTerminal(input: Readable & { readonly isTTY?: boolean }, output: Writable, editor?: Editor) {
  const tty = editor !== undefined && input.isTTY === true;
  const readline = createInterface({
    input,
    output: tty ? echoOn(output, () => !hides && (waiting !== null || asking !== null)) : undefined,
    terminal: tty,
    ...(editor ? { prompt: editor.prompt } : {}),
  });
  const lines: string[] = [];
  /** A pasted line end sends nothing: the lines before it wait here for Enter. */
  const pasted: string[] = [];
  let pasting = false;
  if (tty) {
    output.write(MARKED_PASTES.on);
    input.on('keypress', (_text: unknown, { name }: { readonly name?: string }) => {
      if (name === 'paste-start' || name === 'paste-end') pasting = name === 'paste-start';
    });
  }
  /** `ended` by the input, Ctrl-D say; `closed` by the chat. */
  let state: 'open' | 'ended' | 'closed' = input.readableEnded || input.destroyed ? 'ended' : 'open';
  let waiting: ((line: string | null) => void) | null = null;
  let asking: { answer(line: string): void; takeBack(reason: Error): void } | null = null;
  let hidden: NodeJS.Timeout | null = null;
  let hides = false;
  const unseen = (change: () => void) => {
    hides = true;
    change();
    hides = false;
  };
  const empty = () => {
    readline.write(null, { ctrl: true, name: 'u' });
    readline.write(null, { ctrl: true, name: 'k' });
  };
  /** Below what came meanwhile, which readline would write over. What was typed so far stays. */
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
    if (pasting) return void pasted.push(last);
    const line = [...pasted.splice(0), last].join('\n');
    if (asking) asking.answer(line);
    else if (waiting) waiting(line);
    else lines.push(line); // typed or piped ahead
  });
  readline.on('close', () => {
    if (state === 'open') state = 'ended';
    if (tty) output.write(MARKED_PASTES.off);
    if (asking || (tty && waiting && !hidden)) output.write('\n');
    // The agent must not wait for an answer that nobody gives.
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
    /** Resolves to the answer, `REFUSED` at the end of the input; rejects when the signal aborts. */
    question(question: string, signal: AbortSignal): Promise<string> {
      if (signal.aborted) return Promise.reject(signal.reason as Error);
      if (state === 'closed') return Promise.reject(ending());
      if (state === 'ended') return Promise.resolve(REFUSED);
      // What was being typed is no answer, and stays.
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
    /** Makes room for other output: the line being typed goes, and comes back when nothing came for a while. */
    aside(): void {
      if (!tty || state !== 'open' || !waiting) return;
      if (hidden) return void hidden.refresh();
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
    /** Takes an open question back. */
    close(): void {
      state = 'closed';
      if (hidden) clearTimeout(hidden);
      readline.close();
    },
  };
}

/** Where what is typed is shown: not among an agent's words, while nobody asks for a line. */
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
