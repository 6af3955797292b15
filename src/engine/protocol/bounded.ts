/** What an agent sends is cut where it comes in: JSON that nests without end (it could not be written out again), and text that is told or kept. */
import { FIXED_LIMITS, NESTED_DEEPER } from '../limits.ts';

/** How much of an agent's text stands in a note of ours: an id, a name, a version. */
export const NOTE_CHARS = 200;

/** The text, or its first characters: as a copy, since a slice would keep the whole text in memory. */
export const beginning = (text: string, chars: number): string => (text.length > chars ? `${[...text.slice(0, chars)].join('')}…` : text);

/** As much of an agent's own words as stands in a message of ours; `data.error` has what was taken of it, up to `errorChars`. */
export const QUOTE_CHARS = 600;

/** Data that goes with an error, which is looked through, quoted and stored: as it is, or the beginning of its JSON. */
export function errorData(value: unknown): unknown {
  const json = JSON.stringify(value) ?? '';
  return json.length > FIXED_LIMITS.errorChars ? beginning(json, FIXED_LIMITS.errorChars) : value;
}

/** The value as it is, or a copy in which what lies deeper than `nestedLevels` is replaced by words that say so. */
export function bounded<T>(value: T): T {
  return isDeeper(value, FIXED_LIMITS.nestedLevels) ? (cut(value, FIXED_LIMITS.nestedLevels) as T) : value;
}

/** Whether anything of a value without circles lies deeper. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeper(item, levels - 1));
  for (const key in value) if (isDeeper(value[key as keyof typeof value], levels - 1)) return true;
  return false;
}

function cut(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return NESTED_DEEPER;
  if (Array.isArray(value)) return value.map((item) => cut(item, levels - 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cut(item, levels - 1)]));
}
