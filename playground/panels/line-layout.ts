/** Rows of the line being written: they wrap at words, and the cursor is found again. */
export interface Layout {
  readonly rows: readonly string[];
  readonly cursor: { readonly row: number; readonly column: number };
}

const SEGMENTS = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** `cursor` counts UTF-16 units. */
export function layOut(text: string, cursor: number, columns: number): Layout {
  const width = Math.max(4, columns);
  const rows: string[] = [];
  let at = { row: 0, column: 0 };
  let start = 0;
  for (const line of text.split('\n')) {
    for (const row of wrap(line, width)) {
      const begins = start + row.from;
      const last = row.to === line.length;
      // Between two rows the cursor is at the start of the second.
      if (cursor >= begins && (cursor < start + row.to || (last && cursor <= start + row.to))) {
        at = { row: rows.length, column: cells(text.slice(begins, cursor)) };
      }
      rows.push(line.slice(row.from, row.to));
    }
    start += line.length + 1;
  }
  return { rows, cursor: at };
}

export function cropLayout(layout: Layout, height: number): Layout {
  const first = Math.min(Math.max(0, layout.rows.length - height), layout.cursor.row);
  return { rows: layout.rows.slice(first, first + height), cursor: { ...layout.cursor, row: layout.cursor.row - first } };
}

/** Breaks after the last space that fits, or where it must. */
function wrap(line: string, width: number): { from: number; to: number }[] {
  const rows: { from: number; to: number }[] = [];
  let from = 0;
  let used = 0;
  let space = -1;
  for (const { segment, index } of SEGMENTS.segment(line)) {
    const size = cells(segment);
    if (used + size > width) {
      const to = space > from ? space : index;
      rows.push({ from, to });
      used = cells(line.slice(to, index));
      from = to;
      space = -1;
    }
    used += size;
    if (segment === ' ') space = index + 1;
  }
  rows.push({ from, to: line.length });
  return rows;
}

/** Combining marks take no cell, East Asian letters two. */
export function cells(text: string): number {
  let sum = 0;
  for (const character of text) sum += /\p{Mn}|\p{Me}|\u200b|\u200d/u.test(character) ? 0 : isWide(character.codePointAt(0)!) ? 2 : 1;
  return sum;
}

function isWide(code: number): boolean {
  return WIDE.some(([from, to]) => code >= from && code <= to);
}

/** What xterm counts as wide without an addon. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3040, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x20000, 0x2fffd],
  [0x30000, 0x3fffd],
];
