/** What is shown in the terminal, and the labels an agent may give: each decision a table of cases. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainAnswers } from '../../../playground/panels/answers.ts';
import { aside, isStillSo, NOTHING_DRAWN, whatIsNew } from '../../../playground/panels/terminal-items.ts';
import { Conversation } from '../../../playground/state/session.ts';
import { forTerminal, label } from '../../../playground/state/words.ts';
import type { SessionEvent } from '../../../src/engine/types.ts';

describe('the terminal', () => {
  it('prints nothing an agent could act with', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        // eslint-disable-next-line no-control-regex
        expect(forTerminal(text).replaceAll('\r\n', '')).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
    expect(forTerminal('\x1b]0;title\x07a\x1b[31mb')).toBe('ab');
  });
});

describe('what the terminal is told of a conversation', () => {
  const text = (words: string) => ({ content: { type: 'text', text: words } });
  /** The screen after each of these updates was told as it came, and that of one which is told all of them at once. */
  function told(updates: readonly object[]): { screen: string; atOnce: string } {
    const conversation = new Conversation();
    let [screen, drawn] = ['', NOTHING_DRAWN];
    updates.forEach((payload, at) => {
      conversation.add([{ seq: at + 1, turnId: 't', at: 0, kind: 'update', origin: 'agent', payload } as unknown as SessionEvent]);
      const { items } = conversation.view();
      if (!isStillSo(items, drawn)) [screen, drawn] = ['', NOTHING_DRAWN];
      const news = whatIsNew(items, drawn, 80);
      screen += news.text;
      drawn = news.drawn;
    });
    return { screen, atOnce: whatIsNew(conversation.view().items, NOTHING_DRAWN, 80).text };
  }

  it('is the same as it comes and at once', () => {
    const update = fc.oneof(
      fc.record({
        sessionUpdate: fc.constantFrom('user_message_chunk', 'agent_message_chunk', 'agent_thought_chunk'),
        content: fc.record({ type: fc.constant('text'), text: fc.string({ unit: 'grapheme', maxLength: 3_000 }) }),
      }),
      fc.record({ sessionUpdate: fc.constant('tool_call'), toolCallId: fc.uuid(), title: fc.constant('Read') }),
    );
    fc.assert(
      fc.property(fc.array(update, { maxLength: 12 }), (updates) => {
        const { screen, atOnce } = told(updates);
        expect(screen).toBe(atOnce);
      }),
    );
  });

  it.each<[string, object[]]>([
    ['a message that its agent replaced by a shorter one', [{ sessionUpdate: 'agent_message', messageId: 'm', content: [] }]],
    ['by another', [{ sessionUpdate: 'agent_message', messageId: 'm', content: [text('An end that was told otherwise.').content] }]],
  ])('holds %s as it is now', (_what, replaced) => {
    const { screen, atOnce } = told([
      { sessionUpdate: 'agent_message_chunk', messageId: 'm', ...text('The beginning of it.') },
      ...replaced,
    ]);
    expect(screen).toBe(atOnce);
  });
});

describe('what is told beside what is said', () => {
  const rowsOf = (text: string, columns: number) => aside(text, columns).slice('\x1b[90m'.length, -'\x1b[0m\r\n'.length).split('\r\n');
  it.each<[string, number, string[]]>([
    ['', 20, ['']],
    ['one two three', 9, ['one two', 'three']],
    ['one two  three', 9, ['one two', 'three']],
    ['abcdefghij', 5, ['abcd', 'efgh', 'ij']],
    ['a\n\nb', 20, ['a', '', 'b']],
    ['a\x1b[2Jb', 20, ['ab']],
    ['narrow', 1, ['narr', 'ow']],
  ])('%j in %i columns is wrapped at words, if it can be', (text, columns, rows) => {
    expect(rowsOf(text, columns)).toEqual(rows);
  });

  it('loses no word', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/)), fc.integer({ min: 5, max: 60 }), (words, columns) => {
        const rows = rowsOf(words.join(' '), columns);
        expect(rows.join('').replaceAll(' ', '')).toBe(words.join(''));
        for (const row of rows) expect(row.length).toBeLessThan(columns);
      }),
    );
  });
});

describe('the answers an agent offers', () => {
  const once = { optionId: 'o', name: 'Allow once', kind: 'allow_once' };
  const always = { optionId: 'a', name: 'Allow always', kind: 'allow_always' };
  const no = { optionId: 'n', name: 'Reject', kind: 'reject_once' };
  const never = { optionId: 'x', name: 'Never', kind: 'reject_always' };
  const odd = { optionId: '?', name: 'Ask my manager', kind: '_escalate' };
  it.each([
    ['all four kinds', [always, once, never, no], { allow: once, reject: no, others: [always, never], note: null }],
    [
      'only for good',
      [always, never],
      {
        allow: always,
        reject: never,
        others: [],
        note: 'Allow holds for good: the agent offers nothing less. Reject holds for good: the agent offers nothing less.',
      },
    ],
    [
      'kinds of its own',
      [odd, once],
      { allow: once, reject: undefined, others: [odd], note: 'The agent offers no refusal, so Reject withdraws from its question.' },
    ],
    ['no way to allow', [no, odd], { allow: undefined, reject: no, others: [odd], note: null }],
    [
      'names of its own',
      [
        { ...once, name: 'Format the disk' },
        { ...no, name: 'Maybe later' },
      ],
      { note: 'Allow answers “Format the disk”. Reject answers “Maybe later”.' },
    ],
    ['nothing', [], { allow: undefined, reject: undefined, others: [] }],
  ])('%s', (_what, options, expected) => {
    expect(plainAnswers(options)).toMatchObject(expected);
  });
});

describe('a label from an agent', () => {
  it.each([
    ['Write \u202egnp.exe', 'Write gnp.exe'],
    ['two\nlines\tand\u0007 a bell', 'two lines and a bell'],
    ['\u001b]0;owned\u0007', 'unnamed'],
    ['', 'unnamed'],
    ['  \u200e ', 'unnamed'],
    [{ toString: 'no' }, 'unnamed'],
    [7, 'unnamed'],
    ['x'.repeat(400), `${'x'.repeat(299)}…`],
    ['שלום', 'שלום'],
  ])('%j is shown as %j', (given, shown) => {
    expect(label(given, 'unnamed')).toBe(shown);
  });
});
