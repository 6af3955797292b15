/** ACP requests from an agent: their parameters, errors and bounds. */
import { countParam as wholeNumber } from '../../../engine/protocol/fs-lines.ts';

/** An error that becomes the JSON-RPC error of the answer. Long texts are shortened. */
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

/** Cuts out the middle, because what went wrong is at the end. */
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

/** A whole number of at least `least`; undefined if it is absent or null. */
export const countParam = (params: Params, name: string, least: number): number | undefined => wholeNumber(params, name, least, invalid);

/** Every bound of what agents may ask of a Node host (I10). */
export interface ClientLimits {
  /** The largest file that is read or written, in bytes. */
  readonly fileBytes: number;
  /** How many terminals of one session may exist at once, including ended ones that were not released. */
  readonly terminals: number;
  /** How much output a terminal keeps if the agent names no limit, in bytes. */
  readonly outputBytes: number;
  /** The largest limit that an agent may name, in bytes. Encoded in an answer, the output may be six times as long, and must fit into a message. */
  readonly outputMaxBytes: number;
  /** After SIGTERM to a terminal's tree: how long until SIGKILL, in milliseconds. */
  readonly termMs: number;
}

export const CLIENT_LIMITS: ClientLimits = Object.freeze({
  fileBytes: 16 * 1024 * 1024,
  terminals: 32,
  outputBytes: 1024 * 1024,
  outputMaxBytes: 5 * 1024 * 1024,
  termMs: 2_000,
});

/** The longest text in an error, in UTF-16 units, since it may repeat what the agent sent. */
const ERROR_CHARS = 4_096;
