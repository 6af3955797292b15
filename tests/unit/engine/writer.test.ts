/** What the writer makes of a storage that fails (I1–I3): nothing twice, nothing half, nobody kept waiting. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { messageQueue } from '../../../src/adapters/message-queue.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { DEFAULT_LIMITS, SqlError, type SessionEvent, type SqlDatabase, type SqlErrorKind } from '../../../src/engine/index.ts';
import { migrate } from '../../../src/engine/storage/schema.ts';
import type { NewEvent } from '../../../src/engine/storage/statements.ts';
import { createStore } from '../../../src/engine/storage/store.ts';
import { createWriter } from '../../../src/engine/storage/writer.ts';

const FENCE = { sessionId: 's', owner: '{"hostId":"me","kind":"host"}', generation: 1 };
const note = (n: number): NewEvent => ({
  kind: 'update',
  turnId: null,
  at: 0,
  origin: 'agent',
  payload: { sessionUpdate: 'plan', entries: [{ content: `${n}`, priority: 'low', status: 'pending' }] },
});

const started: NewEvent = { kind: 'turn_started', turnId: 't', at: 0, origin: 'host', payload: {} };

/** A writer on a database that fails the first `times`: `when` says whether the batch was written, `reads` whether the record can still be read. */
async function failing(kind: SqlErrorKind, when: 'written' | 'unwritten', { reads = true, times = 1, busyMs = 60_000 } = {}) {
  const inner = await openNodeSqlite(':memory:');
  onTestFinished(() => inner.close());
  await migrate(inner);
  await inner.batch([
    {
      sql: `INSERT INTO acp_sessions (session_id, agent, cwd, additional_directories, mcp_servers, env_names, latest_seq, lease_owner, lease_generation, lease_expires_at, created_at, updated_at)
VALUES ('s', 'a', '/', '[]', '[]', '[]', 0, ?, 1, 1, 0, 0)`,
      params: [FENCE.owner],
    },
  ]);
  let failures = 0;
  const db: SqlDatabase = {
    query: async (sql, params) => {
      if (failures > 0 && !reads) throw new SqlError('io', 'cannot be read');
      return inner.query(sql, params);
    },
    async batch(statements) {
      // Later than at once, so that what is appended meanwhile is committed together.
      await Promise.resolve();
      if (failures >= times) return inner.batch(statements);
      failures += 1;
      if (when === 'written') await inner.batch(statements);
      throw new SqlError(kind, 'it failed');
    },
    close: () => inner.close(),
  };
  const shown: SessionEvent[] = [];
  const lost: unknown[] = [];
  const writer = createWriter({
    db,
    store: createStore(db),
    fence: FENCE,
    latestSeq: 0,
    limits: { ...DEFAULT_LIMITS, busyMs },
    clock: () => 0,
    onCommitted: (events) => shown.push(...events),
    onLost: (reason) => lost.push(reason),
  });
  const stored = async () =>
    (await inner.query('SELECT seq, payload FROM acp_session_events ORDER BY seq')).map((row) => [
      row['seq'],
      JSON.parse(String(row['payload'])).entries[0].content,
    ]);
  return { inner, writer, shown, lost, stored };
}

