/** Refuses unknown options, so that a misspelt one is not silently ignored. */
import { didYouMean } from './did-you-mean.ts';
import { invalid } from './errors.ts';
import { isObject } from './objects.ts';

/**
 * `whose` names the options in errors. If `needed` is given, even as an empty list, the options must be given, and those in the list, too.
 */
export function checkOptions<T extends object>(
  whose: string,
  given: T | undefined,
  known: readonly (keyof T & string)[],
  needed?: readonly (keyof T & string)[],
): void {
  if (given === undefined && needed === undefined) return;
  if (!isObject(given)) throw invalid(`${whose} takes its options as an object; it is ${shown(given)}.`);
  refusePromise(whose, given);
  const unknown = Object.keys(given).filter((name) => !(known as readonly string[]).includes(name));
  if (unknown.length > 0) {
    const meant = unknown.map((name) => didYouMean(name, known)).join('') || ` It knows ${known.join(', ') || 'none'}.`;
    throw invalid(`${whose} has no option ${unknown.map((name) => `"${name}"`).join(', ')}.${meant}`, { options: unknown });
  }
  for (const name of needed ?? [])
    if ((given[name] ?? null) === null) throw invalid(`${whose} needs the option "${name}".`, { options: [name] });
}

export function refusePromise(name: string, value: unknown): void {
  if (typeof (value as { then?: unknown } | null | undefined)?.then === 'function') throw invalid(`${name} is a promise. Await it first.`);
}

/** Whether an environment variable can have the name. */
export const isVariable = (name: string): boolean => /^[^=\0]+$/.test(name);

/** A value for an error message: as JSON, cut if it is long; if JSON cannot hold it, its type. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value);
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch {
    // A circle, a BigInt, or too many levels.
  }
  const text = json ?? typeof value;
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS).toWellFormed()}…` : text;
}

const SHOWN_CHARS = 200;
