/**
 * The user's functions among the host's options, wrapped. When one throws, or returns something of a wrong type, that becomes a
 * `RehydrateError` that names the option. Waiting for one ends when its caller gives up, when the host goes to sleep, and after
 * `callbackMs`; for `permission`, when its request is no longer open.
 */
import { isObject, type Fields } from '../objects.ts';
import { RehydrateError, type ErrorCode } from '../errors.ts';
import type { ClientServices, LeaseOwner, OwnerAlive, PreambleFiles, SecretRef, Secrets } from '../ports.ts';
import type { PermissionRequested } from '../types.ts';
import { isSamePath } from '../same-path.ts';
import { isAbsolute, isNewId } from './arguments.ts';

// ---------------------------------------------------------------- one function

interface Callback<T> {
  readonly option: string;
  /** Default `invalid_argument`. */
  readonly code?: ErrorCode;
  /** Whether a value is one that the function may return. */
  readonly accepts: (value: unknown) => value is T;
  /** In words, what it may return. */
  readonly gives: string;
}

export interface Occasion {
  readonly sessionId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly data?: Fields | undefined;
}

function failed<T>(
  { option, code = 'invalid_argument' }: Callback<T>,
  { sessionId, data }: Occasion,
  what: string,
  advice: string,
  cause?: unknown,
) {
  const whose = sessionId === undefined ? '' : ` for session "${sessionId}"`;
  const session = sessionId === undefined ? {} : { sessionId };
  return new RehydrateError(code, `The host's option ${option} ${what}${whose}. ${advice}`, { option, ...session, ...data }, { cause });
}

