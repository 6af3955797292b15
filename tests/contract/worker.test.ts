import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { workerLauncher, WORKER_WINDOW_CHARS } from '../../src/adapters/worker/index.ts';
import type { PortLike, WorkerLike } from '../../src/adapters/worker/index.ts';
import { isFrame } from '../../src/adapters/worker/frames.ts';
import { portStream } from '../../src/adapters/worker/port-stream.ts';
import type { AgentProcess } from '../../src/engine/ports.ts';
import { INITIALIZE, PLACE, rawClient, text } from '../unit/agents/raw-client.ts';
import { agentLauncherContract } from '../../src/testing/launcher-contract.ts';
import { CONTRACT_AGENTS } from '../../src/testing/launcher-agent.ts';
import { inVersion } from '../support/v2-client.ts';
import { threadWorker } from './worker-shim.ts';

const FIXTURE = new URL('./worker-agent.fixture.ts', import.meta.url);
const running: AgentProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((agent) => agent.end('kill')));
});

const signal = () => new AbortController().signal;
const spec = { agent: 'demo', cwd: '/work', sessionId: 's', env: { COLOUR: 'green' } };
/** All the time that an agent may need: what is to run out is said. */
const launcher = (make: () => WorkerLike, limits = {}) =>
  workerLauncher({ agents: { demo: make }, startMs: 60_000, graceMs: 60_000, ...limits });
const launch = async (variant: string, limits = {}) => {
  const agent = await launcher(() => threadWorker(FIXTURE, `variant=${variant}`), limits).launch(spec, { signal: signal() });
  running.push(agent);
  return agent;
};

/** Whether its thread is gone, from now on. */
const goneFlag = ({ thread }: ReturnType<typeof threadWorker>): (() => boolean) => {
  let gone = false;
  thread.once('exit', () => (gone = true));
  return () => gone;
};

describe('agents in workers', () => {
  it('speak ACP both ways and know the environment they were given', async () => {
    const client = rawClient((await launch('native')).stream);
    await client.request('initialize', INITIALIZE);
    const { sessionId } = (await client.request('session/new', PLACE)).result;
    await client.request('session/prompt', { sessionId, prompt: text('env COLOUR') });
    expect(client.said()).toBe('green');
  });

  it('I8: ends cleanly when asked, and a second call joins', async () => {
    const agent = await launch('native');
    const [one, two] = await Promise.all([agent.end('ask'), agent.end('ask')]);
    expect(one).toMatchObject({ kind: 'ended', code: 0, signal: null });
    expect(two).toBe(one);
    expect(await agent.exited).toBe(one);
  });

  it('I8: a worker that stays when asked is terminated and reads as killed', async () => {
    const agent = await launch('stubborn', { graceMs: 20 });
    expect(await agent.end('ask')).toMatchObject({ kind: 'killed', signal: 'SIGKILL' });
  });

  it('I8: a kill hurries an ask', async () => {
    const agent = await launch('stubborn', { graceMs: 600_000 });
    const asked = agent.end('ask');
    expect(await agent.end('kill')).toMatchObject({ kind: 'killed' });
    expect(await asked).toMatchObject({ kind: 'killed' });
  });

  it('I8: a crash is failed, with what was logged, and what was said before it arrives', async () => {
    const agent = await launch('native');
    const client = rawClient(inVersion(agent.stream));
    await client.request('initialize', INITIALIZE);
    const { sessionId } = (await client.request('session/new', PLACE)).result;
    void client.request('session/prompt', { sessionId, prompt: text('crash') });
    expect(await agent.exited).toMatchObject({ kind: 'failed', code: 3, stderr: 'crashed on request\n' });
    await client.ended;
    expect(client.said()).toBe('I am about to crash…');
  });

  it('I8: an uncaught error is failed, never clean', async () => {
    const broken = new URL(
      `data:text/javascript,${encodeURIComponent(`addEventListener('message', ({ data }) => { if (data.rehydrate === 'message') throw new Error('gone wrong'); }); postMessage({ rehydrate: 'ready' });`)}`,
    );
    const agent = await launcher(() => threadWorker(broken)).launch(spec, { signal: signal() });
    await agent.stream.writable.getWriter().write({ jsonrpc: '2.0', method: 'go' });
    expect(await agent.exited).toMatchObject({ kind: 'failed', code: 1, stderr: expect.stringContaining('gone wrong') });
  });

  it('I8: an exit with 0 that nobody asked for is “quit”', async () => {
    const agent = await launch('native');
    await agent.stream.writable.close();
    expect(await agent.exited).toMatchObject({ kind: 'quit', code: 0 });
  });

  it('I7: a worker that throws while loading, or never answers, fails the start and is gone', async () => {
    const throws = threadWorker(new URL(`data:text/javascript,throw new Error('no such thing')`));
    const thrown = goneFlag(throws);
    await expect(launcher(() => throws).launch(spec, { signal: signal() })).rejects.toMatchObject({
      code: 'agent_start_failed',
      message: expect.stringContaining('no such thing'),
    });
    expect(thrown(), 'gone when it is refused').toBe(true);
    const silent = threadWorker(new URL('data:text/javascript,setInterval(() => 0, 1000)'));
    const gone = goneFlag(silent);
    await expect(launcher(() => silent, { startMs: 50 }).launch(spec, { signal: signal() })).rejects.toMatchObject({
      code: 'agent_start_failed',
      message: expect.stringContaining('limit startMs'),
    });
    expect(gone(), 'gone when it is refused').toBe(true);
  });

  it('I7: an aborted start leaves nothing running', async () => {
    const silent = threadWorker(new URL('data:text/javascript,setInterval(() => 0, 1000)'));
    const gone = goneFlag(silent);
    const controller = new AbortController();
    const starting = launcher(() => silent).launch(spec, { signal: controller.signal });
    controller.abort(new Error('called off'));
    await expect(starting).rejects.toThrow('called off');
    expect(gone(), 'gone when it is refused').toBe(true);
  });

  it('names the agents it has when asked for another', async () => {
    await expect(launcher(() => threadWorker(FIXTURE)).launch({ ...spec, agent: 'other' }, { signal: signal() })).rejects.toMatchObject({
      code: 'agent_not_found',
      data: { known: ['demo'] },
    });
  });

  it('what is not a message becomes a diagnostic', async () => {
    const agent = await launch('garbage');
    const client = rawClient(agent.stream);
    expect((await client.request('initialize', INITIALIZE)).result.protocolVersion).toBe(1);
    expect(agent.diagnostics()).toContain('Loading plugins… done (3)');
    expect(client.seen).toHaveLength(1);
  });
});

