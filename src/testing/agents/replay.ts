/** Replays a session: completely, as the protocol asks, or in one of the ways of real agents. */
import type { SessionUpdate } from '@agentclientprotocol/sdk';
import { pieces } from './replies.ts';
import type { StoredEntry } from './store.ts';
import type { Behaviour } from './variants.ts';

export function replayUpdates(entries: readonly StoredEntry[], how: Behaviour['replay']): SessionUpdate[] {
  const kept = Number.isFinite(how.cap) ? lastMessages(entries, how.cap) : entries;
  const once = (round: number) => kept.flatMap((entry, index) => entryUpdates(entry, how, `${round}-${index}`));
  return how.times === 2 ? [...once(0), ...once(1)] : once(0);
}

function entryUpdates(entry: StoredEntry, how: Behaviour['replay'], fresh: string): SessionUpdate[] {
  if (entry.type === 'update') return [entry.update];
  const messageId = how.ids === 'same' ? entry.messageId : how.ids === 'fresh' ? `replayed-${fresh}` : undefined;
  const id = messageId === undefined ? {} : { messageId };
  if (entry.type === 'user') {
    return entry.blocks.map((content) => ({ sessionUpdate: 'user_message_chunk', content, ...id }));
  }
  const texts = how.chunks === 'whole' ? [entry.text] : pieces(entry.text, 2);
  return texts.map((text) => ({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text }, ...id }));
}

function lastMessages(entries: readonly StoredEntry[], count: number): readonly StoredEntry[] {
  let left = count;
  let from = entries.length;
  while (from > 0 && left > 0) {
    from -= 1;
    if (entries[from]?.type !== 'update') left -= 1;
  }
  return entries.slice(from);
}