describe('a batch that fails', () => {
  it('I3: though it was written, counts as written, and is not written again', async () => {
    const { writer, shown, lost, stored } = await failing('io', 'written');
    expect(await writer.append({ events: [note(1)] })).toEqual({ firstSeq: 1, lastSeq: 1 });
    expect(await writer.append({ events: [note(2)] })).toEqual({ firstSeq: 2, lastSeq: 2 });
    expect(await stored()).toEqual([
      [1, '1'],
      [2, '2'],
    ]);
    expect(shown.map((event) => event.seq)).toEqual([1, 2]);
    expect(lost).toEqual([]);
  });

  it('I3: the same for several that were committed together', async () => {
    const { inner, writer, stored } = await failing('constraint', 'unwritten');
    // The first batch is refused, so that the second holds two, and that one's answer is lost.
    let calls = 0;
    const batch = inner.batch.bind(inner);
    inner.batch = async (statements) => {
      const results = await batch(statements);
      if (++calls === 1) throw new SqlError('io', 'the answer was lost');
      return results;
    };
    await expect(writer.append({ events: [note(0)] })).rejects.toThrow('it failed');
    expect(await Promise.all([writer.append({ events: [note(1)] }), writer.append({ events: [note(2)] })])).toEqual([
      { firstSeq: 1, lastSeq: 1 },
      { firstSeq: 2, lastSeq: 2 },
    ]);
    expect(await stored()).toEqual([
      [1, '1'],
      [2, '2'],
    ]);
  });

  it.each([0, 1, 2])('what is read at once is committed at once, through %i streams', async (pipes) => {
    const { writer, shown, inner } = await failing('io', 'unwritten', { times: 0 });
    let batches = 0;
    const batch = inner.batch.bind(inner);
    inner.batch = (statements) => ((batches += 1), batch(statements));
    const queue = messageQueue<number>(1_000);
    for (let i = 0; i < 20; i++) queue.push(i, 1);
    queue.end();
    let { readable } = queue;
    for (let i = 0; i < pipes; i++) readable = readable.pipeThrough(new TransformStream<number, number>());
    const appended: Promise<unknown>[] = [];
    for await (const n of readable) appended.push(writer.append({ events: [note(n)] }));
    await Promise.all(appended);
    expect(shown).toHaveLength(20);
    expect(batches).toBe(1);
  });

  it('because others keep the database locked is tried again, while the agent is held back', async () => {
    const { writer, shown, stored } = await failing('busy', 'unwritten', { times: 3 });
    const first = writer.append({ events: [note(1)] });
    const more = Array.from({ length: DEFAULT_LIMITS.queuedEvents }, (_, index) => writer.append({ events: [note(2 + index)] }));
    expect(writer.room()).not.toBeNull();
    expect(await first).toEqual({ firstSeq: 1, lastSeq: 1 });
    await Promise.all(more);
    expect(writer.room()).toBeNull();
    expect(await stored()).toHaveLength(1 + DEFAULT_LIMITS.queuedEvents);
    expect(shown).toHaveLength(1 + DEFAULT_LIMITS.queuedEvents);
  });

  it('because others keep it locked longer than busyMs is refused by that name of the failure', async () => {
    const { writer, stored } = await failing('busy', 'unwritten', { times: 2, busyMs: 0 });
    await expect(writer.append({ events: [note(1)] })).rejects.toMatchObject({ code: 'storage_unavailable', data: { kind: 'busy' } });
    expect(await stored()).toEqual([]);
  });

  it.each(['io', 'constraint', 'full', 'other'] as const)(
    'I1: and was not written (%s) is refused, and the next is numbered as if it had not been',
    async (kind) => {
      const { writer, shown, stored } = await failing(kind, 'unwritten');
      await expect(writer.append({ events: [note(1)] })).rejects.toThrow('it failed');
      expect(await writer.append({ events: [note(2)] })).toEqual({ firstSeq: 1, lastSeq: 1 });
      expect(await stored()).toEqual([[1, '2']]);
      expect(shown).toHaveLength(1);
    },
  );

  it.each(['io', 'constraint'] as const)('I3: and of which nothing can be found out (%s) is the writer’s last', async (kind) => {
    const { writer, lost, stored } = await failing(kind, 'unwritten', { reads: false });
    await expect(writer.append({ events: [note(1)] })).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect(writer.append({ events: [note(2)] })).rejects.toMatchObject({ code: 'storage_unavailable' });
    await writer.settled();
    expect(lost).toHaveLength(1);
    expect(await stored()).toEqual([]);
  });

  it('I9: though it was written, and another host took over since, is not claimed', async () => {
    const { inner, writer, lost } = await failing('io', 'written');
    const batch = inner.batch.bind(inner);
    inner.batch = async (statements) => {
      const results = await batch(statements);
      await batch([{ sql: `UPDATE acp_sessions SET lease_owner = '{"hostId":"other","kind":"host"}', lease_generation = 2` }]);
      return results;
    };
    await expect(writer.append({ events: [note(1)] })).rejects.toMatchObject({ code: 'session_busy' });
    expect(lost).toHaveLength(1);
  });

  it.each([
    ['another host', '{"hostId":"other","kind":"host"}', 2],
    ['another host, with the same count', '{"hostId":"other","kind":"host"}', 1],
    ['this host, in a later life of the session', FENCE.owner, 2],
  ])('I9: a writer is fenced as soon as %s has the lease, also before that one has written anything', async (_, owner, generation) => {
    for (const event of [note(2), started]) {
      const { inner, writer, lost, stored } = await failing('full', 'unwritten');
      await expect(writer.append({ events: [note(1)] })).rejects.toThrow('it failed');
      await inner.batch([{ sql: `UPDATE acp_sessions SET lease_owner = ?, lease_generation = ?`, params: [owner, generation] }]);
      await expect(writer.append({ events: [event] })).rejects.toMatchObject({ code: 'session_busy' });
      expect(await stored()).toEqual([]);
      expect(lost).toHaveLength(1);
    }
  });

  it.each([
    ['deleted', `DELETE FROM acp_sessions`],
    [
      'written behind its back',
      `INSERT INTO acp_session_events VALUES ('s', 1, NULL, 0, 'update', 'agent', '{"entries":[{"content":"other"}]}', NULL)`,
    ],
  ])('I9: nothing is written to a session that was %s', async (what, sql) => {
    for (const event of [note(2), started]) {
      const { inner, writer, stored } = await failing('full', 'unwritten');
      await expect(writer.append({ events: [note(1)] })).rejects.toThrow('it failed');
      await inner.batch([{ sql }]);
      await expect(writer.append({ events: [event] })).rejects.toThrow();
      expect(await stored()).toEqual(what === 'deleted' ? [] : [[1, 'other']]);
    }
  });

  it('I3: a writer that believes in a batch the log does not hold leaves no gap: it is refused, looks, and goes on from there', async () => {
    for (const event of [note(7), started]) {
      const { inner, stored } = await failing('full', 'unwritten');
      const writer = createWriter({
        db: inner,
        store: createStore(inner),
        fence: FENCE,
        latestSeq: 5,
        limits: DEFAULT_LIMITS,
        clock: () => 0,
        onCommitted: () => undefined,
        onLost: () => undefined,
      });
      await expect(writer.append({ events: [event] })).rejects.toMatchObject({ kind: 'constraint' });
      expect(await writer.append({ events: [note(1)] })).toEqual({ firstSeq: 1, lastSeq: 1 });
      expect(await stored()).toEqual([[1, '1']]);
    }
  });

  it('I11: what the agent said behind something that could not be written is refused with it; the rest is not', async () => {
    const { writer, stored } = await failing('full', 'unwritten');
    const failed: unknown[] = [];
    writer.push({ events: [note(1)], said: true }, (_error, work) => failed.push(work.events[0]));
    await writer.settled();
    writer.push({ events: [note(2)], said: true }, (_error, work) => failed.push(work.events[0]));
    await writer.append({ events: [note(3)] });
    expect(failed).toEqual([note(1), note(2)]);
    expect(await stored()).toEqual([[1, '3']]);
  });

  it('what is only streamed writes one row of the log and no other; what begins or ends something brings the session up to date', async () => {
    const { inner, writer } = await failing('full', 'unwritten');
    await expect(writer.append({ events: [note(0)] })).rejects.toThrow('it failed');
    const latest = async () => (await inner.query('SELECT latest_seq FROM acp_sessions'))[0]?.['latest_seq'];
    await writer.append({ events: [note(1)] });
    expect(await latest()).toBe(1);
    await writer.append({ events: [note(2)] });
    await writer.append({ events: [note(3)] });
    expect(await latest()).toBe(1);
    await writer.append({ events: [started] });
    expect(await latest()).toBe(4);
    expect((await createStore(inner).session('s'))?.info.latestSeq).toBe(4);
  });
});
