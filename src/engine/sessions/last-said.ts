/** What the agent said last in a turn: as much as is needed to recognise a later update as belonging to that turn. */
import { classOf, continuesMessage, isBeside, messageIdOf, readToolCall, roleOf, type MessagePiece } from '../protocol/updates.ts';
import type { UpdateWithMeta } from '../storage/statements.ts';

export interface LastSaid {
  /** Whether the agent said anything but notices. */
  anything: boolean;
  message: Pick<MessagePiece, 'role' | 'messageId'> | null;
  /** Whether something that ends a message came after `message`. */
  isParted: boolean;
  readonly toolCalls: Set<string>;
  /** How many updates named another agent session. */
  foreign: number;
  /** The last session that they named. */
  foreignId: string | null;
}

export const nothingSaid = (): LastSaid => ({
  anything: false,
  message: null,
  isParted: false,
  toolCalls: new Set(),
  foreign: 0,
  foreignId: null,
});

export function remember(said: LastSaid, { update, meta }: UpdateWithMeta): void {
  const kind = classOf(update, meta);
  if (kind !== 'notice') said.anything = true;
  const role = roleOf(update, meta);
  if (role) {
    said.message = { role, messageId: messageIdOf(update) };
    said.isParted = false;
  } else if (!isBeside(update, meta)) said.isParted = true;
  if (!kind.startsWith('tool_call') || said.toolCalls.size >= MAX_TOOL_CALLS) return;
  const { id } = readToolCall(update);
  if (id !== '' && id.length <= MAX_ID_CHARS) said.toolCalls.add(id);
}

/** How many tool calls of a turn are remembered. */
const MAX_TOOL_CALLS = 1_000;
/** A tool call with a longer id is not remembered. */
const MAX_ID_CHARS = 1_000;

/** The last turn's id, if the update is more of its last message or of one of its tool calls. */
export function turnContinuedBy(
  last: { readonly turnId: string; readonly said: LastSaid } | null,
  { update, meta }: UpdateWithMeta,
): string | null {
  if (!last) return null;
  const { said, turnId } = last;
  if (classOf(update) === 'tool_call_update') return said.toolCalls.has(readToolCall(update).id) ? turnId : null;
  const role = roleOf(update, meta);
  if (!role || !said.message) return null;
  const message: MessagePiece = { ...said.message, origin: 'agent', turnId };
  const piece: MessagePiece = { role, messageId: messageIdOf(update), origin: 'agent', turnId };
  return continuesMessage(message, piece, said.isParted) ? turnId : null;
}
