import { expect, test } from 'vitest';
import {
  classOf,
  contentKind,
  isConversation,
  mergeToolCalls,
  messageIdOf,
  noticeText,
  planEntries,
  readToolCall,
  roleOf,
  textOf,
  toolOutput,
  type Role,
  type UpdateClass,
} from '../../../src/engine/protocol/updates.ts';
import { withoutControls, type ControlSet } from '../../../src/engine/safe-text.ts';
import schema from '@agentclientprotocol/sdk/schema/v1/schema.json' with { type: 'json' };

const KINDS: [kind: string, is: UpdateClass, role?: Role][] = [
  ['user_message_chunk', 'message', 'user'],
  ['agent_message_chunk', 'message', 'agent'],
  ['agent_thought_chunk', 'message', 'thought'],
  ['tool_call', 'tool_call'],
  ['tool_call_update', 'tool_call_update'],
  ['plan', 'plan'],
  ['available_commands_update', 'state'],
  ['current_mode_update', 'state'],
  ['config_option_update', 'state'],
  ['session_info_update', 'state'],
  ['usage_update', 'state'],
  ['notice', 'notice'],
  ['compaction_update', 'compaction'],
  ['compaction_summary_chunk', 'compaction'],
  ['plan_removed', 'unknown'],
  ['_vendor/progress', 'unknown'],
  ['', 'unknown'],
  ['constructor', 'unknown'],
];

test.each(KINDS)('a %s is %s', (sessionUpdate, is, role) => {
  expect(classOf({ sessionUpdate })).toBe(is);
  expect(roleOf({ sessionUpdate })).toBe(role ?? null);
  expect(isConversation({ sessionUpdate })).toBe(['message', 'tool_call', 'tool_call_update', 'plan'].includes(is));
});

test('every kind of stable v1, as the SDK ships it, has a class', () => {
  const kinds = schema.$defs.SessionUpdate.oneOf.map((kind) => kind.properties.sessionUpdate.const as string);
  expect(kinds.filter((sessionUpdate) => classOf({ sessionUpdate }) === 'unknown')).toEqual([]);
});

test.each([null, undefined, 'agent_message_chunk', 7, [], {}, { sessionUpdate: null }, { sessionUpdate: { a: 1 } }])(
  'what is no update is unknown and nobody’s: %j',
  (update) => {
    expect([classOf(update), roleOf(update), messageIdOf(update), noticeText(update), textOf(update), readToolCall(update).id]).toEqual([
      'unknown',
      null,
      null,
      null,
      null,
      '',
    ]);
    expect(planEntries(update)).toEqual([]);
  },
);

test('a notice in the shape of a message is one, wherever the mark stands', () => {
  const said = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: '**Warning** gateway' } };
  const mark = { claudeCode: { kind: 'informational' } };
  for (const [update, meta] of [[{ ...said, _meta: mark }], [said, mark]] as const) {
    expect(classOf(update, meta)).toBe('notice');
    expect(roleOf(update, meta)).toBeNull();
    expect(noticeText(update, meta)).toBe('**Warning** gateway');
  }
  expect(classOf({ ...said, _meta: { claudeCode: { kind: 'reply' } } }, {})).toBe('message');
  expect(noticeText({ sessionUpdate: 'notice', severity: 'info', title: 'Gateway', description: null })).toBe('Gateway');
  expect(noticeText({ sessionUpdate: 'notice', severity: 'info', title: 'Gateway', description: 'It is slow.' })).toBe(
    'Gateway\nIt is slow.',
  );
});

const CONTENT: readonly (readonly [what: string, content: unknown, kind: string, text: string | null, name: string, words: string])[] = [
  ['text', { type: 'text', text: 'hello' }, 'text', 'hello', 'hello', 'hello'],
  ['empty text', { type: 'text', text: '' }, 'text', '', '', ''],
  ['text without a text', { type: 'text' }, 'text', null, '[text]', ''],
  ['an image', { type: 'image', mimeType: 'image/png', data: 'A'.repeat(4000) }, 'image', null, '[image]', '[image, image/png, 3.0 kB]'],
  ['an image as a data address', { type: 'image', uri: 'data:image/png;base64,AAAA', data: '' }, 'image', null, '[image]', '[image]'],
  ['a link', { type: 'resource_link', name: 'a.txt', uri: 'file:///a.txt', size: 7 }, 'resource_link', null, '[resource_link]', '[link, a.txt, file:///a.txt, 7 bytes]'],
  ['a resource', { type: 'resource', resource: { uri: 'x:/1', text: 'abc' } }, 'resource', null, '[resource]', '[resource, x:/1, 3 bytes]'],
  ['a kind to come', { type: 'hologram' }, 'hologram', null, '[hologram]', '[hologram]'],
  ['a string', 'hello', 'unknown', null, '[something unreadable]', '[something unreadable]'],
  ['nothing', null, 'unknown', null, '[something unreadable]', '[something unreadable]'],
  ['a name that is bulk', { type: 'image', mimeType: 'x'.repeat(3000) }, 'image', null, '[image]', '[image, (a name of 3.0 kB)]'],
]; // prettier-ignore

