/** The last bytes of a text, bounded: old output makes room for new. */
export class TextRing {
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #cut = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Uint8Array): void {
    let buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    if (buffer.length > this.#limit) {
      buffer = buffer.subarray(buffer.length - this.#limit);
      this.#cut = true;
    }
    // A view would keep its whole slab alive; small pieces of one line each are joined for the same reason.
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.length + buffer.length <= 1024) this.#chunks[this.#chunks.length - 1] = Buffer.concat([last, buffer]);
    else this.#chunks.push(Buffer.from(buffer));
    this.#bytes += buffer.length;
    while (this.#bytes > this.#limit) {
      this.#cut = true;
      const first = this.#chunks[0]!;
      const over = this.#bytes - this.#limit;
      if (first.length <= over) {
        this.#chunks.shift();
        this.#bytes -= first.length;
      } else {
        this.#chunks[0] = first.subarray(over);
        this.#bytes -= over;
      }
    }
  }

  /** What is kept, or its last `bytes`, from the start of a line where one was cut. */
  text(bytes = this.#limit): string {
    const all = Buffer.concat(this.#chunks);
    const cut = this.#cut || all.length > bytes;
    const kept = all.length > bytes ? all.subarray(all.length - bytes) : all;
    if (!cut) return kept.toString('utf8').trimEnd();
    const newline = kept.indexOf(0x0a);
    // One endless line has no start to go to; a continuation byte must still not come first.
    let from = newline >= 0 && newline < kept.length - 1 ? newline + 1 : 0;
    while (from < kept.length && (kept[from]! & 0xc0) === 0x80) from += 1;
    return kept.subarray(from).toString('utf8').trimEnd();
  }
}
