/** I7: ending one agent ends nothing of another. In a file of its own, since agents are counted from the first of a process. */
import { tmpdir } from 'node:os';
import { afterAll, expect, it } from 'vitest';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import type { AgentProcess } from '../../../src/engine/ports.ts';

const launched: AgentProcess[] = [];
afterAll(() => Promise.all(launched.map((agent) => agent.end('kill'))));

async function echoes(agent: AgentProcess): Promise<boolean> {
  const writer = agent.stream.writable.getWriter();
  const reader = agent.stream.readable.getReader();
  try {
    await writer.write({ jsonrpc: '2.0', method: 'still-here' });
    return (await reader.read()).value !== undefined;
  } catch {
    return false;
  } finally {
    writer.releaseLock();
    reader.releaseLock();
  }
}

// The first agent's mark is the beginning of those of the 36th to the 71st: they count in base 36.
it('I7, no bystander: of 80 agents of one host the first goes alone, however it is ended', async () => {
  const launcher = stdioLauncher({ agents: { agent: { command: 'cat' } } });
  for (let n = 1; n <= 80; n += 1) {
    launched.push(await launcher.launch({ agent: 'agent', cwd: tmpdir(), sessionId: `s${n}` }, { signal: new AbortController().signal }));
  }
  const alive = async (): Promise<number[]> => {
    const answers = await Promise.all(launched.map(echoes));
    return answers.flatMap((yes, index) => (yes ? [index + 1] : []));
  };
  await launched[0]!.end('kill');
  expect(await alive()).toEqual(Array.from({ length: 79 }, (_, index) => index + 2));
  await launched[1]!.end('ask');
  expect(await alive()).toEqual(Array.from({ length: 78 }, (_, index) => index + 3));
});
