import { RehydrateError, type ErrorCode } from '../engine/index.ts';
import { RPC } from '../engine/protocol/agent-protocol.ts';
import type { RpcError } from '../engine/protocol/json-rpc.ts';

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  session_not_found: RPC.notFound,
  auth_required: RPC.authRequired,
  invalid_argument: RPC.invalidParams,
};

/** An error that is JSON-RPC's already, such as the agent's answer to a request that was passed on. */
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

/** Whether it says that a call was stopped on the caller's word, and did nothing. */
export const wasGivenUp = (error: unknown): boolean =>
  RehydrateError.is(error) && (error.code === 'prompt_cancelled' || error.code === 'aborted');

/** The error a client is told. `signal` is that of its request: an aborted one was cancelled by the client. */
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

/** An error as `_meta` tells it where no request can be answered with it. */
export function failureOf(error: unknown): object {
  const { message, data } = toRpcError(error);
  return { message, ...(data as object | undefined) };
}
