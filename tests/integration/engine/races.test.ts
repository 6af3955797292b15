/** Calls that meet each other, and an agent that speaks while something is being written. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type AgentLauncher, type HostOptions, type SqlDatabase } from '../../../src/engine/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { ask, CWD, PATIENT, until } from './helpers.ts';
import { ordinary, rawAgents, update, type Heard, type RawAgent } from './raw-agent.ts';

const COMMANDS = { sessionUpdate: 'available_commands_update', availableCommands: [{ name: 'plan', description: 'Plans' }] };
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Watch {
  readonly before?: (sql: string) => void;
  readonly written?: (sql: string) => void;
}

/** A database that commits a little later, as RivetKit's and IndexedDB's do; each batch is seen before it is written, and before its caller is told. */
function slow(db: SqlDatabase, { before, written }: Watch = {}): SqlDatabase {
  return {
    ...db,
    query: db.query.bind(db),
    close: db.close.bind(db),
    async batch(statements) {
      const sql = statements.map((statement) => statement.sql).join('\n');
      before?.(sql);
      await wait(3);
      const results = await db.batch(statements);
      written?.(sql);
      await wait(3);
      return results;
    },
  };
}

async function hostOn(agents: AgentLauncher, options: Partial<HostOptions> = {}, watch?: Watch) {
  const db = await openNodeSqlite(':memory:');
  const wake = async () => createHost({ database: slow(db, watch), agents, limits: PATIENT, ...options });
  const host = await wake();
  onTestFinished(async () => {
    await host.sleep();
    await db.close();
  });
  return { host, db, wake };
}

/** How many of a launcher's agents live. */
function counted(agents: AgentLauncher): { agents: AgentLauncher; living(): number } {
  let living = 0;
  return {
    living: () => living,
    agents: {
      async launch(spec, options) {
        const agent = await agents.launch(spec, options);
        living += 1;
        void agent.exited.then(() => (living -= 1));
        return agent;
      },
    },
  };
}

describe('I7, I9: a delete that meets other calls leaves no agent behind', () => {
  it.each(Array.from({ length: 12 }, (_, index) => index * 2))('a create of the same id, %i ms after', async (ms) => {
    const { agents, living } = counted(inProcessLauncher({}));
    const { host } = await hostOn(agents);
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    const deleted = host.delete('s');
    await wait(ms);
    const created = await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' }).then(
      () => true,
      (error: { code: string }) => (expect(error.code).toBe('session_exists'), false),
    );
    await deleted;
    if (created) {
      expect((await host.get('s')).state).toBe('live');
      expect(await ask(host, 's', 'What is my name?')).not.toContain('Ada');
    }
    expect(living()).toBe(created ? 1 : 0);
    await host.sleep();
    expect(living()).toBe(0);
  });

  it.each(Array.from({ length: 12 }, (_, index) => index * 2))('a prompt, %i ms after', async (ms) => {
    const { agents, living } = counted(inProcessLauncher({}));
    const { host } = await hostOn(agents);
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    const deleted = host.delete('s');
    await wait(ms);
    const told = await host.prompt('s', 'Hello').then(
      () => 'answered',
      (error: { code: string }) => error.code,
    );
    await deleted;
    expect(['session_not_found', 'turn_outcome_unknown', 'agent_exited']).toContain(told);
    expect(living()).toBe(0);
    await expect(host.get('s')).rejects.toMatchObject({ code: 'session_not_found' });
  });
});

describe('I11: what an agent says of its state is kept whenever it comes', () => {
  it('while the batch of create is on its way', async () => {
    let agent: RawAgent | null = null;
    const agents = rawAgents((message, raw) => {
      agent = raw;
      if (message.method) raw.say(ordinary(message));
    });
    const { host } = await hostOn(
      agents,
      {},
      {
        before: (sql) => {
          if (sql.includes('INSERT INTO acp_sessions ')) agent?.say(update(COMMANDS));
        },
      },
    );
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await until(async () => (await host.get('s')).commands !== null);
    expect((await host.get('s')).commands).toEqual(COMMANDS.availableCommands);
    expect((await host.history('s')).map((event) => event.payload)).toContainEqual(COMMANDS);
  });

  it('while a mode is being set again', async () => {
    const modes = (currentModeId: string) => ({
      currentModeId,
      availableModes: [
        { id: 'ask', name: 'Ask' },
        { id: 'code', name: 'Code' },
      ],
    });
    const agents = rawAgents((message, agent) => {
      const result = (value: object) => agent.say({ jsonrpc: '2.0', id: message.id, result: value });
      if (message.method === 'session/new') return result({ sessionId: 'raw-1', modes: modes('ask') });
      if (message.method === 'session/resume') return result({ modes: modes('ask') });
      if (message.method === 'session/set_mode') {
        // Nothing of it was known before; it comes again after the answer, as agents repeat themselves.
        if (agents.heard.some((heard) => heard.method === 'session/resume'))
          agent.say(update(COMMANDS), update({ sessionUpdate: 'session_info_update', title: 'Cats' }));
        return result({});
      }
      if (message.method) agent.say(ordinary(message, { sessionCapabilities: { resume: {} } }));
    });
    const { host, wake } = await hostOn(agents);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'go');
    await host.setMode('s', 'code');
    await host.sleep();
    const next = await wake();
    onTestFinished(() => next.sleep());
    const report = await next.resume('s');
    expect(report).toMatchObject({ tier: 'resume', settings: { restored: ['mode'] } });
    expect(await next.get('s')).toMatchObject({ title: 'Cats', commands: COMMANDS.availableCommands, modes: { currentModeId: 'code' } });
    expect((await next.history('s')).map((event) => event.payload)).toContainEqual(COMMANDS);
  });
});

