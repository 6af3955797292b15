/** Launchers of other people, which do not keep to the port: the agent's end comes all the same, and nothing but a `RehydrateError` leaves a host. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FIXED_LIMITS, type AgentLauncher, type AgentProcess } from '../../../src/engine/index.ts';
import { CWD, hostOf, PATIENT } from './helpers.ts';
import { ordinary, rawAgents } from './raw-agent.ts';

afterEach(() => void vi.useRealTimers());

const raw = () => rawAgents((message, agent) => message.method && agent.say(ordinary(message)));
const broken = (change: (process: AgentProcess) => object): AgentLauncher => {
  const agents = raw();
  return {
    async launch(spec, options) {
      const process = await agents.launch(spec, options);
      return { ...process, ...change(process) } as AgentProcess;
    },
  };
};
const never = () => new Promise<never>(() => undefined);
const throws = () => {
  throw new Error('it is broken');
};

it.each<[string, (process: AgentProcess) => object, string]>([
  ['exited rejects', ({ exited }) => ({ exited: exited.then(throws) }), 'its launcher failed (it is broken)'],
  ['exited tells no exit', ({ exited }) => ({ exited: exited.then(() => 'bye') }), 'its launcher did not tell how it ended'],
  [
    'exited tells nothing, nor does end',
    (process) => ({ exited: never(), end: async () => void process.end('kill') }),
    'its launcher did not tell',
  ],
  ['end throws', () => ({ end: throws }), 'its launcher could not end it (it is broken)'],
  ['end never resolves', () => ({ end: never }), `its launcher did not end it within ${FIXED_LIMITS.launcherMs / 1000} s`],
])('I8: %s: the session ends, and the log says so', async (_, change, says) => {
  const { host } = await hostOf(broken(change), { limits: { ...PATIENT, quietMs: 0 } });
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await host.prompt('s', 'go');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let isOver = false;
  const closing = host.close('s').finally(() => (isOver = true));
  while (!isOver) await vi.advanceTimersByTimeAsync(500);
  await closing;
  vi.useRealTimers();
  expect((await host.history('s')).at(-1)).toMatchObject({
    kind: 'agent_exited',
    payload: { kind: 'disconnected', message: expect.stringContaining(says) as string },
  });
});

it.each<[string, (process: AgentProcess) => object]>([
  ['diagnostics throw', () => ({ diagnostics: throws, dropped: throws })],
  ['diagnostics are no text', () => ({ diagnostics: () => ({}), dropped: () => 5 })],
  ['nothing is told beside the end', () => ({ diagnostics: undefined })],
])('%s: a turn goes on without them', async (_, change) => {
  const { host } = await hostOf(broken(change));
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  expect(await host.prompt('s', 'go')).toMatchObject({ stopReason: 'end_turn' });
  await host.close('s');
});

it('what cannot be sent to any more ends, although its output stays open: the turn does not wait for ever', async () => {
  let sent = 0;
  const { host } = await hostOf(
    broken(({ stream }) => {
      const writer = stream.writable.getWriter();
      const write = async (message: never) => (++sent > 2 ? throws() : writer.write(message));
      return { stream: { readable: stream.readable, writable: new WritableStream({ write }) } };
    }),
  );
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await expect(host.prompt('s', 'go')).rejects.toMatchObject({
    code: 'turn_outcome_unknown',
    data: { cause: { exit: { kind: 'killed', why: 'it is broken' } } },
  });
});

describe('a launcher', () => {
  it.each([
    ['undefined', undefined],
    ['an object of another kind', {}],
    ['streams that somebody reads', { stream: locked(), exited: never(), end: never }],
  ])('that gives %s has not started the agent', async (_, given) => {
    const { host } = await hostOf({ launch: async () => given as never });
    await expect(host.create({ agent: 'raw', cwd: CWD, sessionId: 's' })).rejects.toMatchObject({
      code: 'agent_start_failed',
      message: expect.stringContaining('its launcher gave no agent process') as string,
    });
  });

  it('I10: that never settles is told to give up after initializeMs, and the call says so', async () => {
    const { host } = await hostOf(
      {
        launch: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('given up')))),
      },
      { limits: { ...PATIENT, initializeMs: 20 } },
    );
    await expect(host.create({ agent: 'raw', cwd: CWD, sessionId: 's' })).rejects.toMatchObject({
      code: 'agent_timeout',
      message: expect.stringContaining('within 0.02 s') as string,
    });
  });

  it('that does not give up when its caller does is not waited for without end, and what it then starts is killed', async () => {
    const started = Promise.withResolvers<void>();
    const ends: string[] = [];
    const agents = broken((process) => ({ end: (how: 'ask' | 'kill') => (ends.push(how), process.end(how)) }));
    const { host } = await hostOf({
      launch: (spec) => started.promise.then(() => agents.launch(spec, { signal: new AbortController().signal })),
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const creating = host.create({ agent: 'raw', cwd: CWD, sessionId: 's' }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10);
    const sleeping = host.sleep();
    await vi.advanceTimersByTimeAsync(FIXED_LIMITS.launcherMs);
    expect(await creating).toMatchObject({ code: 'agent_exited' });
    await sleeping;
    vi.useRealTimers();
    started.resolve();
    await expect.poll(() => ends).toEqual(['kill']);
  });
});

function locked() {
  const readable = new ReadableStream();
  readable.getReader();
  return { readable, writable: new WritableStream() };
}
