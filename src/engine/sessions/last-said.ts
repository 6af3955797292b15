/** What the agent said last in a turn, and whether what comes after it belongs to that turn. */
import { classOf, continuesMessage, isBeside, messageIdOf, readToolCall, roleOf, type MessagePiece } from '../protocol/updates.ts';
import type { UpdateWithMeta } from './logged-updates.ts';

/** Enough to recognise more of it. */
export interface LastSaid {
  /** Whether it said anything of the conversation. */
  anything: boolean;
  /** The last message, and whether anything parts it from what follows. */
  message: Pick<MessagePiece, 'role' | 'messageId'> | null;
  isParted: boolean;
  readonly toolCalls: Set<string>;
  /** Updates that named another agent session, and the last such name. */
  foreign: number;
  foreignId: string | null;
}

export const nothingSaid = (): LastSaid => ({
  ...{ anything: false, message: null, isParted: false, toolCalls: new Set(), foreign: 0, foreignId: null },
});

export function remember(said: LastSaid, { update, meta }: UpdateWithMeta): void {
  const kind = classOf(update, meta);
  if (kind !== 'notice') said.anything = true;
  const role = roleOf(update, meta);
  if (role) Object.assign(said, { message: { role, messageId: messageIdOf(update) }, isParted: false });
  else if (!isBeside(update, meta)) said.isParted = true;
  if (!kind.startsWith('tool_call') || said.toolCalls.size >= MAX_TOOL_CALLS) return;
  const { id } = readToolCall(update);
  if (id !== '' && id.length <= MOST_ID_CHARS) said.toolCalls.add(id);
}

/** So many tool calls of a turn are known to belong to it, by ids of that length. */
const [MAX_TOOL_CALLS, MOST_ID_CHARS] = [1_000, 1_000];

/** With the rest of its last message, or of one of its tool calls. */
export function turnContinuedBy(
  last: { readonly turnId: string; readonly said: LastSaid } | null,
  { update, meta }: UpdateWithMeta,
): string | null {
  if (!last) return null;
  const { said, turnId } = last;
  if (classOf(update) === 'tool_call_update') return said.toolCalls.has(readToolCall(update).id) ? turnId : null;
  const [role, at] = [roleOf(update, meta), { origin: 'agent', turnId } as const];
  if (!role || !said.message) return null;
  return continuesMessage({ ...said.message, ...at }, { role, messageId: messageIdOf(update), ...at }, said.isParted) ? turnId : null;
}
