/** `delete`: in small batches, and whole for whoever looks, whatever comes in between. */
import { describe, expect, it } from 'vitest';
import { SqlError, type SqlDatabase, type Statement } from '../../../src/engine/index.ts';
import { ask, CWD, world } from '../engine/helpers.ts';

const hides = (statements: readonly Statement[]) => statements.some(({ sql }) => /SET deleted_at/.test(sql));
const removes = (statements: readonly Statement[]) => statements.some(({ sql }) => sql.startsWith('DELETE FROM'));

/** The same database, with something that happens before a batch. */
function before(db: SqlDatabase, act: (statements: readonly Statement[]) => Promise<void> | void): SqlDatabase {
  return {
    query: db.query.bind(db),
    close: db.close.bind(db),
    async batch(statements) {
      await act(statements);
      return db.batch(statements);
    },
  };
}

const rowsOf = async (db: SqlDatabase) => {
  const [row] = await db.query(
    `SELECT (SELECT count(*) FROM acp_sessions) AS sessions, (SELECT count(*) FROM acp_session_events) AS events,
(SELECT count(*) FROM acp_turns) AS turns, (SELECT count(*) FROM acp_agent_sessions) AS agents, (SELECT count(*) FROM workspace_files) AS files`,
  );
  return row;
};

const addEvents = (db: SqlDatabase, sessionId: string, count: number) =>
  db.batch([
    {
      sql: `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO acp_session_events SELECT ?, (SELECT max(seq) FROM acp_session_events WHERE session_id = ?) + i, NULL, 1, 'update', 'agent',
  '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"x"}}', NULL FROM n`,
      params: [count, sessionId, sessionId],
    },
  ]);

describe('delete', () => {
  it('I9: a session that was taken over while it was being deleted is not deleted', async () => {
    const { db, wake } = await world('native');
    let between: (() => Promise<unknown>) | null = null;
    const first = await wake({
      database: before(db, async (statements) => {
        const act = hides(statements) ? between : null;
        between = act ? null : between;
        await act?.();
      }),
    });
    const { sessionId } = await first.create({ agent: 'demo', cwd: CWD });
    await first.prompt(sessionId, 'My name is Ada.');
    const second = await wake({ ownerAlive: () => false });
    between = () => second.prompt(sessionId, 'My dog is Rex.');
    await expect(first.delete(sessionId)).rejects.toMatchObject({ code: 'session_busy', data: { owner: { hostId: second.hostId } } });
    expect(await ask(second, sessionId, 'What is my name?')).toContain('Ada');
  });

  it('of a long session takes many small batches, between which others write; and leaves nothing', async () => {
    const { db, wake } = await world('native');
    let largest = 0;
    let batches = 0;
    const database: SqlDatabase = {
      ...before(db, () => undefined),
      async batch(statements) {
        const results = await db.batch(statements);
        if (removes(statements)) {
          batches += 1;
          largest = Math.max(largest, ...results.map(({ rows }) => rows.length));
        }
        return results;
      },
    };
    const host = await wake({ database });
    for (const sessionId of ['long', 'other']) await host.create({ agent: 'demo', cwd: CWD, sessionId });
    await host.prompt('long', 'write file notes.txt: hello');
    await addEvents(db, 'long', 20_000);
    const over = host.delete('long');
    expect((await host.prompt('other', 'My name is Ada.')).stopReason).toBe('end_turn');
    await over;
    await host.delete('other');
    expect(await rowsOf(db)).toEqual({ sessions: 0, events: 0, turns: 0, agents: 0, files: 0 });
    expect(largest).toBeLessThanOrEqual(4_096);
    expect(batches).toBeGreaterThan(8);
  });

  it('I12: one that is killed leaves the session or nothing that anyone sees, and the next host finishes it', async () => {
    for (let dieAt = 0; ; dieAt += 1) {
      const { db, agents, wake } = await world('native');
      let batches = -1;
      let died = false;
      const dying = await wake({
        ownerAlive: () => false,
        database: before(db, () => {
          if (batches >= 0 && batches++ >= dieAt) {
            died = true;
            throw new SqlError('closed', 'the host was killed');
          }
        }),
      });
      await dying.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
      await dying.prompt('s', 'My name is Ada.');
      await addEvents(db, 's', 300);
      await dying.close('s');
      batches = 0;
      await dying.delete('s').catch(() => undefined);
      const next = await wake({ agents, ownerAlive: () => false });
      const seen = (await next.list()).sessions.map(({ sessionId }) => sessionId);
      if (seen.length > 0) {
        expect((await next.history('s')).length, `killed at batch ${dieAt}`).toBeGreaterThan(300);
        expect(await ask(next, 's', 'What is my name?')).toContain('Ada');
      } else {
        await expect(next.get('s')).rejects.toMatchObject({ code: 'session_not_found' });
        // One of the same name may be made at once, and has nothing of the other.
        await next.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
        expect((await next.history('s')).length).toBeLessThan(10);
        await next.delete('s');
        expect(await rowsOf(db), `killed at batch ${dieAt}`).toMatchObject({ sessions: 0, events: 0, turns: 0, agents: 0 });
      }
      if (!died) return;
    }
  });

  it('removes the preamble’s file only once the session is gone for good', async () => {
    const { db, wake } = await world('native');
    let full = true;
    const removed: string[] = [];
    const host = await wake({
      preamble: { files: { write: async () => '/nowhere', remove: async (id) => void removed.push(id) } },
      database: before(db, (statements) => {
        if (full && hides(statements)) throw new SqlError('full', 'no room');
      }),
    });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await expect(host.delete('s')).rejects.toMatchObject({ code: 'storage_full' });
    expect(removed).toEqual([]);
    full = false;
    await host.delete('s');
    expect(removed).toEqual(['s']);
  });
});
