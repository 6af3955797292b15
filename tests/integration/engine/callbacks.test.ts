/** The functions that a host is given may throw, give anything and never answer: it says which it was, and goes on. */
import { describe, expect, it } from 'vitest';
import { RehydrateError, type ClientServices, type Host, type HostOptions } from '../../../src/engine/index.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { preambleFiles } from '../../../src/adapters/node-host/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import { CWD, PATIENT, until, world } from './helpers.ts';

const CREATE = { agent: 'demo', cwd: CWD, sessionId: 's' };
const never = () => new Promise<never>(() => undefined);
const broken = () => {
  throw new Error('it is broken');
};
const told = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done' as const,
    (error: unknown) => error,
  );

/** A session that sleeps, of an agent that cannot take it up again, and another host that is given these options. */
async function asleep(options: Partial<HostOptions>, before: (host: Host) => Promise<unknown> = async () => undefined) {
  const { wake } = await world('forgetful');
  const first = await wake();
  await first.create({ ...CREATE, env: { TOKEN: 'a secret value' } });
  await first.prompt('s', 'Hello');
  await before(first);
  await first.sleep();
  return wake({ secrets: () => 'a secret value', ...options });
}

const services = (more: Partial<ClientServices>): ClientServices => ({
  capabilities: {},
  handle: () => Promise.resolve({}),
  release: () => Promise.resolve(),
  ...more,
});

const FILES = { write: () => Promise.resolve('/a/file.md'), remove: () => Promise.resolve() };
/** What a function of a wrong type, or one that throws, is called for; and the code of the error. */
const CALLS: readonly {
  readonly option: string;
  readonly code: string;
  readonly given: (call: () => never) => Partial<HostOptions>;
  readonly act: (host: Host) => Promise<unknown>;
  /** It may give anything. */
  readonly any?: true;
}[] = [
  { option: 'secrets', code: 'secret_missing', given: (secrets) => ({ secrets }), act: (host) => host.prompt('s', 'Again') },
  { option: 'redact', code: 'invalid_argument', given: (redact) => ({ redact }), act: (host) => host.transcript('s') },
  {
    option: 'directoryExists',
    code: 'invalid_argument',
    given: (directoryExists) => ({ directoryExists }),
    act: (host) => host.update('s', { cwd: '/elsewhere' }),
  },
  {
    option: 'sameDirectory',
    code: 'invalid_argument',
    given: (sameDirectory) => ({ sameDirectory }),
    act: (host) => host.open('s', { agent: 'demo', cwd: '/elsewhere' }),
  },
  { option: 'client', code: 'invalid_argument', given: (client) => ({ client }), act: (host) => host.prompt('s', 'Again') },
  {
    option: 'preamble.files.write',
    code: 'storage_unavailable',
    given: (write) => ({ preamble: { mode: 'file', files: { ...FILES, write } } }),
    act: (host) => host.prompt('s', 'Again'),
  },
  {
    option: 'preamble.files.remove',
    code: 'storage_unavailable',
    given: (remove) => ({ preamble: { files: { ...FILES, remove } } }),
    act: (host) => host.delete('s'),
    any: true,
  },
];

