/**
 * `kill -9` of a runner with sessions in it, on the real engine, and the quieter ends a runner can have. RivetKit's
 * gateway delivers a call again when the runner dies under it, so the caller of a cut prompt gets its answer from the next
 * runner: it must be the truth, and the prompt must not have run twice.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followSession } from '../../src/adapters/rivetkit/index.ts';
import type { SessionEvent } from '../../src/engine/index.ts';
import { startCluster, until, type Cluster, type Runner } from './support/cluster.ts';
import { said, sentTo } from './support/events.ts';

let cluster: Cluster;
let runner: Runner;
beforeAll(async () => {
  cluster = await startCluster({ runners: 0 });
  runner = await cluster.startRunner();
});
afterAll(() => cluster?.stop());

const main = () => cluster.client().sessions.getOrCreate(['main']);
const failure = (call: Promise<unknown>) =>
  call.then(
    (value) => ({ value }),
    (error: unknown) => error as { code: string; metadata: unknown },
  );
const times = (text: string) => sentTo(cluster.agentLog(), text);

/** A session of its own for each run of a test. */
let runs = 0;
const sessionFor = (name: string): string => `${name}-${++runs}`;

/** A session that knows Ada, and a long turn in it that has begun to speak. */
async function inATurn(name: string, options?: { idempotencyKey: string }) {
  const actor = main();
  const sessionId = sessionFor(name);
  await actor.create({ agent: 'native', cwd: '/tmp', sessionId });
  await actor.prompt(sessionId, 'My name is Ada.');
  const text = `stream 600000 chunks ${sessionId}`;
  const cut = failure(actor.prompt(sessionId, text, options));
  await until(async () => said(await actor.history(sessionId, { limit: 400 })).includes('chunk'), 'it speaks');
  return { actor, sessionId, text, cut };
}

/** The promises of a cut turn, through whoever runs the session now. */
async function checkCut(sessionId: string, text: string, seen: readonly SessionEvent[]): Promise<void> {
  const actor = main();
  const events = await actor.history(sessionId);
  expect(
    events.map((event) => event.seq),
    'I3: numbers without gaps',
  ).toEqual(events.map((_, index) => index + 1));
  expect(events.slice(0, seen.length), 'I2: what was shown is never lost').toEqual(seen);
  const ends = events.filter((event) => event.kind === 'turn_ended').map((event) => event.payload);
  expect(ends.at(-1), 'I12: the cut turn is interrupted').toMatchObject({ state: 'interrupted' });
  expect(times(text), 'I5: the prompt was sent once').toBe(1);
  const { turnId, report } = await actor.prompt(sessionId, 'What is my name?');
  expect(report.tier).toBe('resume');
  expect(said(await actor.history(sessionId), turnId), 'I4: it remembers').toContain('Ada');
  await actor.close(sessionId);
}

describe('a runner that dies', () => {
  it('I12, I5: in a turn: its caller hears that the outcome is unknown, nothing is lost or repeated, and no agent is left', async () => {
    const { actor, sessionId, text, cut } = await inATurn('killed');
    const seen = await actor.history(sessionId);
    await runner.kill();
    await until(() => cluster.agents().length === 0, 'I7: no agent is left');
    runner = await cluster.startRunner();
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown', metadata: { cause: { kind: 'host_died' } } });
    await checkCut(sessionId, text, seen);
  });

  it('I5: in a turn with an idempotency key: the key stays spent', async () => {
    const { actor, sessionId, text, cut } = await inATurn('keyed', { idempotencyKey: 'k' });
    const seen = await actor.history(sessionId);
    await runner.kill();
    runner = await cluster.startRunner();
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown' });
    expect(await failure(main().prompt(sessionId, text, { idempotencyKey: 'k' }))).toMatchObject({ code: 'turn_outcome_unknown' });
    await checkCut(sessionId, text, seen);
  });

  it('I4, I12: while the actor sleeps: nobody notices', async () => {
    const actor = main();
    const sessionId = sessionFor('asleep');
    await actor.create({ agent: 'native', cwd: '/tmp', sessionId });
    await actor.prompt(sessionId, 'My name is Ada.');
    const before = await actor.history(sessionId);
    await actor.sleep();
    await until(() => cluster.agents().length === 0, 'I7: the agent is gone');
    await runner.kill();
    runner = await cluster.startRunner();
    // The blow may fall before or after sleep has recorded the agent's end.
    const after = await main().history(sessionId);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.slice(before.length).filter((event) => event.kind !== 'agent_exited')).toEqual([]);
    const { turnId, report } = await main().prompt(sessionId, 'What is my name?');
    expect(report.tier).toBe('resume');
    expect(said(await main().history(sessionId), turnId)).toContain('Ada');
    await main().close(sessionId);
  });

  it('I4: where another machine goes on, without the agent’s own store: the record tells it', async () => {
    const sessionId = sessionFor('moved');
    await main().create({ agent: 'native', cwd: '/tmp', sessionId });
    await main().prompt(sessionId, 'My name is Ada.');
    await runner.kill();
    runner = await cluster.startRunner({ AGENT_STORE: `${cluster.home}/elsewhere` });
    const { turnId, report } = await main().prompt(sessionId, 'What is my name?');
    expect(report.tier).toBe('transcript');
    expect(said(await main().history(sessionId), turnId)).toContain('Ada');
    await main().close(sessionId);
    await runner.kill();
    runner = await cluster.startRunner();
  });

  it('I2: under a client that follows: it goes on where it was, with no gap and no repeat', async () => {
    const { sessionId, cut } = await inATurn('watched');
    const stop = new AbortController();
    const shown: SessionEvent[] = [];
    const following = (async () => {
      while (!stop.signal.aborted) {
        const connection = main().connect();
        try {
          const after = shown.at(-1)?.seq ?? 0;
          for await (const event of followSession(connection, sessionId, { after, signal: stop.signal })) shown.push(event);
        } catch (error) {
          // RivetKit gives some connections up while no runner is there: a new one goes on after what was seen.
          if (connection.connStatus !== 'idle') throw error;
        } finally {
          await connection.dispose();
        }
      }
    })();
    await until(() => shown.length > 20, 'it sees the turn');
    await runner.kill();
    runner = await cluster.startRunner();
    await cut;
    await main().prompt(sessionId, 'What is my name?');
    const stored = await main().history(sessionId);
    // More may be stored meanwhile: a title, or the end of the agent when the actor sleeps.
    await until(() => shown.length >= stored.length, 'it has seen all', 120_000);
    stop.abort();
    await following;
    expect(shown.slice(0, stored.length)).toEqual(stored);
    await main().close(sessionId);
  });
});

describe('a runner that is told to end, as a deploy does', () => {
  it('I5, I7: in a turn: the turn is interrupted, its agent gone, and another runner goes on', async () => {
    // The actor is awake on the old one before the new one is there.
    await main().list();
    const next = await cluster.startRunner();
    const { actor, sessionId, text, cut } = await inATurn('deployed');
    const seen = await actor.history(sessionId);
    await runner.stop();
    runner = next;
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown' });
    expect(cluster.agents()).toEqual([]);
    await checkCut(sessionId, text, seen);
  });
});

describe('an actor that is told to sleep', () => {
  it('I5, I7: in a turn: the turn is interrupted and not delivered again', async () => {
    const { actor, sessionId, text, cut } = await inATurn('slept');
    const seen = await actor.history(sessionId);
    await actor.sleep();
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown' });
    await checkCut(sessionId, text, seen);
  });
});
