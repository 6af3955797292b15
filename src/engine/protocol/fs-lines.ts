/** The parameters `line` and `limit` of ACP's `fs/read_text_file`, for files on a disk and in the database. */
import type { Fields } from '../objects.ts';

/** `limit` lines of the text, beginning with `line`, which counts from 1. */
export function sliceLines(text: string, line = 1, limit?: number): string {
  if (line === 1 && limit === undefined) return text;
  const lines = text.split(/(?<=\n)/);
  const slice = lines.slice(line - 1, limit === undefined ? undefined : line - 1 + limit).join('');
  // The line break that ends the last line is not part of its text.
  return limit === undefined ? slice : slice.replace(/\r?\n$/, '');
}

/** A whole number of at least `least`; undefined if it is absent or null. `refuse` makes the error for any other value. */
export function countParam(params: Fields, name: string, least: number, refuse: (problem: string) => Error): number | undefined {
  const value = params[name];
  if (value === undefined || value === null) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < least) throw refuse(`${name} must be a whole number of at least ${least}`);
  return value as number;
}
