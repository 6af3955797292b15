/** Prompts: stored before sent, safe to repeat, cancelled, interrupted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createHost, SqlError, type Host, type HostOptions, type SessionEvent, type SqlDatabase } from '../../../src/engine/index.ts';
import { inProcessLauncher, type AgentVariant } from '../../../src/testing/agents/index.ts';
import { CWD, PATIENT, said, until, worldOf } from './helpers.ts';
import { watched, wordsSent } from './watched-agents.ts';

const world = (variant: AgentVariant = 'native', pace = 0) => worldOf(watched(inProcessLauncher({ variant, pace })));

async function session(variant?: AgentVariant, { pace, ...options }: Partial<HostOptions> & { pace?: number } = {}) {
  const made = await world(variant, pace);
  const host = await made.wake(options);
  await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
  return { ...made, host };
}

const running = async (host: Host) => (await host.get('s')).state === 'prompting';
/** A database that fails where the test says so. */
function failing(db: SqlDatabase, fails: (sql: string) => SqlError | null): SqlDatabase {
  return {
    query: (sql, params) => db.query(sql, params),
    async batch(statements) {
      for (const { sql } of statements) {
        const error = fails(sql);
        if (error) throw error;
      }
      return db.batch(statements);
    },
    close: () => db.close(),
  };
}

/** A database that takes its time to write: what does not wait for it comes before it. */
function slow(db: SqlDatabase): SqlDatabase {
  return {
    query: (sql, params) => db.query(sql, params),
    async batch(statements) {
      await sleep(20);
      return db.batch(statements);
    },
    close: () => db.close(),
  };
}

