/** How errors reach a client: as JSON-RPC errors, or in `_meta`. */
import { RehydrateError, type ErrorCode } from '../engine/index.ts';
import { RPC } from '../engine/protocol/agent-protocol.ts';
import type { RpcError } from '../engine/protocol/json-rpc.ts';

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  session_not_found: RPC.notFound,
  auth_required: RPC.authRequired,
  invalid_argument: RPC.invalidParams,
};

/** An error that is a JSON-RPC error already, such as the agent's answer to a request that was passed on. */
export class RpcFailure extends Error {
  override readonly name = 'RpcFailure';
  readonly code: number;
  readonly data: unknown;
  constructor({ code, message, data }: RpcError) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** Whether the error says that a call was stopped by its caller before it did anything. */
export const wasGivenUp = (error: unknown): boolean =>
  RehydrateError.is(error) && (error.code === 'prompt_cancelled' || error.code === 'aborted');

/** The error for a client. `signal` is that of its request; if it is aborted, the client has cancelled the request. */
export function toRpcError(error: unknown, signal?: AbortSignal): RpcError {
  if (error instanceof RpcFailure) {
    const { code, message, data } = error;
    return { code, message, data };
  }
  if (signal?.aborted && (wasGivenUp(error) || !RehydrateError.is(error)))
    return { code: RPC.cancelled, message: 'The request was cancelled.' };
  if (RehydrateError.is(error)) {
    return { code: BY_CODE[error.code] ?? RPC.internal, message: error.message, data: { ...error.data, code: error.code } };
  }
  return { code: RPC.internal, message: `Internal error: ${error instanceof Error ? error.message : String(error)}` };
}

/** The error for `_meta`, where there is no request to answer with it. */
export function failureOf(error: unknown): object {
  const { message, data } = toRpcError(error);
  return { message, ...(data as object | undefined) };
}

/**
 * The error for a line or frame that is not a message. `said` is its text, or its value from a stream that parses JSON itself. The answer has
 * the id of the request that it was meant to be, if that can be read, so that the sender does not wait for ever.
 */
export function refuseText(said: unknown): { readonly id: string | number | null; readonly error: RpcError } {
  const invalid = (message: string, id: unknown = null) => ({
    id: typeof id === 'string' || typeof id === 'number' ? id : null,
    error: { code: RPC.invalidRequest, message },
  });
  let value = said;
  try {
    if (typeof said === 'string') value = JSON.parse(said);
  } catch {
    const message =
      'What came is not JSON, and was not read. Send each message as one JSON object in UTF-8, on a line or in a frame of its own.';
    return { id: null, error: { code: RPC.parse, message } };
  }
  if (Array.isArray(value)) return invalid('ACP has no batches: send each message by itself.');
  if (typeof value !== 'object' || value === null) return invalid('A message is one JSON-RPC object.');
  const { jsonrpc, id, method } = value as Record<string, unknown>;
  const isAnswer = method === undefined || method === null;
  // Nothing answers an answer.
  const asks = isAnswer ? null : id;
  if (jsonrpc !== '2.0') return invalid('A message has "jsonrpc": "2.0", which this one lacks.', asks);
  if (isAnswer && id === undefined) return invalid('A message has a method, an id, or both; this one has neither.');
  if (!isAnswer && typeof method !== 'string') return invalid('The method of a message is a string.', asks);
  return invalid('The bytes of this message are not UTF-8, and it was not read.', asks);
}
