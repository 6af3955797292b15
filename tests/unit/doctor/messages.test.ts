import { describe, expect, test } from 'vitest';
import { compare, isConversation, messagesIn, type Message } from '../../../src/cli/doctor/messages.ts';

const chunk = (role: 'user' | 'agent', text: string, messageId?: string) => ({
  sessionUpdate: `${role}_message_chunk`,
  content: { type: 'text', text },
  ...(messageId ? { messageId } : {}),
});
const user = (text: string): Message => ({ role: 'user', text });
const agent = (text: string): Message => ({ role: 'agent', text });

describe('a conversation is read out of updates whatever their chunking', () => {
  test('adjacent chunks of one role are one message, and other updates do not part them', () => {
    const updates = [
      chunk('user', 'Say '),
      chunk('user', 'it'),
      { sessionUpdate: 'usage_update' },
      chunk('agent', 'I', 'a'),
      chunk('agent', ' do', 'b'),
    ];
    expect(messagesIn(updates)).toEqual([user('Say it'), agent('I do')]);
  });

  test.each([
    ['agent_message_chunk', true],
    ['tool_call_update', true],
    ['available_commands_update', false],
    ['config_option_update', false],
    ['usage_update', false],
    ['session_info_update', false],
  ])('%s belongs to the conversation: %s', (sessionUpdate, belongs) => {
    expect(isConversation({ sessionUpdate })).toBe(belongs);
  });
});

describe('a replay is held against what was said', () => {
  const said = [user('one'), agent('two'), user('three'), agent('four')];
  test.each([
    ['whole', said, { matched: 4, missing: null, outOfOrder: false, extra: 0 }],
    ['nothing', [], { matched: 0, missing: said[0], outOfOrder: false, extra: 0 }],
    ['the end only', said.slice(2), { matched: 2, missing: said[0], outOfOrder: false, extra: 0 }],
    ['a gap', [said[0], said[1], said[3]], { matched: 3, missing: said[2], outOfOrder: false, extra: 0 }],
    [
      'other whitespace',
      [user(' one\n'), agent('two'), user('three'), agent('four')],
      { matched: 4, missing: null, outOfOrder: false, extra: 0 },
    ],
    [
      'the user’s words inside a context of the agent’s',
      [user('<env/> one'), agent('two'), user('three'), agent('four')],
      { matched: 4, missing: null, outOfOrder: false, extra: 0 },
    ],
    ['each message twice', said.flatMap((message) => [message, message]), { matched: 4, missing: null, outOfOrder: false, extra: 4 }],
    ['a turn more', [...said, user('five'), agent('six')], { matched: 4, missing: null, outOfOrder: false, extra: 2 }],
    ['the wrong order', [said[2], said[3], said[0], said[1]], { matched: 2, missing: said[2], outOfOrder: true, extra: 2 }],
    [
      'the wrong roles',
      [agent('one'), user('two'), agent('three'), user('four')],
      { matched: 0, missing: said[0], outOfOrder: false, extra: 4 },
    ],
  ])('%s', (_what, replayed, expected) => {
    expect(compare(said, replayed as Message[])).toEqual({ expected: 4, ...expected });
  });
});