describe('a turn', () => {
  it('I1: the prompt is in the log before the agent has it, one row a block', async () => {
    const prompt = [
      { type: 'text' as const, text: 'My name is Ada.' },
      { type: 'text' as const, text: 'My dog is called Rex.' },
    ];
    const whenSent: unknown[] = [];
    const agents = watched(inProcessLauncher(), {
      async onSent({ method }) {
        if (method !== 'session/prompt') return;
        const events = await db.query('SELECT kind, payload FROM acp_session_events WHERE turn_id IS NOT NULL ORDER BY seq');
        whenSent.push(
          events.map(({ kind, payload }) => ({ kind, payload: JSON.parse(String(payload)) as unknown })),
          await db.query('SELECT state FROM acp_turns'),
        );
      },
    });
    const { db, wake } = await worldOf(agents);
    const host = await wake({ database: slow(db) });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const { turnId, stopReason } = await host.prompt('s', prompt);
    expect(stopReason).toBe('end_turn');
    expect(agents.prompts).toEqual([prompt]);
    expect(whenSent).toEqual([
      [
        { kind: 'turn_started', payload: {} },
        ...prompt.map((content) => ({ kind: 'update', payload: { sessionUpdate: 'user_message_chunk', content } })),
      ],
      [{ state: 'running' }],
    ]);
    const events = (await host.history('s')).filter((event) => event.turnId === turnId);
    expect(events.slice(0, 3).map(({ kind, origin }) => `${origin} ${kind}`)).toEqual(['host turn_started', 'host update', 'host update']);
    expect(events.at(-1)).toMatchObject({ kind: 'turn_ended', payload: { state: 'completed', stopReason: 'end_turn' } });
  });

  it('I1: a prompt that cannot be stored is not sent, and the caller is told', async () => {
    const { db, agents } = await world();
    let full = false;
    const host = await createHost({
      database: failing(db, (sql) => (full && sql.includes('acp_turns') ? new SqlError('full', 'disk full') : null)),
      agents,
      limits: PATIENT,
    });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    full = true;
    await expect(host.prompt('s', 'My name is Ada.')).rejects.toMatchObject({ code: 'storage_full' });
    full = false;
    expect((await host.history('s')).some((event) => event.kind === 'turn_started')).toBe(false);
    const { turnId } = await host.prompt('s', 'What is my name?');
    expect(wordsSent(agents)).toEqual(['What is my name?']);
    expect(said(await host.history('s'), turnId)).toContain("I don't know your name.");
    await host.sleep();
  });

  it('I2: when the log fills up in the middle of a turn, nothing unseen is shown and the caller is told', async () => {
    const { db, agents, wake } = await world();
    let full = false;
    const host = await createHost({
      database: failing(db, (sql) => (full && sql.startsWith('INSERT INTO acp_session_events') ? new SqlError('full', 'disk full') : null)),
      agents,
      limits: PATIENT,
    });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const seen: SessionEvent[] = [];
    const following = (async () => {
      for await (const event of host.events('s')) {
        seen.push(event);
        if (event.kind === 'turn_started') full = true;
      }
    })();
    await expect(host.prompt('s', 'stream 50 chunks')).rejects.toMatchObject({ code: 'storage_full' });
    full = false;
    await host.sleep();
    await following;
    const next = await wake({ ownerAlive: () => false });
    expect((await next.history('s')).slice(0, seen.length)).toEqual(seen);
    const { report } = await next.prompt('s', 'What do you remember?');
    expect(report.tier).toBe('resume');
    const turns = (await next.history('s')).filter((event) => event.kind === 'turn_ended');
    expect(turns[0]).toMatchObject({ payload: { state: 'interrupted' } });
  });

  it.each([['   '], ['']])('an empty prompt is refused before anything starts: %j', async (text) => {
    const { host } = await session();
    await expect(host.prompt('s', text)).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(host.prompt('s', [])).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('I10: a prompt over promptBytes names the limit', async () => {
    const { wake } = await world();
    const host = await wake({ limits: { ...PATIENT, promptBytes: 100 } });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await expect(host.prompt('s', 'x'.repeat(200))).rejects.toMatchObject({ code: 'limit_exceeded', data: { limit: 'promptBytes' } });
  });

  it('a second prompt in the middle of a turn is turn_in_progress', async () => {
    const { host } = await session('hang-prompt');
    const first = host.prompt('s', 'count to 1000').catch((error: unknown) => error);
    await until(() => running(host));
    await expect(host.prompt('s', 'and me?')).rejects.toMatchObject({ code: 'turn_in_progress' });
    await host.close('s');
    expect(await first).toMatchObject({ code: 'turn_outcome_unknown', data: { cause: { kind: 'closed' } } });
  });

  it('cancelling ends the turn as cancelled', async () => {
    // It counts for minutes, unless it is told to stop.
    const { host, agents } = await session('native', { pace: 1 });
    const turn = host.prompt('s', 'count to 1000').catch((error: unknown) => error);
    await until(async () => said(await host.history('s')) !== '');
    await host.cancel('s');
    expect(await turn).toMatchObject({ stopReason: 'cancelled' });
    expect(agents.sent.at(-1)).toEqual({ method: 'session/cancel', params: { sessionId: (await host.get('s')).agentSessionId } });
    expect((await host.history('s')).filter((event) => event.kind === 'turn_ended')).toMatchObject([
      { payload: { state: 'cancelled', stopReason: 'cancelled' } },
    ]);
    expect([(await host.get('s')).state, agents.running]).toEqual(['live', 1]);
  });

  it('an agent that does not heed a cancel is ended, and the outcome is unknown', async () => {
    const { host, agents } = await session('hang-prompt', { limits: { ...PATIENT, cancelGraceMs: 200 } });
    const turn = host.prompt('s', 'hang').catch((error: unknown) => error);
    await until(() => running(host));
    await host.cancel('s');
    expect(await turn).toMatchObject({ code: 'turn_outcome_unknown', data: { cause: { kind: 'cancel_timeout' } } });
    expect(agents.sent.at(-1)?.method).toBe('session/cancel');
    expect(agents.running).toBe(0);
    expect((await host.history('s')).filter((event) => event.kind === 'turn_ended')).toMatchObject([{ payload: { state: 'interrupted' } }]);
  });

  it('I5: the agent dies in a turn: interrupted, told so, not sent again, and the next prompt goes on', async () => {
    const { host, agents } = await session();
    await host.prompt('s', 'My name is Ada.');
    const turn = host.prompt('s', 'crash', { idempotencyKey: 'k' }).catch((error: unknown) => error);
    expect(await turn).toMatchObject({ code: 'turn_outcome_unknown', data: { cause: { kind: 'agent_gone' } } });
    await expect(host.prompt('s', 'crash', { idempotencyKey: 'k' })).rejects.toMatchObject({ code: 'turn_outcome_unknown' });
    expect(agents.launched).toBe(1);
    const events = await host.history('s');
    expect(events.slice(-2).map((event) => event.kind)).toEqual(['agent_exited', 'turn_ended']);
    expect(events.at(-1)).toMatchObject({ payload: { state: 'interrupted' } });
    expect((await host.prompt('s', 'What is my name?')).report.tier).toBe('resume');
    expect(wordsSent(agents)).toEqual(['My name is Ada.', 'crash', 'What is my name?']);
  });

  it('the same key and content: the stored result; other content: conflict', async () => {
    const { host, wake, agents } = await session();
    const first = await host.prompt('s', 'My name is Ada.', { idempotencyKey: 'k' });
    const again = await host.prompt('s', 'My name is Ada.', { idempotencyKey: 'k' });
    expect(again).toEqual({ ...first, repeated: true });
    await expect(host.prompt('s', 'My name is Bob.', { idempotencyKey: 'k' })).rejects.toMatchObject({ code: 'idempotency_conflict' });
    await host.sleep();
    const next = await wake();
    expect(await next.prompt('s', 'My name is Ada.', { idempotencyKey: 'k' })).toEqual({ ...first, repeated: true });
    expect((await next.get('s')).state).toBe('asleep');
    expect(wordsSent(agents)).toEqual(['My name is Ada.']);
  });

  it('the same key while it runs joins the turn', async () => {
    const { host, agents } = await session();
    const both = await Promise.all([
      host.prompt('s', 'count to 20', { idempotencyKey: 'k' }),
      host.prompt('s', 'count to 20', { idempotencyKey: 'k' }),
    ]);
    expect(both[0].turnId).toBe(both[1].turnId);
    expect((await host.history('s')).filter((event) => event.kind === 'turn_started')).toHaveLength(1);
    expect(wordsSent(agents)).toEqual(['count to 20']);
  });

  it('a key is unspent when the prompt failed before it was stored', async () => {
    const { wake } = await world('amnesiac');
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.sleep();
    const next = await wake();
    await expect(next.prompt('s', 'What is my name?', { idempotencyKey: 'k', policy: 'strict' })).rejects.toMatchObject({
      code: 'session_not_resumable',
    });
    const { repeated, stopReason } = await next.prompt('s', 'What is my name?', { idempotencyKey: 'k' });
    expect([repeated, stopReason]).toEqual([undefined, 'end_turn']);
  });

  it('sleep in a turn: interrupted with its cause, and the host can be opened again at once', async () => {
    const { host, wake } = await session('hang-prompt');
    const turn = host.prompt('s', 'hang').catch((error: unknown) => error);
    await until(() => running(host));
    await host.sleep();
    expect(await turn).toMatchObject({ code: 'turn_outcome_unknown', data: { cause: { kind: 'sleep' } } });
    const next = await wake();
    expect((await next.get('s')).state).toBe('asleep');
    expect((await next.history('s')).at(-1)).toMatchObject({ kind: 'turn_ended', payload: { state: 'interrupted' } });
  });

  const reason = new Error('changed my mind');
  it.each<[string, (host: Host, abort: AbortController) => unknown, unknown]>([
    ['cancel', (host) => host.cancel('s'), expect.objectContaining({ code: 'prompt_cancelled', data: { sessionId: 's' } })],
    ['aborting its signal', (_host, abort) => abort.abort(reason), expect.objectContaining({ code: 'prompt_cancelled', cause: reason })],
  ])('%s before the prompt was sent: nothing is sent, and there is no turn', async (_what, stop, error) => {
    const { wake, agents } = await world('hang-resume');
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.sleep();
    const next = await wake();
    const abort = new AbortController();
    const turn = next.prompt('s', 'hello', { signal: abort.signal }).catch((rejected: unknown) => rejected);
    await until(async () => (await next.get('s')).state === 'resuming');
    await stop(next, abort);
    expect(await turn).toEqual(error);
    expect((await next.get('s')).state).toBe('asleep');
    expect((await next.history('s')).filter((event) => event.kind === 'turn_started')).toHaveLength(1);
    expect(wordsSent(agents)).toEqual(['My name is Ada.']);
  });
});

describe('I7: the agent that introduced itself before it had a session', () => {
  it.each([0, 1, 2, 4, 8, 16, 32, 64])('goes when the prompt that was to have it is cancelled %i steps later', async (steps) => {
    const { wake, agents } = await world();
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.sleep();
    const next = await wake();
    await next.describeAgent('demo');
    const turn = next.prompt('s', 'hello').catch((rejected: unknown) => rejected);
    for (let step = 0; step < steps; step += 1) await undefined;
    await next.cancel('s');
    await turn;
    await next.sleep();
    expect(agents.running).toBe(0);
  });
});

describe('I6: the preamble', () => {
  it('is sent once, in front of the first prompt of a successor, and the public id stays', async () => {
    const { wake, agents } = await world('amnesiac');
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    const before = await host.get('s');
    await host.sleep();
    const next = await wake();
    const first = await next.prompt('s', 'Hello again.');
    const second = await next.prompt('s', 'And again.');
    expect([first.report.tier, second.report.tier]).toEqual(['transcript', 'live']);
    expect([first.report.preamble !== null, second.report.preamble]).toEqual([true, null]);
    const [plain, withPreamble, ...later] = agents.prompts;
    expect(plain).toEqual([{ type: 'text', text: 'My name is Ada.' }]);
    expect(JSON.stringify(withPreamble?.slice(0, -1))).toContain('My name is Ada.');
    expect(withPreamble?.at(-1)).toEqual({ type: 'text', text: 'Hello again.' });
    expect(later).toEqual([[{ type: 'text', text: 'And again.' }]]);
    const after = await next.get('s');
    expect(after.sessionId).toBe(before.sessionId);
    expect(after.agentSessionId).not.toBe(before.agentSessionId);
    expect(agents.launched).toBe(2);
  });

  it('I4: a crash in the first turn of a successor leaves the old id standing, and falls back again', async () => {
    const { wake } = await world('amnesiac');
    const host = await wake();
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    const { agentSessionId } = await host.get('s');
    await host.sleep();
    const next = await wake();
    await expect(next.prompt('s', 'crash')).rejects.toMatchObject({ code: 'turn_outcome_unknown' });
    expect((await next.get('s')).agentSessionId).toBe(agentSessionId);
    const third = await next.prompt('s', 'What is my name?');
    expect(third.report).toMatchObject({ tier: 'transcript', previousAgentSessionId: agentSessionId });
    expect(said(await next.history('s'), third.turnId)).toContain('Ada');
  });
});
