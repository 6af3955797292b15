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

/** A session that knows Ada, and a long turn in it that has begun to speak. */
async function inATurn(sessionId: string, options?: { idempotencyKey: string }) {
  const actor = main();
  await actor.create({ agent: 'native', cwd: '/tmp', sessionId });
  await actor.prompt(sessionId, 'My name is Ada.');
  const text = `stream 600000 chunks ${sessionId}`;
  const cut = failure(actor.prompt(sessionId, text, options));
  await until(async () => said(await actor.history(sessionId, { limit: 400 })).includes('chunk'), 'it speaks');
  return { actor, text, cut };
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
    const { actor, text, cut } = await inATurn('killed');
    const seen = await actor.history('killed');
    await runner.kill();
    await until(() => cluster.agents().length === 0, 'I7: no agent is left');
    runner = await cluster.startRunner();
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown', metadata: { cause: { kind: 'host_died' } } });
    await checkCut('killed', text, seen);
  });

  it('I5: in a turn with an idempotency key: the key stays spent', async () => {
    const { actor, text, cut } = await inATurn('keyed', { idempotencyKey: 'k' });
    const seen = await actor.history('keyed');
    await runner.kill();
    runner = await cluster.startRunner();
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown' });
    expect(await failure(main().prompt('keyed', text, { idempotencyKey: 'k' }))).toMatchObject({ code: 'turn_outcome_unknown' });
    await checkCut('keyed', text, seen);
  });

  it('I4, I12: while the actor sleeps: nobody notices', async () => {
    const actor = main();
    await actor.create({ agent: 'native', cwd: '/tmp', sessionId: 'asleep' });
    await actor.prompt('asleep', 'My name is Ada.');
    const before = await actor.history('asleep');
    await actor.sleep();
    await until(() => cluster.agents().length === 0, 'I7: the agent is gone');
    await runner.kill();
    runner = await cluster.startRunner();
    // The blow may fall before or after sleep has recorded the agent's end.
    const after = await main().history('asleep');
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.slice(before.length).filter((event) => event.kind !== 'agent_exited')).toEqual([]);
    const { turnId, report } = await main().prompt('asleep', 'What is my name?');
    expect(report.tier).toBe('resume');
    expect(said(await main().history('asleep'), turnId)).toContain('Ada');
    await main().close('asleep');
  });

  it('I4: where another machine goes on, without the agent’s own store: the record tells it', async () => {
    await main().create({ agent: 'native', cwd: '/tmp', sessionId: 'moved' });
    await main().prompt('moved', 'My name is Ada.');
    await runner.kill();
    runner = await cluster.startRunner({ AGENT_STORE: `${cluster.home}/elsewhere` });
    const { turnId, report } = await main().prompt('moved', 'What is my name?');
    expect(report.tier).toBe('transcript');
    expect(said(await main().history('moved'), turnId)).toContain('Ada');
    await main().close('moved');
    await runner.kill();
    runner = await cluster.startRunner();
  });

  it('I2: under a client that follows: it goes on where it was, with no gap and no repeat', async () => {
    const { cut } = await inATurn('watched');
    const stop = new AbortController();
    const shown: SessionEvent[] = [];
    const following = (async () => {
      while (!stop.signal.aborted) {
        const connection = main().connect();
        try {
          const after = shown.at(-1)?.seq ?? 0;
          for await (const event of followSession(connection, 'watched', { after, signal: stop.signal })) shown.push(event);
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
    await main().prompt('watched', 'What is my name?');
    const stored = await main().history('watched');
    await until(() => shown.at(-1)?.seq === stored.at(-1)?.seq, 'it has seen all', 120_000);
    stop.abort();
    await following;
    expect(shown).toEqual(stored);
    await main().close('watched');
  });
});

describe('a runner that is told to end, as a deploy does', () => {
  it('I5, I7: in a turn: the turn is interrupted, its agent gone, and another runner goes on', async () => {
    // The actor is awake on the old one before the new one is there.
    await main().list();
    const next = await cluster.startRunner();
    const { actor, text, cut } = await inATurn('deployed');
    const seen = await actor.history('deployed');
    await runner.stop();
    runner = next;
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown' });
    expect(cluster.agents()).toEqual([]);
    await checkCut('deployed', text, seen);
  });
});

describe('an actor that is told to sleep', () => {
  it('I5, I7: in a turn: the turn is interrupted and not delivered again', async () => {
    const { actor, text, cut } = await inATurn('slept');
    const seen = await actor.history('slept');
    await actor.sleep();
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown' });
    await checkCut('slept', text, seen);
  });
});
