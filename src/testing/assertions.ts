/** Assertions for the contract suites, which run under any test runner. */
import { SqlError, type SqlErrorKind } from '../engine/ports.ts';

/** Fails with both values unless they are equal: plain data, `Uint8Array` by content, `-0` equal to `0`. */
export function same(actual: unknown, expected: unknown, what: string): void {
  if (!equal(actual, expected)) throw new Error(`${what}: got ${show(actual)}, expected ${show(expected)}`);
}

export function ensure(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Fails unless the call rejects with a `SqlError` of this kind (any of them). */
export async function rejects(call: Promise<unknown>, kinds: SqlErrorKind | readonly SqlErrorKind[], what: string): Promise<SqlError> {
  let result: unknown;
  try {
    result = await call;
  } catch (error) {
    // By name: the adapter may have been bundled with its own copy of the class.
    if (!(error instanceof Error) || error.name !== SqlError.name)
      throw new Error(`${what}: rejected with something that is no SqlError: ${String(error)}`, { cause: error });
    const { kind } = error as SqlError;
    ensure([kinds].flat().includes(kind), `${what}: the kind is '${kind}', expected '${[kinds].flat().join("' or '")}' (${error.message})`);
    ensure(error.message.trim() !== '', `${what}: the message is empty`);
    return error as SqlError;
  }
  throw new Error(`${what}: it was expected to reject, and gave ${show(result)}`);
}

function equal(a: unknown, b: unknown): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal((a as never)[key], (b as never)[key]));
}

function show(value: unknown): string {
  const text =
    JSON.stringify(value, (_, each: unknown) =>
      each instanceof Uint8Array ? `bytes(${[...each.slice(0, 16)].join(' ')}${each.length > 16 ? ' …' : ''})` : each,
    ) ?? String(value);
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
