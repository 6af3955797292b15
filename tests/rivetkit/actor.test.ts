/** A host as a RivetKit actor, on the real engine: sleeps, wakes, dies and comes back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followSession } from '../../src/adapters/rivetkit/index.ts';
import type { SessionEvent } from '../../src/engine/index.ts';
import { startCluster, until, type Cluster } from './support/cluster.ts';
import { said } from './support/events.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());

const agentsAlive = () => cluster.agents();

describe('a session in an actor', () => {
  it('names each of its transactions: RivetKit’s warning of unnamed ones is about its own', async () => {
    const warned = () => new Set(cluster.runnerLog().match(/(?<=unnamed.*fingerprint=)\S+/g));
    // It warns once of each in a process, so the actor without us comes first.
    for (const key of ['one', 'two']) await cluster.client().bare.getOrCreate([key]).ping();
    const itsOwn = warned();
    const actor = cluster.client().sessions.getOrCreate(['named']);
    const { sessionId } = await actor.create({ agent: 'native', cwd: '/tmp' });
    await actor.prompt(sessionId, 'My name is Ada.');
    await actor.sleep();
    await actor.prompt(sessionId, 'What is my name?');
    await actor.delete(sessionId);
    expect([...warned()].filter((shape) => !itsOwn.has(shape))).toEqual([]);
  });

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

  it('RivetKit’s onBeforeConnect keeps out whoever it refuses: calls, histories and followers', async () => {
    const owner = cluster.client().guarded.getOrCreate(['mine'], { params: { token: 'let-me-in' } });
    const { sessionId } = await owner.create({ agent: 'native', cwd: '/tmp', sessionId: 'main' });
    await owner.prompt(sessionId, 'My name is Ada.');
    for (const params of [undefined, { token: 'guess' }]) {
      const stranger = cluster.client().guarded.getOrCreate(['mine'], params === undefined ? {} : { params });
      await expect(stranger.history(sessionId)).rejects.toMatchObject({ code: 'forbidden' });
      await expect(stranger.prompt(sessionId, 'What is my name?')).rejects.toMatchObject({ code: 'forbidden' });
      const connection = stranger.connect();
      await expect(connection.history(sessionId)).rejects.toMatchObject({ code: 'forbidden' });
      await connection.dispose();
    }
    expect(await owner.history(sessionId)).not.toEqual([]);
    await owner.close(sessionId);
  });

  it('a prompt that comes as the actor goes to sleep is answered by its next life', async () => {
    const actor = cluster.client().sessions.getOrCreate(['going']);
    await actor.create({ agent: 'native', cwd: '/tmp', sessionId: 'going' });
    for (let round = 0; round < 6; round++) {
      const asleep = actor.sleep();
      await new Promise((resolve) => setTimeout(resolve, round * 4));
      // One that was sent before may be cut off; none is refused because it came at a bad time.
      const answer = await actor.prompt('going', `My number is ${round}.`).catch((error: unknown) => error);
      if (answer instanceof Error) expect(answer).toMatchObject({ code: 'turn_outcome_unknown' });
      await asleep;
    }
  });

  it('errors reach the client with their code and data', async () => {
    const actor = cluster.client().sessions.getOrCreate(['main']);
    await expect(actor.prompt('nobody', 'hello')).rejects.toMatchObject({ code: 'session_not_found', metadata: { sessionId: 'nobody' } });
    await expect(actor.create({ agent: 'no such agent', cwd: '/tmp' })).rejects.toMatchObject({ code: 'agent_not_found' });
  });

  it('I2: what is larger than RivetKit sends in one message arrives all the same', async () => {
    const handle = cluster.client().sessions.getOrCreate(['main']);
    const { sessionId } = await handle.create({ agent: 'native', cwd: '/tmp', sessionId: 'large' });
    const stop = new AbortController();
    const connection = handle.connect();
    const seen: SessionEvent[] = [];
    const following = (async () => {
      for await (const event of followSession(connection, sessionId, { signal: stop.signal })) seen.push(event);
    })();
    // So many words of a user are one event, of more than a broadcast carries; several are more than a page.
    for (let i = 0; i < 4; i++) await handle.prompt(sessionId, `help ${'words and more words '.repeat(15_000)}`);
    const { latestSeq } = await handle.get(sessionId);
    await until(() => seen.at(-1)?.seq === latestSeq, 'all is seen');
    stop.abort();
    await following;
    expect(seen.map((event) => event.seq)).toEqual(Array.from({ length: latestSeq }, (_, index) => index + 1));
    await expect(handle.history(sessionId), 'the whole at once is what RivetKit refuses').rejects.toMatchObject({
      code: 'outgoing_too_long',
    });
    expect((await handle.history(sessionId, { maxBytes: 1 })).length).toBe(1);
    await connection.dispose();
    await handle.close(sessionId);
  });

  it('I2: several clients follow one session from their cursors, across a sleep, with no gap and no repeat', async () => {
    const handle = cluster.client().sessions.getOrCreate(['main']);
    const { sessionId } = await handle.create({ agent: 'native', cwd: '/tmp', sessionId: 'followed' });
    const stop = new AbortController();
    const seen: SessionEvent[][] = [[], []];
    const connections = [cluster.client(), cluster.client()].map((client) => client.sessions.getOrCreate(['main']).connect());
    const following = connections.map(async (connection, index) => {
      for await (const event of followSession(connection, sessionId, { after: index * 2, signal: stop.signal })) seen[index]?.push(event);
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