describe('nothing but a RehydrateError leaves the host when a function that it was given', () => {
  it.each(CALLS)('throws: $option', async ({ option, code, given, act }) => {
    const host = await asleep(given(broken));
    const error = await told(act(host));
    expect(error).toMatchObject({ code, data: { option }, cause: { message: 'it is broken' } });
    expect(RehydrateError.is(error)).toBe(true);
    expect((error as Error).message).toContain(`option ${option} threw (it is broken)`);
  });

  it.each(CALLS)(
    'throws an error of the library’s own, which stays what it is and names the function: $option',
    async ({ option, given, act }) => {
      const own = new RehydrateError('auth_required', 'Sign in first.', { at: 'here' });
      const thrower = (): never => {
        throw own;
      };
      const error = await told(act(await asleep(given(thrower))));
      expect(error).toMatchObject({ code: 'auth_required', data: { at: 'here' }, cause: own });
      expect((error as Error).message).toContain(`option ${option} threw: Sign in first.`);
    },
  );

  it.each(CALLS.filter(({ any }) => !any))('gives what is of a wrong type: $option', async ({ option, code, given, act }) => {
    const host = await asleep(given((() => 5) as () => never));
    const error = await told(act(host));
    expect(error).toMatchObject({ code, data: { option } });
    expect((error as Error).message).toContain(`option ${option} gave a value of type number`);
  });

  it('throws or gives what is of a wrong type: ownerAlive, of a session that another host holds', async () => {
    const { wake } = await world();
    const first = await wake();
    await first.create(CREATE);
    const alive: { answer: () => never } = { answer: () => true as never };
    const second = await wake({ ownerAlive: () => alive.answer() });
    for (const answer of [broken, () => 'yes' as never]) {
      alive.answer = answer;
      expect(await told(second.get('s'))).toMatchObject({ code: 'invalid_argument', data: { option: 'ownerAlive', sessionId: 's' } });
    }
  });

  it('throws or gives what is of a wrong type: newId, when a session is made and when a host is', async () => {
    const id: { next: () => string } = { next: () => 'host' };
    const { wake } = await world();
    const host = await wake({ newId: () => id.next() });
    for (const next of [broken, () => 5 as never, () => '']) {
      id.next = next;
      const failure = { code: 'invalid_argument', data: { option: 'newId' } };
      expect(await told(host.create({ agent: 'demo', cwd: CWD }))).toMatchObject(failure);
      expect(await told(wake({ newId: next }))).toMatchObject(failure);
    }
  });

  it.each([
    ['throws', broken, 'threw (it is broken) for session "s"'],
    ['gives what is of a wrong type', () => 5 as never, 'gave a value of type number for session "s"'],
  ])('%s: permission, and what was asked is cancelled', async (_, permission, words) => {
    const { wake } = await world();
    const host = await wake({ permission });
    await host.create(CREATE);
    const error = await told(host.prompt('s', 'ask permission'));
    expect(error).toMatchObject({ code: 'invalid_argument', data: { option: 'permission', cause: { kind: 'host_failed' } } });
    expect((error as Error).message).toContain(`option permission ${words}`);
    const log = await host.history('s');
    expect(log.find(({ kind }) => kind === 'permission_resolved')).toMatchObject({ payload: { optionId: null, by: 'end' } });
    expect(log.at(-1)).toMatchObject({ kind: 'turn_ended', payload: { state: 'interrupted' } });
  });

  it('cannot write: the preamble files of Node in a directory that cannot be', async () => {
    const host = await asleep({ preamble: { mode: 'file', files: preambleFiles({ directory: '/dev/null/nope' }) } });
    expect(await told(host.prompt('s', 'Again'))).toMatchObject({
      code: 'storage_unavailable',
      data: { option: 'preamble.files.write', sessionId: 's' },
      cause: { code: 'ENOTDIR' },
    });
    expect((await host.get('s')).state).toBe('asleep');
  });

  it('a clock that throws counts as one that stands, and a host is not begun with one', async () => {
    const clock: { now: () => number } = { now: () => 1_000 };
    const { wake } = await world();
    const host = await wake({ clock: () => clock.now(), limits: { ...PATIENT, leaseMs: 30 } });
    await host.create(CREATE);
    clock.now = broken;
    // The lease is to be renewed meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await expect(host.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
    expect(await told(wake({ clock: broken }))).toMatchObject({ code: 'invalid_argument' });
  });
});

