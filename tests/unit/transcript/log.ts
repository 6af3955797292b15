/** A small log for transcript and replay tests: what a host would have stored. */
import type { ContentBlock, SessionEvent, TurnEnded } from '../../../src/engine/types.ts';

export interface LogBuilder {
  readonly events: SessionEvent[];
  user(...content: (string | ContentBlock)[]): LogBuilder;
  agent(...chunks: (string | ContentBlock)[]): LogBuilder;
  thought(text: string): LogBuilder;
  tool(id: string, title: string, fields?: Record<string, unknown>): LogBuilder;
  update(update: Record<string, unknown>): LogBuilder;
  push(kind: SessionEvent['kind'], payload: unknown, origin?: SessionEvent['origin']): LogBuilder;
  end(ended?: TurnEnded): LogBuilder;
  newestFirst(page?: number): SessionEvent[][];
}

/** Each `user` begins a turn; `end` ends it. */
export function log(): LogBuilder {
  const events: SessionEvent[] = [];
  let turn = 0;
  const push = (kind: SessionEvent['kind'], payload: unknown, origin: SessionEvent['origin'] = 'agent') => {
    events.push({ seq: events.length + 1, turnId: turn === 0 ? null : `t${turn}`, at: 0, origin, kind, payload } as SessionEvent);
    return builder;
  };
  const block = (content: string | ContentBlock): ContentBlock => (typeof content === 'string' ? { type: 'text', text: content } : content);
  const builder: LogBuilder = {
    events,
    push,
    user(...content) {
      turn++;
      push('turn_started', {}, 'host');
      for (const item of content) push('update', { sessionUpdate: 'user_message_chunk', content: block(item) }, 'host');
      return builder;
    },
    agent(...chunks) {
      for (const item of chunks) push('update', { sessionUpdate: 'agent_message_chunk', content: block(item) });
      return builder;
    },
    thought: (text) => push('update', { sessionUpdate: 'agent_thought_chunk', content: block(text) }),
    tool: (toolCallId, title, fields = {}) =>
      push('update', { sessionUpdate: 'tool_call', toolCallId, title, kind: 'execute', status: 'completed', ...fields }),
    update: (update) => push('update', update),
    end: (ended = { state: 'completed', stopReason: 'end_turn' }) => push('turn_ended', ended, 'host'),
    newestFirst(page = 7) {
      const all = events.toReversed();
      const pages: SessionEvent[][] = [];
      for (let i = 0; i < all.length; i += page) pages.push(all.slice(i, i + page));
      return pages;
    },
  };
  return builder;
}
