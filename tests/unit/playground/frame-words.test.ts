/** What a frame of the wire says in one line. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { expect, it } from 'vitest';
import { summarise } from '../../../playground/state/frames.ts';

const answer = (result: unknown) => ({ id: 1, result });
const update = (fields: object) => ({ method: 'session/update', params: { sessionId: 's', update: fields } });

it.each<[string, string, object, string]>([
  ['initialize', 'its answer', answer({ agentCapabilities: { loadSession: true } }), 'can load'],
  ['session/new', 'its answer', answer({ sessionId: 'a1', modes: {} }), 'a1'],
  ['session/resume', 'an answer that says nothing', answer({}), 'ok'],
  ['session/load', 'an answer that says something', answer({ modes: {}, configOptions: [] }), 'modes, configOptions'],
  ['session/list', 'none', answer({ sessions: [] }), '0 sessions'],
  ['session/list', 'one', answer({ sessions: [{ sessionId: 'a1' }] }), '1 session'],
  ['session/prompt', 'its end', answer({ stopReason: 'end_turn' }), 'end_turn'],
  ['session/prompt', 'an error', { id: 1, error: { code: -32603, message: 'Internal\nerror' } }, '-32603 Internal error'],
  ['session/load', 'a request', { id: 1, method: 'session/load', params: { sessionId: 'a1', cwd: '/' } }, 'a1'],
  [
    'session/update',
    'words',
    update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'Hello' } }),
    'agent_message_chunk “Hello”',
  ],
  ['session/update', 'a title', update({ sessionUpdate: 'tool_call', title: 'Read it', status: 'pending' }), 'tool_call Read it'],
  ['session/update', 'a kind nobody knows', update({ sessionUpdate: 'later' }), 'later'],
  ['session/update', 'without an update', { method: 'session/update', params: { update: null } }, 'no update'],
  [
    'session/request_permission',
    'the question',
    {
      id: 1,
      method: 'session/request_permission',
      params: { sessionId: 's', toolCall: { toolCallId: 'c', title: 'Delete it' }, options: [] },
    },
    'Delete it',
  ],
  ['session/request_permission', 'an option', answer({ outcome: { outcome: 'selected', optionId: 'once' } }), 'once'],
  ['session/request_permission', 'no option', answer({ outcome: { outcome: 'cancelled' } }), 'cancelled'],
  ['fs/read_text_file', 'a path', { id: 1, method: 'fs/read_text_file', params: { path: '/a.txt' } }, '/a.txt'],
  ['session/cancel', 'no parameters', { method: 'session/cancel' }, ''],
])('%s, %s', (method, _, message, words) => {
  expect(summarise({ jsonrpc: '2.0', ...message } as unknown as AnyMessage, method)).toBe(words);
});

it('is one line, and no longer than there is room for', () => {
  const asked = (path: string) => summarise({ jsonrpc: '2.0', id: 1, method: 'fs', params: { path } } as unknown as AnyMessage, 'fs');
  expect(asked(' a\n\t b ')).toBe('a b');
  expect(asked('x'.repeat(200))).toBe(`${'x'.repeat(95)}…`);
});