test.each(CONTENT)('text of content: %s', (_, content, kind, text: string | null, name, words) => {
  expect([contentKind(content), textOf(content), textOf(content, 'name'), textOf(content, 'describe')]).toEqual([kind, text, name, words]);
});

test('reports of one tool call: the later word stands, null and odd fields say nothing', () => {
  const first = readToolCall({
    toolCallId: 't',
    title: 'Read a.txt',
    kind: 'read',
    status: 'pending',
    locations: [{ path: '/a.txt' }, { path: 7 }],
  });
  const last = readToolCall({ toolCallId: 't', title: null, kind: 3, status: 'completed', content: [], rawOutput: { stdout: 'done' } });
  const whole = mergeToolCalls(first, last);
  expect(whole).toMatchObject({ id: 't', title: 'Read a.txt', kind: 'read', status: 'completed', paths: ['/a.txt'] });
  expect(toolOutput(whole)).toEqual(['done']);
});

test.each([
  ['of its own', { title: 'Run the tests', kind: 'other' }, { title: 'Run the tests', kind: 'other' }],
  ['not said', {}, { title: 'npm test', kind: 'execute' }],
])('a terminal of the agent’s and the call that shows it, whose title and kind are %s', (_, said, told) => {
  const call = readToolCall({ toolCallId: 't', ...said });
  const terminal = readToolCall({ sessionUpdate: 'terminal_update', terminalId: 't', command: 'npm test' });
  expect(mergeToolCalls(call, terminal)).toMatchObject(told);
  expect(mergeToolCalls(terminal, call)).toMatchObject(told);
});

test.each([
  ['text', [{ type: 'content', content: { type: 'text', text: 'a' } }], ['a']],
  ['a diff', [{ type: 'diff', path: '/a', newText: 'b' }], ['diff of /a:\nb']],
  ['a terminal', [{ type: 'terminal', terminalId: 't' }], ['[terminal]']],
])('what a tool call gave: %s', (_, content, text) => expect(toolOutput({ id: 't', content })).toEqual(text));

test.each([
  ['a text', 'out', ['out']],
  ['nothing', '', []],
  ['the first readable field', { exitCode: 1, stderr: 'bad', output: ' ' }, ['bad']],
  ['an object without one', { a: { b: 1 } }, []],
])('raw output: %s', (_, rawOutput, text) => expect(toolOutput({ id: 't', rawOutput })).toEqual(text));

test('a plan: what can be read of it', () => {
  const entries = [{ content: 'one', status: 'completed', priority: 'high' }, null, { content: 3 }, { content: 'two' }];
  expect(planEntries({ entries })).toEqual([
    { text: 'one', status: 'completed' },
    { text: 'two', status: '' },
  ]);
});

const CONTROLS: readonly (readonly [what: string, text: string, Readonly<Record<ControlSet, string>>])[] = [
  ['plain words', 'käse 🦊', { text: 'käse 🦊', page: 'käse 🦊', line: 'käse 🦊' }],
  ['line ends and tabs', 'a\tb\r\nc\nd', { text: 'a\tb\nc\nd', page: 'a\tb\nc\nd', line: 'abcd' }],
  ['colours', '\u001b[1;31mred\u001b[0m', { text: 'red', page: 'red', line: 'red' }],
  ['a title', '\u001b]0;evil\u0007x', { text: 'x', page: 'x', line: 'x' }],
  ['a link', '\u001b]8;;http://e\u001b\\here\u001b]8;;\u001b\\', { text: 'here', page: 'here', line: 'here' }],
  ['C1', 'a\u009b2Jb\u0085c', { text: 'abc', page: 'abc', line: 'abc' }],
  ['turning marks', 'a\u202eb\u2067c', { text: 'abc', page: 'abc', line: 'abc' }],
  ['marks of right-to-left writing', 'a\u200fb', { text: 'a\u200fb', page: 'ab', line: 'a\u200fb' }],
  ['a line separator', 'a\u2028b', { text: 'a\u2028b', page: 'ab', line: 'ab' }],
  ['a sequence that never ends', '\u001b[' + '1'.repeat(100), { text: '[' + '1'.repeat(100), page: '[' + '1'.repeat(100), line: '[' + '1'.repeat(100) }],
]; // prettier-ignore

test.each(CONTROLS)('controls: %s', (_, text, without) => {
  for (const set of ['text', 'page', 'line'] as const) expect(withoutControls(text, set)).toBe(without[set]);
});

test('controls with a sign in their place keep the rest of their sequence', () => {
  expect(withoutControls('\u001b[1ma\u0000', 'text', (char) => (char === '\u001b' ? '␛' : '\ufffd'))).toBe('␛[1ma\ufffd');
});
