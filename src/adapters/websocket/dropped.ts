/**
 * The bridge's only message of its own, an ACP extension notification: it says that lines of the agent's output were meant to be messages, and
 * were lost. Clients that do not know it ignore it.
 */
import { fieldsOf } from '../../engine/objects.ts';
import type { DroppedLines } from '../../engine/ports.ts';

const METHOD = '_rehydrate/dropped';

/** `lines` counts from the agent's start. */
export const droppedNotice = (params: DroppedLines): string => JSON.stringify({ jsonrpc: '2.0', method: METHOD, params });

/** Null for every other message. */
export function readDropped(message: unknown): DroppedLines | null {
  const { method, params } = fieldsOf(message);
  const { lines, last } = fieldsOf(params);
  return method === METHOD && typeof lines === 'number' && typeof last === 'string' ? { lines, last } : null;
}
