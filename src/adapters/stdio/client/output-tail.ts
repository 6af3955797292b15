/** The last bytes of a command's output, cut where a character starts. */
export class OutputTail {
  readonly #limit: number;
  #kept: Buffer = Buffer.alloc(0);
  #cut = false;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    // Joined now and then, not for each piece: joining costs the whole limit.
    if (this.#pendingBytes > this.#limit || this.#pending.length > 1_000) this.#join();
  }

  read(): { text: string; truncated: boolean } {
    this.#join();
    let end = this.#kept.length;
    // The rest of a last character may still come.
    let lead = end - 1;
    while (lead >= 0 && lead > end - 4 && (this.#kept[lead]! & 0xc0) === 0x80) lead -= 1;
    if (lead >= 0 && lead + widthOf(this.#kept[lead]!) > end) end = lead;
    return { text: this.#kept.toString('utf8', 0, end), truncated: this.#cut };
  }

  #join(): void {
    const all = Buffer.concat([this.#kept, ...this.#pending]);
    this.#pending = [];
    this.#pendingBytes = 0;
    let from = Math.max(0, all.length - this.#limit);
    if (from > 0) this.#cut = true;
    // Behind a cut the rest of a character that was cut in two may still come in.
    if (this.#cut) while (from < all.length && (all[from]! & 0xc0) === 0x80) from += 1;
    this.#kept = Buffer.from(all.subarray(from));
  }
}

/** How many bytes a character has, by its first. */
function widthOf(byte: number): number {
  if (byte >= 0xf0) return 4;
  if (byte >= 0xe0) return 3;
  return byte >= 0xc0 ? 2 : 1;
}
