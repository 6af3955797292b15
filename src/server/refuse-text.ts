/** What a client is told of a line or frame that is no message. Pure. */
import { RPC } from '../engine/protocol/agent-protocol.ts';
import type { RpcError } from '../engine/protocol/json-rpc.ts';

/**
 * `said`: its text, or what a stream that reads JSON itself made of it. `id`: of the request it was to be, so that its sender does not wait for
 * ever.
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
  // An answer is answered by nothing.
  const asks = isAnswer ? null : id;
  if (jsonrpc !== '2.0') return invalid('A message has "jsonrpc": "2.0", which this one lacks.', asks);
  if (isAnswer && id === undefined) return invalid('A message has a method, an id, or both; this one has neither.');
  if (!isAnswer && typeof method !== 'string') return invalid('The method of a message is a string.', asks);
  return invalid('The bytes of this message are not UTF-8, and it was not read.', asks);
}
