/** An agent in this process ends as a real one does: once, and in any order of asking. */
import { describe, expect, it } from 'vitest';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';

const launch = () => inProcessLauncher().launch({ agent: 'demo', cwd: '/tmp', sessionId: 's' }, { signal: new AbortController().signal });

describe('an agent whose output nobody reads any more', () => {
  it.each(['ask', 'kill'] as const)('still ends when it is told to (%s)', async (how) => {
    const agent = await launch();
    await agent.stream.readable.cancel();
    const exit = await agent.end(how);
    expect(exit.kind).toBe(how === 'ask' ? 'ended' : 'killed');
    expect(await agent.exited).toEqual(exit);
  });

  it('can crash, and be ended after that, which changes nothing', async () => {
    const agent = await launch();
    const reader = agent.stream.readable.getReader();
    const reading = reader.read();
    await reader.cancel();
    expect((await reading).done).toBe(true);
    (agent as unknown as { crash(code: number): void }).crash(4);
    expect(await agent.exited).toMatchObject({ kind: 'failed', code: 4 });
    expect(await agent.end('ask')).toMatchObject({ kind: 'failed', code: 4 });
  });
});
