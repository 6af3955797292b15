/** Errors and parameters of ACP requests from an agent. */
import { countParam as wholeNumber } from '../../../engine/protocol/fs-lines.ts';
import { ERROR_CHARS } from './limits.ts';

/** Becomes the JSON-RPC error of the answer, which stays small whatever it names. */
export class ClientRequestError extends Error {
  override readonly name = 'ClientRequestError';
  readonly code: number;
  readonly data: Readonly<Record<string, unknown>>;
  constructor(code: number, message: string, data: Readonly<Record<string, unknown>> = {}) {
    super(shortened(message));
    this.code = code;
    this.data = Object.fromEntries(
      Object.entries(data).map(([name, value]) => [name, typeof value === 'string' ? shortened(value) : value]),
    );
  }
}

/** Without its middle: what went wrong stands at the end. */
function shortened(text: string): string {
  if (text.length <= ERROR_CHARS) return text;
  return `${text.slice(0, ERROR_CHARS / 2)}…${text.slice(-ERROR_CHARS / 2)}`;
}

export const invalid = (message: string): ClientRequestError => new ClientRequestError(-32602, `Invalid params: ${message}.`);
export const notFound = (what: string, data: Readonly<Record<string, unknown>>): ClientRequestError =>
  new ClientRequestError(-32002, `Resource not found: ${what}`, data);
export const refused = (message: string, data: Readonly<Record<string, unknown>> = {}): ClientRequestError =>
  new ClientRequestError(-32602, message, data);
export const limitExceeded = (limit: string, value: number, what: string): ClientRequestError =>
  new ClientRequestError(-32603, `${what}: the limit ${limit} is ${value}.`, { limit, value });

type Params = Readonly<Record<string, unknown>>;

export function textParam(params: Params, name: string): string {
  const value = params[name];
  if (typeof value !== 'string') throw invalid(`${name} must be text`);
  return value;
}

/** A whole number of at least `least`, or undefined where it is absent or null. */
export const countParam = (params: Params, name: string, least: number): number | undefined => wholeNumber(params, name, least, invalid);
