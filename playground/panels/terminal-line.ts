/** The line one writes at the end of the terminal: drawn over as many rows as it needs, and taken away again. */
import type { Terminal } from '@xterm/xterm';
import { withoutControls } from '../../src/engine/safe-text.ts';
import { cropLayout, layOut } from './line-layout.ts';
import type { Line } from './line-editor.ts';

export const PROMPT = '\x1b[1m› \x1b[0m';
const CONTINUED = '  ';
/** Cells before each row. */
const INDENT = 2;
/** So much of what is written is laid out, around the cursor; the prompt box shows all of it. */
const WINDOW = 4_096;

export class DrawnLine {
  readonly #terminal: Terminal;
  /** On which of its rows the cursor stands; null while the line is not shown. */
  #row: number | null = null;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  get shown(): boolean {
    return this.#row !== null;
  }

  draw(line: Line): void {
    const { cols, rows: height } = this.#terminal;
    // The last column stays free: a row that fills it would wrap by itself.
    const from = Math.max(0, line.cursor - WINDOW / 2);
    // What came from the prompt box holds whatever was pasted there.
    const before = withoutControls(line.text.slice(from, line.cursor), 'page').toWellFormed();
    const after = withoutControls(line.text.slice(line.cursor, from + WINDOW), 'page').toWellFormed();
    const { rows, cursor } = cropLayout(layOut(before + after, before.length, cols - INDENT - 1), Math.max(1, height - 1));
    const up = rows.length - 1 - cursor.row;
    this.#terminal.write(
      `${this.#erased()}${rows.map((row, index) => (index === 0 ? PROMPT : CONTINUED) + row).join('\r\n')}${up > 0 ? `\x1b[${up}A` : ''}\r\x1b[${INDENT + cursor.column}C`,
    );
    this.#row = cursor.row;
  }

  hide(): void {
    if (this.#row === null) return;
    this.#terminal.write(this.#erased());
    this.#row = null;
  }

  /** The terminal was cleared: there is nothing to take away. */
  forget(): void {
    this.#row = null;
  }

  #erased(): string {
    return `${this.#row ? `\x1b[${this.#row}A` : ''}\r\x1b[J`;
  }
}
