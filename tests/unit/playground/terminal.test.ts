/** What is written and shown in the terminal, and the labels an agent may give: each decision a table of cases. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainAnswers } from '../../../playground/panels/answers.ts';
import { EMPTY_LINE, pressKey, type Line } from '../../../playground/panels/line-editor.ts';
import { cells, cropLayout, layOut } from '../../../playground/panels/line-layout.ts';
import { isStillSo, NOTHING_DRAWN, whatIsNew } from '../../../playground/panels/terminal-items.ts';
import { Conversation } from '../../../playground/state/session.ts';
import { forTerminal, label } from '../../../playground/state/words.ts';
import type { SessionEvent } from '../../../src/engine/types.ts';

describe('the terminal', () => {
  const type = (...keys: string[]): Line => {
    let line = EMPTY_LINE;
    for (const key of keys) {
      const result = pressKey(line, key, ['first', 'second']);
      if (result.do === 'edit') line = result.line;
    }
    return line;
  };
  it.each<[string[], string, number]>([
    [['a', 'b', '\x7f'], 'a', 1],
    [['a', 'b', '\x1b[D', 'x'], 'axb', 2],
    [['a', 'b', '\x01', 'x'], 'xab', 1],
    [['a', 'b', '\x01', '\x05', 'x'], 'abx', 3],
    [['😀', '\x7f'], '', 0],
    [['😀', '\x1b[D', 'x'], 'x😀', 1],
    [['two words', '\x17'], 'two ', 4],
    [['abc', '\x1b[D', '\x15'], 'c', 0],
    [['\x1b[A'], 'second', 6],
    [['\x1b[A', '\x1b[A', '\x1b[A'], 'first', 5],
    [['mine', '\x1b[A', '\x1b[B'], 'mine', 4],
    [['\x1b[200~pasted\rlines\r\nmore\u0007\x1b[201~'], 'pasted\nlines\nmore', 17],
    [['a', '\x1b\r', 'b'], 'a\nb', 3],
    [['a', '\n', 'b'], 'a\nb', 3],
    [['long\n', 'x', '\x1b[A', '!'], 'l!ong\nx', 2],
    [['x\n', 'long', '\x1b[A', '!'], 'x!\nlong', 2],
    [['ab\n', 'cd', '\x1b[A', '\x1b[B', '!'], 'ab\ncd!', 6],
    [['ab\n', 'cd', '\x01', '!'], 'ab\n!cd', 4],
    [['ab\n', 'cd', '\x15'], 'ab\n', 3],
    [['one\n', 'two', '\x1b[A', '\x1b[A'], 'second', 6],
    [['😀😀\n', 'abc', '\x1b[A', '!'], '😀!😀\nabc', 3],
    [['\x1b[15~'], '', 0],
  ])('%j gives %j', (keys, text, cursor) => {
    expect(type(...keys)).toMatchObject({ text, cursor });
  });

  it('submits on Enter and cancels on Ctrl-C', () => {
    expect(pressKey({ ...EMPTY_LINE, text: 'hi', cursor: 2 }, '\r', [])).toEqual({ do: 'submit' });
    expect(pressKey(EMPTY_LINE, '\x03', [])).toEqual({ do: 'cancel' });
  });

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

describe('a line over several rows', () => {
  it.each<[string, number, number, string[], [number, number]]>([
    ['', 0, 20, [''], [0, 0]],
    ['abc', 3, 20, ['abc'], [0, 3]],
    ['one two three', 13, 8, ['one two ', 'three'], [1, 5]],
    ['one two three', 8, 8, ['one two ', 'three'], [1, 0]],
    ['abcdefghij', 10, 4, ['abcd', 'efgh', 'ij'], [2, 2]],
    ['abcd', 4, 4, ['abcd'], [0, 4]],
    ['a\n\nb', 2, 20, ['a', '', 'b'], [1, 0]],
    ['a\n', 2, 20, ['a', ''], [1, 0]],
    ['日本語', 2, 20, ['日本語'], [0, 4]],
    ['日本語', 3, 4, ['日本', '語'], [1, 2]],
    ['e\u0301x', 2, 20, ['e\u0301x'], [0, 1]],
  ])('%j with the cursor at %i in %i columns', (text, cursor, columns, rows, [row, column]) => {
    expect(layOut(text, cursor, columns)).toEqual({ rows, cursor: { row, column } });
  });

  it('holds every character once, fits, and knows where the cursor is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 300 }).map((text) => text.replaceAll('\r', '')),
        fc.nat(),
        fc.integer({ min: 6, max: 60 }),
        (text, at, columns) => {
          const cursor = text === '' ? 0 : at % (text.length + 1);
          const { rows, cursor: place } = layOut(text, cursor, columns);
          expect(rows.join('')).toBe(text.replaceAll('\n', ''));
          expect(rows[place.row]).toBeDefined();
          // One grapheme of many wide letters can be wider than a row by itself; nothing else can.
          for (const row of rows) if (row.length > 1 && [...row].length === row.length) expect(cells(row)).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });

  it('shows the rows around the cursor when there are more than fit', () => {
    const layout = layOut('1\n2\n3\n4\n5', 2, 20);
    expect(cropLayout(layout, 3)).toEqual({ rows: ['2', '3', '4'], cursor: { row: 0, column: 0 } });
    expect(cropLayout(layOut('1\n2\n3', 5, 20), 2)).toEqual({ rows: ['2', '3'], cursor: { row: 1, column: 1 } });
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
