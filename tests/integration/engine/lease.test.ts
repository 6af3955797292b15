/** I9: one writer. Hosts that share a database, dead and alive. */
import { describe, expect, it } from 'vitest';
import { createHost, SqlError, type HostOptions, type LeaseOwner, type SqlDatabase } from '../../../src/engine/index.ts';
import { judgeLease } from '../../../src/engine/sessions/lease.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { CWD, PATIENT, said, until, world } from './helpers.ts';
import { watched, wordsSent } from './watched-agents.ts';

const bound = (db: SqlDatabase): SqlDatabase => ({
  query: (sql, params) => db.query(sql, params),
  batch: (statements) => db.batch(statements),
  close: () => db.close(),
});

describe('I9: a session is live in at most one host', () => {
  it.each([
    [{ owner: null, generation: 0, expiresAt: 0 }, 'unknown', 'free'],
    [{ owner: 'us', generation: 1, expiresAt: 0 }, 'unknown', 'ours'],
    [{ owner: 'them', generation: 1, expiresAt: 2_000 }, true, 'held'],
    [{ owner: 'them', generation: 1, expiresAt: 500 }, true, 'held'],
    [{ owner: 'them', generation: 1, expiresAt: 2_000 }, false, 'abandoned'],
    [{ owner: 'them', generation: 1, expiresAt: 2_000 }, 'unknown', 'held'],
    [{ owner: 'them', generation: 1, expiresAt: 1_000 }, 'unknown', 'abandoned'],
    [{ owner: 'them', generation: 1, expiresAt: 500 }, 'unknown', 'abandoned'],
  ] as const)('%j, alive: %s → %s', (lease, alive, verdict) => {
    expect(judgeLease(lease, 'us', alive, 1_000)).toBe(verdict);
  });

  it('a second host gets session_busy naming the owner, reads meanwhile, and goes on when the first sleeps', async () => {
    const { db, agents, wake } = await world();
    const first = await wake();
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await first.prompt('s', 'My name is Ada.');
    const others = watched(inProcessLauncher({ store: agents.store }));
    // As if the first host lived on: what lets this one go on is that the session was let go.
    const second = await createHost({ database: db, agents: others, limits: PATIENT, ownerAlive: () => true });
    await expect(second.prompt('s', 'hello')).rejects.toMatchObject({ code: 'session_busy', data: { owner: { hostId: first.hostId } } });
    await expect(second.delete('s')).rejects.toMatchObject({ code: 'session_busy' });
    await expect(second.close('s')).rejects.toMatchObject({ code: 'session_busy', data: { owner: { hostId: first.hostId } } });
    await expect(second.cancel('s')).rejects.toMatchObject({ code: 'session_busy', data: { owner: { hostId: first.hostId } } });
    await expect(second.cancel('nobody')).rejects.toMatchObject({ code: 'session_not_found' });
    await first.cancel('s');
    expect((await second.get('s')).state).toBe('busy');
    expect((await second.history('s')).length).toBeGreaterThan(3);
    expect(await second.transcript('s')).toContain('Ada');
    await expect(second.resume('s')).rejects.toMatchObject({ code: 'session_busy' });
    expect(others.launched, 'agents of a host that is told session_busy').toBe(0);
    await first.sleep();
    expect((await second.get('s')).state).toBe('asleep');
    const { report, turnId } = await second.prompt('s', 'What is my name?');
    expect(report.tier).toBe('resume');
    expect(said(await second.history('s'), turnId)).toContain('Ada');
    expect([others.launched, others.running]).toEqual([1, 1]);
    await second.sleep();
    expect(others.running).toBe(0);
  });

  it('a host whose lease was taken over cannot write another row, and its agent ends', async () => {
    const { db, agents, wake } = await world();
    const alive = new Map<string, boolean>();
    const ownerAlive = (owner: LeaseOwner) => alive.get(owner.hostId) ?? true;
    const overtaken = watched(agents);
    const stale = await wake({ agents: overtaken, ownerAlive });
    await stale.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await stale.prompt('s', 'My name is Ada.');
    alive.set(stale.hostId, false);
    const others = watched(agents);
    const next = await createHost({ database: db, agents: others, limits: PATIENT, ownerAlive });
    expect((await next.prompt('s', 'What is my name?')).report.tier).toBe('resume');
    const log = await next.history('s');
    await expect(stale.prompt('s', 'I am still here')).rejects.toMatchObject({ code: 'session_busy' });
    expect(wordsSent(overtaken), 'nothing reaches the agent of the host that was overtaken').toEqual(['My name is Ada.']);
    await until(() => overtaken.running === 0);
    expect([overtaken.launched, others.running], 'it was the only one there, and the other goes on').toEqual([1, 1]);
    expect(await next.history('s')).toEqual(log);
    expect((await next.prompt('s', 'Thanks.')).report.tier).toBe('live');
    await next.sleep();
  });

  it.each([
    ['is session_busy while that host lives', true, 'session_busy'],
    ['has an unknown outcome when that host is dead', false, 'turn_outcome_unknown'],
  ])('a key that runs in a host that took the session over %s, also for the host that has not noticed', async (_, alive, code) => {
    const { wake } = await world();
    const owners = new Map<string, boolean>();
    const ownerAlive = (owner: LeaseOwner) => owners.get(owner.hostId) ?? true;
    const [first, second] = [await wake({ ownerAlive }), await wake({ ownerAlive })];
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    owners.set(first.hostId, false);
    const over = second.prompt('s', 'ask permission', { idempotencyKey: 'k' }).catch((error: unknown) => error);
    await until(async () => (await second.history('s')).some((event) => event.kind === 'permission_requested'));
    owners.set(second.hostId, alive);
    await expect(first.prompt('s', 'ask permission', { idempotencyKey: 'k' })).rejects.toMatchObject({ code });
    await second.sleep();
    await over;
  });

  it('a dead owner keeps nobody waiting, and what it left running is interrupted (I12)', async () => {
    const { db, agents, wake } = await world('hang-prompt');
    const dead = await wake({ ownerAlive: () => true });
    await dead.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const cut = dead.prompt('s', 'hang', { idempotencyKey: 'k' }).catch((error: unknown) => error);
    while ((await dead.get('s')).state !== 'prompting') await new Promise((resolve) => setTimeout(resolve, 5));
    const next = await createHost({
      database: db,
      agents: inProcessLauncher({ store: agents.store }),
      limits: PATIENT,
      ownerAlive: () => false,
    });
    await expect(next.prompt('s', 'hang', { idempotencyKey: 'k' })).rejects.toMatchObject({
      code: 'turn_outcome_unknown',
      data: { cause: { kind: 'host_died' } },
    });
    expect((await next.history('s')).at(-1)).toMatchObject({ kind: 'turn_ended', payload: { state: 'interrupted' } });
    expect((await next.prompt('s', 'My name is Ada.')).stopReason).toBe('end_turn');
    await dead.close('s');
    expect(await cut).toMatchObject({ code: 'turn_outcome_unknown' });
    expect((await next.prompt('s', 'What is my name?')).report.tier).toBe('live');
    await next.sleep();
  });

  it('an owner nobody can ask about is waited for until its lease runs out', async () => {
    const { db, agents, wake } = await world();
    let now = 1_000_000;
    let crashed = false;
    // What a dead host does: nothing more reaches the database.
    const database: SqlDatabase = {
      ...bound(db),
      batch: (statements) => (crashed ? Promise.reject(new SqlError('closed', 'the host is dead')) : db.batch(statements)),
    };
    const first = await wake({ database, clock: () => now });
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    crashed = true;
    const second = await createHost({ database: db, agents, limits: PATIENT, clock: () => now, ownerAlive: () => 'unknown' });
    await expect(second.prompt('s', 'hello')).rejects.toMatchObject({ code: 'session_busy', data: { expiresAt: 1_010_000 } });
    now += 10_000;
    expect((await second.prompt('s', 'hello')).stopReason).toBe('end_turn');
    await second.sleep();
  });

  it.each([
    ['back by an hour', -3_600_000],
    ['forward by a day', 86_400_000],
  ])('a session that is live and quiet is kept while the clock is set %s', async (_way, step) => {
    const { db, agents, wake } = await world();
    let now = 1_000_000_000_000;
    const limits = { ...PATIENT, leaseMs: 300 };
    const first = await wake({ clock: () => now, ownerAlive: () => 'unknown', limits });
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const expiresAt = async () => Number((await db.query('SELECT lease_expires_at FROM acp_sessions'))[0]!['lease_expires_at']);
    // There and back: each time it is renewed by the clock of then.
    for (const moved of [step, -step, step]) {
      now += moved;
      await until(async () => (await expiresAt()) === now + limits.leaseMs);
      const second = await createHost({ database: db, agents, limits, clock: () => now, ownerAlive: () => 'unknown' });
      await expect(second.prompt('s', 'hello')).rejects.toMatchObject({ code: 'session_busy' });
      await second.sleep();
    }
    expect((await first.prompt('s', 'hello')).report.tier).toBe('new');
  });

  it('a lease from a clock that was ahead counts from the first look on', async () => {
    const { db, agents, wake } = await world();
    let now = 1_000_000;
    const first = await wake({ ownerAlive: () => 'unknown', clock: () => now + 3_600_000 });
    await first.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    // It dies: nothing lets the session go.
    await db.batch([{ sql: 'UPDATE acp_sessions SET lease_owner = ?', params: ['{"hostId":"dead","kind":"elsewhere"}'] }]);
    const second = await createHost({ database: db, agents, limits: PATIENT, clock: () => now, ownerAlive: () => 'unknown' });
    await expect(second.prompt('s', 'hello')).rejects.toMatchObject({ code: 'session_busy', data: { expiresAt: now + 10_000 } });
    now += 9_000;
    // Another look does not begin to count anew, and neither does another host's.
    await expect(second.prompt('s', 'hello')).rejects.toMatchObject({ code: 'session_busy', data: { expiresAt: now + 1_000 } });
    await second.sleep();
    now += 1_000;
    const third = await createHost({ database: db, agents, limits: PATIENT, clock: () => now, ownerAlive: () => 'unknown' });
    expect((await third.prompt('s', 'hello')).stopReason).toBe('end_turn');
    await third.sleep();
  });
});