describe('the launcher contract', () => {
  const contractAgents = new URL('./worker-contract-agent.fixture.ts', import.meta.url);
  // Only the agent that refuses to go has its time run out.
  let graceMs: number;
  agentLauncherContract({
    describe,
    it: (name, body) =>
      it(
        name,
        () => {
          graceMs = name.includes('does not go') ? 300 : 60_000;
          return body();
        },
        60_000,
      ),
    async open() {
      const threads = new Set<object>();
      const started = (worker: ReturnType<typeof threadWorker>) => {
        threads.add(worker.thread);
        worker.thread.on('exit', () => threads.delete(worker.thread));
        return worker;
      };
      const missing = new URL("data:text/javascript,throw new Error('missing: no such script')");
      const agents = Object.fromEntries([
        ...CONTRACT_AGENTS.map((name) => [name, () => started(threadWorker(contractAgents, name))] as const),
        ['missing', () => started(threadWorker(missing))] as const,
      ]);
      return {
        launcher: workerLauncher({ agents, graceMs, startMs: 60_000 }),
        cwd: '/',
        alive: async () => threads.size,
        close: async () => undefined,
      };
    },
  });
});

describe('backpressure', () => {
  it('I10: a host that does not read holds the agent at the window, and loses nothing', async () => {
    const worker = threadWorker(new URL('./worker-contract-agent.fixture.ts', import.meta.url), 'flood');
    let sent = 0;
    worker.addEventListener('message', ({ data }: { data: unknown }) => {
      if (isFrame(data) && data.rehydrate === 'message') sent += data.json.length;
    });
    const agent = await launcher(() => worker).launch(spec, { signal: signal() });
    running.push(agent);
    const size = 10_000;
    const count = Math.ceil((3 * WORKER_WINDOW_CHARS) / size);
    const writer = agent.stream.writable.getWriter();
    await writer.write({ jsonrpc: '2.0', id: 1, method: 'flood', params: { count, size } });
    await expect.poll(() => sent).toBeGreaterThan(WORKER_WINDOW_CHARS - 2 * size);
    // It had three windows to say, and now its thread does nothing: there is nothing it waits for but its reader.
    const loop = worker.thread.performance;
    let before = loop.eventLoopUtilization();
    const busy = (): number => {
      const { utilization } = loop.eventLoopUtilization(before);
      before = loop.eventLoopUtilization();
      return utilization;
    };
    await expect.poll(busy, { interval: 100 }).toBeLessThan(0.02);
    expect(sent).toBeLessThanOrEqual(WORKER_WINDOW_CHARS);
    const indexes: unknown[] = [];
    for await (const message of agent.stream.readable as unknown as AsyncIterable<{ result?: unknown; params?: { index: number } }>) {
      if (message.result) break;
      indexes.push(message.params?.index);
    }
    expect(indexes).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(sent).toBeGreaterThan(3 * WORKER_WINDOW_CHARS);
  });

  it('I10: a sender waits at the window until the other side has taken something', async () => {
    const { port1, port2 } = new MessageChannel();
    const sender = portStream(port1 as unknown as PortLike, { onOther: () => undefined });
    const receiver = portStream(port2 as unknown as PortLike, { onOther: () => undefined });
    const writer = sender.writable.getWriter();
    const text = 'x'.repeat(WORKER_WINDOW_CHARS / 2);
    let written = 0;
    const writes = [1, 2, 3, 4].map(async (id) => {
      await writer.write({ jsonrpc: '2.0', id, method: 'm', params: { text } });
      written += 1;
    });
    // A write that waits for nothing is through before the next turn of the event loop.
    const throughBy = async (count: number) => {
      await Promise.all(writes.slice(0, count));
      await setImmediate();
      return written;
    };
    expect(await throughBy(1), 'two do not fit into a window').toBe(1);
    const reader = receiver.readable.getReader();
    for (const id of [1, 2, 3, 4]) {
      expect((await reader.read()).value).toMatchObject({ id });
      const next = Math.min(id + 1, 4);
      expect(await throughBy(next), 'one for each that was taken').toBe(next);
    }
    sender.finish();
    receiver.finish();
    port1.close();
  });
});
