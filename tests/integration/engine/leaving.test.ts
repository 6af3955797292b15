/** Nothing but a `RehydrateError` leaves a host, whatever its database rejects with and its callers give up for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openHost } from '../../../src/adapters/node-host/index.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, RehydrateError, SqlError, type Host, type SqlDatabase } from '../../../src/engine/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { CWD, until, world } from './helpers.ts';

const CREATE = { agent: 'demo', cwd: CWD, sessionId: 's' };

async function first<T>(steps: AsyncIterable<T>): Promise<T | undefined> {
  for await (const step of steps) return step;
  return undefined;
}

const told = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error: unknown) => error,
  );

const LINES = [
  '{"rehydrate":"session","version":1,"session":{"session_id":"i","agent":"demo","cwd":"/tmp","additional_directories":[],"mcp_servers":[],"env_names":[]}}',
  '{"end":{"lines":0,"events":0}}',
].join('\n');

const READING: readonly (readonly [string, (host: Host) => Promise<unknown>])[] = [
  ['get', (host) => host.get('s')],
  ['list', (host) => host.list()],
  ['list in a directory', (host) => host.list({ cwd: CWD })],
  ['history', (host) => host.history('s')],
  ['transcript', (host) => host.transcript('s')],
  ['previewPreamble', (host) => host.previewPreamble('s')],
  ['search', (host) => host.search('hello')],
  ['events', (host) => first(host.events('s'))],
  ['watch', (host) => first(host.watch())],
  ['export', (host) => first(host.export('s'))],
];

const WRITING: typeof READING = [
  ['create', (host) => host.create({ ...CREATE, sessionId: 'other' })],
  ['open', (host) => host.open('s', { agent: 'demo', cwd: CWD })],
  ['prompt', (host) => host.prompt('s', 'Hello')],
  ['resume', (host) => host.resume('s')],
  ['cancel', (host) => host.cancel('s')],
  ['respondPermission', (host) => host.respondPermission('s', 'r', null)],
  ['setMode', (host) => host.setMode('s', 'fast')],
  ['update', (host) => host.update('s', { title: 'x' })],
  ['fork', (host) => host.fork('s')],
  ['adopt', (host) => host.adopt({ agent: 'demo', agentSessionId: 'a', cwd: CWD })],
  ['import', async (host) => host.import(LINES)],
  ['close', (host) => host.close('s')],
  ['delete', (host) => host.delete('s')],
];

/** A database that rejects with `error` once there is one. */
async function failing() {
  const database = await openNodeSqlite(':memory:');
  onTestFinished(() => database.close());
  const at: { error: unknown } = { error: null };
  const failed = <T>(call: () => Promise<T>): Promise<T> => (at.error === null ? call() : Promise.reject(at.error as Error));
  const db: SqlDatabase = {
    query: (...given) => failed(() => database.query(...given)),
    batch: (...given) => failed(() => database.batch(...given)),
    close: () => database.close(),
  };
  return { db, at };
}

class OfAnotherBundle extends Error {
  override readonly name = 'SqlError';
  readonly kind = 'full';
}

describe.each([
  ['an error of its own', new Error('ECONNRESET: gone'), 'storage_unavailable', 'io'],
  ['a word', 'ECONNRESET: gone', 'storage_unavailable', 'io'],
  ['a constraint that nobody broke', new SqlError('constraint', 'ECONNRESET: gone'), 'storage_unavailable', 'constraint'],
  ['the error of another bundle', new OfAnotherBundle('ECONNRESET: gone'), 'storage_full', 'full'],
])('a database that rejects with %s', (_what, error, code, kind) => {
  it.each([...READING, ...WRITING])('%s', async (name, call) => {
    const { db, at } = await failing();
    const host = await createHost({ database: db, agents: inProcessLauncher({ variant: 'native' }), limits: { followMs: 20 } });
    await host.create(CREATE);
    await host.prompt('s', 'Hello');
    await host.close('s');
    at.error = error;
    const said = await told(call(host));
    expect([name, said]).toEqual([name, expect.any(RehydrateError)]);
    // A constraint is how conditions of the engine's own speak.
    if (kind !== 'constraint')
      expect(said).toMatchObject({ code, data: { kind }, message: expect.stringContaining('ECONNRESET: gone') as string });
    at.error = null;
    await host.sleep();
  });

  it('createHost', async () => {
    const { db, at } = await failing();
    at.error = error;
    expect(await told(createHost({ database: db, agents: inProcessLauncher({ variant: 'native' }) }))).toMatchObject({
      name: 'RehydrateError',
      message: expect.stringContaining('ECONNRESET: gone') as string,
    });
  });
});

