/**
 * Takes known secret values out of what is stored, and out of a replay before it is matched. Nothing else may change (I11): a value is
 * replaced where it stands whole in a string of free text, and never in the protocol's own words.
 */
import { FIXED_LIMITS, NESTED_DEEPER } from '../limits.ts';
import type { Fields } from '../objects.ts';

export interface Secret {
  readonly name: string;
  readonly value: string;
}

/**
 * Replaces every known value by `[secret NAME]`, in a string or in the free text of a JSON value. Returns the same object when nothing
 * changed.
 */
type Redact = <T>(value: T) => T;

/**
 * Keys whose strings are the protocol's words, ids and addresses, which are never rewritten. A secret may be an ordinary word (`message`,
 * `completed`), and an update whose kind was replaced could not be read (I4). Everything else, also fields of the agent's own, is free
 * text.
 */
const PROTOCOL_KEYS = new Set(
  // discriminators and states
  (
    'sessionUpdate type kind status role priority severity stopReason state outcome by tier mode method verified action format ' +
    // what things are addressed with
    'id category path cwd mimeType blob signal code jsonrpc restored agent'
  ).split(' '),
);

function isProtocol(key: string): boolean {
  return PROTOCOL_KEYS.has(key) || /Ids?$/.test(key);
}

/** Under these keys an ordinary word is the protocol's (a command's name, a level of effort), and anything else may be a secret. */
const NAMES = new Set(['name', 'value', 'currentValue']);
const ORDINARY_WORD = /^[A-Za-z]+(?:[ _-][A-Za-z]+)*$/;

/** What a tool was given, or gave, is free text, whatever its keys are called. */
const FREE_KEYS = new Set(['rawInput', 'rawOutput']);

export function createRedactor(secrets: readonly Secret[]): Redact {
  const forms = formsOf(secrets, wholeForms);
  if (forms.size === 0) return (value) => value;
  const replace = replacer(forms);
  const replaceInNames = replacer(new Map([...forms].filter(([form]) => !ORDINARY_WORD.test(form))));
  /** Objects that were redacted already: an update is redacted when it comes, and again when it is written. */
  const clean = new WeakSet<object>();

  const walk = (value: unknown, free: boolean, depth: number, key = ''): unknown => {
    if (typeof value === 'string') return !free && NAMES.has(key) ? replaceInNames(value) : replace(value);
    if (value === null || typeof value !== 'object') return value;
    // What is too deep to be searched is left out.
    if (depth > FIXED_LIMITS.nestedLevels) return NESTED_DEEPER;
    if (Array.isArray(value)) {
      let changed: unknown[] | null = null;
      for (let i = 0; i < value.length; i++) {
        const next = walk(value[i], free, depth + 1, key);
        if (next !== value[i]) (changed ??= [...(value as unknown[])])[i] = next;
      }
      return changed ?? value;
    }
    const fields = value as Fields;
    // The data of an image or a sound is not text.
    const bytes = !free && (fields['type'] === 'image' || fields['type'] === 'audio') ? 'data' : null;
    let changed: Record<string, unknown> | null = null;
    for (const key of Object.keys(fields)) {
      const item = fields[key];
      if (key === bytes || (!free && isProtocol(key) && !isNested(item))) continue;
      const next = walk(item, free || FREE_KEYS.has(key), depth + 1, key);
      if (next !== item)
        Object.defineProperty((changed ??= { ...fields }), key, { value: next, enumerable: true, writable: true, configurable: true });
    }
    return changed ?? value;
  };

  return <T>(value: T): T => {
    if (value === null || typeof value !== 'object') return walk(value, true, 0) as T;
    if (clean.has(value)) return value;
    const redacted = walk(value, false, 0) as T & object;
    clean.add(redacted);
    return redacted;
  };
}

/** Whether a value is an object, or a list with objects: such a value is searched even under a key of the protocol's. */
function isNested(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(Array.isArray(value) && value.every((item) => typeof item !== 'object'));
}

/** The names of all forms of the values. Of equal forms the first name counts. */
export function formsOf(secrets: readonly Secret[], forms: (value: string) => readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, value } of secrets) {
    for (const form of forms(value)) if (form.length >= FIXED_LIMITS.secretChars && !found.has(form)) found.set(form, name);
  }
  return found;
}

/** The value, and a header's token without its scheme (`Bearer abc…`). */
export function wholeForms(value: string): string[] {
  const token = /^(?:bearer|basic|token|apikey|digest)\s+(\S+)$/i.exec(value.trim())?.[1];
  return [value, value.trim(), ...(token ? [token] : [])];
}

/**
 * Replaces all forms in one pass. Occurrences that overlap are replaced as one, with the names of all, since what stayed of one beside
 * another would still be secret. (Of two that begin at the same place the longer one is enough.)
 */
export function replacer(forms: ReadonlyMap<string, string>): (text: string) => string {
  if (forms.size === 0) return (text) => text;
  // The pattern has only the beginnings of values, since whole values could make it too large.
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
      // No form begins here, or it lies whole in the one before.
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
