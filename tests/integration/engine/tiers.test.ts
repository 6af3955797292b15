import { describe, expect, it } from 'vitest';
import { RECORD_OPENING } from '../../../src/engine/transcript/render.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { CWD, said, worldOf } from './helpers.ts';
import { watched } from './watched-agents.ts';

const words = (text: string) => ({ type: 'text', text });

describe('a session dies and comes back', () => {
  it.each([
    ['native', 'resume', 'Ada'],
    ['load', 'load', 'Ada'],
    ['amnesiac', 'transcript', 'Ada'],
    ['forgetful', 'transcript', 'Ada'],
  ] as const)('I4: the %s agent comes back by %s and knows what it was told', async (variant, tier, fact) => {
    const { agents, wake } = await worldOf(watched(inProcessLauncher({ variant })));
    const host = await wake();
    const { sessionId } = await host.create({ agent: 'demo', cwd: CWD, sessionId: 'main' });
    const first = await host.prompt(sessionId, 'My name is Ada.');
    expect(first.report.tier).toBe('new');
    expect((await host.prompt(sessionId, 'Thank you.')).report.tier).toBe('live');
    await host.sleep();

    const next = await wake();
    expect((await next.get(sessionId)).state).toBe('asleep');
    const preamble = tier === 'transcript' ? await next.previewPreamble(sessionId) : [];
    if (tier === 'transcript')
      expect(preamble).toEqual([words(expect.stringMatching(new RegExp(`^${RECORD_OPENING}[^]*My name is Ada\\.`)) as string)]);
    const second = await next.prompt(sessionId, 'What is my name?');
    expect(second.report.tier, JSON.stringify(second.report, null, 1)).toBe(tier);
    expect((await next.history(sessionId)).filter((event) => event.turnId === second.turnId).length).toBeGreaterThan(2);
    const third = await next.prompt(sessionId, 'So what is my name?');
    expect(third.report.tier).toBe('live');
    for (const { turnId } of [second, third]) expect(said(await next.history(sessionId), turnId)).toContain(fact);

    expect(agents.prompts, 'what the agents were sent: the record once, in front of the first prompt, and only where it is needed').toEqual(
      [[words('My name is Ada.')], [words('Thank you.')], [...preamble, words('What is my name?')], [words('So what is my name?')]],
    );
  });
});
