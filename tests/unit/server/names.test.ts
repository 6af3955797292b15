/** Which ids a client is told, by what was told before. */
import { expect, it } from 'vitest';
import type { SessionEvent } from '../../../src/engine/index.ts';
import { createNames } from '../../../src/server/names.ts';

type Told = readonly [turnId: string | null, kind: string, id: string, status?: string];

/** An event, and under which id it is told. */
const eventOf = ([turnId, kind, id, status]: Told): SessionEvent =>
  ({
    ...{ seq: 1, at: 1, origin: 'agent', turnId },
    ...(kind === 'permission'
      ? { kind: 'permission_requested', payload: { requestId: 'r', toolCall: { toolCallId: id }, options: [] } }
      : /^(agent_exited|turn_ended)$/.test(kind)
        ? { kind, payload: { state: id } }
        : {
            kind: 'update',
            payload: { sessionUpdate: kind, [/_chunk$/.test(kind) ? 'messageId' : 'toolCallId']: id, ...(status ? { status } : {}) },
          }),
  }) as unknown as SessionEvent;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whichever event it is
const idIn = ({ payload }: any): string | undefined => (payload.toolCall ?? payload).toolCallId ?? payload.messageId;

it.each<[what: string, events: readonly Told[], ids: readonly string[]]>([
  [
    'a call in its turn',
    [
      ['a', 'tool_call', '1'],
      ['a', 'tool_call', '1'],
      ['a', 'tool_call_update', '1'],
    ],
    ['1', '1', '1'],
  ],
  [
    'an id of an earlier turn',
    [
      ['a', 'tool_call', '1'],
      ['b', 'tool_call', '1'],
      ['b', 'tool_call_update', '1'],
      ['b', 'permission', '1'],
    ],
    ['1', '1~b', '1~b', '1~b'],
  ],
  [
    'a call that goes on over the end of its turn',
    [
      ['a', 'tool_call', '1'],
      [null, 'tool_call_update', '1'],
      ['b', 'tool_call_update', '1', 'completed'],
      ['b', 'tool_call_update', '1'],
    ],
    ['1', '1', '1', '1'],
  ],
  [
    'a call that goes on and asks',
    [
      ['a', 'tool_call', '1'],
      ['b', 'permission', '1'],
    ],
    ['1', '1'],
  ],
  [
    'a permission for a call that was not told',
    [
      ['a', 'tool_call', '1', 'completed'],
      ['b', 'permission', '1'],
      ['b', 'tool_call', '1'],
    ],
    ['1', '1~b', '1~b'],
  ],
  [
    'the same after the agent was gone',
    [
      ['a', 'tool_call', '1'],
      ['a', 'agent_exited', ''],
      ['b', 'permission', '1'],
      ['b', 'tool_call_update', '1'],
    ],
    ['1', '', '1~b', '1~b'],
  ],
  [
    'calls of v2, told by updates alone',
    [
      ['a', 'tool_call_update', '1'],
      ['b', 'tool_call_update', '1', 'completed'],
      ['c', 'tool_call_update', '1'],
      ['c', 'permission', '1'],
    ],
    ['1', '1', '1~c', '1~c'],
  ],
  [
    'a message',
    [
      ['a', 'agent_message_chunk', 'm'],
      [null, 'agent_message_chunk', 'm'],
      ['b', 'agent_message_chunk', 'm'],
      ['b', 'agent_thought_chunk', 'm'],
    ],
    ['m', 'm', 'm~b', 'm~b'],
  ],
  [
    'more than is kept',
    [
      ['a', 'tool_call', '1'],
      ['a', 'tool_call', '2'],
      ['a', 'tool_call', '3'],
      ['b', 'tool_call', '1'],
      ['b', 'tool_call', '3'],
    ],
    ['1', '2', '3', '1', '3~b'],
  ],
])('%s', (_, events, ids) => {
  const names = createNames(2);
  expect(events.map((told) => idIn(names.told(eventOf(told)).at(-1)) ?? '')).toEqual(ids);
});

it('what is no tool call, and has no id, is told as it is', () => {
  const names = createNames(2);
  for (const toolCall of [null, 7, {}, { toolCallId: 7 }]) {
    const event = { seq: 1, at: 1, origin: 'agent', turnId: 'a', kind: 'permission_requested', payload: { toolCall } } as never;
    expect(names.told(event)).toEqual([event]);
    expect(names.current(toolCall as never)).toBe(toolCall);
  }
  for (const toolCallId of ['', 'x'.repeat(1_000), undefined]) {
    const update = (turnId: string) => eventOf([turnId, 'tool_call', toolCallId as string]);
    for (const turnId of ['a', 'b']) expect(names.told(update(turnId))).toEqual([update(turnId)]);
  }
});

it.each<[what: string, events: readonly Told[], ends: readonly string[]]>([
  [
    'its agent’s end cuts off what is open, of all turns',
    [
      ['a', 'tool_call', '1'],
      ['b', 'tool_call', '2', 'completed'],
      ['b', 'tool_call', '3'],
      ['b', 'agent_exited', ''],
      ['b', 'turn_ended', 'interrupted'],
    ],
    ['1', '3'],
  ],
  [
    'a turn that was cut off, or cancelled, its own',
    [
      ['a', 'tool_call', '1'],
      ['b', 'tool_call_update', '2'],
      ['b', 'turn_ended', 'cancelled'],
    ],
    ['2'],
  ],
  [
    'a turn that was answered, none: a call may go on over its end',
    [
      ['a', 'tool_call', '1'],
      ['a', 'turn_ended', 'completed'],
    ],
    [],
  ],
  [
    'what was only asked about is not shown',
    [
      ['a', 'permission', '1'],
      ['a', 'agent_exited', ''],
    ],
    [],
  ],
])('calls that can end no more are told as failed: %s', (_, events, ends) => {
  const names = createNames(9);
  const told = events.flatMap((each) => names.told(eventOf(each)).slice(0, -1));
  expect(new Set(told.map(({ kind, payload }) => `${kind} ${(payload as { status?: string }).status}`))).toEqual(
    new Set(ends.length > 0 ? ['update failed'] : []),
  );
  expect(new Set(told.map(idIn))).toEqual(new Set(ends));
});
