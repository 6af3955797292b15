/** What a client of v2 is told, message by message, in front of a side that speaks v1. */
import { expect, it } from 'vitest';
import { createWire } from '../../../src/engine/protocol/v2-agent-side.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- raw JSON
type Json = any;

/** A wire to a client that was answered in v2, and what it was told since. */
function wireV2() {
  const seen: Json[] = [];
  const wire = createWire((message) => seen.push(message));
  wire.fromClient({ id: 'hello', method: 'initialize', params: { protocolVersion: 2 } });
  wire.fromAgent({ id: 'hello', result: { protocolVersion: 1 } });
  return { ...wire, seen, states: () => seen.flatMap(({ params }) => params?.update?.state ?? []) };
}

const SESSION = { sessionId: 's1' };

/** A turn that waits for the answers to these questions. */
function asking(...ids: number[]) {
  const wire = wireV2();
  wire.fromClient({ id: 'p', method: 'session/prompt', params: { ...SESSION, prompt: [] } });
  for (const id of ids) wire.fromAgent({ id, method: 'session/request_permission', params: { ...SESSION, toolCall: {}, options: [] } });
  return wire;
}

it('a turn that waits for two answers runs when it has the second', () => {
  const { fromClient, states } = asking(1, 2);
  fromClient({ id: 1, result: {} });
  expect(states()).toEqual(['running', 'requires_action', 'requires_action']);
  fromClient({ id: 2, result: {} });
  expect(states().slice(3)).toEqual(['running']);
});

it('a question that is withdrawn holds up nothing, and its late answer changes nothing', () => {
  const { fromAgent, fromClient, states } = asking(1, 2);
  fromClient({ id: 1, result: {} });
  fromAgent({ method: '$/cancel_request', params: { requestId: 2 } });
  fromClient({ id: 2, error: { code: -32800, message: 'cancelled' } });
  expect(states().slice(3)).toEqual(['running']);
});

it('a prompt that was cancelled before it was inserted is answered with the error for that, and no message has its id', () => {
  const { fromAgent, fromClient, seen, states } = wireV2();
  fromClient({ id: 'p', method: 'session/prompt', params: { ...SESSION, prompt: [] } });
  fromAgent({ id: 'p', result: { stopReason: 'cancelled' } });
  expect(seen.slice(1)).toMatchObject([{ id: 'p', error: { code: -32800 } }]);
  // One that the record has, as its turn, was inserted.
  fromClient({ id: 'q', method: 'session/prompt', params: { ...SESSION, prompt: [] } });
  fromAgent({ id: 'q', result: { stopReason: 'cancelled', _meta: { rehydrate: { turnId: 't1' } } } });
  expect(seen.find(({ id }) => id === 'q')).toMatchObject({ result: { messageId: 't1' } });
  expect(states()).toEqual(['running', 'idle']);
});

it('a question that its turn left open holds up no later one', () => {
  const { fromAgent, fromClient, states } = asking(1);
  fromAgent({ id: 'p', result: { stopReason: 'cancelled' } });
  fromClient({ id: 'q', method: 'session/prompt', params: { ...SESSION, prompt: [] } });
  fromAgent({ id: 2, method: 'session/request_permission', params: { ...SESSION, toolCall: {}, options: [] } });
  fromClient({ id: 1, result: {} });
  fromClient({ id: 2, result: {} });
  expect(states()).toEqual(['running', 'requires_action', 'idle', 'running', 'requires_action', 'running']);
});

it('I10: for clients of v1 the content of tool calls is kept within a bound, that of the newest for longest', () => {
  const seen: Json[] = [];
  const wire = createWire((message) => seen.push(message));
  const tell = (update: object) => wire.fromAgent({ method: 'session/update', params: { ...SESSION, update } });
  const text = (words: string) => ({ type: 'content', content: { type: 'text', text: words } });
  const large = 'x'.repeat(1024 * 1024);
  for (let i = 0; i < 6; i++) tell({ sessionUpdate: 'tool_call_update', toolCallId: `c${i}`, title: 'Look', content: [text(large)] });
  for (const toolCallId of ['c0', 'c5']) tell({ sessionUpdate: 'tool_call_content_chunk', toolCallId, content: text('more') });
  expect(seen.slice(-2).map(({ params }) => params.update.content.length)).toEqual([1, 2]);
});

/** A wire to a client of v1, and what it was told of messages. */
function wireV1() {
  const seen: Json[] = [];
  const wire = createWire((message) => seen.push(message));
  return {
    load: () => wire.fromClient({ id: 'l', method: 'session/load', params: SESSION }),
    tell: (update: object) => wire.fromAgent({ method: 'session/update', params: { ...SESSION, update } }),
    seen: () => seen.map(({ params: { update } }) => update),
    messages: () => seen.map(({ params: { update } }) => [update.messageId, update.content.text ?? update.content.type]),
  };
}

const chunk = (words: string, messageId = 'a', role = 'agent_message') => ({
  sessionUpdate: `${role}_chunk`,
  messageId,
  content: { type: 'text', text: words },
});
const whole = (words: readonly string[], messageId = 'a', role = 'agent_message') => ({
  sessionUpdate: role,
  messageId,
  content: words.map((each) => (each === 'image' ? { type: 'image', mimeType: 'image/png', data: 'AA==' } : { type: 'text', text: each })),
});

