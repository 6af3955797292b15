/** What an agent said, made safe to be shown. In HTML it is only ever text; this is about what text itself can do. */

/** Control characters, and those that turn the direction of what stands around them. Tabs and line ends stay. */
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb]/g;

/** A title or a name, in one line: short text that stands in a sentence or on a button of the page. */
export function label(value: unknown, otherwise: string, max = 300): string {
  if (typeof value !== 'string') return otherwise;
  const flat = value.replace(UNSEEN, '').replace(/\s+/g, ' ').trim();
  if (flat === '') return otherwise;
  return flat.length > max ? `${flat.slice(0, max - 1)}…` : flat;
}

/**
 * For a terminal: no escape, control or direction-changing character survives, so it can neither move
 * the cursor, change the title, make a link nor reach the clipboard.
 */
export function forTerminal(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(UNSEEN, '').replaceAll('\n', '\r\n');
}