describe('a signal that is aborted', () => {
  const CALLS: readonly (readonly [string, string, (host: Host, signal: AbortSignal) => Promise<unknown>])[] = [
    ['create', 'aborted', (host, signal) => host.create({ ...CREATE, sessionId: 'other', signal })],
    ['open', 'aborted', (host, signal) => host.open('other', { agent: 'demo', cwd: CWD, signal })],
    ['prompt', 'prompt_cancelled', (host, signal) => host.prompt('s', 'Hello', { signal })],
    ['resume', 'aborted', (host, signal) => host.resume('s', { signal })],
    ['describeAgent', 'aborted', (host, signal) => host.describeAgent('demo', { signal })],
    ['agentSessions', 'aborted', (host, signal) => host.agentSessions({ agent: 'demo', signal })],
    ['request', 'aborted', (host, signal) => host.request('s', 'demo/x', {}, { signal })],
  ];
  it.each(CALLS)('before %s', async (name, code, call) => {
    const { wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    await host.prompt('s', 'Hello');
    await host.sleep();
    const next = await wake();
    const why = new Error('changed my mind');
    expect([name, await told(call(next, AbortSignal.abort(why)))]).toEqual([
      name,
      expect.objectContaining({ name: 'RehydrateError', code, cause: why }),
    ]);
    const own = new RehydrateError('limit_exceeded', 'enough');
    expect(await told(call(next, AbortSignal.abort(own)))).toBe(own);
  });

  it('while a prompt waits for another one of its key: that goes on', async () => {
    const { wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    const one = host.prompt('s', 'ask permission', { idempotencyKey: 'k' });
    await until(async () => (await host.get('s')).openPermissions.length === 1);
    const abort = new AbortController();
    const other = told(host.prompt('s', 'ask permission', { idempotencyKey: 'k', signal: abort.signal }));
    abort.abort();
    expect(await other).toMatchObject({ code: 'aborted', cause: { name: 'AbortError' } });
    await host.cancel('s');
    expect(await one).toMatchObject({ stopReason: 'cancelled' });
  });
});

describe('after sleep', () => {
  it.each(READING)('%s is host_closed where sleep closed the database', async (_name, call) => {
    const directory = mkdtempSync(`${tmpdir()}/rehydrate-leaving-`);
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const host = await openHost(`${directory}/a.sqlite`, { agents: { demo: inProcessLauncher({ variant: 'native' }) } });
    await host.create(CREATE);
    await host.sleep();
    await expect(call(host)).rejects.toMatchObject({ code: 'host_closed' });
  });

  it.each(READING)('%s still reads a database that is open', async (_name, call) => {
    const { wake } = await world();
    const host = await wake();
    await host.create(CREATE);
    await host.sleep();
    expect(await told(call(host))).not.toBeInstanceOf(Error);
  });
});

it('lines of an import that fail are told as the host’s own error', async () => {
  const { wake } = await world();
  const host = await wake();
  const torn = async function* () {
    yield LINES.split('\n')[0]!;
    throw new Error('EIO');
  };
  await expect(host.import(torn())).rejects.toMatchObject({ code: 'invalid_argument', cause: { message: 'EIO' } });
  expect((await host.list()).sessions).toEqual([]);
});
