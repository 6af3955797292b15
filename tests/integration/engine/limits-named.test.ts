/** I10: a limit that is met is named, whoever meets it; what an agent may heap up is bounded. */
import { describe, expect, it } from 'vitest';
import { RehydrateError, type AgentLauncher } from '../../../src/engine/index.ts';
import { CWD, hostOf, PATIENT, until, worldOf } from './helpers.ts';
import { ordinary, rawAgents, words, type Heard } from './raw-agent.ts';

const LOAD = { loadSession: true };
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Its output breaks, as a transport's does at a message over its limit, when it is asked `at`. */
const breaking = (at: string): AgentLauncher => ({
  async launch(spec, options) {
    const agent = await rawAgents(
      (message: Heard, raw) => message.method && message.method !== at && raw.say(ordinary(message, LOAD)),
    ).launch(spec, options);
    const reader = agent.stream.readable.getReader();
    const writer = agent.stream.writable.getWriter();
    let out!: ReadableStreamDefaultController<never>;
    const readable = new ReadableStream<never>({
      start: (controller) => void (out = controller),
      async pull(controller) {
        const { value, done } = await reader.read();
        if (!done) controller.enqueue(value as never);
      },
    });
    const writable = new WritableStream<Heard>({
      async write(message) {
        await writer.write(message as never);
        if (message.method === at)
          out.error(
            new RehydrateError('limit_exceeded', 'It sent more than messageBytes (32) in one message.', {
              limit: 'messageBytes',
              allowed: 32,
            }),
          );
      },
    });
    return { ...agent, stream: { readable, writable: writable as never } };
  },
});

describe('I10: limits', () => {
  it('a resume that meets a limit names that limit', async () => {
    const { wake } = await worldOf(breaking('session/load'));
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'go');
    await host.close('s');
    await expect(host.prompt('s', 'go')).rejects.toMatchObject({
      code: 'limit_exceeded',
      message: expect.stringContaining('messageBytes') as string,
      data: { limit: 'messageBytes' },
    });
    expect((await host.get('s')).state).toBe('asleep');
  });

  it('the deadline of a load is one of silence: a replay that streams on is waited for', async () => {
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method !== 'session/load') return void (message.method && agent.say(ordinary(message, LOAD)));
      void (async () => {
        for (let i = 0; i < 12; i++) {
          await later(50);
          agent.say(words(`old ${i}`, `m${i}`));
        }
        agent.say(ordinary(message, LOAD));
      })();
    });
    const { wake } = await worldOf(agents);
    const host = await wake({ limits: { ...PATIENT, sessionMs: 300, replayQuietMs: 20 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.close('s');
    await expect(host.resume('s')).resolves.toMatchObject({ tier: expect.any(String) as string });
  });

  it.each([
    ['session/new', { jsonrpc: '2.0', method: '_still/here', params: {} }],
    ['session/load', words('again', 'm')],
    ['session/load', { jsonrpc: '2.0', id: 'q', method: '_are/you', params: {} }],
  ])('an agent that talks on instead of answering %s is waited for ten such silences', async (method, talk) => {
    let stop = () => {};
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method !== method) return void (message.method && agent.say(ordinary(message, LOAD)));
      const talking = setInterval(() => agent.say(talk), 10);
      stop = () => clearInterval(talking);
    });
    const { wake } = await worldOf(agents);
    const host = await wake({ limits: { ...PATIENT, sessionMs: 100 } });
    try {
      const told = { code: 'agent_timeout', message: expect.stringContaining('within 1 s') as string };
      const created = host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
      if (method === 'session/new') return await expect(created).rejects.toMatchObject(told);
      await created;
      await host.close('s');
      await expect(host.resume('s')).rejects.toMatchObject({ code: 'agent_timeout' });
    } finally {
      stop();
    }
  });

  it('an agent that asks without end and reads no answer is read no further', async () => {
    const COUNT = 5_000;
    let stuck = false;
    const inner = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt') {
        stuck = true;
        agent.say(...Array.from({ length: COUNT }, (_, i) => ({ jsonrpc: '2.0', id: `q${i}`, method: '_what/is', params: {} })));
        return;
      }
      if (message.method) agent.say(ordinary(message));
    });
    // From the prompt on it does not take in what it is sent.
    const agents: AgentLauncher = {
      async launch(spec, options) {
        const agent = await inner.launch(spec, options);
        const writer = agent.stream.writable.getWriter();
        const writable = new WritableStream({
          write: (message) => (stuck ? new Promise<void>(() => undefined) : writer.write(message as never)),
        });
        return { ...agent, stream: { readable: agent.stream.readable, writable: writable as never } };
      },
    };
    const { host } = await hostOf(agents, { limits: { ...PATIENT, unreadAnswers: 100 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const turn = host.prompt('s', 'go').catch((error: unknown) => error);
    await until(() => (inner.last?.read ?? 0) > 50);
    await later(100);
    expect(inner.last!.read).toBeLessThan(300);
    await host.close('s');
    expect(await turn).toMatchObject({ code: 'turn_outcome_unknown' });
  });

  it('requests in work at once: the one too many is refused by the limit’s name', async () => {
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt')
        agent.say(
          ...Array.from({ length: 5 }, (_, i) => ({ jsonrpc: '2.0', id: `q${i}`, method: '_wait', params: {} })),
          ordinary(message),
        );
      else if (message.method) agent.say(ordinary(message));
    });
    const client = { capabilities: {}, handle: () => new Promise<unknown>(() => undefined), release: () => Promise.resolve() };
    const { host } = await hostOf(agents, { client, limits: { ...PATIENT, agentRequests: 3 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'go');
    await until(() => agents.heard.filter(({ error }) => error).length === 2);
    expect(JSON.stringify(agents.heard.find(({ error }) => error))).toContain('agentRequests');
  });
});

