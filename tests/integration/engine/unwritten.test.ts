/** What becomes of a turn whose end cannot be written: it is written as soon as it can be, and keeps nobody waiting. */
import { describe, expect, it } from 'vitest';
import { createHost, SqlError, type SqlDatabase, type Statement } from '../../../src/engine/index.ts';
import { CWD, PATIENT, said, until, world } from './helpers.ts';

/** A storage that refuses the batches the test says, from the first until it is mended. */
function breakable(db: SqlDatabase, kind: 'full' | 'io' = 'full') {
  let refuses: (statements: readonly Statement[]) => boolean = () => false;
  let refused = 0;
  const database: SqlDatabase = {
    query: (sql, params) => db.query(sql, params),
    async batch(statements) {
      if (!refuses(statements)) return db.batch(statements);
      refused++;
      throw new SqlError(kind, 'injected');
    },
    close: () => db.close(),
  };
  return {
    database,
    refuse: (which: typeof refuses) => void (refuses = which),
    mend: () => void (refuses = () => false),
    get refused() {
      return refused;
    },
  };
}

const writes = (what: string) => (statements: readonly Statement[]) =>
  statements.some(({ params }) => params?.some((value) => typeof value === 'string' && value.includes(what)));
const writesEnd = writes('turn_ended');

async function session(limits: object = {}, variant: Parameters<typeof world>[0] = 'native') {
  const made = await world(variant);
  const storage = breakable(made.db);
  const host = await createHost({ database: storage.database, agents: made.agents, limits: { ...PATIENT, settleRetryMs: 5, ...limits } });
  await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
  const turns = async () => (await made.db.query('SELECT state FROM acp_turns ORDER BY first_seq')).map((row) => row['state']);
  const owner = async () => (await made.db.query('SELECT lease_owner FROM acp_sessions'))[0]?.['lease_owner'];
  const ends = async () => (await host.history('s')).filter((event) => event.kind === 'turn_ended').length;
  return { ...made, storage, host, turns, owner, ends };
}

describe('I12: the end of a turn that cannot be written', () => {
  it.each(['full', 'io'] as const)('once (%s): is written with all that was said, and the caller has its answer', async (kind) => {
    const made = await world();
    const storage = breakable(made.db, kind);
    const host = await createHost({ database: storage.database, agents: made.agents, limits: PATIENT });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    storage.refuse((statements) => writesEnd(statements) && storage.refused === 0);
    const { turnId, stopReason } = await host.prompt('s', 'My name is Ada.', { idempotencyKey: 'k' });
    expect(storage.refused).toBe(1);
    expect(stopReason).toBe('end_turn');
    expect(said(await host.history('s'), turnId)).toContain('Ada');
    expect((await host.prompt('s', 'My name is Ada.', { idempotencyKey: 'k' })).repeated).toBe(true);
    // The agent that could not be recorded is gone, unless what it said was written at the second try; either way it knows.
    const next = await host.prompt('s', 'What is my name?');
    expect(next.report.tier).toBe(kind === 'full' ? 'resume' : 'live');
    expect(said(await host.history('s'), next.turnId)).toContain('Ada');
    await host.sleep();
  });

  it('for longer: the caller is told, and when the storage works again the turn is ended and the lease let go by themselves', async () => {
    const { host, storage, turns, owner, ends } = await session();
    storage.refuse((statements) => writesEnd(statements) || writes('agent_exited')(statements) || storage.refused > 0);
    await expect(host.prompt('s', 'My name is Ada.')).rejects.toMatchObject({ code: 'storage_full' });
    await until(() => storage.refused >= 4);
    expect(await turns()).toEqual(['running']);
    expect(await owner()).not.toBeNull();
    storage.mend();
    await until(async () => (await owner()) === null);
    expect(await turns()).toEqual(['interrupted']);
    expect(await ends()).toBe(1);
    expect((await host.get('s')).state).toBe('asleep');
    expect((await host.history('s')).at(-1)?.payload).toMatchObject({
      error: { code: 'turn_outcome_unknown', data: { cause: { kind: 'host_failed' } } },
    });
    await host.sleep();
  });

  it('the next prompt does not wait for that', async () => {
    const { host, storage, turns, ends } = await session({ settleRetryMs: 1_000_000 });
    storage.refuse((statements) => writesEnd(statements) || storage.refused > 0);
    await expect(host.prompt('s', 'My name is Ada.')).rejects.toMatchObject({ code: 'storage_full' });
    expect(await turns()).toEqual(['running']);
    storage.mend();
    const { stopReason } = await host.prompt('s', 'What is my name?');
    expect(stopReason).toBe('end_turn');
    expect(await turns()).toEqual(['interrupted', 'completed']);
    expect(await ends()).toBe(2);
    await host.sleep();
  });

  it('a host that goes to sleep writes it, if it can by then', async () => {
    const { host, storage, turns, owner } = await session({ settleRetryMs: 1_000_000 });
    storage.refuse((statements) => writesEnd(statements) || storage.refused > 0);
    await expect(host.prompt('s', 'My name is Ada.')).rejects.toMatchObject({ code: 'storage_full' });
    storage.mend();
    await host.sleep();
    expect(await turns()).toEqual(['interrupted']);
    expect(await owner()).toBeNull();
  });

  it('a host that goes to sleep and still cannot leaves it to the next one', async () => {
    const { host, storage, turns, wake } = await session();
    storage.refuse((statements) => writesEnd(statements) || storage.refused > 0);
    await expect(host.prompt('s', 'My name is Ada.')).rejects.toMatchObject({ code: 'storage_full' });
    await host.sleep();
    expect(await turns()).toEqual(['running']);
    const next = await wake({ ownerAlive: () => false });
    expect((await next.prompt('s', 'What is my name?')).stopReason).toBe('end_turn');
    expect(await turns()).toEqual(['interrupted', 'completed']);
  });
});

