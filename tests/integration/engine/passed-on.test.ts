/** What the engine passes on between client and agent without reading it, and where it lets the agent do what it can itself. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { type AgentLauncher, type AgentProcess, type AgentSpec } from '../../../src/engine/index.ts';
import { configure } from '../../../src/engine/sessions/config.ts';
import { createManager } from '../../../src/engine/sessions/manager.ts';
import { migrate } from '../../../src/engine/storage/schema.ts';
import { ask, CWD, hostOf, said, worldOf } from './helpers.ts';
import { ordinary, rawAgents, update, type Heard, type RawAgent } from './raw-agent.ts';

const agents = (extra: (message: Heard, agent: RawAgent) => boolean = () => false, capabilities: object = {}) =>
  rawAgents((message, agent) => {
    if (extra(message, agent)) return;
    if (message.method) agent.say(ordinary(message, capabilities));
  });
const heardOf = (heard: readonly Heard[], method: string) => heard.filter((each) => each.method === method).map(({ params }) => params);

describe('parameters and answers that ACP does not have', () => {
  it('go to the agent and come back, with session/new and with a prompt; nothing of them is stored but the answer', async () => {
    const raw = agents(
      (message, agent) => {
        if (message.method === 'session/new')
          agent.say({ jsonrpc: '2.0', id: message.id, result: { sessionId: 'raw-1', _meta: { made: 1 }, tips: ['one'] } });
        else return false;
        return true;
      },
      { sessionCapabilities: { resume: {} } },
    );
    const { host, db } = await hostOf(raw);
    const made = await host.create({
      agent: 'raw',
      cwd: CWD,
      sessionId: 's',
      params: { _meta: { key: 'a-very-secret-value' }, systemPrompt: 'Be brief', cwd: '/elsewhere', sessionId: 'mine' },
    });
    expect(made.answer).toEqual({ _meta: { made: 1 }, tips: ['one'] });
    await host.prompt('s', 'hi', { params: { _meta: { key: 'another-secret-value' }, prompt: [], sessionId: 'mine' } });
    const NEW = { cwd: CWD, mcpServers: [], _meta: { key: 'a-very-secret-value' }, systemPrompt: 'Be brief' };
    expect(heardOf(raw.heard, 'session/new')).toEqual([NEW]);
    expect(heardOf(raw.heard, 'session/prompt')).toEqual([
      { sessionId: 'raw-1', prompt: [{ type: 'text', text: 'hi' }], _meta: { key: 'another-secret-value' } },
    ]);
    // The agent is the same when it wakes, for as long as the host has them.
    await host.close('s');
    await host.resume('s');
    expect(heardOf(raw.heard, 'session/resume')).toEqual([{ sessionId: 'raw-1', ...NEW }]);
    for (const table of ['acp_sessions', 'acp_session_events', 'acp_turns'])
      expect(JSON.stringify(await db.query(`SELECT * FROM ${table}`))).not.toContain('secret-value');
  });

  it('go with their session: one that takes its id has none of them', async () => {
    const raw = agents();
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', params: { systemPrompt: 'Be brief' } });
    const { sessionId: other } = await host.create({ agent: 'raw', cwd: CWD });
    await host.delete('s');
    await host.fork(other, { sessionId: 's' });
    await host.prompt('s', 'hi');
    expect(heardOf(raw.heard, 'session/new').map((params) => params?.['systemPrompt'])).toEqual(['Be brief', undefined, undefined]);
  });

  it('the answer to a prompt is given again with its idempotency key', async () => {
    const given = { usage: { inputTokens: 3 }, mood: 'fine' };
    const raw = agents((message, agent) => {
      if (message.method !== 'session/prompt') return false;
      agent.say({ jsonrpc: '2.0', id: message.id, result: { stopReason: 'end_turn', ...given } });
      return true;
    });
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const first = await host.prompt('s', 'hi', { idempotencyKey: 'k' });
    expect(first.answer).toEqual(given);
    expect(await host.prompt('s', 'hi', { idempotencyKey: 'k' })).toEqual({ ...first, repeated: true });
  });

  it('are an object of bounded JSON', async () => {
    const { host } = await hostOf(agents());
    await expect(host.create({ agent: 'raw', cwd: CWD, params: [] as never })).rejects.toMatchObject({ code: 'invalid_argument' });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await expect(host.prompt('s', 'hi', { params: { x: 'x'.repeat(25 * 1024 * 1024) } })).rejects.toMatchObject({ code: 'limit_exceeded' });
  });
});

describe('fork by the agent itself', () => {
  const FORKS = { sessionCapabilities: { resume: {}, fork: {} } };
  /** Answers in the words of the session that is asked; `refuse` says whether it has session/fork after all. */
  const forking = (refuse = false) =>
    agents((message, agent) => {
      const reply = (value: object) => agent.say({ jsonrpc: '2.0', id: message.id, ...value });
      if (message.method === 'session/fork')
        reply(refuse ? { error: { code: -32601, message: 'Method not found' } } : { result: { sessionId: 'raw-1-fork' } });
      else if (message.method === 'session/new' && refuse && raws++ > 0) reply({ result: { sessionId: 'raw-2' } });
      else if (message.method === 'session/prompt') {
        const sessionId = message.params?.['sessionId'];
        const chunk = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `in ${String(sessionId)}` } };
        agent.say(update(chunk, { sessionId }), ordinary(message));
      } else return false;
      return true;
    }, FORKS);
  let raws = 0;

  it('at the end of the record its session/fork is used, and the report says so; later wakes are its own', async () => {
    const raw = forking();
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'hi');
    const { sessionId } = await host.fork('s');
    const { report, turnId } = await host.prompt(sessionId, 'and?');
    expect(report).toMatchObject({
      tier: 'resume',
      attempts: [{ method: 'session/fork', outcome: 'ok' }],
      preamble: null,
      agentSessionId: 'raw-1-fork',
    });
    expect(said(await host.history(sessionId), turnId)).toBe('in raw-1-fork');
    expect(heardOf(raw.heard, 'session/fork')).toEqual([{ sessionId: 'raw-1', cwd: CWD, mcpServers: [] }]);
    await host.close(sessionId);
    expect((await host.resume(sessionId)).attempts).toMatchObject([{ method: 'session/resume', outcome: 'ok' }]);
    expect(heardOf(raw.heard, 'session/fork')).toHaveLength(1);
    expect((await host.get('s')).agentSessionId).toBe('raw-1');
  });

  it.each([
    ['before the end', async (host: Awaited<ReturnType<typeof hostOf>>['host']) => host.fork('s', { after: 4 })],
    [
      'when the original has gone on',
      async (host: Awaited<ReturnType<typeof hostOf>>['host']) => {
        const fork = await host.fork('s');
        await host.prompt('s', 'more');
        return fork;
      },
    ],
    ['with policy transcript', async (host: Awaited<ReturnType<typeof hostOf>>['host']) => host.fork('s')],
  ])('I4: %s the record speaks', async (how, make) => {
    const raw = forking();
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'hi');
    const { sessionId } = await make(host);
    const { report } = await host.prompt(sessionId, 'and?', how.startsWith('with') ? { policy: 'transcript' } : {});
    expect(report.tier).toBe('transcript');
    expect(heardOf(raw.heard, 'session/fork')).toEqual([]);
  });

  it('one that refuses to fork is told the record', async () => {
    raws = 0;
    const raw = forking(true);
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'hi');
    const { sessionId } = await host.fork('s');
    const { report } = await host.prompt(sessionId, 'and?');
    expect(report).toMatchObject({
      tier: 'transcript',
      attempts: [
        { method: 'session/fork', outcome: 'unsupported' },
        { method: 'session/new', outcome: 'ok' },
      ],
    });
  });
});