describe('idle agents', () => {
  const plain = () =>
    rawAgents((message: Heard, agent) => message.method && agent.say(ordinary(message, { sessionCapabilities: { resume: {} } })));

  it('idleMs: one that is not used is put to sleep, and the next prompt wakes it', async () => {
    const { host } = await hostOf(plain(), { limits: { ...PATIENT, quietMs: 0, idleMs: 60 } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'go');
    expect((await host.get('s')).state).toBe('live');
    await until(async () => (await host.get('s')).state === 'asleep');
    expect((await host.prompt('s', 'go')).report.tier).toBe('resume');
  });

  it.each([
    ['idleMs', { idleMs: 20 }],
    ['end-idlest', { liveSessions: 1 }],
  ])('%s: a session is in use until its agent has answered a request, or the caller does not wait any more', async (_, limits) => {
    const slow = rawAgents((message, agent) => {
      const answer = ordinary(message, { sessionCapabilities: { resume: {} } });
      if (message.method === '_slow') setTimeout(() => agent.say(answer), 300);
      else if (message.method && message.method !== '_never') agent.say(answer);
    });
    const { host } = await hostOf(slow, { whenFull: 'end-idlest', limits: { ...PATIENT, quietMs: 0, ...limits } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const answer = host.request('s', '_slow', {});
    const other = () => host.create({ agent: 'raw', cwd: CWD, sessionId: 'other' });
    if ('liveSessions' in limits)
      await expect(until(() => slow.heard.some(({ method }) => method === '_slow')).then(other)).rejects.toThrow(/liveSessions/);
    await expect(answer).resolves.toEqual({ stopReason: 'end_turn' });
    const gone = new AbortController();
    const never = host.request('s', '_never', {}, { signal: gone.signal });
    await until(() => slow.heard.some(({ method }) => method === '_never'));
    gone.abort(new Error('not waited for'));
    await expect(never).rejects.toThrow('not waited for');
    if ('liveSessions' in limits) await other();
    await until(async () => (await host.get('s')).state === 'asleep');
  });

  it('whenFull refuse: an error by the limit’s name; end-idlest: the one not used for longest makes room', async () => {
    const make = async (whenFull?: 'refuse' | 'end-idlest') => {
      const { host } = await hostOf(plain(), { limits: { ...PATIENT, quietMs: 0, liveSessions: 2 }, ...(whenFull ? { whenFull } : {}) });
      for (const sessionId of ['a', 'b']) await host.create({ agent: 'raw', cwd: CWD, sessionId });
      await host.prompt('a', 'go');
      return host;
    };
    await expect((await make()).create({ agent: 'raw', cwd: CWD, sessionId: 'c' })).rejects.toMatchObject({
      code: 'limit_exceeded',
      data: { limit: 'liveSessions' },
    });
    const host = await make('end-idlest');
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 'c' });
    expect((await host.list()).sessions.map(({ sessionId, state }) => `${sessionId} ${state}`).sort()).toEqual([
      'a live',
      'b asleep',
      'c live',
    ]);
  });
});