/** An error of this library keeps its code, its data and its advice. */
function threw<T>(callback: Callback<T>, occasion: Occasion, error: unknown): RehydrateError {
  if (RehydrateError.is(error))
    return new RehydrateError(error.code, `The host's option ${callback.option} threw: ${error.message}`, error.data, { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return failed(callback, occasion, `threw (${message})`, 'Mend what it needs, and try again.', error);
}

function checked<T>(callback: Callback<T>, occasion: Occasion, value: unknown): T {
  if (callback.accepts(value)) return value;
  // Only its type is told, since the value itself may be secret.
  const kind = value === undefined || value === null ? String(value) : Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`;
  throw failed(callback, occasion, `gave ${kind}`, `It must give ${callback.gives}.`);
}

function callNow<T>(callback: Callback<T>, call: () => unknown, occasion: Occasion = {}): T {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    throw threw(callback, occasion, error);
  }
  return checked(callback, occasion, value);
}

const answerOf = <T>(callback: Callback<T>, call: () => unknown, occasion: Occasion): Promise<unknown> =>
  (async () => call())().catch((error: unknown) => Promise.reject(threw(callback, occasion, error)));

/** Calls a function that may return a promise. While it is waited for, `waiting` holds the function that gives it up. */
async function callAndWait<T>(
  callback: Callback<T>,
  call: () => unknown,
  occasion: Occasion,
  callbackMs: number,
  waiting?: Set<(reason: unknown) => void>,
): Promise<T> {
  const { signal } = occasion;
  signal?.throwIfAborted();
  const { promise: end, reject: giveUp } = Promise.withResolvers<never>();
  const onAbort = () => giveUp(signal?.reason);
  const late = () => {
    const advice = `A host waits callbackMs (${callbackMs} ms) for it: mend what it waits for, or raise the limit.`;
    const data = { ...occasion.data, limit: 'callbackMs', allowed: callbackMs };
    giveUp(failed({ ...callback, code: 'limit_exceeded' }, { ...occasion, data }, 'did not answer', advice));
  };
  const timer = setTimeout(late, callbackMs);
  signal?.addEventListener('abort', onAbort, { once: true });
  waiting?.add(giveUp);
  try {
    return checked(callback, occasion, await Promise.race([answerOf(callback, call, occasion), end]));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    waiting?.delete(giveUp);
  }
}

// ---------------------------------------------------------------- all of them

const isText = (value: unknown): value is string => typeof value === 'string';
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isAnything = (_: unknown): _ is unknown => true;

const SECRETS: Callback<string | undefined> = {
  option: 'secrets',
  code: 'secret_missing',
  accepts: (value) => value === undefined || isText(value),
  gives: 'a string, or undefined where it does not know the value',
};
const YES_OR_NO = { accepts: isBoolean, gives: 'true or false' };
const OWNER_ALIVE: Callback<boolean | 'unknown'> = {
  option: 'ownerAlive',
  accepts: (value) => isBoolean(value) || value === 'unknown',
  gives: 'true, false or "unknown"',
};
const REDACT: Callback<string> = { option: 'redact', accepts: isText, gives: 'the text without its secrets, as a string' };
const NEW_ID: Callback<string> = { option: 'newId', accepts: isNewId, gives: 'a well-formed string of 1 to 256 characters' };
const PERMISSION: Callback<string | null | undefined> = {
  option: 'permission',
  accepts: (value) => value === undefined || value === null || isText(value),
  gives: "an option's id, null to cancel, or undefined to ask a person",
};
const CLIENT: Callback<ClientServices | undefined> = {
  option: 'client',
  accepts: (value): value is ClientServices | undefined =>
    value === undefined || (isObject(value) && typeof value['handle'] === 'function'),
  gives: 'client services, with the method handle, or undefined',
};
const WRITE: Callback<string> = {
  option: 'preamble.files.write',
  code: 'storage_unavailable',
  accepts: isAbsolute,
  gives: 'the absolute path of the file that it wrote',
};
const REMOVE: Callback<unknown> = { option: 'preamble.files.remove', code: 'storage_unavailable', accepts: isAnything, gives: 'anything' };
const RELEASE: Callback<unknown> = { option: 'client.release', accepts: isAnything, gives: 'anything' };

type Asked = PermissionRequested & { readonly sessionId: string };

interface Given {
  readonly newId: () => string;
  readonly ownerAlive: OwnerAlive;
  readonly secrets: Secrets | undefined;
  readonly sameDirectory: ((a: string, b: string) => unknown) | undefined;
  readonly directoryExists: ((path: string) => unknown) | undefined;
  readonly redact: ((text: string) => string) | undefined;
  readonly permission: (request: Asked) => unknown;
  readonly client: ClientServices | ((agent: string) => ClientServices | undefined) | undefined;
  readonly files: PreambleFiles | undefined;
}

export type Callbacks = ReturnType<typeof wrapCallbacks>;

export function wrapCallbacks(given: Given, callbackMs: number) {
  const { newId, ownerAlive, secrets, sameDirectory, directoryExists, redact, permission, client, files } = given;
  const waiting = new Set<(reason: unknown) => void>();
  const ask = <T>(callback: Callback<T>, call: () => unknown, occasion: Occasion = {}) =>
    callAndWait(callback, call, occasion, callbackMs, waiting);
  /** The `client` function is called once for each agent, since the services hold terminals. */
  const services = new Map<string, ClientServices | undefined>();

  return {
    newId: () => callNow(NEW_ID, newId),
    secrets: async (ref: SecretRef, signal?: AbortSignal) => {
      const data = { missing: [ref.name] };
      return secrets && ask(SECRETS, () => secrets(ref), { sessionId: ref.sessionId, signal, data });
    },
    ownerAlive: (owner: LeaseOwner, occasion?: Occasion) => ask(OWNER_ALIVE, () => ownerAlive(owner), occasion),
    sameDirectory: async (a: string, b: string, occasion?: Occasion) =>
      isSamePath(a, b) ||
      (sameDirectory !== undefined && ask({ option: 'sameDirectory', ...YES_OR_NO }, () => sameDirectory(a, b), occasion)),
    /** Null when the option is not given. */
    directoryExists: async (path: string, occasion?: Occasion) =>
      directoryExists ? ask({ option: 'directoryExists', ...YES_OR_NO }, () => directoryExists(path), occasion) : null,
    redact: (text: string, sessionId: string) => (redact ? callNow(REDACT, () => redact(text), { sessionId }) : text),
    permission: async (request: Asked) => {
      const occasion = { sessionId: request.sessionId };
      return checked(PERMISSION, occasion, await answerOf(PERMISSION, () => permission(request), occasion));
    },
    clientFor(agent: string): ClientServices | undefined {
      if (typeof client !== 'function') return client;
      if (!services.has(agent))
        services.set(
          agent,
          callNow(CLIENT, () => client(agent), { data: { agent } }),
        );
      return services.get(agent);
    },
    /** Not given up when the host goes to sleep, since what the client holds must be released. */
    release: (services: ClientServices, sessionId: string) =>
      callAndWait(RELEASE, () => services.release(sessionId), { sessionId }, callbackMs),
    preambleFiles: files && {
      write: (sessionId: string, text: string, signal?: AbortSignal) =>
        ask(WRITE, () => files.write(sessionId, text), { sessionId, signal }),
      remove: (sessionId: string, signal?: AbortSignal) => ask(REMOVE, () => files.remove(sessionId), { sessionId, signal }),
    },
    /** The host goes to sleep: gives up every function that is being waited for. */
    giveUp(reason: unknown): void {
      for (const giveUp of waiting) giveUp(reason);
    },
  };
}
