import { describe, expect, it } from 'vitest';
import { ask, CWD, world } from './helpers.ts';

describe('a session dies and comes back', () => {
  it.each([
    ['native', 'resume', 'Ada'],
    ['load', 'load', 'Ada'],
    ['amnesiac', 'transcript', 'Ada'],
    ['forgetful', 'transcript', 'Ada'],
  ] as const)('I4: the %s agent comes back by %s and knows what it was told', async (variant, tier, fact) => {
    const { wake } = await world(variant);
    const host = await wake();
    const { sessionId } = await host.create({ agent: 'demo', cwd: CWD, sessionId: 'main' });
    const first = await host.prompt(sessionId, 'My name is Ada.');
    expect(first.report.tier).toBe('new');
    expect((await host.prompt(sessionId, 'Thank you.')).report.tier).toBe('live');
    await host.sleep();

    const next = await wake();
    expect((await next.get(sessionId)).state).toBe('asleep');
    const second = await next.prompt(sessionId, 'What is my name?');
    expect(second.report.tier, JSON.stringify(second.report, null, 1)).toBe(tier);
    expect((await next.history(sessionId)).filter((event) => event.turnId === second.turnId).length).toBeGreaterThan(2);
    expect(await ask(next, sessionId, 'What is my name?')).toContain(fact);
  });
});
