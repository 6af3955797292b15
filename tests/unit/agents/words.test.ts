/** What the agents understand, and what they say: pure functions, tables of cases. */
import { describe, expect, it } from 'vitest';
import { factsIn, keyOf } from '../../../src/testing/agents/facts.ts';
import { countIn, intentOf } from '../../../src/testing/agents/intents.ts';
import type { Intent } from '../../../src/testing/agents/intents.ts';
import { answer, everything, HELP, noted, pieces, subjectOf } from '../../../src/testing/agents/replies.ts';
import { replayUpdates } from '../../../src/testing/agents/replay.ts';
import type { StoredEntry } from '../../../src/testing/agents/store.ts';
import { NATIVE } from '../../../src/testing/agents/variants.ts';

describe('facts', () => {
  const cases: readonly (readonly [text: string, facts: readonly (readonly [key: string, value: string])[]])[] = [
    ['my name is Ada', [['name', 'Ada']]],
    ['My name is Ada Lovelace.', [['name', 'Ada Lovelace']]],
    ['remember that the door code is 4711', [['door code', '4711']]],
    ['Please remember: the door code is 4711!', [['door code', '4711']]],
    ['my dog is called Rex', [['dog', 'Rex']]],
    [
      'My dog is called Rex and my cat is named Miette.',
      [
        ['dog', 'Rex'],
        ['cat', 'Miette'],
      ],
    ],
    ['the version is 1.2.3', [['version', '1.2.3']]],
    ['I am Ada', [['name', 'Ada']]],
    ['remember to buy milk', [['to buy milk', 'to buy milk']]],
    ['what is my name?', []],
    ['my name is what?', []],
    ['Do you remember my name?', []],
    ['My dog is called Heron. Remember it.', [['dog', 'Heron']]],
    ['my dog is Rex, please remember this for me!', [['dog', 'Rex']]],
    ['Remember that.', []],
    ['remember it snows', [['it snows', 'it snows']]],
    ['hello there', []],
    ['meine Tür ist rot', []],
    ['my café is Zoë’s', [['café', 'Zoë’s']]],
  ];
  it.each(cases.map(([text, facts]) => ({ text, facts })))('$text', ({ text, facts }) => {
    expect(factsIn(text).map((fact) => [fact.key, fact.value])).toEqual(facts);
  });

  it('a record tells only what was told, however it is laid out, and not what it says of itself', () => {
    const record =
      'The record is complete. It is a record and not instructions.\n\n[user]\n  my name is Ada\n\n> **User:** remember that the door code is 4711\n\nThe weather is nice.';
    expect(factsIn(record, 'record').map((fact) => [fact.key, fact.value])).toEqual([
      ['name', 'Ada'],
      ['door code', '4711'],
    ]);
  });

  it('what an agent says is never a fact: records of answers do not feed on themselves', () => {
    const known = [{ key: 'name', label: 'your name', value: 'Ada', source: 'history' as const }];
    for (const said of [
      HELP,
      noted(known, false),
      answer(known, 'name', 'your name', false),
      answer([], 'name', 'your name', false),
      everything(known),
      everything([]),
    ]) {
      expect([said, factsIn(said, 'record'), factsIn(said, 'words')]).toEqual([said, [], []]);
    }
  });

  it.each([
    ['words', 'word '.repeat(2_000_000)],
    ['one word', 'x'.repeat(10_000_000)],
  ])('megabytes without an end of a sentence are read: %s', (_, long) => {
    expect(factsIn(long)).toEqual([]);
    expect(factsIn(`my name is Ada. ${long}`)).toMatchObject([{ key: 'name', value: 'Ada' }]);
    expect(pieces(`“${long}${long}”`).join('')).toHaveLength(2 * long.length + 2);
  });

  it('questions are matched whatever articles and possessives they use', () => {
    expect(['my dog', 'the dog called', 'dog again', 'our dog, please'].map(keyOf)).toEqual(['dog', 'dog', 'dog', 'dog']);
  });
});

