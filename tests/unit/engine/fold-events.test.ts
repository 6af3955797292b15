import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_VIEW, foldEvents, type View } from '../../../src/engine/fold-events.ts';
import type { SessionEvent } from '../../../src/engine/types.ts';

let seq = 0;
const event = (kind: string, payload: object, turnId: string | null = 't1', origin = 'agent'): SessionEvent =>
  ({ seq: (seq += 1), turnId, at: 0, kind, origin, payload }) as SessionEvent;
const chunk = (who: string, text: string, more: object = {}, turnId = 't1', origin = 'agent') =>
  event('update', { sessionUpdate: `${who}_chunk`, content: { type: 'text', text }, ...more }, turnId, origin);
const update = (sessionUpdate: string, more: object, turnId = 't1') => event('update', { sessionUpdate, ...more }, turnId);
const log = (make: () => SessionEvent[]): SessionEvent[] => {
  seq = 0;
  return make();
};

const TALK = log(() => [
  event('turn_started', {}, 't1', 'host'),
  chunk('user_message', 'look', {}, 't1', 'host'),
  chunk('user_message', 'here', {}, 't1', 'host'),
  chunk('agent_thought', 'hm', { messageId: 'a' }),
  chunk('agent_message', 'one ', { messageId: 'b' }),
  update('tool_call', { toolCallId: 'x', title: 'Read', status: 'pending' }),
  chunk('agent_message', 'and more', { messageId: 'b' }),
  update('tool_call_update', { toolCallId: 'x', status: 'completed' }),
  update('plan', { entries: [{ content: 'do it', status: 'pending' }] }),
  update('current_mode_update', { currentModeId: 'brief' }),
  update('session_info_update', { title: 'A talk' }),
  event('permission_requested', { requestId: 'p', options: [], toolCall: {} }),
  event('permission_requested', { requestId: 'q', options: [], toolCall: {} }),
  event('permission_resolved', { requestId: 'p', optionId: null, by: 'person' }, 't1', 'host'),
]);

describe('a view', () => {
  it('has what was said, done, planned and asked', () => {
    const view = foldEvents(TALK);
    expect(view.messages.map(({ role, text, seq: at }) => [role, text, at])).toEqual([
      ['user', 'look\nhere', 2],
      ['thought', 'hm', 4],
      ['agent', 'one and more', 5],
    ]);
    expect(view.messages[0]?.content).toHaveLength(2);
    expect(view.messages[2]?.content).toEqual([{ type: 'text', text: 'one and more' }]);
    expect(view.toolCalls).toMatchObject([{ id: 'x', title: 'Read', status: 'completed', seq: 6 }]);
    expect(view).toMatchObject({
      plan: [{ text: 'do it', status: 'pending' }],
      mode: 'brief',
      title: 'A talk',
      openPermissions: [{ requestId: 'q' }],
      running: 't1',
      lastTurn: null,
      seq: TALK.length,
    });
  });

  it('the end of a turn ends what was asked in it', () => {
    const ended = {
      ...(event('turn_ended', { state: 'completed', stopReason: 'end_turn' }, 't1', 'host') as object),
      seq: 100,
    } as SessionEvent;
    expect(foldEvents([ended], foldEvents(TALK))).toMatchObject({
      running: null,
      openPermissions: [],
      lastTurn: { turnId: 't1', state: 'completed', stopReason: 'end_turn' },
    });
  });

  it('messages without ids are parted by a tool call, by a turn and by who speaks', () => {
    const events = log(() => [
      chunk('agent_message', 'a'),
      chunk('agent_message', 'b'),
      update('tool_call', { toolCallId: 'x' }),
      chunk('agent_message', 'c'),
      chunk('agent_message', 'd', {}, 't2'),
      chunk('user_message', 'e', {}, 't2'),
      chunk('agent_message', 'f', {}, 't2'),
    ]);
    expect(foldEvents(events).messages.map(({ text }) => text)).toEqual(['ab', 'c', 'd', 'e', 'f']);
  });

  it('a tool call that begins in a later turn under an id of an earlier one is another; what goes on there is the same', () => {
    const events = log(() => [
      update('tool_call', { toolCallId: 'call_1', title: 'one' }),
      update('tool_call_update', { toolCallId: 'call_1', status: 'completed' }, 't2'),
      update('tool_call', { toolCallId: 'call_1', title: 'two' }, 't2'),
      update('tool_call_update', { toolCallId: 'call_1', status: 'failed' }, 't2'),
    ]);
    expect(foldEvents(events).toolCalls).toMatchObject([
      { id: 'call_1', title: 'one', status: 'completed', turnId: 't1' },
      { id: 'call_1', title: 'two', status: 'failed', turnId: 't2' },
    ]);
  });

  it('… and where calls are told by updates alone, as in v2, one that begins when that of its id is over', () => {
    const told = (title: string | undefined, status: string, turnId: string) =>
      update('tool_call_update', { toolCallId: 'call_1', ...(title === undefined ? {} : { title }), status }, turnId);
    const events = log(() => [
      told('read a.txt', 'in_progress', 't1'),
      told(undefined, 'completed', 't1'),
      update('tool_call_content_chunk', { toolCallId: 'call_1', content: { type: 'text' } }, 't2'),
      told('delete b.txt', 'in_progress', 't2'),
      told(undefined, 'in_progress', 't3'),
      event('agent_exited', { kind: 'ended' }, 't3', 'host'),
      told('write c.txt', 'in_progress', 't4'),
    ]);
    expect(foldEvents(events).toolCalls).toMatchObject([
      { title: 'read a.txt', status: 'completed', turnId: 't1', content: [{ type: 'text' }] },
      { title: 'delete b.txt', status: 'failed', turnId: 't2' },
      { title: 'write c.txt', status: 'in_progress', turnId: 't4' },
    ]);
  });

  it('what is told of a tool call after the answer, as a whole again, is of the same call', () => {
    const events = log(() => [
      update('tool_call', { toolCallId: 'c', title: 'x', status: 'pending' }),
      event('update', { sessionUpdate: 'tool_call', toolCallId: 'c', status: 'completed' }, null),
    ]);
    expect(foldEvents(events).toolCalls).toMatchObject([{ title: 'x', status: 'completed', turnId: 't1' }]);
  });

  it('in pieces, however cut and however often repeated, is the same as in one', () => {
    const whole = foldEvents(TALK);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(TALK.length), fc.nat(TALK.length))), (cuts) => {
        let view: View = EMPTY_VIEW;
        // A page that overlaps what the view has; never one that leaves a gap.
        for (const [from, to] of cuts) view = foldEvents(TALK.slice(Math.min(from, view.seq), to), view);
        expect(foldEvents(TALK.slice(view.seq), view)).toEqual(whole);
      }),
    );
  });

  it('what did not change stays the same object, and the old view stays as it was', () => {
    const before = foldEvents(TALK.slice(0, 6));
    const copy = structuredClone(before);
    const after = foldEvents(TALK.slice(6), before);
    expect(before).toEqual(copy);
    expect(after.messages[0]).toBe(before.messages[0]);
    expect(foldEvents(TALK, after)).toBe(after);
  });

  it('what an agent sends malformed breaks nothing', () => {
    const events = log(() => [
      event('update', { sessionUpdate: 'agent_message_chunk' }),
      event('update', {}),
      event('update', { sessionUpdate: 'tool_call' }),
      event('update', { sessionUpdate: 'plan', entries: 3 }),
      event('update', { sessionUpdate: 'config_option_update', configOptions: 'no' }),
    ]);
    expect(foldEvents(events).seq).toBe(5);
  });
});
