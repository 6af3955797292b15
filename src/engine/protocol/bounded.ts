/** Bounds what an agent sends: JSON that is nested too deep to be written again, text that is quoted or stored, and what is remembered by id. */
import { FIXED_LIMITS, NESTED_DEEPER } from '../limits.ts';

/** How much of an id, a name or a version that an agent gave is quoted. */
export const NOTE_CHARS = 200;

/** How much of an agent's own words is quoted. */
export const QUOTE_CHARS = 600;

/** The text, or a copy of its first characters. (A slice would keep the whole text in memory.) */
export const beginning = (text: string, chars: number): string => (text.length > chars ? `${[...text.slice(0, chars)].join('')}…` : text);

/** An error's data as it is, or the beginning of its JSON. */
export function errorData(value: unknown): unknown {
  const json = JSON.stringify(value) ?? '';
  return json.length > FIXED_LIMITS.errorChars ? beginning(json, FIXED_LIMITS.errorChars) : value;
}

/** The value, or a copy in which what is nested deeper than `nestedLevels` is replaced by a text. */
export function bounded<T>(value: T): T {
  return isDeeper(value, FIXED_LIMITS.nestedLevels) ? (cut(value, FIXED_LIMITS.nestedLevels) as T) : value;
}

/** Whether anything in the value is nested deeper. It must have no circles. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeper(item, levels - 1));
  for (const key in value) {
    const item: unknown = value[key as keyof typeof value];
    // Nearly all is text, for which no call is made.
    if (typeof item === 'object' && isDeeper(item, levels - 1)) return true;
  }
  return false;
}

function cut(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return NESTED_DEEPER;
  if (Array.isArray(value)) return value.map((item) => cut(item, levels - 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cut(item, levels - 1)]));
}

/** The one used longest ago goes first, unless it is `inUse`. */
export function keepLatest<T>(all: Map<string, T>, id: string, one: T, most: number, inUse = (_: T): boolean => false): void {
  all.delete(id);
  if (all.size >= most) {
    for (const [oldest, each] of all) {
      if (inUse(each)) continue;
      all.delete(oldest);
      break;
    }
  }
  all.set(id, one);
}