describe('I7: sleep waits for no answer of an agent', () => {
  const NEVER = { ...PATIENT, sessionMs: 3_000_000, settingMs: 3_000_000 };
  const deaf = (method: string) =>
    rawAgents((message, agent) => {
      if (message.method === method) return;
      if (message.method === 'initialize')
        return agent.say({
          jsonrpc: '2.0',
          id: message.id,
          result: { protocolVersion: 1, agentCapabilities: {}, authMethods: [null, { id: 5 }, { id: 'browser' }] },
        });
      if (message.method) agent.say(ordinary(message));
    });

  it('to authenticate', async () => {
    const raw = deaf('authenticate');
    const { agents, living } = counted(raw);
    const { host } = await hostOn(agents, { limits: NEVER });
    const told = expect(host.authenticate('raw', 'browser')).rejects.toMatchObject({ code: 'agent_exited' });
    await until(() => raw.heard.some(({ method }) => method === 'authenticate'));
    await host.sleep();
    expect(living()).toBe(0);
    await told;
  });

  it('to authenticate, when it was asked in the same moment: no agent is started behind it', async () => {
    const { agents, living } = counted(deaf('authenticate'));
    const { host } = await hostOn(agents, { limits: NEVER });
    const told = expect(host.authenticate('raw', 'browser')).rejects.toMatchObject({
      code: expect.stringMatching(/agent_exited|invalid_argument/) as string,
    });
    await host.sleep();
    await told;
    expect(living()).toBe(0);
  });

  it.each(['sleep', 'close', 'delete'] as const)('to session/set_mode: %s', async (how) => {
    const raw = deaf('session/set_mode');
    const { agents, living } = counted(raw);
    const { host } = await hostOn(agents, { limits: NEVER });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const told = expect(host.setMode('s', 'code')).rejects.toMatchObject({ code: 'agent_exited' });
    await until(() => raw.heard.some(({ method }) => method === 'session/set_mode'));
    await (how === 'sleep' ? host.sleep() : host[how]('s'));
    expect(living()).toBe(0);
    await told;
  });
});

describe('a call that joins a turn by its key', () => {
  it('stops waiting when it is aborted, and the turn goes on', async () => {
    let answer!: () => void;
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt') answer = () => agent.say(ordinary(message));
      else if (message.method) agent.say(ordinary(message));
    });
    const { host } = await hostOn(agents);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const first = host.prompt('s', 'go', { idempotencyKey: 'k' });
    await until(() => agents.heard.some(({ method }) => method === 'session/prompt'));
    const abort = new AbortController();
    const second = host.prompt('s', 'go', { idempotencyKey: 'k', signal: abort.signal });
    const third = host.prompt('s', 'go', { idempotencyKey: 'k', signal: new AbortController().signal });
    await wait(1);
    abort.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    answer();
    const { turnId } = await first;
    expect((await third).turnId).toBe(turnId);
    expect(agents.heard.some(({ method }) => method === 'session/cancel')).toBe(false);
  });
});

