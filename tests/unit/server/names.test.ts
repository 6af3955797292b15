/** Which ids a client is told, by what was told before. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { foldEvents, type SessionEvent } from '../../../src/engine/index.ts';
import { readToolCall } from '../../../src/engine/protocol/updates.ts';
import { createNames } from '../../../src/server/names.ts';

type Told = readonly [turnId: string | null, kind: string, id: string, status?: string];

/** An event, and under which id it is told. */
const eventOf = ([turnId, kind, id, status]: Told): SessionEvent =>
  ({
    ...{ seq: 1, at: 1, origin: 'agent', turnId },
    ...(kind === 'permission'
      ? { kind: 'permission_requested', payload: { requestId: 'r', toolCall: { toolCallId: id }, options: [] } }
      : /^(agent_exited|turn_started|turn_ended)$/.test(kind)
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
    'a message between turns, under an id of the last turn and of an earlier one',
    [
      ['a', 'agent_message_chunk', '1'],
      ['b', 'turn_started', ''],
      ['b', 'agent_message_chunk', '2'],
      [null, 'agent_message_chunk', '2'],
      [null, 'agent_message_chunk', '1'],
    ],
    ['1', '', '2', '2', '1~b'],
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

it('a terminal of the agent’s own has the name of its call, where it is shown, too', () => {
  const names = createNames(9);
  const terminal = { type: 'terminal', terminalId: '1' };
  const told = (['a', 'b'] as const).flatMap((turnId) =>
    [
      { sessionUpdate: 'terminal_update', terminalId: '1', command: 'npm test' },
      { sessionUpdate: 'tool_call_update', toolCallId: '1', status: 'in_progress', content: [terminal, { type: 'content' }] },
      { sessionUpdate: 'terminal_output_chunk', terminalId: '1', data: 'aGk=' },
      { sessionUpdate: 'terminal_update', terminalId: '1', exitStatus: { exitCode: 0 } },
      { sessionUpdate: 'tool_call_update', toolCallId: '1', status: 'completed' },
    ].flatMap((payload) => names.told({ seq: 1, at: 1, origin: 'agent', turnId, kind: 'update', payload } as never)),
  );
  expect(told.map(({ payload }) => payload)).toMatchObject(
    ['1', '1~b'].flatMap((id) => [
      { terminalId: id },
      { toolCallId: id, content: [{ ...terminal, terminalId: id }, { type: 'content' }] },
      { terminalId: id },
      { terminalId: id },
      { toolCallId: id },
    ]),
  );
});

it('whatever happens to tool calls, a client that goes by ids sees those of the record', () => {
  const happening = fc.oneof(
    fc.record({
      kind: fc.constantFrom('tool_call', 'tool_call_update', 'tool_call_content_chunk'),
      id: fc.constantFrom('1', '2'),
      title: fc.option(fc.string(), { nil: undefined }),
      status: fc.constantFrom(undefined, 'pending', 'in_progress', 'completed', 'failed'),
      late: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('turn_ended'), state: fc.constantFrom('completed', 'cancelled', 'interrupted') }),
    fc.record({ kind: fc.constantFrom('agent_exited', 'resumed', 'turn_started') }),
  );
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => {
      let turn = 0;
      const log = happenings.map((each, index) => {
        if (each.kind === 'turn_started') turn += 1;
        const turnId = 'late' in each && each.late ? null : `t${turn}`;
        const made = { seq: index + 1, at: 1, origin: 'agent', turnId };
        if (!('id' in each)) return { ...made, kind: each.kind, payload: each };
        const { kind, id, title, status } = each;
        return { ...made, kind: 'update', payload: { sessionUpdate: kind, toolCallId: id, title, status } };
      }) as unknown as SessionEvent[];
      const names = createNames(1_000);
      const seen = new Map<string, readonly [title?: string, status?: string]>();
      for (const { kind, payload } of log.flatMap(names.told)) {
        if (kind !== 'update') continue;
        const { id, title, status } = readToolCall(payload);
        const [titleBefore, statusBefore] = seen.get(id) ?? [];
        seen.set(id, [title ?? titleBefore, status ?? statusBefore]);
      }
      expect([...seen.values()]).toEqual(foldEvents(log).toolCalls.map(({ title, status }) => [title, status]));
    }),
    { numRuns: 300 },
  );
});
