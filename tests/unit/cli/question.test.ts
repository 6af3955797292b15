/** What becomes of a question when there is nobody left to answer it. */
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { askOn } from '../../../src/cli/turn.ts';
import type { Question } from '../../../src/cli/turn.ts';
import { openTerminal } from '../../../src/cli/commands/chat.ts';

interface Person {
  readonly input: PassThrough;
  readonly ask: Question;
}
const never = new AbortController().signal;
const chatTerminal = (input: PassThrough) =>
  openTerminal({
    input,
    output: new PassThrough().resume(),
    history: [],
    interrupt: () => undefined,
    prompt: '› ',
    freshLine: () => undefined,
  });

const ways: readonly (readonly [name: string, open: () => Person])[] = [
  [
    'on stderr, for one prompt',
    () => {
      const input = new PassThrough();
      return { input, ask: askOn(input, new PassThrough().resume()) };
    },
  ],
  [
    'on the terminal of a chat',
    () => {
      const input = new PassThrough();
      return {
        input,
        ask: chatTerminal(input).question,
      };
    },
  ],
];

describe.each(ways)('a question %s', (_name, open) => {
  it('is answered by the next line', async () => {
    const { input, ask } = open();
    const answer = ask('1-2: ', never);
    input.write('2\n');
    expect(await answer).toBe('2');
  });

  it('is refused when the input ends, and so is the next one', async () => {
    const { input, ask } = open();
    const answer = ask('1-2: ', never);
    input.end();
    expect(await answer).toBe('');
    expect(await ask('1-2: ', never)).toBe('');
  });

  it('is taken back by its signal', async () => {
    const { ask } = open();
    const abort = new AbortController();
    const answer = ask('1-2: ', abort.signal);
    abort.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    await expect(ask('1-2: ', abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });
});

it('a chat that is told to end takes its question back instead of answering it', async () => {
  const terminal = chatTerminal(new PassThrough());
  const answer = terminal.question('1-2: ', never);
  terminal.close();
  await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
  await expect(terminal.question('1-2: ', never)).rejects.toMatchObject({ name: 'AbortError' });
  expect(await terminal.line()).toBeNull();
});
