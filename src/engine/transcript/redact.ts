/**
 * Taking known secret values out of what is stored. `exact` and `deep` replace a value that lies whole in one
 * string; they run on everything before it is committed, and must not touch anything else (I11). What leaves the log
 * for an agent, a file or a screen goes through `redact-thorough.ts` too.
 */
import { FIXED_LIMITS, NESTED_DEEPER } from '../limits.ts';

export interface Secret {
  readonly name: string;
  readonly value: string;
}

export interface Redactor {
  /** Replaces every known value in the text by `[secret NAME]`. */
  exact(text: string): string;
  /** `exact` for every string of a JSON value, keys included. Returns the same object when nothing changed. */
  deep<T>(value: T): T;
}

export function createRedactor(secrets: readonly Secret[]): Redactor {
  const whole = formsOf(secrets, wholeForms);
  const exactly = replacer(whole);

  const deep = <T>(value: T, depth: number): T => {
    if (typeof value === 'string') return exactly(value) as T;
    if (value === null || typeof value !== 'object') return value;
    // Deeper, and nobody could store it as JSON either; what cannot be searched is not let through.
    if (depth > FIXED_LIMITS.nestedLevels) return NESTED_DEEPER as T;
    if (Array.isArray(value)) {
      let changed: unknown[] | null = null;
      for (let i = 0; i < value.length; i++) {
        const next: unknown = deep(value[i] as unknown, depth + 1);
        if (next !== value[i]) (changed ??= [...(value as unknown[])])[i] = next;
      }
      return (changed ?? value) as T;
    }
    return deepObject(value as Record<string, unknown>, depth) as T;
  };
  const deepObject = (value: Record<string, unknown>, depth: number): Record<string, unknown> => {
    let changed = false;
    const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
      const pair: [string, unknown] = [exactly(key), deep(item, depth + 1)];
      changed ||= pair[0] !== key || pair[1] !== item;
      return pair;
    });
    return changed ? Object.fromEntries(entries) : value;
  };

  return {
    exact: exactly,
    deep: (value) => (whole.size === 0 ? value : deep(value, 0)),
  };
}

/** Every form to look for, with the name it is replaced by; of equal ones the first name. */
export function formsOf(secrets: readonly Secret[], forms: (value: string) => readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, value } of secrets) {
    for (const form of forms(value)) if (form.length >= FIXED_LIMITS.secretChars && !found.has(form)) found.set(form, name);
  }
  return found;
}

/** The value as it may be said: whole, and a header's token without its scheme (`Bearer abc…`). */
export function wholeForms(value: string): string[] {
  const token = /^(?:bearer|basic|token|apikey|digest)\s+(\S+)$/i.exec(value.trim())?.[1];
  return [value, value.trim(), ...(token ? [token] : [])];
}

/**
 * One pass over the text for all values. Occurrences that overlap go as one, with the names of what it holds: of each, what
 * is left beside another one would still be secret. (Of two that begin at the same place the longer one is enough.)
 */
export function replacer(forms: ReadonlyMap<string, string>): (text: string) => string {
  if (forms.size === 0) return (text) => text;
  // Whole values of many thousand characters would be too large a pattern; their beginnings are as long as the shortest.
  const byHead = Map.groupBy(
    [...forms.keys()].sort((a, b) => b.length - a.length),
    (form) => form.slice(0, FIXED_LIMITS.secretChars),
  );
  const heads = new RegExp([...byHead.keys()].map((head) => head.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')).join('|'), 'g');
  return (text) => {
    let out = '';
    let end = 0;
    let names = new Set<string>();
    const mark = (): string => (names.size === 0 ? '' : `[secret ${[...names].join(', ')}]`);
    heads.lastIndex = 0;
    for (let match = heads.exec(text); match; match = heads.exec(text)) {
      const at = match.index;
      heads.lastIndex = at + 1;
      const found = byHead.get(match[0])?.find((form) => text.startsWith(form, at));
      // One that lies whole in another has nothing to add.
      if (found === undefined || at + found.length <= end) continue;
      if (at >= end) {
        out += mark() + text.slice(end, at);
        names = new Set();
      }
      end = at + found.length;
      names.add(forms.get(found) ?? '');
    }
    return end === 0 ? text : out + mark() + text.slice(end);
  };
}
