/** Answers that are lost, clocks, ids and prompts that are odd, databases of others: what is told is true, and nothing is left held. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import {
  createHost,
  FIXED_LIMITS,
  foldEvents,
  SqlError,
  workspaceFiles,
  type ContentBlock,
  type Host,
  type HostOptions,
  type SessionEvent,
  type SqlDatabase,
  type Statement,
} from '../../../src/engine/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { CWD, PATIENT, until } from './helpers.ts';

type Fault = (statements: readonly Statement[]) => 'before' | 'after' | null;

/** A database on which a batch fails, before it is written or behind it: then its answer is lost. */
async function world(options: Partial<HostOptions> = {}) {
  const db = await openNodeSqlite(':memory:');
  const faults: { next: Fault; kind: 'io' | 'full'; reads: boolean } = { next: () => null, kind: 'io', reads: false };
  const fail = () => Promise.reject(new SqlError(faults.kind, 'injected'));
  const faulty: SqlDatabase = {
    query: (sql, params) => (faults.reads ? fail() : db.query(sql, params)),
    close: () => db.close(),
    async batch(statements) {
      const when = faults.next(statements);
      if (when === 'before') return fail();
      const results = await db.batch(statements);
      return when === 'after' ? fail() : results;
    },
  };
  const hosts: Host[] = [];
  onTestFinished(async () => {
    faults.next = () => null;
    for (const host of hosts) await host.sleep();
    await db.close();
  });
  const agents = inProcessLauncher({});
  const wake = async (more: Partial<HostOptions> = {}) => {
    const host = await createHost({ database: faulty, agents, limits: { ...PATIENT, settleRetryMs: 5 }, ...options, ...more });
    hosts.push(host);
    return host;
  };
  return { db, faults, wake };
}

const once = (match: RegExp, when: 'before' | 'after'): Fault => {
  let done = false;
  return (statements) => (!done && statements.some(({ sql }) => match.test(sql)) ? ((done = true), when) : null);
};
const TAKE = /SET lease_owner = \?, lease_generation/;
const CREATE = { agent: 'demo', cwd: CWD, sessionId: 's' };
const leaseOwner = async (db: SqlDatabase) => (await db.query('SELECT lease_owner FROM acp_sessions'))[0]?.['lease_owner'];

