/** Following a session over a connection that has every bad habit of a real one, and what an actor makes of a call. */
import { describe, expect, it } from 'vitest';
import { deliveryOf } from '../../../src/adapters/rivetkit/actor.ts';
import { followSession, type EventsBroadcast, type SessionConnection } from '../../../src/adapters/rivetkit/index.ts';
import type { SessionEvent } from '../../../src/engine/index.ts';

const event = (seq: number, text = ''): SessionEvent =>
  ({
    seq,
    turnId: null,
    at: 0,
    kind: 'update',
    origin: 'agent',
    payload: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } },
  }) as SessionEvent;
const events = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => event(from + index));
const failed = (group: string) => Object.assign(new Error(`failed: ${group}`), { group });

/** A connection whose record and calls the test has in hand. */
class Fake implements SessionConnection {
  record: SessionEvent[] = [];
  calls = 0;
  /** Pages end after so many events, however many were asked for. */
  pageLength = 500;
  /** What the next calls do instead of answering. */
  readonly instead: (() => Promise<SessionEvent[]>)[] = [];
  readonly #on = new Set<(message: EventsBroadcast) => void>();
  readonly #open = new Set<() => void>();
  readonly #status = new Set<(status: string) => void>();

  async history(_sessionId: string, { after, limit }: { after: number; limit: number }): Promise<SessionEvent[]> {
    this.calls += 1;
    const other = this.instead.shift();
    if (other) return other();
    return this.record.filter(({ seq }) => seq > after).slice(0, Math.min(limit, this.pageLength));
  }
  on(_name: string, listener: (message: EventsBroadcast) => void) {
    this.#on.add(listener);
    return () => void this.#on.delete(listener);
  }
  onOpen(listener: () => void) {
    this.#open.add(listener);
    return () => void this.#open.delete(listener);
  }
  onStatusChange(listener: (status: string) => void) {
    this.#status.add(listener);
    return () => void this.#status.delete(listener);
  }
  opens() {
    this.is('connected');
    for (const listener of this.#open) listener();
  }
  is(status: string) {
    for (const listener of this.#status) listener(status);
  }
  says(latestSeq: number, rest: { deleted?: true } = {}) {
    for (const listener of this.#on) listener({ sessionId: 's', latestSeq, ...rest });
  }
  /** Committed, and told of as an actor does. */
  adds(all: readonly SessionEvent[]) {
    this.record.push(...all);
    this.says(all.at(-1)!.seq);
  }
  get listeners() {
    return this.#on.size + this.#open.size + this.#status.size;
  }
}

function follow(connection: Fake, after = 0) {
  const seen: number[] = [];
  const stop = new AbortController();
  const done = (async () => {
    for await (const { seq } of followSession(connection, 's', { after, signal: stop.signal })) seen.push(seq);
  })();
  const ended = done.then(
    () => null,
    (error: Error) => error.message,
  );
  return { seen, stop, ended };
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe('I2: following a session', () => {
  it('ends with the record’s own error when it is told that the session was deleted', async () => {
    const connection = new Fake();
    connection.record = events(1, 3);
    const { seen, ended } = follow(connection);
    connection.opens();
    await settled();
    connection.instead.push(() => Promise.reject(Object.assign(failed('user'), { message: 'there is no session' })));
    connection.says(3, { deleted: true });
    expect(await Promise.race([ended, settled()])).toBe('there is no session');
    expect(seen).toEqual(upTo(3));
    expect(connection.listeners).toBe(0);
  });

  it('reads the record, then what is told of, and lets go of the connection', async () => {
    const connection = new Fake();
    connection.record = events(1, 3);
    const { seen, stop, ended } = follow(connection, 1);
    connection.opens();
    await settled();
    connection.adds(events(4, 5));
    await settled();
    expect(seen).toEqual([2, 3, 4, 5]);
    stop.abort();
    expect(await ended).toBeNull();
    expect(connection.listeners).toBe(0);
  });

  it('short pages are not the end, and what was told of is not read twice', async () => {
    const connection = new Fake();
    connection.record = events(1, 10);
    connection.pageLength = 3;
    const { seen, stop, ended } = follow(connection);
    await settled();
    expect(seen).toEqual(upTo(10));
    connection.calls = 0;
    connection.adds(events(11, 13));
    connection.says(12);
    await settled();
    expect([seen.at(-1), connection.calls]).toEqual([13, 1]);
    stop.abort();
    await ended;
  });

  it('what is committed and told of during a read is read after it', async () => {
    const connection = new Fake();
    connection.instead.push(async () => {
      connection.adds(events(1, 4));
      return [];
    });
    const { seen, stop, ended } = follow(connection);
    await settled();
    expect(seen).toEqual(upTo(4));
    stop.abort();
    await ended;
  });

  it('a connection lost in the middle of a read is waited for', async () => {
    const connection = new Fake();
    connection.record = events(1, 3);
    let lose: (error: Error) => void = () => undefined;
    connection.instead.push(() => new Promise((_, reject) => (lose = reject)));
    const { seen, stop, ended } = follow(connection);
    await settled();
    connection.is('disconnected');
    lose(failed('guard'));
    connection.is('connecting');
    await settled();
    expect(seen).toEqual([]);
    connection.opens();
    await settled();
    expect(seen).toEqual(upTo(3));
    stop.abort();
    expect(await ended).toBeNull();
  });

  it.each([
    ['while reading', true],
    ['while waiting', false],
  ])('a connection given up %s ends the reader with an error, not in silence', async (_when, reading) => {
    const connection = new Fake();
    if (reading) connection.instead.push(() => Promise.reject(failed('guard')));
    connection.is('connected');
    const { ended } = follow(connection);
    await settled();
    connection.is('disconnected');
    connection.is('idle');
    expect(await ended).toMatch(reading ? /failed: guard/ : /follow session "s" after 0/);
    expect(connection.listeners).toBe(0);
  });

  it.each(['user', 'message'])('what the actor or RivetKit says of the call itself is an error at once: %s', async (group) => {
    const connection = new Fake();
    connection.instead.push(() => Promise.reject(failed(group)));
    expect(await follow(connection).ended).toBe(`failed: ${group}`);
    expect(connection.calls).toBe(1);
  });
});

describe('I5: which calls may be the same call', () => {
  const ray = { headers: { 'x-rivet-ray-id': 'r1' } };
  it.each([
    ['an action over HTTP', new Request('http://127.0.0.1/action/prompt', ray), 'r1'],
    ['a connection, whose calls would all be one', new Request('http://127.0.0.1/connect', ray), null],
    ['an engine that names no ray', new Request('http://127.0.0.1/action/prompt'), null],
    ['no request at all', undefined, null],
  ])('%s', (_name, request, delivery) => {
    expect(deliveryOf(request)).toBe(delivery);
  });
});
