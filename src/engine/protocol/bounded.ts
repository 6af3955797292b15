/** JSON that nests without end cannot be written out again: recursion ends first. So it is cut where it comes in. */
import { FIXED_LIMITS, NESTED_DEEPER } from '../limits.ts';

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
