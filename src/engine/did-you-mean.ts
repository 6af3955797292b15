/** A sentence that begins with a blank; empty if no known word is similar. */
export function didYouMean(word: string, known: readonly string[], prefix = ''): string {
  const near = known.filter((name) => distance(word, name) <= 2 || (word.length > 2 && name.startsWith(word)));
  return near.length > 0 ? ` Did you mean ${near.map((name) => prefix + name).join(' or ')}?` : '';
}

/** The Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