it.each<{ name: string; said: readonly object[]; told: readonly (readonly string[])[] }>([
  {
    name: 'begun empty',
    said: [whole([]), chunk('hel'), chunk('lo')],
    told: [
      ['a', 'hel'],
      ['a', 'lo'],
    ],
  },
  {
    name: 'the same again',
    said: [chunk('hel'), chunk('lo'), whole(['hello'])],
    told: [
      ['a', 'hel'],
      ['a', 'lo'],
    ],
  },
  {
    name: 'the same past another',
    said: [chunk('hm', 't', 'agent_thought'), chunk('hello'), whole(['hm'], 't', 'agent_thought')],
    told: [
      ['t', 'hm'],
      ['a', 'hello'],
    ],
  },
  {
    name: 'with more',
    said: [chunk('hel'), whole(['hello', 'image'])],
    told: [
      ['a', 'hel'],
      ['a', 'lo'],
      ['a', 'image'],
    ],
  },
  {
    name: 'twice whole, and more',
    said: [whole(['one']), whole(['one two']), chunk('!')],
    told: [
      ['a', 'one'],
      ['a', ' two'],
      ['a', '!'],
    ],
  },
  {
    name: 'another',
    said: [chunk('draft'), whole(['final']), chunk('.'), whole(['final.'])],
    told: [
      ['a', 'draft'],
      ['a~2', 'final'],
      ['a~2', '.'],
    ],
  },
  {
    name: 'shorter',
    said: [chunk('hello'), whole(['hel'])],
    told: [
      ['a', 'hello'],
      ['a~2', 'hel'],
    ],
  },
  {
    name: 'begun anew',
    said: [chunk('bad'), whole([]), chunk('good'), whole(['good'])],
    told: [
      ['a', 'bad'],
      ['a~2', 'good'],
    ],
  },
  { name: 'without content', said: [chunk('hello'), { sessionUpdate: 'agent_message', messageId: 'a' }], told: [['a', 'hello']] },
])('I3, I11: a client of v1 is told a message that is replaced, once: $name', ({ said, told }) => {
  const { tell, messages, load } = wireV1();
  said.forEach(tell);
  expect(messages()).toEqual(told);
  // A replay begins anew.
  load();
  said.forEach(tell);
  expect(messages()).toEqual([...told, ...told]);
});

it('a client of v1 that loads a session again is told its tool calls as new again', () => {
  const { tell, seen, load } = wireV1();
  const call = { sessionUpdate: 'tool_call_update', toolCallId: 'c', title: 'Look', kind: 'read' };
  tell(call);
  load();
  tell(call);
  expect(seen().map(({ sessionUpdate }) => sessionUpdate)).toEqual(['tool_call', 'tool_call']);
});

it('I10: a tool call whose content comes piece by piece costs a client of v1 no more than a few times its length, and is whole in the end', () => {
  const { tell, seen } = wireV1();
  const piece = (i: number) => ({ type: 'content', content: { type: 'text', text: `${i} ${'x'.repeat(100)}` } });
  tell({ sessionUpdate: 'tool_call_update', toolCallId: 'c', title: 'Look', kind: 'read' });
  const PIECES = 4_000;
  for (let i = 0; i < PIECES; i += 1) tell({ sessionUpdate: 'tool_call_content_chunk', toolCallId: 'c', content: piece(i) });
  tell({ sessionUpdate: 'tool_call_update', toolCallId: 'c', status: 'completed' });
  const all = PIECES * JSON.stringify(piece(0)).length;
  expect(JSON.stringify(seen()).length).toBeLessThan(12 * all);
  expect(seen().at(-1)).toMatchObject({ status: 'completed', content: { length: PIECES } });
  // Told before, and not again.
  tell({ sessionUpdate: 'tool_call_update', toolCallId: 'c', status: 'completed' });
  expect(seen().at(-1)).not.toHaveProperty('content');
});

it('what the agent says beside a message, without an id, is a message of its own', () => {
  const { fromAgent, seen } = wireV2();
  const tell = (text: string, messageId?: string) =>
    fromAgent({
      method: 'session/update',
      params: {
        ...SESSION,
        update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text }, ...(messageId ? { messageId } : {}) },
      },
    });
  tell('the reply', 'a');
  tell('a notice');
  tell(', and more');
  tell(' goes on', 'a');
  const ids = seen.flatMap(({ params }) => params?.update?.messageId ?? []);
  expect(ids).toEqual(['a', ids[1], ids[1], 'a']);
  expect(ids[1]).not.toBe('a');
});

it('a client of v2 that opens its session again in the middle of its turn is told its own words, too', () => {
  const { fromClient, fromAgent, seen, states } = wireV2();
  const words = () =>
    fromAgent({
      method: 'session/update',
      params: {
        ...SESSION,
        update: { sessionUpdate: 'user_message_chunk', messageId: 't', content: { type: 'text', text: 'hello' } },
        _meta: { rehydrate: { seq: 1, turnId: 't' } },
      },
    });
  fromClient({ id: 'p', method: 'session/prompt', params: { ...SESSION, prompt: [{ type: 'text', text: 'hello' }] } });
  words();
  const from = seen.length;
  fromClient({ id: 'r', method: 'session/resume', params: { ...SESSION, replayFrom: { type: 'start' } } });
  words();
  fromAgent({ id: 'r', result: {} });
  expect(seen.slice(from).flatMap(({ params }) => params?.update?.content ?? [])).toMatchObject([{ text: 'hello' }]);
  expect(states()).toEqual(['running', 'running']);
});

it('a prompt that waits when its session is opened does not run yet', () => {
  const { fromClient, fromAgent, states } = wireV2();
  fromClient({ id: 'p', method: 'session/prompt', params: { ...SESSION, prompt: [] } });
  fromClient({ id: 'r', method: 'session/resume', params: SESSION });
  fromAgent({ id: 'r', result: {} });
  fromAgent({ id: 'p', error: { code: -32603, message: 'no' } });
  expect(states()).toEqual(['idle']);
});
