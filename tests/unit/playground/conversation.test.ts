import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Conversation, PIECE_CHARS } from '../../../playground/state/session.ts';
import type { SessionEvent } from '../../../src/engine/types.ts';

let seq = 0;
const event = (kind: string, payload: unknown, origin = 'agent'): SessionEvent =>
  ({ seq: ++seq, turnId: 't', at: 0, origin, kind, payload }) as unknown as SessionEvent;
const chunk = (text: string, sessionUpdate = 'agent_message_chunk', origin = 'agent'): SessionEvent =>
  event('update', { sessionUpdate, content: { type: 'text', text } }, origin);
const folded = (...events: SessionEvent[]): Conversation => {
  const conversation = new Conversation();
  for (const one of events) conversation.add([one]);
  return conversation;
};
const textOf = (conversation: Conversation): string =>
  conversation
    .view()
    .items.map((item) => ('pieces' in item ? item.pieces.join('') : ''))
    .join('|');

describe('the conversation of a log', () => {
  it('joins chunks of one speaker and starts anew with another', () => {
    const conversation = folded(
      chunk('Hello', 'user_message_chunk', 'host'),
      chunk('No'),
      chunk('ted.'),
      chunk('Hm', 'agent_thought_chunk'),
      chunk('Yes'),
    );
    expect(conversation.view().items.map((item) => item.kind)).toEqual(['user', 'agent', 'thought', 'agent']);
    expect(textOf(conversation)).toBe('Hello|Noted.|Hm|Yes');
  });

  it('keeps every character of any stream, in pieces of bounded size, of which only the last changes', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 900 }), { maxLength: 40 }), (texts) => {
        const conversation = new Conversation();
        let before: readonly string[] = [];
        for (const text of texts) {
          conversation.add([chunk(text)]);
          const item = conversation.view().items[0];
          const pieces = item && 'pieces' in item ? item.pieces : [];
          expect(pieces.slice(0, Math.max(0, before.length - 1))).toEqual(before.slice(0, -1));
          // The piece that was last only grew: the terminal has already printed what it held.
          if (before.length > 0) expect(pieces[before.length - 1]!.startsWith(before.at(-1)!)).toBe(true);
          for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(PIECE_CHARS + 401);
          before = pieces;
        }
        expect(textOf(conversation)).toBe(texts.join(''));
      }),
      { numRuns: 60 },
    );
  });

  it('changes nothing for an event it has already seen (I3)', () => {
    const one = chunk('once');
    expect(textOf(folded(one, one))).toBe('once');
  });

  it('has an open permission from the request until its answer or the end of the turn', () => {
    const started = event('turn_started', {});
    const asked = event('permission_requested', {
      requestId: 'r',
      toolCall: { toolCallId: 'c', title: 'Write a file' },
      options: [{ optionId: 'y', name: 'Yes', kind: 'allow_once' }],
    });
    const conversation = folded(started, asked);
    expect(conversation.view().permission).toMatchObject({ requestId: 'r', title: 'Write a file' });
    conversation.add([event('permission_resolved', { requestId: 'r', optionId: null, by: 'end' })]);
    expect(conversation.view().permission).toBeNull();
    expect(conversation.view().items.at(-1)).toMatchObject({ kind: 'permission', answer: 'withdrawn: the turn ended first' });
  });

  it('shows a tool once and keeps it up to date', () => {
    const conversation = folded(
      event('update', { sessionUpdate: 'tool_call', toolCallId: 'c', title: 'Read', status: 'pending' }),
      event('update', {
        sessionUpdate: 'tool_call_update',
        toolCallId: 'c',
        status: 'completed',
        content: [{ type: 'content', content: { type: 'text', text: 'found' } }],
      }),
    );
    expect(conversation.view().items).toEqual([
      { kind: 'tool', key: expect.any(String), title: 'Read', status: 'completed', text: 'found' },
    ]);
  });

  it('says how a turn ended when the answer does not say it itself', () => {
    const ends = [
      [{ state: 'completed', stopReason: 'end_turn' }, null],
      [{ state: 'completed', stopReason: 'max_tokens' }, 'max tokens'],
      [{ state: 'cancelled' }, 'cancelled'],
      [{ state: 'failed', error: { code: 'agent_protocol_error', message: 'No model.' } }, 'No model.'],
      [{ state: 'interrupted' }, 'not sent again'],
    ] as const;
    for (const [end, words] of ends) {
      const [item] = folded(event('turn_ended', end)).view().items;
      if (words === null) expect(item).toBeUndefined();
      else expect(item).toMatchObject({ kind: 'notice', text: expect.stringContaining(words) });
    }
  });

  it('shows no update kind it does not know, and does not fail on one (I11 keeps it in the log)', () => {
    expect(folded(event('update', { sessionUpdate: 'from_the_future', content: 7 })).view().items).toEqual([]);
  });

  it('replaces a plan by the next one of the same turn, and begins another with the next turn', () => {
    const plan = (...contents: string[]) =>
      event('update', { sessionUpdate: 'plan', entries: contents.map((content) => ({ content, status: 'pending' })) });
    const conversation = folded(event('turn_started', {}), plan('a'), chunk('x'), plan('a', 'b'), event('turn_started', {}), plan('c'));
    expect(
      conversation.view().items.flatMap((item) => (item.kind === 'plan' ? [item.entries.map((entry) => entry.text).join()] : [])),
    ).toEqual(['a,b', 'c']);
  });

  it('stays small and whole under ten thousand updates of every shape (I10)', () => {
    const conversation = folded(event('turn_started', {}));
    const odd = [null, 7, 'text', [], {}, { type: 'text', text: 7 }, { type: 'resource' }];
    for (let i = 0; i < 10_000; i++) {
      const content = odd[i % odd.length];
      const kind = ['tool_call', 'tool_call_update', 'plan', 'agent_message_chunk', '_odd', undefined][i % 6];
      conversation.add([
        event('update', {
          sessionUpdate: kind,
          toolCallId: i,
          title: i % 2 ? 'x'.repeat(5_000) : content,
          entries: i % 2 ? [content] : content,
          content,
        }),
      ]);
    }
    expect(conversation.view().items.length).toBeLessThanOrEqual(2_500);
    // What an agent says is as long as it is, in pieces; all else is an excerpt.
    for (const item of conversation.view().items)
      for (const part of 'pieces' in item ? item.pieces : [item]) expect(JSON.stringify(part).length).toBeLessThan(10_000);
  });

  it('offers of an agent’s options those that can be answered with, under names that fit a button', () => {
    const started = event('turn_started', {});
    const asked = event('permission_requested', {
      requestId: 'r',
      toolCall: { toolCallId: 'c', title: 'Delete \u202eeverything' },
      options: [
        null,
        { optionId: 7 },
        { optionId: 'a' },
        { optionId: 'b', name: 'x'.repeat(500), kind: {} },
        ...Array.from({ length: 100 }, (_, n) => ({ optionId: `${n}`, name: 'N', kind: 'allow_once' })),
      ],
    });
    const open = folded(started, asked).view().permission!;
    expect(open.title).toBe('Delete everything');
    expect(open.options[0]).toEqual({ optionId: 'a', name: 'a', kind: '' });
    expect(open.options[1]).toMatchObject({ optionId: 'b', name: `${'x'.repeat(59)}…`, kind: '' });
    expect(open.options.length).toBeLessThanOrEqual(20);
  });
});
