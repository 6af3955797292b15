/** I2 and I10: followers of a session get everything once, in order, whatever they do, and cost no more than is allowed. */
import { expect, it } from 'vitest';
import type { SessionEvent } from '../../../src/engine/index.ts';
import { createSubscriptions } from '../../../src/engine/sessions/subscriptions.ts';
import type { SessionProgress, Store } from '../../../src/engine/storage/store.ts';

/** A log that is only an array, and what is asked of it. */
function world(limits: { subscriberEvents?: number; subscriberBytes?: number; followMs?: number } = {}) {
  const log: SessionEvent[] = [];
  const asked: number[] = [];
  const session = { firstSeq: 1, gone: false };
  const store = {
    async events(_id: string, { after = 0, limit = Infinity }: { after?: number; limit?: number }) {
      asked.push(limit);
      return log.filter(({ seq }) => seq > after).slice(0, limit);
    },
  } as unknown as Store;
  const progress = async (sessionId: string): Promise<SessionProgress | null> =>
    session.gone
      ? null
      : { sessionId, firstSeq: session.firstSeq, latestSeq: log.at(-1)?.seq ?? 0, lease: { owner: null, generation: 1, expiresAt: 0 } };
  const subscriptions = createSubscriptions({
    store,
    progress,
    limits: { subscriberEvents: 1_000, subscriberBytes: 1_000_000, followMs: 0, ...limits },
  });
  const append = (count: number, bytes = 1): SessionEvent[] => {
    const events = Array.from({ length: count }, (_, index) => ({
      seq: log.length + 1 + index,
      turnId: null,
      at: 0,
      kind: 'update',
      origin: 'agent',
      payload: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'x'.repeat(bytes) } },
    })) as SessionEvent[];
    log.push(...events);
    return events;
  };
  return {
    log,
    subscriptions,
    session,
    asked,
    append,
    write: (count: number, bytes?: number) => subscriptions.publish('s', append(count, bytes)),
  };
}

const none = undefined;

it('a follower that does not read keeps no more bytes than subscriberBytes, and still gets everything', async () => {
  const { subscriptions, asked, write } = world({ subscriberBytes: 10_000 });
  const follower = subscriptions.follow('s', 0, none);
  write(1);
  expect((await follower.next()).value?.seq).toBe(1);
  const before = asked.length;
  // Three fit, and then too much waits: it is fed from the database from there on.
  for (let n = 0; n < 10; n += 1) write(1, 3_000);
  for (let seq = 2; seq <= 11; seq += 1) expect((await follower.next()).value?.seq).toBe(seq);
  expect(asked.length).toBeGreaterThan(before);
});

it('pages hold fewer events when events are large', async () => {
  const { subscriptions, asked, append } = world();
  append(64, 1024 * 1024);
  let seen = 0;
  for await (const { seq } of subscriptions.follow('s', 0, none)) {
    expect(seq).toBe(++seen);
    if (seen === 64) break;
  }
  expect(Math.max(...asked.slice(1))).toBe(1);
});

it('a cursor beyond the log is refused: it is another session’s', async () => {
  const { subscriptions, append } = world();
  append(3);
  await expect(subscriptions.follow('s', 4, none).next()).rejects.toMatchObject({
    code: 'invalid_argument',
    data: { latestSeq: 3 },
  });
  await expect(subscriptions.follow('s', 2, none).next()).resolves.toMatchObject({ value: { seq: 3 } });
});

it('a follower of a session deleted before it began to wait is told', async () => {
  const { subscriptions, session } = world();
  session.gone = true;
  await expect(subscriptions.follow('s', 0, none).next()).rejects.toMatchObject({ code: 'session_not_found' });
});

it.each([
  ['is deleted', (session: { gone: boolean }) => void (session.gone = true)],
  ['is deleted and made again', (session: { firstSeq: number }) => void (session.firstSeq = 3)],
])('a follower ends when its session %s by another host', async (_what, happen) => {
  const { subscriptions, session, append } = world({ followMs: 5 });
  append(1);
  const follower = subscriptions.follow('s', 0, none);
  await follower.next();
  const next = follower.next();
  happen(session);
  expect(await next).toEqual({ done: true, value: undefined });
});

it('one that has not read everything when its session is deleted is not told of the one that is made under its id', async () => {
  const { subscriptions, session, append, log, write } = world();
  write(2);
  const behind = subscriptions.follow('s', 0, none);
  await behind.next();
  subscriptions.end('s');
  log.splice(0, 2);
  session.firstSeq = 4;
  const later = append(2).map((event, at) => ({ ...event, seq: 4 + at }));
  log.splice(0, 2, ...later);
  const next = subscriptions.follow('s', 0, none);
  expect((await next.next()).value?.seq).toBe(4);
  subscriptions.publish('s', later);
  // The rest of the page that it has, and then nothing.
  expect([(await behind.next()).value?.seq, (await behind.next()).done]).toEqual([2, true]);
  expect((await next.next()).value?.seq).toBe(5);
});

it('who follows an id anew, before this host has seen that another made its session again, follows the new one', async () => {
  const { subscriptions, session, append, log } = world();
  append(1);
  const old = subscriptions.follow('s', 0, none);
  await old.next();
  const end = old.next();
  log.splice(0, 1, { ...log[0]!, seq: 3 });
  session.firstSeq = 3;
  const anew = subscriptions.follow('s', 0, none);
  expect((await anew.next()).value?.seq).toBe(3);
  expect(await end).toEqual({ done: true, value: undefined });
});

it('what another host wrote comes, without being published here', async () => {
  const { subscriptions, append } = world({ followMs: 5 });
  append(1);
  const follower = subscriptions.follow('s', 0, none);
  await follower.next();
  const next = follower.next();
  append(1);
  expect((await next).value?.seq).toBe(2);
});
