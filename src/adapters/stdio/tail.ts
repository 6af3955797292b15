/** Keeps the last bytes of an output, from the start of a character. */
export class Tail {
  readonly #limit: number;
  #kept: Buffer = Buffer.alloc(0);
  #cut = false;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Uint8Array | string): void {
    // Copied, because a view would keep its whole slab alive.
    const copy = Buffer.from(chunk);
    this.#pending.push(copy);
    this.#pendingBytes += copy.length;
    // Joining costs as much as the whole limit, so it is not done for each piece.
    if (this.#pendingBytes > this.#limit || this.#pending.length > 1_000) this.#join();
  }

  read(): { text: string; truncated: boolean } {
    this.#join();
    // `stream` leaves out an unfinished last character, whose rest may still come.
    return { text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.#kept, { stream: true }), truncated: this.#cut };
  }

  /** The last `bytes` as text, from the start of a line if possible. */
  lines(bytes = this.#limit): string {
    this.#join();
    const kept = this.#kept;
    let from = Math.max(0, kept.length - bytes);
    if (from > 0 || this.#cut) {
      const newline = kept.indexOf(0x0a, from);
      if (newline >= 0 && newline < kept.length - 1) from = newline + 1;
      while (from < kept.length && continues(kept[from]!)) from += 1;
    }
    return kept.toString('utf8', from).trimEnd();
  }

  #join(): void {
    const all = Buffer.concat([this.#kept, ...this.#pending]);
    this.#pending = [];
    this.#pendingBytes = 0;
    let from = Math.max(0, all.length - this.#limit);
    this.#cut ||= from > 0;
    // Also drops the rest of a character that an earlier cut has split.
    if (this.#cut) while (from < all.length && continues(all[from]!)) from += 1;
    this.#kept = Buffer.from(all.subarray(from));
  }
}

/** Whether a byte continues a UTF-8 character. */
const continues = (byte: number): boolean => (byte & 0xc0) === 0x80;
