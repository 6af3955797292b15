/**
 * A line editor for the terminal: what a key does to the line, as a pure function, so that each key is
 * a row in a test. Positions count UTF-16 units and never stand inside a surrogate pair.
 */
export interface Line {
  readonly text: string;
  readonly cursor: number;
  /** Position in the history while walking through it; null on the line being written. */
  readonly walking: number | null;
  /** What was being written before the walk began. */
  readonly kept: string;
}

export const EMPTY_LINE: Line = Object.freeze({ text: '', cursor: 0, walking: null, kept: '' });

/** The longest line that can be typed in the terminal; the Prompt box takes more. */
export const LINE_CHARS = 4_096;

export type LineResult =
  | { readonly do: 'edit'; readonly line: Line }
  | { readonly do: 'submit'; readonly text: string }
  | { readonly do: 'cancel' }
  | { readonly do: 'clear-screen' };

const edit = (line: Line, text: string, cursor: number): LineResult => ({ do: 'edit', line: { ...line, text, cursor } });

/** Applies one piece of terminal input (a key's sequence, or pasted text). */
export function pressKey(line: Line, input: string, history: readonly string[]): LineResult {
  const { text, cursor } = line;
  switch (input) {
    case '\r':
    case '\n':
      return { do: 'submit', text };
    case '\x03': // Ctrl-C
      return { do: 'cancel' };
    case '\x0c': // Ctrl-L
      return { do: 'clear-screen' };
    case '\x7f':
    case '\b': {
      const from = before(text, cursor);
      return edit(line, text.slice(0, from) + text.slice(cursor), from);
    }
    case '\x1b[3~':
      return edit(line, text.slice(0, cursor) + text.slice(after(text, cursor)), cursor);
    case '\x1b[D':
    case '\x1bOD':
      return edit(line, text, before(text, cursor));
    case '\x1b[C':
    case '\x1bOC':
      return edit(line, text, after(text, cursor));
    case '\x01':
    case '\x1b[H':
    case '\x1bOH':
      return edit(line, text, 0);
    case '\x05':
    case '\x1b[F':
    case '\x1bOF':
      return edit(line, text, text.length);
    case '\x15': // Ctrl-U
      return edit(line, text.slice(cursor), 0);
    case '\x17': { // Ctrl-W
      const kept = text.slice(0, cursor).replace(/\S+\s*$/u, '');
      return edit(line, kept + text.slice(cursor), kept.length);
    }
    case '\x1b[A':
    case '\x1bOA':
      return walk(line, history, -1);
    case '\x1b[B':
    case '\x1bOB':
      return walk(line, history, 1);
    default:
      return insert(line, input);
  }
}

function insert(line: Line, input: string): LineResult {
  // Pasted line ends become spaces: a paste never sends by itself. Other control characters are dropped.
  // eslint-disable-next-line no-control-regex
  const clean = input.startsWith('\x1b') && !input.startsWith('\x1b[200~') ? '' : input.replace(/\x1b\[20[01]~/g, '').replace(/[\r\n\t]+/g, ' ').replace(/[\u0000-\u001f\u007f-\u009f]/g, '');
  const text = (line.text.slice(0, line.cursor) + clean + line.text.slice(line.cursor)).slice(0, LINE_CHARS);
  return edit(line, text, Math.min(line.cursor + clean.length, text.length));
}

function walk(line: Line, history: readonly string[], step: -1 | 1): LineResult {
  const at = (line.walking ?? history.length) + step;
  if (at < 0 || at > history.length) return { do: 'edit', line };
  const kept = line.walking === null ? line.text : line.kept;
  const text = at === history.length ? kept : (history[at] ?? '');
  return { do: 'edit', line: { text, cursor: text.length, walking: at === history.length ? null : at, kept } };
}

function before(text: string, cursor: number): number {
  if (cursor === 0) return 0;
  const code = text.charCodeAt(cursor - 1);
  return cursor - (code >= 0xdc00 && code <= 0xdfff && cursor > 1 ? 2 : 1);
}

function after(text: string, cursor: number): number {
  if (cursor >= text.length) return text.length;
  const code = text.charCodeAt(cursor);
  return cursor + (code >= 0xd800 && code <= 0xdbff ? 2 : 1);
}
