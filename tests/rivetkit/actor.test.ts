/** A host as a RivetKit actor, on the real engine: sleeps, wakes, dies and comes back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followSession, type SessionConnection } from '../../src/adapters/rivetkit/index.ts';
import type { SessionEvent } from '../../src/engine/index.ts';
import { startCluster, type Cluster } from './support/cluster.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());

const agentsAlive = () => cluster.processes().filter(({ command }) => command.includes('agents/stdio.ts'));
const until = async (condition: () => boolean | Promise<boolean>, what: string) => {
  for (let tries = 0; tries < 200; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it never came to be: ${what}`);
};
const said = (events: readonly SessionEvent[], turnId: string) =>
  events.map((event) => (event.kind === 'update' && event.turnId === turnId && event.payload.sessionUpdate === 'agent_message_chunk' && event.payload.content.type === 'text' ? event.payload.content.text : '')).join('');

describe('a session in an actor', () => {
  it.each([
    ['native', 'resume'],
    ['load', 'load'],
    ['amnesiac', 'transcript'],
  ] as const)('I4, I7: the %s agent dies with the actor’s sleep and comes back by %s', async (variant, tier) => {
    const actor = cluster.client().sessions.getOrCreate(['main']);
    const { sessionId } = await actor.create({ agent: variant, cwd: '/tmp', sessionId: variant });
    expect((await actor.prompt(sessionId, 'My name is Ada.')).report.tier).toBe('new');
    expect(agentsAlive()).toHaveLength(1);
    await actor.sleep();
    await until(() => agentsAlive().length === 0, 'the agent is gone');
    expect((await actor.get(sessionId)).state).toBe('asleep');
    const { report, turnId } = await actor.prompt(sessionId, 'What is my name?');
    expect(report.tier).toBe(tier);
    expect(said(await actor.history(sessionId), turnId)).toContain('Ada');
    await actor.close(sessionId);
    expect(agentsAlive()).toHaveLength(0);
  });

  it('errors reach the client with their code and data', async () => {
    const actor = cluster.client().sessions.getOrCreate(['main']);
    await expect(actor.prompt('nobody', 'hello')).rejects.toMatchObject({ code: 'session_not_found', metadata: { sessionId: 'nobody' } });
    await expect(actor.create({ agent: 'no such agent', cwd: '/tmp' })).rejects.toMatchObject({ code: 'agent_not_found' });
  });

  // The engine takes its time to notice a dead runner: minutes where other work goes on beside it.
  it.runIf(process.env['FAULTS'] === 'full')('I12, I5: kill -9 of the runner in a turn: interrupted, not repeated, no agent left, and the next prompt goes on', async () => {
    const actor = cluster.client().sessions.getOrCreate(['main']);
    const { sessionId } = await actor.create({ agent: 'native', cwd: '/tmp', sessionId: 'killed' });
    await actor.prompt(sessionId, 'My name is Ada.');
    const cut = actor.prompt(sessionId, 'count to 100000', { idempotencyKey: 'k' }).catch((error: unknown) => error);
    await until(async () => (await actor.get(sessionId)).state === 'prompting', 'it prompts');
    const seen = (await actor.history(sessionId)).length;
    await cluster.killRunner();
    await until(() => agentsAlive().length === 0, 'no agent is left');
    await cluster.startRunner();
    await cut;
    const again = cluster.client().sessions.getOrCreate(['main']);
    const events = await again.history(sessionId);
    expect(events.length).toBeGreaterThanOrEqual(seen);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    await expect(again.prompt(sessionId, 'count to 100000', { idempotencyKey: 'k' })).rejects.toMatchObject({ code: 'turn_outcome_unknown' });
    const { turnId, report } = await again.prompt(sessionId, 'What is my name?');
    expect(report.tier).toBe('resume');
    expect(said(await again.history(sessionId), turnId)).toContain('Ada');
    await again.close(sessionId);
  });

  it('I2: several clients follow one session from their cursors, across a sleep, with no gap and no repeat', async () => {
    const handle = cluster.client().sessions.getOrCreate(['main']);
    const { sessionId } = await handle.create({ agent: 'native', cwd: '/tmp', sessionId: 'followed' });
    const stop = new AbortController();
    const seen: SessionEvent[][] = [[], []];
    const connections = [cluster.client(), cluster.client()].map((client) => client.sessions.getOrCreate(['main']).connect());
    const following = connections.map(async (connection, index) => {
      for await (const event of followSession(connection as unknown as SessionConnection, sessionId, { after: index * 2, signal: stop.signal })) seen[index]?.push(event);
    });
    await handle.prompt(sessionId, 'stream 40 chunks');
    await handle.prompt(sessionId, 'My name is Ada.');
    const stored = await handle.history(sessionId);
    await until(() => seen.every((events) => events.at(-1)?.seq === stored.at(-1)?.seq), 'both have seen all');
    stop.abort();
    await Promise.all(following);
    expect(seen[0]).toEqual(stored);
    expect(seen[1]).toEqual(stored.slice(2));
    await Promise.all(connections.map((connection) => connection.dispose()));
    await handle.close(sessionId);
  });
});
