/** A line was longer than allowed. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
  readonly limit: number;
  constructor(limit: number) {
    super(`A line is longer than ${limit} bytes.`);
    this.limit = limit;
  }
}

const NEWLINE = 0x0a;

/**
 * Cuts a byte stream into whole lines. It hands out *blocks* of lines, so that a chunk that holds
 * five hundred of them is decoded once; cutting at newline bytes never splits a UTF-8 character.
 */
export class LineCutter {
  readonly #limit: number;
  #carry: Buffer[] = [];
  #carried = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Takes a chunk and returns every line it completes, the last newline included, or null.
   * Throws `LineTooLong`; the cutter is of no use after that.
   */
  push(chunk: Buffer): Buffer | null {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#keep(chunk);
      return null;
    }
    if (this.#carried === 0 && end === chunk.length && chunk.length <= this.#limit) return chunk;
    const first = chunk.indexOf(NEWLINE);
    if (this.#carried + first > this.#limit) throw new LineTooLong(this.#limit);
    if (chunk.length > this.#limit) this.#checkEach(chunk, first + 1, end);
    const head = chunk.subarray(0, end);
    const block = this.#carried === 0 ? head : Buffer.concat([...this.#carry, head], this.#carried + end);
    this.#carry = [];
    this.#carried = 0;
    if (end < chunk.length) this.#keep(chunk.subarray(end));
    return block;
  }

  /** What came after the last newline, once the stream ended, or null. */
  rest(): Buffer | null {
    if (this.#carried === 0) return null;
    const rest = Buffer.concat(this.#carry, this.#carried);
    this.#carry = [];
    this.#carried = 0;
    return rest;
  }

  #keep(part: Buffer): void {
    this.#carried += part.length;
    if (this.#carried > this.#limit) throw new LineTooLong(this.#limit);
    this.#carry.push(part);
  }

  #checkEach(chunk: Buffer, from: number, end: number): void {
    for (let start = from; start < end;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline - start > this.#limit) throw new LineTooLong(this.#limit);
      start = newline + 1;
    }
  }
}

/** Calls back with the bounds of each line of a block that is not blank, without its line end (`\n` or `\r\n`). */
export function eachLine(block: Buffer, visit: (start: number, end: number) => void): void {
  const length = block.length;
  for (let start = 0; start < length;) {
    let newline = block.indexOf(NEWLINE, start);
    if (newline < 0) newline = length;
    let end = newline;
    while (end > start && block[end - 1]! <= 0x20) end -= 1;
    if (end > start) visit(start, end);
    start = newline + 1;
  }
}