describe('I12: no turn of a dead host shows as running', () => {
  /** A host that dies in the middle of a turn: it writes nothing more. */
  async function died() {
    const { db, agents, wake } = await world('hang-prompt');
    let dead = false;
    const database: SqlDatabase = {
      ...bound(db),
      batch: (statements) => (dead ? Promise.reject(new SqlError('closed', 'the host is dead')) : db.batch(statements)),
    };
    const owners = { alive: true };
    const host = await wake({ database });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    void host.prompt('s', 'hang').catch((error: unknown) => error);
    while ((await host.get('s')).state !== 'prompting') await new Promise((resolve) => setTimeout(resolve, 5));
    const die = (): void => {
      dead = true;
      owners.alive = false;
    };
    const open = (options: Partial<HostOptions> = {}) =>
      wake({ agents: inProcessLauncher({ store: agents.store }), ownerAlive: () => owners.alive, ...options });
    return { db, die, open };
  }
  const running = async (db: SqlDatabase) => (await db.query(`SELECT * FROM acp_turns WHERE state = 'running'`)).length;

  it('after somebody opened the database', async () => {
    const { db, die, open } = await died();
    die();
    expect(await running(db)).toBe(1);
    const next = await open();
    expect(await running(db)).toBe(0);
    expect((await next.history('s')).at(-1)).toMatchObject({ kind: 'turn_ended', payload: { state: 'interrupted' } });
    expect(await next.get('s')).toMatchObject({ state: 'asleep' });
  });

  it.each(['get', 'list', 'history'] as const)('to a host that was there before, when it looks by %s', async (how) => {
    const { db, die, open } = await died();
    const other = await open();
    expect(await other.get('s')).toMatchObject({ state: 'busy' });
    die();
    await (how === 'list' ? other.list() : other[how]('s'));
    expect(await running(db)).toBe(0);
    expect((await other.history('s')).at(-1)).toMatchObject({ kind: 'turn_ended', payload: { state: 'interrupted' } });
  });

  it('to somebody who follows it from another host', async () => {
    const { die, open } = await died();
    const other = await open({ limits: { ...PATIENT, followMs: 5 } });
    const seen: string[] = [];
    for await (const event of other.events('s')) {
      seen.push(event.kind);
      if (event.kind === 'turn_started') die();
      if (event.kind === 'turn_ended') break;
    }
    expect(seen.slice(-1)).toEqual(['turn_ended']);
  });

  it('a turn of a host that lives is left alone', async () => {
    const { db, open } = await died();
    const other = await open();
    await other.list();
    expect(await running(db)).toBe(1);
    expect(await other.get('s')).toMatchObject({ state: 'busy' });
  });
});
