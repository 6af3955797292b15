/** What becomes of a question when there is nobody left to answer it. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { openTerminal } from '../../../src/cli/terminal.ts';

const never = new AbortController().signal;
const sink = () => new PassThrough().resume();
const ways: readonly (readonly [name: string, open: (input: PassThrough, output?: PassThrough) => ReturnType<typeof openTerminal>])[] = [
  ['for one prompt', (input, output = sink()) => openTerminal(input, output)],
  [
    'of a chat',
    (input, output = sink()) => openTerminal(input, output, { interrupt: () => undefined, prompt: '› ', freshLine: () => undefined }),
  ],
];

describe.each(ways)('a question on the terminal %s', (_name, openOn) => {
  const open = () => {
    const input = new PassThrough();
    return { input, ask: openOn(input).question };
  };

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

  it.each(['input', 'signal', 'call'] as const)('that is over by its %s leaves no line open', async (end) => {
    const [input, output] = [new PassThrough(), new PassThrough().setEncoding('utf8')];
    const terminal = openOn(input, output);
    const abort = new AbortController();
    const answer = terminal.question('1-2: ', abort.signal).catch(() => undefined);
    if (end === 'input') input.end();
    else if (end === 'signal') abort.abort();
    else terminal.close();
    await answer;
    expect(output.read()).toBe('1-2: \n');
  });

  it('is refused on an input that had ended before', async () => {
    const input = new PassThrough().resume();
    input.end();
    await once(input, 'end');
    expect(await openOn(input).question('1-2: ', never)).toBe('');
  });

  it('is taken back by its signal', async () => {
    const { ask } = open();
    const abort = new AbortController();
    const answer = ask('1-2: ', abort.signal);
    abort.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    await expect(ask('1-2: ', abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('is taken back, not answered, when the call ends', async () => {
    const terminal = openOn(new PassThrough());
    const answer = terminal.question('1-2: ', never);
    terminal.close();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
    await expect(terminal.question('1-2: ', never)).rejects.toMatchObject({ name: 'AbortError' });
    expect(await terminal.line()).toBeNull();
  });
});
