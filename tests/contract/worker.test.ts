import { afterEach, describe, expect, it } from 'vitest';
import { workerLauncher } from '../../src/adapters/worker/index.ts';
import type { WorkerLike } from '../../src/adapters/worker/index.ts';
import type { AgentProcess } from '../../src/engine/ports.ts';
import { INITIALIZE, PLACE, rawClient, text } from '../unit/agents/raw-client.ts';
import { threadWorker } from './worker-shim.ts';

const FIXTURE = new URL('./worker-agent.fixture.ts', import.meta.url);
const running: AgentProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((agent) => agent.end('kill')));
});

const signal = () => new AbortController().signal;
const spec = { agent: 'demo', cwd: '/work', sessionId: 's', env: { COLOUR: 'green' } };
const launcher = (make: () => WorkerLike, limits = {}) => workerLauncher({ agents: { demo: make }, ...limits });
const launch = async (variant: string, limits = {}) => {
  const agent = await launcher(() => threadWorker(FIXTURE, `variant=${variant}`), limits).launch(spec, { signal: signal() });
  running.push(agent);
  return agent;
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
    const client = rawClient(agent.stream);
    await client.request('initialize', INITIALIZE);
    const { sessionId } = (await client.request('session/new', PLACE)).result;
    void client.request('session/prompt', { sessionId, prompt: text('crash') });
    expect(await agent.exited).toMatchObject({ kind: 'failed', code: 3, stderr: 'crashed on request\n' });
    await client.ended;
    expect(client.said()).toBe('I am about to crash…');
  });

  it('I8: an uncaught error is failed, never clean', async () => {
    const broken = new URL(`data:text/javascript,${encodeURIComponent(`postMessage({ rehydrate: 'ready' }); setTimeout(() => { throw new Error('gone wrong'); }, 20);`)}`);
    const agent = await launcher(() => threadWorker(broken)).launch(spec, { signal: signal() });
    expect(await agent.exited).toMatchObject({ kind: 'failed', code: 1, stderr: expect.stringContaining('gone wrong') });
  });

  it('I8: an exit with 0 that nobody asked for is “quit”', async () => {
    const agent = await launch('native');
    await agent.stream.writable.close();
    expect(await agent.exited).toMatchObject({ kind: 'quit', code: 0 });
  });

  it('I7: a worker that throws while loading, or never answers, fails the start and is gone', async () => {
    const throws = threadWorker(new URL(`data:text/javascript,throw new Error('no such thing')`));
    await expect(launcher(() => throws).launch(spec, { signal: signal() })).rejects.toMatchObject({
      code: 'agent_start_failed',
      message: expect.stringContaining('no such thing'),
    });
    const silent = threadWorker(new URL('data:text/javascript,setInterval(() => 0, 1000)'));
    const gone = new Promise((resolve) => silent.thread.on('exit', resolve));
    await expect(launcher(() => silent, { startMs: 50 }).launch(spec, { signal: signal() })).rejects.toMatchObject({
      code: 'agent_start_failed',
      message: expect.stringContaining('limit startMs'),
    });
    await gone;
  });

  it('I7: an aborted start leaves nothing running', async () => {
    const silent = threadWorker(new URL('data:text/javascript,setInterval(() => 0, 1000)'));
    const gone = new Promise((resolve) => silent.thread.on('exit', resolve));
    const controller = new AbortController();
    const starting = launcher(() => silent).launch(spec, { signal: controller.signal });
    controller.abort();
    await expect(starting).rejects.toMatchObject({ code: 'agent_start_failed' });
    await gone;
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
