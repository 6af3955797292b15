import { expect, it } from 'vitest';
import type { AgentExit, AgentProcess } from '../../../src/engine/ports.ts';
import { openConnection } from '../../../src/engine/protocol/connection.ts';

const HANDLERS = {
  onRequest: () => Promise.resolve({ result: null }),
  onNotification: () => undefined,
  room: () => null,
};

/** How an agent went that ended in this way, in words. */
async function wordsOf(exit: AgentExit): Promise<string> {
  const output = new TransformStream();
  const process: AgentProcess = {
    stream: { readable: output.readable, writable: new WritableStream() },
    exited: Promise.resolve(exit),
    end: () => Promise.resolve(exit),
    diagnostics: () => '',
  };
  await output.writable.close();
  const connection = await openConnection(
    { launch: () => Promise.resolve(process) },
    { agent: 'a' } as never,
    AbortSignal.any([]),
    HANDLERS,
  );
  await connection.gone;
  return connection.exitDescription;
}

it.each<[AgentExit, string]>([
  [{ kind: 'killed', code: null, signal: 'SIGKILL' }, 'was ended with SIGKILL'],
  [{ kind: 'killed', code: null, signal: 'SIGKILL', why: undefined } as never, 'was ended with SIGKILL'],
  [{ kind: 'killed', code: null, signal: 'SIGKILL', why: 'it stayed' }, 'was ended with SIGKILL, because it stayed'],
  [
    { kind: 'killed', code: null, signal: 'SIGKILL', why: `it had ghp_${'a1B2'.repeat(9)}` },
    'was ended with SIGKILL, because it had [secret token]',
  ],
])('I8: an end is told with its reason where it has one, and without tokens: %j', async (exit, words) => {
  expect(await wordsOf(exit)).toBe(words);
});
