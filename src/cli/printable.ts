/**
 * Text that a terminal shows and does not obey: no escape sequences, no other control characters than
 * line feeds and tabs, no reordering of what stands on the line. What agents print must not be able to move the
 * cursor, rename the window, fill the clipboard or look like something else.
 */
export function printable(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(UNPRINTABLE, (char) => (char === '\u001b' ? '␛' : '\ufffd'));
}

// C0 but for tab and line feed, DEL, C1, and the bidirectional controls.
// eslint-disable-next-line no-control-regex -- they are what is looked for
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