describe('I12: the end of a question that cannot be written', () => {
  it.each(['full', 'io'] as const)('while its turn is cancelled (%s): is written before the end of the turn', async (kind) => {
    const made = await world();
    const storage = breakable(made.db, kind);
    const host = await createHost({ database: storage.database, agents: made.agents, limits: PATIENT });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const turn = host.prompt('s', 'ask permission').catch((error: unknown) => error);
    const kinds = async () => (await host.history('s')).map((event) => event.kind);
    await until(async () => (await kinds()).includes('permission_requested'));
    storage.refuse((statements) => writes('permission_resolved')(statements) && storage.refused === 0);
    await host.cancel('s');
    await turn;
    expect(storage.refused).toBe(1);
    const after = (await kinds()).slice((await kinds()).indexOf('permission_requested'));
    expect(after.filter((one) => one === 'permission_resolved')).toHaveLength(1);
    expect(after.indexOf('permission_resolved')).toBeLessThan(after.indexOf('turn_ended'));
    await host.sleep();
  });
});

describe('I11: words that cannot be written', () => {
  const answer = (events: Parameters<typeof said>[0]) => said(events);

  it.each([0, 1, 2, 5])('batch %i of an answer: what is in the log is the answer, or its beginning, and says which', async (nth) => {
    const { host, storage, turns } = await session();
    const whole = await (async () => {
      const { turnId } = await host.prompt('s', 'stream 60 chunks');
      return said(await host.history('s'), turnId);
    })();
    const from = (await host.get('s')).latestSeq;
    let seen = 0;
    storage.refuse((statements) => writes('agent_message_chunk')(statements) && seen++ === nth);
    const outcome = await host.prompt('s', 'stream 60 chunks').then(
      () => 'answered',
      (error: unknown) => error,
    );
    const said2 = answer(await host.history('s', { after: from }));
    expect(storage.refused).toBe(1);
    const [, state] = await turns();
    if (outcome === 'answered') expect([state, said2]).toEqual(['completed', whole]);
    else {
      expect(outcome).toMatchObject({ code: 'storage_full' });
      expect(state).toBe('interrupted');
      expect(whole.startsWith(said2)).toBe(true);
    }
    expect((await host.prompt('s', 'What is my name?')).stopReason).toBe('end_turn');
    await host.sleep();
  });
});

describe('I9: a lease that cannot be let go', () => {
  it('after a resume that failed: is let go when the storage works again', async () => {
    const { host: patient, storage, owner, wake } = await session({}, 'hang-resume');
    await patient.close('s');
    expect(await owner()).toBeNull();
    const host = await wake({ database: storage.database, limits: { ...PATIENT, settleRetryMs: 5, sessionMs: 200 } });
    storage.refuse((statements) =>
      statements.some(
        ({ sql, params }) => sql.includes('lease_owner = NULL') || (sql.includes('SET lease_owner = ?') && params?.[0] === null),
      ),
    );
    await expect(host.resume('s')).rejects.toMatchObject({ code: 'agent_timeout' });
    await until(() => storage.refused >= 3);
    expect(await owner()).not.toBeNull();
    storage.mend();
    await until(async () => (await owner()) === null);
    await patient.sleep();
  });
});
