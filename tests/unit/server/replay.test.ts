/** Of a message that was replaced, a replay has the last word. */
import { expect, it } from 'vitest';
import type { SessionEvent } from '../../../src/engine/index.ts';
import { lastWords } from '../../../src/server/replay.ts';

const chunk = (seq: number, text: string, messageId: string | null = 'a', role = 'agent_message') =>
  eventOf(seq, { sessionUpdate: `${role}_chunk`, content: { type: 'text', text }, ...(messageId ? { messageId } : {}) });
const whole = (seq: number, text: string, messageId: string | null = 'a', role = 'agent_message') =>
  eventOf(seq, { sessionUpdate: role, content: [{ type: 'text', text }], ...(messageId ? { messageId } : {}) });
const eventOf = (seq: number, payload: object) =>
  ({ seq, at: 0, turnId: 't', kind: 'update', origin: 'agent', payload }) as unknown as SessionEvent;
const tool = (seq: number) => eventOf(seq, { sessionUpdate: 'tool_call_update', toolCallId: 'c' });

it.each<[what: string, events: readonly SessionEvent[], told: readonly SessionEvent[]]>([
  ['nothing replaced', [chunk(1, 'a'), chunk(2, 'b')], [chunk(1, 'a'), chunk(2, 'b')]],
  ['a draft and its end', [chunk(1, 'dra'), chunk(2, 'ft'), whole(3, 'final')], [whole(1, 'final')]],
  ['what is added to it then', [chunk(1, 'draft'), whole(2, 'final'), chunk(3, '.')], [whole(1, 'final'), chunk(3, '.')]],
  ['replaced twice', [chunk(1, 'a'), whole(2, 'b'), chunk(3, 'c'), whole(4, 'd')], [whole(1, 'd')]],
  ['something between', [chunk(1, 'a'), tool(2), whole(3, 'b')], [whole(1, 'b'), tool(2)]],
  ['another role', [chunk(1, 'a', 'a', 'agent_thought'), whole(2, 'b')], [chunk(1, 'a', 'a', 'agent_thought'), whole(2, 'b')]],
  ['without an id', [chunk(1, 'a', null), whole(2, 'b', null)], [chunk(1, 'a', null), whole(2, 'b', null)]],
])('%s', (_what, events, told) => {
  expect(lastWords(events)).toEqual(told);
});
