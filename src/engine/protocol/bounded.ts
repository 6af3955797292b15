/** What an agent sends is cut where it comes in: JSON nested too deep to be written out again, and text that is told or kept. */
import { FIXED_LIMITS, NESTED_DEEPER } from '../limits.ts';

/** How much of an agent's text stands in a note of ours: an id, a name, a version. */
export const NOTE_CHARS = 200;

/** The text, or its first characters: as a copy, since a slice would keep the whole text in memory. */
export const beginning = (text: string, chars: number): string => (text.length > chars ? `${[...text.slice(0, chars)].join('')}…` : text);

/** How much of an agent's own words stands in a message of ours. */
export const QUOTE_CHARS = 600;

/** An error's data as it is, or the beginning of its JSON. */
export function errorData(value: unknown): unknown {
  const json = JSON.stringify(value) ?? '';
  return json.length > FIXED_LIMITS.errorChars ? beginning(json, FIXED_LIMITS.errorChars) : value;
}

/** The value, or a copy in which words stand for what lies deeper than `nestedLevels`. */
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
