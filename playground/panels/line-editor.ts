/* eslint-disable no-control-regex -- what a terminal sends is told by its control characters */
/** What a key does to the line being written. Positions count UTF-16 units and never split a surrogate pair. */
export interface Line {
  readonly text: string;
  readonly cursor: number;
  /** Position in the history; null on the line being written. */
  readonly walking: number | null;
  readonly kept: string;
}

export const EMPTY_LINE: Line = Object.freeze({ text: '', cursor: 0, walking: null, kept: '' });

/** What Alt-Enter sends, and Shift-Enter is made to send. */
export const NEW_LINE = '\x1b\r';
const PASTE_BEGINS = '\x1b[200~';

export type LineResult = { readonly do: 'edit'; readonly line: Line } | { readonly do: 'submit' | 'cancel' | 'clear-screen' };

const edit = (line: Line, text: string, cursor: number): LineResult => ({ do: 'edit', line: { ...line, text, cursor } });

export function pressKey(line: Line, input: string, history: readonly string[]): LineResult {
  const { text, cursor } = line;
  switch (input) {
    case '\r':
      return { do: 'submit' };
    case '\n': // Ctrl-J
    case NEW_LINE:
      return insert(line, '\n');
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
      return edit(line, text, lineStart(text, cursor));
    case '\x05':
    case '\x1b[F':
    case '\x1bOF':
      return edit(line, text, lineEnd(text, cursor));
    case '\x15': {
      // Ctrl-U
      const from = lineStart(text, cursor);
      return edit(line, text.slice(0, from) + text.slice(cursor), from);
    }
    case '\x17': {
      // Ctrl-W
      const kept = text.slice(0, cursor).replace(/\S+\s*$/u, '');
      return edit(line, kept + text.slice(cursor), kept.length);
    }
    case '\x1b[A':
    case '\x1bOA':
      return lineStart(text, cursor) > 0 ? edit(line, text, otherLine(text, cursor, -1)) : walk(line, history, -1);
    case '\x1b[B':
    case '\x1bOB':
      return lineEnd(text, cursor) < text.length ? edit(line, text, otherLine(text, cursor, 1)) : walk(line, history, 1);
    default:
      return insert(line, input);
  }
}

function insert(line: Line, input: string): LineResult {
  // A paste never sends by itself. Other control characters are dropped.
  const pasted = input.startsWith(PASTE_BEGINS);
  if (input.startsWith('\x1b') && !pasted) return { do: 'edit', line };
  const clean = input
    .replace(/\x1b\[20[01]~/g, '')
    .replace(/\r\n?/g, '\n')
    .replaceAll('\t', '  ')
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '');
  return edit(line, line.text.slice(0, line.cursor) + clean + line.text.slice(line.cursor), line.cursor + clean.length);
}

function lineStart(text: string, cursor: number): number {
  return text.lastIndexOf('\n', cursor - 1) + 1;
}

function lineEnd(text: string, cursor: number): number {
  const end = text.indexOf('\n', cursor);
  return end < 0 ? text.length : end;
}

/** The same distance from the beginning, one line up or down. */
function otherLine(text: string, cursor: number, step: -1 | 1): number {
  const start = lineStart(text, cursor);
  const other = step < 0 ? lineStart(text, start - 1) : lineEnd(text, cursor) + 1;
  const at = Math.min(other + cursor - start, lineEnd(text, other));
  // Never inside a surrogate pair.
  return after(text, before(text, at)) === at ? at : before(text, at);
}

function walk(line: Line, history: readonly string[], step: -1 | 1): LineResult {
  const at = (line.walking ?? history.length) + step;
  if (at < 0 || at > history.length) return { do: 'edit', line };
  const kept = line.walking === null ? line.text : line.kept;
  const text = at === history.length ? kept : (history[at] ?? '');
  return { do: 'edit', line: { text, cursor: text.length, walking: at === history.length ? null : at, kept } };
}

function before(text: string, cursor: number): number {
  if (cursor <= 0) return 0;
  const code = text.charCodeAt(cursor - 1);
  return cursor - (code >= 0xdc00 && code <= 0xdfff && cursor > 1 ? 2 : 1);
}

function after(text: string, cursor: number): number {
  if (cursor >= text.length) return text.length;
  const code = text.charCodeAt(cursor);
  return cursor + (code >= 0xd800 && code <= 0xdbff ? 2 : 1);
}
