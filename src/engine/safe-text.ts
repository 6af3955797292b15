/**
 * Which characters are taken out of foreign text. In every set: escape sequences, other control characters, and those that change the
 * direction of the text around them.
 *
 * - `text`, for a terminal, a file or another agent, keeps tabs and line ends, and the marks of right-to-left languages (U+200E, U+200F,
 *   U+061C);
 * - `page`, for a web page, takes out these marks, too, since a label stands in the middle of a sentence of ours, and characters without a
 *   glyph;
 * - `line`, for what must stay on one line, also takes out tabs and line ends.
 */
export type ControlSet = 'text' | 'page' | 'line';

/* eslint-disable no-control-regex -- control characters are what these look for */
const SETS: Readonly<Record<ControlSet, RegExp>> = {
  text: /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
  page: /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb]/g,
  line: /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
};
/** Colours and cursor movements (CSI); titles, links and the clipboard (OSC); the two-character ones. */
const SEQUENCES =
  /(?:\u001b\[|\u009b)[0-9:;<=>?]{0,64}[ -/]{0,8}[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c\u009d]{0,2048}(?:\u0007|\u001b\\|\u009c)|\u001b[@-Z\\^_]/g;
/* eslint-enable no-control-regex */

/**
 * The text without the characters of the set. With `instead`, each character is replaced, and the rest of an escape sequence stays. CR LF
 * becomes one line end.
 */
export function withoutControls(text: string, set: ControlSet, instead: string | ((char: string) => string) = ''): string {
  const lines = text.replace(/\r\n/g, '\n');
  if (instead === '') return lines.replace(SEQUENCES, '').replace(SETS[set], '');
  return lines.replace(SETS[set], typeof instead === 'string' ? () => instead : instead);
}

/** The most that a `Date` can be from 1970. */
const LAST_DATE_MS = 8.64e15;

/** A time as ISO 8601. An imported record may hold any number, so a time outside the range of dates becomes the nearest one. */
export const isoTime = (at: number): string => new Date(Math.max(-LAST_DATE_MS, Math.min(at, LAST_DATE_MS))).toISOString();