describe('I9: an answer that is lost leaves no lease behind', () => {
  it('of create: it was written, so it is there', async () => {
    const { faults, wake } = await world();
    const host = await wake();
    faults.next = once(/INSERT INTO acp_sessions /, 'after');
    expect((await host.create(CREATE)).state).toBe('live');
    await expect(host.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });

  it('create needs no look at the record behind its batch', async () => {
    const { faults, wake } = await world();
    const host = await wake();
    faults.next = (statements) => ((faults.reads = statements.some(({ sql }) => sql.includes('INSERT INTO acp_sessions '))), null);
    expect(await host.create(CREATE)).toMatchObject({ sessionId: 's', agent: 'demo', state: 'live' });
    faults.reads = false;
  });

  it('of taking it: it was taken, so the prompt goes on', async () => {
    const { faults, wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    await host.close('s');
    faults.next = once(TAKE, 'after');
    await expect(host.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });

  it.each(['resume', 'delete'] as const)(
    'of taking it, where nothing can be read: %s fails, and the lease is let go as soon as the storage works',
    async (what) => {
      const { db, faults, wake } = await world();
      const host = await wake();
      await host.create(CREATE);
      await host.close('s');
      const lost = once(TAKE, 'after');
      faults.next = (statements) => {
        const when = lost(statements);
        if (when) faults.reads = true;
        return when;
      };
      await expect(host[what]('s')).rejects.toBeInstanceOf(Error);
      expect(await leaseOwner(db)).not.toBeNull();
      faults.reads = false;
      await until(async () => (await leaseOwner(db)) === null);
    },
  );

  it('of delete: it is gone, and whoever followed it is told', async () => {
    const { faults, wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    const following = (async () => {
      const seen: SessionEvent[] = [];
      for await (const event of host.events('s')) seen.push(event);
      return seen;
    })();
    faults.next = once(/DELETE FROM acp_sessions/, 'after');
    await host.delete('s');
    expect((await following).length).toBeGreaterThan(0);
    await expect(host.get('s')).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('a delete on a full disk says so, and the lease is free when there is room again', async () => {
    const { db, faults, wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    await host.close('s');
    faults.kind = 'full';
    faults.next = (statements) => (statements.some(({ sql }) => TAKE.test(sql)) ? null : 'before');
    await expect(host.delete('s')).rejects.toMatchObject({
      code: 'storage_full',
      message: expect.stringContaining('could not be deleted') as string,
    });
    faults.next = () => null;
    await until(async () => (await leaseOwner(db)) === null);
    const other = await wake();
    await expect(other.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });
});

describe('sessions of the same name', () => {
  it('I2: a follower of one that another host deleted ends when this host makes its namesake', async () => {
    const { wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    await host.prompt('s', 'one');
    const following = (async () => {
      const seen: number[] = [];
      for await (const event of host.events('s')) seen.push(event.seq);
      return seen;
    })();
    await host.close('s');
    const other = await wake();
    await other.delete('s');
    await host.create(CREATE);
    await host.prompt('s', 'two');
    const seen = await following;
    expect(seen).toEqual(seen.map((_, index) => index + 1));
  });

  it('sleep waits for a delete that was asked before it', async () => {
    const { db, wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    const deleted = host.delete('s');
    await host.sleep();
    expect(await db.query('SELECT * FROM acp_sessions')).toEqual([]);
    await deleted;
  });
});

describe('odd arguments', () => {
  it('a clock with fractions', async () => {
    const { wake } = await world({ clock: () => performance.timeOrigin + performance.now() });
    const host = await wake();
    await host.create(CREATE);
    await expect(host.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
    expect(Number.isInteger((await host.get('s')).updatedAt)).toBe(true);
  });

  it('a clock that tells no time is refused; one that stops telling it keeps the last', async () => {
    await expect((await world()).wake({ clock: () => Number.NaN })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('clock') as string,
    });
    let now = 1_000;
    const host = await (await world()).wake({ clock: () => now });
    await host.create(CREATE);
    now = Number.NaN;
    await expect(host.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });

  it.each(['\ud800', 'a\udc00'])('an id that is no well-formed text: %j', async (id) => {
    const host = await (await world()).wake();
    await expect(host.create({ ...CREATE, sessionId: id })).rejects.toMatchObject({ code: 'invalid_argument' });
    await host.create(CREATE);
    await expect(host.prompt('s', 'Hello', { idempotencyKey: id })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('I5: a key whose turn is over gives its result while another turn runs', async () => {
    const host = await (await world()).wake();
    await host.create(CREATE);
    const first = await host.prompt('s', 'one', { idempotencyKey: 'k1' });
    // It runs until its question is answered.
    const running = host.prompt('s', 'ask permission', { idempotencyKey: 'k2' });
    await until(async () => (await host.history('s')).some((event) => event.kind === 'permission_requested'));
    await expect(host.prompt('s', 'one', { idempotencyKey: 'k1' })).resolves.toMatchObject({ turnId: first.turnId, repeated: true });
    await expect(host.prompt('s', 'other', { idempotencyKey: 'k1' })).rejects.toMatchObject({ code: 'idempotency_conflict' });
    await expect(host.prompt('s', 'new', { idempotencyKey: 'k3' })).rejects.toMatchObject({ code: 'turn_in_progress' });
    await host.cancel('s');
    expect(await running).toMatchObject({ stopReason: 'cancelled' });
  });

  it('I1: content that is changed behind the call is neither stored nor sent', async () => {
    const host = await (await world()).wake();
    await host.create(CREATE);
    const content = [{ type: 'text' as const, text: 'say original' }];
    const prompting = host.prompt('s', content);
    content[0]!.text = 'say changed';
    content.push({ type: 'text', text: 'more' });
    await prompting;
    const texts = JSON.stringify((await host.history('s')).map((event) => event.payload));
    expect(texts).toContain('say original');
    expect(texts).not.toMatch(/changed|more"/);
  });

  const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`) as Record<string, unknown>;
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  it.each<[string, unknown, string]>([
    ['1000 levels', deep(1_000), 'limit_exceeded'],
    ['20000 levels', deep(20_000), 'limit_exceeded'],
    ['a circle', circle, 'invalid_argument'],
    ['a BigInt', { n: 1n }, 'invalid_argument'],
  ])('a prompt with %s is refused, and the session goes on', async (_what, meta, code) => {
    const { wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    await expect(host.prompt('s', [{ type: 'text', text: 'Hello', _meta: meta } as ContentBlock])).rejects.toMatchObject({ code });
    await host.prompt('s', [{ type: 'text', text: 'Hello', _meta: deep(900) } as ContentBlock]);
    await host.sleep();
    const next = await wake();
    await expect(next.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });

  it.each<[string, (host: Host) => Promise<unknown>]>([
    ['get', (host) => host.get(undefined as never)],
    ['history', (host) => host.history({} as never)],
    ['history limit', (host) => host.history('s', { limit: 1e20 })],
    ['list limit', (host) => host.list({ limit: 1e20 })],
  ])('%s', async (_what, call) => {
    const host = await (await world()).wake();
    await host.create(CREATE);
    await expect(call(host)).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('what is not what its type says is invalid_argument or over a limit, and no error of the language', () => {
  const deep = JSON.parse(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`) as unknown;
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const ODD: readonly unknown[] = [null, 1.5, 'ABC', [null], {}, Symbol('s'), 1n, () => 1, new AbortController(), deep, circle];
  /** The last is what the agent says to a method that it does not know. */
  const REFUSED = /^(invalid_argument|limit_exceeded|agent_protocol_error)$/;
  /** The code of every error that comes of odd values; what they are taken for otherwise is not asked here. */
  async function codes(call: (odd: never) => unknown): Promise<unknown[]> {
    const all = await Promise.all(
      ODD.map((odd) =>
        Promise.resolve(odd as never)
          .then(call)
          .then(() => null)
          .catch((error: { code?: string }) => error.code ?? error),
      ),
    );
    return all.filter((code) => code !== null);
  }
  /** Not all of the values are odd everywhere. */
  const refuses = async (call: (odd: never) => unknown) => {
    for (const code of await codes(call)) expect(code).toMatch(REFUSED);
  };
  const refusesAll = async (call: (odd: never) => unknown) => {
    await refuses(call);
    expect(await codes(call)).toHaveLength(ODD.length);
  };

  it('an option or argument of a call', async () => {
    const host = await (await world()).wake();
    await host.create(CREATE);
    const next = (steps: AsyncIterable<unknown>) => steps[Symbol.asyncIterator]().next();
    const calls: ((odd: never) => unknown)[] = [
      (signal) => host.create({ ...CREATE, signal }),
      (client) => host.create({ ...CREATE, client }),
      (env) => host.create({ ...CREATE, env: [env] as never }),
      (mcpServers) => host.create({ ...CREATE, mcpServers }),
      (signal) => host.prompt('s', 'Hello', { signal }),
      (client) => host.prompt('s', 'Hello', { client }),
      (policy) => host.resume('s', { policy }),
      (signal) => host.request('s', '_x', {}, { signal }),
      (signal) => next(host.events('s', { signal })),
      (signal) => next(host.watch({ signal })),
      (cursor) => host.search('word', { cursor }),
      (budget) => host.transcript('s', { budget }),
      (lines) => host.import(lines === 'ABC' ? (0 as never) : lines),
    ];
    for (const call of calls) await refusesAll(call);
    await refuses((metadata) => host.update('s', { metadata }));
    await refuses((params) => host.request('s', '_x', params));
    await refuses((line) => host.import([line]));
    await expect(
      host.import([JSON.stringify({ rehydrate: 'session' }), `{"event":${'['.repeat(50_000)}${']'.repeat(50_000)}}`]),
    ).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(host.create({ ...CREATE, sessionId: 't', env: 'ABC' as never })).rejects.toMatchObject({
      message: expect.stringContaining('env'),
    });
    await expect(host.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });

  it('an option of a host', async () => {
    const { db } = await world();
    const given = { database: db, agents: inProcessLauncher({}) };
    await expect(createHost(undefined as never)).rejects.toMatchObject({ code: 'invalid_argument' });
    for (const name of ['database', 'agents'])
      await expect(createHost({ ...given, [name]: undefined })).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringMatching(`${name} must be .*missing`) as string,
      });
    for (const name of [
      'database',
      'preamble',
      'knownSecrets',
      'limits',
      'client',
      'permission',
      'whenFull',
      'protocol',
      'secrets',
      'redact',
      'ownerAlive',
    ])
      await refuses((odd) => createHost({ ...given, [name]: odd }).then((host) => host.sleep()));
    await refuses((files) => createHost({ ...given, preamble: { mode: 'file', files } }));
    await refusesAll((database) => workspaceFiles(database));
  });
});

describe('what cannot be is not taken', () => {
  it.each([
    ['of a variable with "=" in it', { 'LD_FOO=B': 'x' }],
    ['of a variable without letters', { '': 'x' }],
    ['of a variable with NUL', { 'A\0': 'x' }],
    ['a value with NUL', { A: 'x\0' }],
  ])('env: %s', async (_what, env) => {
    const host = await (await world()).wake();
    await expect(host.create({ ...CREATE, env })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(host.open('s', { agent: 'demo', cwd: CWD, env })).rejects.toMatchObject({ code: 'invalid_argument' });
    expect((await host.list()).sessions).toEqual([]);
  });

  it('what UTF-8 has no bytes for: it would come back from the database as something else', async () => {
    const host = await (await world()).wake();
    const half = '/half \ud83d';
    for (const wrong of [{ agent: half }, { cwd: half }, { additionalDirectories: [half] }])
      await expect(host.create({ ...CREATE, ...wrong })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(host.adopt({ agent: 'demo', agentSessionId: half, cwd: CWD })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^agentSessionId must be a well-formed string/) as string,
    });
  });

  it('I10: a title that is longer than titleBytes, wherever it comes from', async () => {
    const host = await (await world()).wake();
    await host.create(CREATE);
    const title = 'x'.repeat(FIXED_LIMITS.titleBytes);
    const tooLong = { code: 'limit_exceeded', data: { limit: 'titleBytes' } };
    await expect(host.update('s', { title })).rejects.toMatchObject(tooLong);
    await expect(host.adopt({ agent: 'demo', agentSessionId: 'theirs', cwd: CWD, title })).rejects.toMatchObject(tooLong);
    expect(await host.update('s', { title: title.slice(2) })).toMatchObject({ title: title.slice(2) });
  });

  it.each([
    ['no number', { a: NaN }],
    ['a Map', { deep: [new Map()] }],
    ['a Set', { a: new Set() }],
    ['a function', { a: () => 1 }],
    ['a symbol', { a: Symbol('a') }],
  ])('metadata that JSON would make something else of: %s', async (_what, metadata) => {
    const host = await (await world()).wake();
    await host.create(CREATE);
    await expect(host.update('s', { metadata })).rejects.toMatchObject({ code: 'invalid_argument' });
    expect((await host.get('s')).metadata).toBeNull();
  });

  it('an agent that the host does not know, for a fork as for a session', async () => {
    const host = await (await world({ agents: { demo: inProcessLauncher({}) } })).wake();
    await host.create(CREATE);
    await expect(host.fork('s', { agent: 'nope', sessionId: 'fork' })).rejects.toMatchObject({ code: 'agent_not_found' });
    await expect(host.adopt({ agent: 'nope', agentSessionId: 'theirs', cwd: CWD })).rejects.toMatchObject({ code: 'agent_not_found' });
    expect((await host.list()).sessions).toHaveLength(1);
    expect(await host.fork('s', { agent: 'demo' })).toMatchObject({ agent: 'demo' });
  });

  it.each([[{ busyTimeoutMs: -1 }], [{ busyTimeoutMs: '5' }], [{ powerLossSafe: 'yes' }], [{ readOnly: 1 }]])(
    'openNodeSqlite with %j',
    async (options) => {
      await expect(openNodeSqlite(':memory:', options as never)).rejects.toMatchObject({ code: 'invalid_argument' });
    },
  );

  it.each([[undefined], [5], [[null]], [[{}]]])('foldEvents of %j', (events) => {
    expect(() => foldEvents(events as never)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe('a host that sleeps', () => {
  it.each<[string, (host: Host) => Promise<unknown>]>([
    ['create', (host) => host.create({ ...CREATE, sessionId: 'other' })],
    ['prompt', (host) => host.prompt('s', 'Hello')],
    ['resume', (host) => host.resume('s')],
    ['setMode', (host) => host.setMode('s', 'fast')],
    ['authenticate', (host) => host.authenticate('demo', 'key')],
    ['close', (host) => host.close('s')],
    ['delete', (host) => host.delete('s')],
    ['fork', (host) => host.fork('s')],
    ['update', (host) => host.update('s', { title: 'x' })],
  ])('%s is host_closed', async (_what, call) => {
    const host = await (await world()).wake();
    await host.create(CREATE);
    await host.sleep();
    await expect(call(host)).rejects.toMatchObject({ code: 'host_closed', message: expect.stringContaining('Open another one') });
  });
});

describe('the database of another program', () => {
  it.each([
    ['its own version 1', ['CREATE TABLE notes (id)', 'PRAGMA user_version = 1']],
    ['a negative version', ['PRAGMA user_version = -3']],
    ['a table of our name', ['CREATE TABLE acp_sessions (id)']],
    ['a table of our name, and version 1', ['CREATE TABLE acp_sessions (id)', 'PRAGMA user_version = 1']],
  ])('%s: it is said, and nothing is changed', async (_what, statements) => {
    const db = await openNodeSqlite(':memory:');
    onTestFinished(() => db.close());
    await db.batch(statements.map((sql) => ({ sql })));
    const before = [await db.query('SELECT * FROM sqlite_schema'), await db.query('PRAGMA user_version')];
    await expect(createHost({ database: db, agents: inProcessLauncher({}) })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/another program/) as string,
    });
    expect([await db.query('SELECT * FROM sqlite_schema'), await db.query('PRAGMA user_version')]).toEqual(before);
  });
});
