/** `line` and `limit` of ACP's `fs/read_text_file`: the same for files on a disk and in the database. */

/** `limit` lines from the 1-based `line` on, with their line breaks as they are. */
export function sliceLines(text: string, line = 1, limit?: number): string {
  if (line === 1 && limit === undefined) return text;
  const lines = text.split(/(?<=\n)/);
  const slice = lines.slice(line - 1, limit === undefined ? undefined : line - 1 + limit).join('');
  // The line break after the last line that was asked for is not part of its text.
  return limit === undefined ? slice : slice.replace(/\r?\n$/, '');
}

/** A whole number of at least `least`, or undefined where it is absent or null; `refuse` makes the error for any other value. */
export function countParam(
  params: Readonly<Record<string, unknown>>,
  name: string,
  least: number,
  refuse: (problem: string) => Error,
): number | undefined {
  const value = params[name];
  if (value === undefined || value === null) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < least) throw refuse(`${name} must be a whole number of at least ${least}`);
  return value as number;
}
