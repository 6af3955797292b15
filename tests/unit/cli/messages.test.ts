/** What `prompt` and `chat` print of a turn's updates: one message after the other, and nothing glued together. */
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createOutput } from '../../../src/cli/output.ts';
import { textPrinter } from '../../../src/cli/turn.ts';
import type { SessionEvent } from '../../../src/engine/types.ts';

const said = (text: string, messageId?: string, more: object = {}) => ({
  sessionUpdate: 'agent_message_chunk',
  content: { type: 'text', text },
  ...(messageId === undefined ? {} : { messageId }),
  ...more,
});
const whole = (...texts: string[]) => ({
  sessionUpdate: 'agent_message',
  messageId: 'm',
  content: texts.map((text) => ({ type: 'text', text })),
});
const ANEW = 'The agent replaces what it said last:\n';
const tool = (status: string) => ({ sessionUpdate: 'tool_call', toolCallId: 't', title: 'Read', status });
const toolEnds = { sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'completed' };
const thought = { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'hm' } };
const usage = { sessionUpdate: 'usage_update', used: 1, size: 2 };
const aside = { _meta: { claudeCode: { kind: 'informational' } } };

function printed(payloads: readonly unknown[], { turnId = 't' as string | null, between = false } = {}) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const printer = textPrinter(createOutput({ stdout, stderr }), { between });
  for (const payload of payloads) printer.event({ seq: 1, turnId, at: 0, kind: 'update', origin: 'agent', payload } as SessionEvent);
  printer.end();
  return { stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') };
}

describe('a message boundary is a line break', () => {
  const cases: readonly (readonly [name: string, payloads: readonly unknown[], stdout: string, stderr?: string])[] = [
    ['pieces of one message', [said('a', 'm'), said('b', 'm')], 'ab\n'],
    ['pieces without ids', [said('a'), said('b')], 'ab\n'],
    ['a whole message that is said again with more', [whole('Hel'), whole('Hello'), whole('Hello'), said(' you', 'm')], 'Hello you\n'],
    ['a message that begins as an empty one', [whole(), said('a', 'm'), said('b', 'm'), whole('ab')], 'ab\n'],
    ['a draft that is replaced', [whole('A draft.'), whole('The answer.')], 'A draft.\nThe answer.\n', ANEW],
    ['one that is taken back', [said('A draft', 'm'), whole(), said('The ', 'm'), said('answer.', 'm')], 'A draft\nThe answer.\n', ANEW],
    ['one that is shortened', [whole('Hello'), whole('Hell')], 'Hello\nHell\n', ANEW],
    ['one of which nothing new is said', [said('a', 'm'), { sessionUpdate: 'agent_message', messageId: 'm' }, said('b', 'm')], 'ab\n'],
    ['two ids', [said('a', 'm'), said('b', 'n')], 'a\nb\n'],
    ['a message that ended its line', [said('a\n', 'm'), said('b', 'n')], 'a\nb\n'],
    [
      'a tool call between',
      [said('the file.'), tool('pending'), toolEnds, said('The file says')],
      'the file.\nThe file says\n',
      '· Read\n✓ Read\n',
    ],
    ['the end of a tool call that runs beside it', [said('a'), toolEnds, said('b')], 'ab\n', '✓ t\n'],
    ['a thought between', [said('a'), thought, said('b')], 'a\nb\n'],
    ['state between', [said('a'), usage, said('b')], 'ab\n'],
    ['a warning without an id', [said('heron-4711', 'm'), said('**Warning**')], 'heron-4711\n**Warning**\n'],
    ['a notice in the shape of a message', [said('heron-4711'), said('gateway', undefined, aside)], 'heron-4711\n', 'gateway\n'],
    ['a notice', [said('a'), { sessionUpdate: 'notice', title: 'Low credit', description: 'Top up.' }], 'a\n', 'Low credit\nTop up.\n'],
  ];
  it.each(cases.map(([name, payloads, stdout, stderr = '']) => ({ name, payloads, stdout, stderr })))(
    '$name',
    ({ payloads, stdout, stderr }) => {
      expect(printed(payloads)).toEqual({ stdout, stderr });
    },
  );
});

describe('what comes between turns', () => {
  it.each([
    [false, ''],
    [true, 'late\n'],
  ])('is shown where it is asked for: %s', (between, stdout) => {
    expect(printed([said('late')], { turnId: null, between }).stdout).toBe(stdout);
  });
  it('a notice is shown always', () => {
    expect(printed([{ sessionUpdate: 'notice', title: 'Low credit' }], { turnId: null }).stderr).toBe('Low credit\n');
  });
});