describe('where an agent runs', () => {
  it('before it has a session it is in no directory of the host’s or of a project’s, unless the caller names one', async () => {
    const specs: AgentSpec[] = [];
    const raw = agents(undefined, { sessionCapabilities: { list: {} } });
    const launcher: AgentLauncher = {
      launch(spec, options) {
        specs.push(spec);
        return raw.launch(spec, options);
      },
    };
    const { host } = await hostOf(launcher);
    await host.describeAgent('one');
    await host.describeAgent('two', { cwd: '/project' });
    expect(specs.map(({ cwd }) => cwd)).toEqual([undefined, '/project']);
    await expect(host.describeAgent('three', { cwd: 'here' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it.each([
    ['another directory is refused while the old one is there', true, '/other', null],
    ['another one is taken when the old one is gone', false, '/other', '/other'],
    ['the same directory by another path is where it is', true, '/link', '/project'],
  ])('%s', async (_, exists, cwd, now) => {
    const { host } = await hostOf(agents(), {
      directoryExists: () => exists,
      sameDirectory: (a, b) => [a, b].every((path) => ['/project', '/link'].includes(path)),
    });
    await host.create({ agent: 'raw', cwd: '/project', sessionId: 's' });
    const update = host.update('s', { cwd });
    if (now) expect((await update).cwd).toBe(now);
    else
      await expect(update).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringMatching(/\/project.*still there/) as string,
      });
  });
});

describe('I10: sessions that are not there', () => {
  it('a call for one leaves nothing in memory', async () => {
    const database = await openNodeSqlite(':memory:');
    onTestFinished(() => database.close());
    await migrate(database);
    const manager = createManager(configure({ database, agents: agents() }));
    const calls: ((id: string) => Promise<unknown>)[] = [
      (id) => manager.calls.prompt(id, [{ type: 'text', text: 'hi' }], { idempotencyKey: id }),
      (id) => manager.calls.resume(id, {}),
      (id) => manager.calls.setMode(id, 'plan'),
      (id) => manager.calls.request(id, '_any', {}, {}),
      (id) => manager.calls.delete(id),
    ];
    for (const [at, call] of calls.entries()) await expect(call(`nobody-${at}`)).rejects.toMatchObject({ code: 'session_not_found' });
    await expect(manager.calls.close('nobody')).rejects.toMatchObject({ code: 'session_not_found' });
    await expect(manager.calls.cancel('nobody')).rejects.toMatchObject({ code: 'session_not_found' });
    manager.shareSecrets('nobody', 'no-one');
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(manager.size).toBe(0);
    await manager.endAll({ kind: 'sleep', reason: 'asleep' });
  });
});

describe('a prompt to an agent that is dying', () => {
  /** An agent that answers with the number of its life. */
  function countingLives() {
    let lives = 0;
    return agents(
      (message, agent) => {
        if (message.method === 'initialize') lives++;
        if (message.method === 'session/prompt')
          agent.say(update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `life ${lives}` } }));
        return false;
      },
      { sessionCapabilities: { resume: {} } },
    );
  }

  /** A session with an agent whose next prompt cannot be written. */
  async function dying() {
    const raw = countingLives();
    let breaks = false;
    const { wake } = await worldOf<AgentLauncher>({
      async launch(spec, options) {
        const process = await raw.launch(spec, options);
        const writer = process.stream.writable.getWriter();
        const writable = new WritableStream({
          async write(message) {
            if (breaks && (message as Heard).method === 'session/prompt') {
              breaks = false;
              void process.end('kill');
              throw new Error('EPIPE');
            }
            await writer.write(message);
          },
        });
        return { ...process, stream: { readable: process.stream.readable, writable } };
      },
    });
    const host = await wake();
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    expect(await ask(host, 's', 'one')).toBe('life 1');
    breaks = true;
    return host;
  }

  it('I5: is interrupted where it was stored, and the next one goes on', async () => {
    const host = await dying();
    await expect(host.prompt('s', 'two', { idempotencyKey: 'k' })).rejects.toMatchObject({
      code: 'turn_outcome_unknown',
      data: { cause: { kind: 'agent_gone' } },
    });
    await expect(host.prompt('s', 'two', { idempotencyKey: 'k' })).rejects.toMatchObject({ code: 'turn_outcome_unknown' });
    expect(await ask(host, 's', 'three')).toBe('life 2');
  });

  it('wakes the session where it is found gone before anything is stored', async () => {
    const raw = countingLives();
    const processes: AgentProcess[] = [];
    const launcher: AgentLauncher = {
      async launch(spec, options) {
        const process = await raw.launch(spec, options);
        processes.push(process);
        return process;
      },
    };
    let dies = false;
    // The last look at the record before a prompt is stored.
    const { host } = await hostOf(launcher, {}, (db) => ({
      ...db,
      batch: db.batch.bind(db),
      close: db.close.bind(db),
      async query(sql, params) {
        if (dies && sql.includes('acp_session_events')) {
          dies = false;
          await processes.at(-1)?.end('kill');
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return db.query(sql, params);
      },
    }));
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'one');
    await host.close('s');
    await host.resume('s');
    dies = true;
    const { turnId, report } = await host.prompt('s', 'two');
    expect(dies).toBe(false);
    expect(report.tier).toBe('resume');
    const events = await host.history('s');
    expect(said(events, turnId)).toBe('life 3');
    expect(events.filter((event) => event.turnId === turnId).map(({ kind }) => kind)).toEqual([
      'turn_started',
      'update',
      'update',
      'turn_ended',
    ]);
  });
});

it.each([
  [
    'throws',
    () => {
      throw new Error('a mistake of the client’s');
    },
  ],
  ['rejects', () => Promise.reject(new Error('a mistake of the client’s'))],
])('I8: a notification on which the client %s costs the session nothing', async (_, notify) => {
  let notified = 0;
  const raw = agents((message, agent) => {
    if (message.method === 'session/prompt') agent.say({ jsonrpc: '2.0', method: '_mine/told', params: {} });
    return false;
  });
  const client = {
    capabilities: {},
    handle: () => Promise.resolve({}),
    notify: () => (notified++, notify()) as never,
    release: () => Promise.resolve(),
  };
  const { host } = await hostOf(raw, { client });
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await host.prompt('s', 'one');
  expect((await host.prompt('s', 'two')).report.tier).toBe('live');
  expect(notified).toBe(2);
});
