/**
 * Takes known secret values out of what is stored, and out of a replay before it is matched. It must touch nothing else (I11): whole values
 * in one string of free text are replaced, and never what the protocol itself says.
 */
import { FIXED_LIMITS, NESTED_DEEPER } from '../limits.ts';

export interface Secret {
  readonly name: string;
  readonly value: string;
}

/**
 * Replaces every known value by `[secret NAME]`, in a string and in the free text of a JSON value. Returns the same object when nothing
 * changed, and what it returned before without looking again.
 */
export type Redact = <T>(value: T) => T;

/**
 * Keys whose strings are the protocol's words, ids and addresses. A secret may be an ordinary word (`message`, `completed`), and an update
 * whose kind were rewritten could not be read (I4). Anything else, fields of an agent's own among it, is free text.
 */
const PROTOCOL_KEYS = new Set(
  // discriminators and states
  (
    'sessionUpdate type kind status role priority severity stopReason state outcome by tier mode method verified action format ' +
    // what things are addressed with
    'id category path cwd mimeType blob signal code jsonrpc restored agent'
  ).split(' '),
);

/** Never rewritten. */
export function isProtocol(key: string): boolean {
  return PROTOCOL_KEYS.has(key) || /Ids?$/.test(key);
}

/** The protocol's where it is an ordinary word (a command's name, a level of effort), and a place where a key may lie all the same. */
const NAMES = new Set(['name', 'value', 'currentValue']);
const ORDINARY_WORD = /^[A-Za-z]+(?:[ _-][A-Za-z]+)*$/;

/** Nothing in what a tool was given, or gave, is the protocol's, whatever its keys are called. */
const FREE_KEYS = new Set(['rawInput', 'rawOutput']);

export function createRedactor(secrets: readonly Secret[]): Redact {
  const forms = formsOf(secrets, wholeForms);
  if (forms.size === 0) return (value) => value;
  const replace = replacer(forms);
  const replaceInNames = replacer(new Map([...forms].filter(([form]) => !ORDINARY_WORD.test(form))));
  /** An update is redacted when it comes, and once more when it is written. */
  const clean = new WeakSet<object>();

  const walk = (value: unknown, free: boolean, depth: number, key = ''): unknown => {
    if (typeof value === 'string') return !free && NAMES.has(key) ? replaceInNames(value) : replace(value);
    if (value === null || typeof value !== 'object') return value;
    // What is not searched is not let through.
    if (depth > FIXED_LIMITS.nestedLevels) return NESTED_DEEPER;
    if (Array.isArray(value)) {
      let changed: unknown[] | null = null;
      for (let i = 0; i < value.length; i++) {
        const next = walk(value[i], free, depth + 1, key);
        if (next !== value[i]) (changed ??= [...(value as unknown[])])[i] = next;
      }
      return changed ?? value;
    }
    const fields = value as Readonly<Record<string, unknown>>;
    // An image or a sound is not text.
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

/** An object, or a list of them, under a protocol's key (`kind: {…}`) is read on. */
function isNested(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(Array.isArray(value) && value.every((item) => typeof item !== 'object'));
}

/** Of equal forms the first name. */
export function formsOf(secrets: readonly Secret[], forms: (value: string) => readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, value } of secrets) {
    for (const form of forms(value)) if (form.length >= FIXED_LIMITS.secretChars && !found.has(form)) found.set(form, name);
  }
  return found;
}

/** Whole, and a header's token without its scheme (`Bearer abc…`). */
export function wholeForms(value: string): string[] {
  const token = /^(?:bearer|basic|token|apikey|digest)\s+(\S+)$/i.exec(value.trim())?.[1];
  return [value, value.trim(), ...(token ? [token] : [])];
}

/**
 * One pass for all values. Occurrences that overlap go as one, with the names of all: what is left of one beside another would still be
 * secret. (Of two that begin at the same place the longer one is enough.)
 */
export function replacer(forms: ReadonlyMap<string, string>): (text: string) => string {
  if (forms.size === 0) return (text) => text;
  // Whole values could be too large a pattern; their beginnings are as long as the shortest.
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
      // It lies whole in another.
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
