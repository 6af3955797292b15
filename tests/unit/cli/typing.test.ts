/** What a person types while the agent speaks is not mixed with its words, and is theirs to send afterwards. */
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { openTerminal } from '../../../src/cli/terminal.ts';

const never = new AbortController().signal;

function chatting() {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  const output = Object.assign(new PassThrough(), { columns: 20 });
  let written = '';
  output.on('data', (piece: Buffer) => (written += piece.toString('utf8')));
  const terminal = openTerminal(input, output, { interrupt: () => undefined, prompt: '> ', freshLine: () => undefined });
  return {
    terminal,
    type: async (keys: string) => {
      input.write(keys);
      await sleep(5);
    },
    /** What came since it was looked at last, and how far up the cursor went in it. */
    seen: async () => {
      await sleep(5);
      const raw = written;
      written = '';
      // eslint-disable-next-line no-control-regex -- a move of the cursor
      return { text: stripVTControlCharacters(raw).replaceAll('\r', ''), up: /\u001b\[\d*A/.test(raw) };
    },
  };
}

it('a line is echoed as it is typed', async () => {
  const { terminal, type, seen } = chatting();
  const line = terminal.line();
  await type('hello\r');
  expect(await line).toBe('hello');
  expect((await seen()).text).toContain('> hello\n');
  terminal.close();
});

it('what is typed during a turn shows with the next prompt, long as it may be, and goes on there', async () => {
  const { terminal, type, seen } = chatting();
  const first = terminal.line();
  await type('go\r');
  await first;
  await seen();
  await type('a line of more than twenty columns');
  expect(await seen()).toEqual({ text: '', up: false });
  const next = terminal.line();
  const shown = await seen();
  expect(shown.text).toContain('> a line of more than');
  expect(shown.up).toBe(false);
  await type('!\r');
  expect(await next).toBe('a line of more than twenty columns!');
  terminal.close();
});

it('a line that is sent during a turn shows when its turn has come', async () => {
  const { terminal, type, seen } = chatting();
  await type('one\rtwo\r');
  expect((await seen()).text).toBe('');
  expect(await terminal.line()).toBe('one');
  expect((await seen()).text).toBe('> one\n');
  expect(await terminal.line()).toBe('two');
  terminal.close();
});

it('what was being typed is no part of the answer to a question, and stays', async () => {
  const { terminal, type, seen } = chatting();
  await type('a draft');
  const answer = terminal.question('1-2: ', never);
  await type('2\r');
  expect(await answer).toBe('2');
  expect((await seen()).text).toBe('1-2: 2\n');
  const next = terminal.line();
  await type('\r');
  expect(await next).toBe('a draft');
  terminal.close();
});