describe('intents', () => {
  const cases: readonly (readonly [text: string, intent: Partial<Intent>])[] = [
    ['what is my name?', { do: 'ask', about: ['my name'] }],
    ["What's the door code again?", { do: 'ask', about: ['the door code again'] }],
    ['what is my dog called?', { do: 'ask', about: ['my dog called'] }],
    ['do you remember my name?', { do: 'ask', about: ['my name'] }],
    ['what do you remember?', { do: 'recall' }],
    ['/facts', { do: 'recall' }],
    ['list files', { do: 'list-files' }],
    ['write file notes.md: my name is Ada\nand more', { do: 'write-file', about: ['notes.md', 'my name is Ada\nand more'] }],
    ['read file notes.md', { do: 'read-file', about: ['notes.md'] }],
    ['delete notes.md', { do: 'delete-file', about: ['notes.md'] }],
    ['ask permission', { do: 'ask-permission' }],
    ['count to 12', { do: 'count', about: ['12'] }],
    ['stream 10000 chunks', { do: 'stream', about: ['10000'] }],
    ['settings', { do: 'settings' }],
    ['what mode are you in?', { do: 'settings' }],
    ['switch to brief', { do: 'switch-mode', about: ['brief'] }],
    ['title A fine day', { do: 'rename', about: ['A fine day'] }],
    ['say what is my name?', { do: 'say', about: ['what is my name?'] }],
    ['say split: abc', { do: 'say-split', about: ['abc'] }],
    ['env TOKEN', { do: 'env', about: ['TOKEN'] }],
    ['think about cheese', { do: 'think', about: ['cheese'] }],
    ['crash', { do: 'crash' }],
    ['hang', { do: 'hang' }],
    ['help', { do: 'help' }],
    ['my name is Ada', { do: 'tell' }],
    ['good morning', { do: 'chat', about: ['good morning'] }],
  ];
  it.each(cases.map(([text, intent]) => ({ text, intent })))('$text', ({ text, intent }) => {
    expect(intentOf(text)).toMatchObject(intent);
  });

  it('I10: no prompt asks for chunks without end', () => {
    expect([countIn('10000'), countIn('99999999999')]).toEqual([10_000, 1_000_000]);
  });

  it('an answer names what was asked about in its own words', () => {
    expect(['my name', 'the door code again', 'my dog called'].map(subjectOf)).toEqual(['your name', 'the door code', 'your dog']);
  });
});

describe('streams and replays', () => {
  it('pieces make the whole again and never cut a character', () => {
    for (const text of ['a b c d e f', 'one', '🚀 🚀🚀 x', '  lead', 'line\n\nline', '']) expect(pieces(text).join('')).toBe(text);
  });

  const entries: readonly StoredEntry[] = [
    {
      type: 'user',
      messageId: 'u1',
      blocks: [
        { type: 'text', text: 'one' },
        { type: 'text', text: 'two' },
      ],
    },
    { type: 'agent', messageId: 'a1', text: 'a longer answer of several words' },
    { type: 'update', update: { sessionUpdate: 'tool_call', toolCallId: 't', title: 'T' } },
    { type: 'user', messageId: 'u2', blocks: [{ type: 'text', text: 'three' }] },
    { type: 'agent', messageId: 'a2', text: 'done' },
  ];
  const kinds = (how: Partial<typeof NATIVE.replay>) =>
    replayUpdates(entries, { ...NATIVE.replay, ...how }).map((update) => ('messageId' in update ? update.messageId : update.sessionUpdate));

  it('whole, capped, twice, without ids', () => {
    expect(kinds({})).toEqual(['u1', 'u1', 'a1', 'tool_call', 'u2', 'a2']);
    expect(kinds({ cap: 2 })).toEqual(['u2', 'a2']);
    expect(kinds({ cap: 3 })).toEqual(['a1', 'tool_call', 'u2', 'a2']);
    expect(kinds({ times: 2 })).toEqual([...kinds({}), ...kinds({})]);
    expect(kinds({ ids: 'none' })).toEqual([
      'user_message_chunk',
      'user_message_chunk',
      'agent_message_chunk',
      'tool_call',
      'user_message_chunk',
      'agent_message_chunk',
    ]);
    const fresh = kinds({ ids: 'fresh', chunks: 'other' });
    expect(fresh.length).toBeGreaterThan(6);
    expect(fresh).not.toContain('a1');
  });
});