describe('a function that never answers', () => {
  const HANGING: readonly { readonly option: string; readonly given: Partial<HostOptions> }[] = [
    { option: 'secrets', given: { secrets: never } },
    { option: 'directoryExists', given: { directoryExists: never } },
    { option: 'preamble.files.write', given: { preamble: { mode: 'file', files: { ...FILES, write: never } } } },
  ];
  /** The prompt has got to where it waits. */
  const resuming = (host: Host) => until(async () => (await host.get('s')).state === 'resuming');

  describe.each(HANGING)('$option', ({ option, given }) => {
    it('is given up when the prompt is aborted, cancelled, or its session closed', async () => {
      const host = await asleep(given);
      const abort = new AbortController();
      const aborted = told(host.prompt('s', 'Again', { signal: abort.signal }));
      await resuming(host);
      abort.abort('enough');
      expect(await aborted).toMatchObject({ code: 'prompt_cancelled', cause: 'enough' });

      const cancelled = told(host.prompt('s', 'Again'));
      await resuming(host);
      await host.cancel('s');
      expect(await cancelled).toMatchObject({ code: 'prompt_cancelled' });

      const closed = told(host.prompt('s', 'Again'));
      await resuming(host);
      await host.close('s');
      expect(await closed).toMatchObject({ code: 'agent_exited', data: { cause: { kind: 'closed' } } });
    });

    it('is given up when the host goes to sleep', async () => {
      const host = await asleep(given);
      const prompt = told(host.prompt('s', 'Again'));
      await resuming(host);
      await host.sleep();
      expect(await prompt).toMatchObject({ code: 'agent_exited', data: { cause: { kind: 'sleep' } } });
    });

    it('is waited for no longer than callbackMs', async () => {
      const host = await asleep({ ...given, limits: { ...PATIENT, callbackMs: 20 } });
      expect(await told(host.prompt('s', 'Again'))).toMatchObject({
        code: 'limit_exceeded',
        data: { option, sessionId: 's', limit: 'callbackMs', allowed: 20 },
      });
    });
  });

  it('sameDirectory is given up when the call is aborted, and when the host goes to sleep', async () => {
    const host = await asleep({ sameDirectory: never });
    const elsewhere = { agent: 'demo', cwd: '/elsewhere' };
    expect(await told(host.open('s', { ...elsewhere, signal: AbortSignal.timeout(20) }))).toMatchObject({
      code: 'aborted',
      cause: { name: 'TimeoutError' },
    });
    const open = told(host.open('s', elsewhere));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await host.sleep();
    expect(await open).toMatchObject({ code: 'host_closed' });
  });

  it('ownerAlive is given up when the prompt is aborted', async () => {
    const { wake } = await world();
    await (await wake()).create(CREATE);
    const host = await wake({ ownerAlive: never });
    expect(await told(host.prompt('s', 'Hello', { signal: AbortSignal.timeout(20) }))).toMatchObject({
      code: 'prompt_cancelled',
      cause: { name: 'TimeoutError' },
    });
  });

  it('permission is waited for as long as its turn: a cancel reaches the agent', async () => {
    const { wake } = await world();
    const host = await wake({ permission: never, limits: { ...PATIENT, callbackMs: 20, cancelGraceMs: 30_000 } });
    await host.create(CREATE);
    const turn = host.prompt('s', 'ask permission');
    await until(async () => (await host.get('s')).openPermissions.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 40));
    await host.cancel('s');
    await expect(turn).resolves.toMatchObject({ stopReason: 'cancelled' });
  });

  it('release of client services keeps close no longer than callbackMs', async () => {
    const limits = { ...PATIENT, callbackMs: 20 };
    const host = await asleep({ client: services({ release: never }), limits });
    await host.prompt('s', 'Again');
    await host.close('s');
    expect((await host.get('s')).state).toBe('asleep');
  });

  it('preamble.files.remove keeps neither delete nor sleep', async () => {
    const { wake } = await world();
    const limits = { ...PATIENT, callbackMs: 20 };
    const host = await wake({ limits, preamble: { files: { ...FILES, remove: never } } });
    await host.create(CREATE);
    expect(await told(host.delete('s'))).toMatchObject({ code: 'limit_exceeded', data: { option: 'preamble.files.remove' } });
    await host.sleep();
  });
});

it('what a killed delete left and cannot be removed does not end the process of the next host', async () => {
  const db = await openNodeSqlite(':memory:');
  const { agents } = await world();
  const host = await createHost({ database: db, agents, limits: PATIENT, preamble: { files: { ...FILES, remove: broken } } });
  await host.create(CREATE);
  await told(host.delete('s'));
  await host.sleep();
  const next = await createHost({ database: db, agents, limits: PATIENT, preamble: { files: { ...FILES, remove: broken } } });
  await new Promise((resolve) => setTimeout(resolve, 20));
  await next.sleep();
  await db.close();
});
