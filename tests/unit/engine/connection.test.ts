import { expect, it } from 'vitest';
import type { AgentExit, AgentProcess } from '../../../src/engine/ports.ts';
import { failureError, openConnection, type Connection } from '../../../src/engine/protocol/connection.ts';

const HANDLERS = {
  onRequest: () => Promise.resolve({ result: null }),
  onNotification: () => undefined,
  room: () => null,
};

/** A connection to an agent that ended in this way. */
async function ended(exit: AgentExit): Promise<Connection> {
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
  return connection;
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
  expect((await ended(exit)).exitDescription).toBe(words);
});

it.each<[AgentExit, string]>([
  [{ kind: 'failed', code: 3, signal: null }, 'Run it by hand to see why.'],
  [{ kind: 'quit', code: 0, signal: null }, 'Run it by hand to see why.'],
  [{ kind: 'signalled', code: null, signal: 'SIGSEGV' }, 'Run it by hand to see why.'],
  [{ kind: 'killed', code: null, signal: 'SIGKILL' }, 'Try again.'],
  [{ kind: 'disconnected', code: null, signal: null, message: 'the bridge is shutting down (4005)' }, 'Try again.'],
])('an agent is to be run by hand only where that can show why it ended: %j', async (exit, advice) => {
  const { message } = await failureError({ kind: 'ended', method: 'session/new' }, 'a', await ended(exit));
  expect(message).toMatch(new RegExp(`before it answered session/new\\. ${advice}$`));
});
