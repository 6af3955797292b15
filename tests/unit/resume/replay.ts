/** Making replays out of what was said: in other chunks, with and without ids, with parts missing. */
import type { SessionUpdate } from '../../../src/engine/types.ts';
import { createReplayMatcher, type ReplayMatcherOptions, type ReplayResult } from '../../../src/engine/resume/match.ts';
import type { LogBuilder } from '../transcript/log.ts';

export const user = (text: string, messageId?: string): SessionUpdate => chunk('user_message_chunk', text, messageId);
export const agent = (text: string, messageId?: string): SessionUpdate => chunk('agent_message_chunk', text, messageId);
export const thought = (text: string): SessionUpdate => chunk('agent_thought_chunk', text);
export const tool = (toolCallId: string, status: 'completed' | 'in_progress' = 'completed'): SessionUpdate => ({
  sessionUpdate: 'tool_call',
  toolCallId,
  title: `tool ${toolCallId}`,
  status,
});

function chunk(
  sessionUpdate: 'user_message_chunk' | 'agent_message_chunk' | 'agent_thought_chunk',
  text: string,
  messageId?: string,
): SessionUpdate {
  return { sessionUpdate, content: { type: 'text', text }, ...(messageId === undefined ? {} : { messageId }) };
}

export async function match(
  log: LogBuilder,
  updates: readonly SessionUpdate[],
  options: Partial<ReplayMatcherOptions> = {},
): Promise<ReplayResult> {
  const matcher = createReplayMatcher({ log: log.newestFirst(), ...options });
  for (const update of updates) matcher.take(update);
  return matcher.end();
}

/** What was imported, as `role text`, chunks of one role joined. */
export function said(result: ReplayResult): string[] {
  const out: string[] = [];
  let last = '';
  for (const { update, turnId } of result.imported) {
    const content = (update as { content?: { text?: string } }).content;
    const label = `${update.sessionUpdate.replace('_message_chunk', '')}${turnId === null ? '' : `@${turnId}`}`;
    const text = content?.text ?? (update as { toolCallId?: string }).toolCallId ?? '';
    if (label === last && update.sessionUpdate.endsWith('chunk')) out[out.length - 1] += text;
    else out.push(`${label} ${text}`);
    last = label;
  }
  return out;
}

/** Stores what was imported, as a host does: behind everything. */
export function store(log: LogBuilder, result: ReplayResult): void {
  for (const { update, turnId } of result.imported) {
    log.events.push({ seq: log.events.length + 1, turnId, at: 0, origin: 'import', kind: 'update', payload: update });
  }
}
