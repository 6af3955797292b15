import { describe, expect, test } from 'vitest';
import { compare, messagesIn, type Message } from '../../../src/cli/doctor/messages.ts';

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
      chunk('agent', ' do', 'a'),
    ];
    expect(messagesIn(updates)).toEqual([user('Say it'), agent('I do')]);
  });

  test.each([
    ['another id begins another message', [chunk('agent', 'I', 'a'), chunk('agent', ' do', 'b')], [agent('I'), agent(' do')]],
    ['a missing id too', [chunk('agent', 'heron', 'a'), chunk('agent', '**Warning**')], [agent('heron'), agent('**Warning**')]],
    ['the user’s words in several blocks are one', [chunk('user', 'a', 'x'), chunk('user', 'b', 'y')], [user('ab')]],
    [
      'a notice is no message',
      [chunk('agent', 'heron'), { ...chunk('agent', 'gateway'), _meta: { claudeCode: { kind: 'informational' } } }],
      [agent('heron')],
    ],
    ['what is no update is none', [null, 'x', { sessionUpdate: 'agent_message_chunk' }], []],
  ])('%s', (_what, updates, messages) => {
    expect(messagesIn(updates)).toEqual(messages);
  });
});

describe('a replay is held against what was said', () => {
  const said = [user('one'), agent('two'), user('three'), agent('four')];
  test.each([
    ['whole', said, { matched: 4, missing: null, outOfOrder: false, beside: [], longer: [], extra: 0 }],
    ['nothing', [], { matched: 0, missing: said[0], outOfOrder: false, beside: [], longer: [], extra: 0 }],
    ['the end only', said.slice(2), { matched: 2, missing: said[0], outOfOrder: false, beside: [], longer: [], extra: 0 }],
    ['a gap', [said[0], said[1], said[3]], { matched: 3, missing: said[2], outOfOrder: false, beside: [], longer: [], extra: 0 }],
    [
      'other whitespace',
      [user(' one\n'), agent('two'), user('three'), agent('four')],
      { matched: 4, missing: null, outOfOrder: false, beside: [], longer: [], extra: 0 },
    ],
    [
      'the user’s words inside a context of the agent’s',
      [user('<env/> one'), agent('two'), user('three'), agent('four')],
      { matched: 4, missing: null, outOfOrder: false, beside: [], longer: ['<env/> …'], extra: 0 },
    ],
    [
      'each message twice',
      said.flatMap((message) => [message, message]),
      { matched: 4, missing: null, outOfOrder: false, beside: [], longer: [], extra: 4 },
    ],
    [
      'a turn more',
      [...said, user('five'), agent('six')],
      { matched: 4, missing: null, outOfOrder: false, beside: [], longer: [], extra: 2 },
    ],
    [
      'the wrong order',
      [said[2], said[3], said[0], said[1]],
      { matched: 2, missing: said[2], outOfOrder: true, beside: [], longer: [], extra: 2 },
    ],
    [
      'the wrong roles',
      [agent('one'), user('two'), agent('three'), user('four')],
      { matched: 0, missing: said[0], outOfOrder: false, beside: [], longer: [], extra: 4 },
    ],
  ])('%s', (_what, replayed, expected) => {
    expect(compare(said, replayed as Message[])).toEqual({ expected: 4, ...expected });
  });

  test('a warning beside a reply may be missing; a reply may not', () => {
    const warned = [user('one'), agent('**Warning**'), agent('two'), user('three'), agent('four')];
    expect(compare(warned, said)).toEqual({
      expected: 4,
      matched: 4,
      missing: null,
      outOfOrder: false,
      beside: [agent('**Warning**')],
      longer: [],
      extra: 0,
    });
    const without = [user('one'), user('three'), agent('four')];
    expect(compare(warned, without)).toMatchObject({ matched: 3, missing: agent('**Warning**'), beside: [] });
  });

  test('a turn that is missing is not taken for one out of order, although the same was answered elsewhere', () => {
    const asked = [user('Question a?'), agent('heron'), user('Question b?'), agent('heron')];
    expect(compare(asked, asked.slice(2))).toMatchObject({ matched: 2, missing: user('Question a?'), outOfOrder: false, extra: 0 });
    expect(compare(asked, asked.slice(0, 2))).toMatchObject({ matched: 2, missing: user('Question b?'), outOfOrder: false });
  });
});