describe('create is whole or not at all', () => {
  it.each(['abort', 'close', 'sleep'] as const)(
    '%s while its batch is on its way: the session is there, and nothing lives that should not',
    async (how) => {
      const { agents, living } = counted(inProcessLauncher({}));
      const abort = new AbortController();
      let meanwhile: Promise<void> | undefined;
      const { host, db, wake } = await hostOn(
        agents,
        {},
        {
          before: (sql) => {
            if (!sql.includes('INSERT INTO acp_sessions ')) return;
            if (how === 'abort') abort.abort();
            if (how === 'sleep') meanwhile = host.sleep();
          },
          // `close` looks whether there is a session, so it waits until there is.
          written: (sql) => {
            if (how === 'close' && sql.includes('INSERT INTO acp_sessions ')) meanwhile = host.close('s');
          },
        },
      );
      await host.create({ agent: 'demo', cwd: CWD, sessionId: 's', signal: abort.signal });
      await meanwhile;
      expect(living()).toBe(how === 'abort' ? 1 : 0);
      await host.sleep();
      expect(living()).toBe(0);
      expect(await db.query('SELECT lease_owner FROM acp_sessions')).toEqual([{ lease_owner: null }]);
      const next = await wake();
      onTestFinished(() => next.sleep());
      await expect(next.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
    },
  );

  it.each([0, 1, 2, 3, 4, 6, 8])('aborted %i ms after it began: either it rejects and nothing is left, or it is there', async (ms) => {
    const { agents, living } = counted(inProcessLauncher({}));
    const { host } = await hostOn(agents);
    const abort = new AbortController();
    const creating = host.create({ agent: 'demo', cwd: CWD, sessionId: 's', signal: abort.signal });
    setTimeout(() => abort.abort(), ms);
    const made = await creating.then(
      () => true,
      () => false,
    );
    expect((await host.list()).sessions).toHaveLength(made ? 1 : 0);
    if (!made) expect(living()).toBe(0);
    if (!made) await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await expect(host.prompt('s', 'Hello')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });
});

describe('I10: what an agent asks of its host is not remembered when it is answered', () => {
  it('the signal of a request is released with its answer, though the client goes on listening to it', async () => {
    let heard = 0;
    const signals = new Set<AbortSignal>();
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt')
        for (let id = 1_000; id < 1_020; id++)
          agent.say({ jsonrpc: '2.0', id, method: 'fs/read_text_file', params: { sessionId: 'raw-1', path: '/a' } });
      if (message.method) agent.say(ordinary(message));
    });
    const { host } = await hostOn(agents, {
      client: {
        capabilities: {},
        handle: ({ signal }) => {
          signals.add(signal);
          signal.addEventListener('abort', () => (heard += 1));
          return Promise.resolve({ content: '' });
        },
        release: () => Promise.resolve(),
      },
    });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'go');
    expect(signals.size).toBe(20);
    await host.close('s');
    // Nothing that outlives a request refers to its signal, or the agent's end would abort it.
    expect([[...signals].filter(({ aborted }) => aborted), heard]).toEqual([[], 0]);
  });
});

describe('calls that ask for the same', () => {
  it('two that open a session: one makes it, and both have it', async () => {
    const { agents, living } = counted(inProcessLauncher({}));
    const { host } = await hostOn(agents);
    const opened = await Promise.all([1, 2, 3].map(() => host.open('s', { agent: 'demo', cwd: CWD })));
    expect(opened.map(({ sessionId }) => sessionId)).toEqual(['s', 's', 's']);
    expect(living()).toBe(1);
  });

  it('two hosts that open a session at once: both have it, and only its maker has an agent', async () => {
    const { agents, living } = counted(inProcessLauncher({}));
    const { host, wake } = await hostOn(agents);
    const other = await wake();
    onTestFinished(() => other.sleep());
    const asked = { agent: 'demo', cwd: CWD, mcpServers: [{ name: 'files', command: 'files', args: [], env: [] }] };
    const opened = await Promise.all([host, other].map((each) => each.open('s', asked)));
    expect(opened.map(({ sessionId, agent }) => [sessionId, agent])).toEqual(Array(2).fill(['s', 'demo']));
    expect(opened.map(({ state }) => state).sort()).toEqual(['busy', 'live']);
    await until(() => living() === 1);
    await expect(other.open('s', { ...asked, cwd: '/' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('one that gives up ends no other call: whoever describes the agent that a session was to have is told what it is', async () => {
    const introductions: (() => void)[] = [];
    const agents = rawAgents((message, agent) => {
      if (message.method === 'initialize') introductions.push(() => agent.say(ordinary(message)));
    });
    const { host } = await hostOn(agents);
    const described = host.describeAgent('raw');
    await until(() => introductions.length === 1);
    const [session, waiter] = [new AbortController(), new AbortController()];
    const created = host.create({ agent: 'raw', cwd: CWD, signal: session.signal });
    await wait(20);
    session.abort(new Error('the session is not wanted any more'));
    await expect(created).rejects.toThrow('the session is not wanted any more');
    await until(() => introductions.length === 2);
    const waiting = host.describeAgent('raw', { signal: waiter.signal });
    await wait(20);
    waiter.abort(new Error('not waited for'));
    await expect(waiting).rejects.toThrow('not waited for');
    introductions.at(-1)?.();
    await expect(described).resolves.toMatchObject({ agent: 'raw', protocolVersion: 1 });
  });

  it('I7: two that describe an agent, when the host is put to sleep: none is started after that', async () => {
    const { agents, living } = counted(rawAgents(() => undefined));
    const { host } = await hostOn(agents);
    const asked = [1, 2].map(() => host.describeAgent('raw').catch((error: { code: string }) => error.code));
    await expect.poll(living).toBe(1);
    await host.sleep();
    await wait(50);
    expect(living()).toBe(0);
    expect(await Promise.all(asked)).toEqual(['agent_exited', 'agent_exited']);
  });
});
