/** What a caller is told when it was the host, or a limit of the host, that ended the agent. */
import { describe, expect, it } from 'vitest';
import { RehydrateError, SqlError, type AgentLauncher, type SqlDatabase, type SqlErrorKind } from '../../../src/engine/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { CWD, hostOf, until } from './helpers.ts';
import { ordinary, rawAgents, words, type Heard } from './raw-agent.ts';

describe('I5: a storage that fails after the prompt was sent', () => {
  /** Fails as `kind` says, from the first event of the agent's answer on. */
  function failing(kind: SqlErrorKind) {
    const state = { on: false };
    const wrap = (db: SqlDatabase): SqlDatabase => ({
      query: db.query.bind(db),
      close: db.close.bind(db),
      batch: (statements) => (state.on ? Promise.reject(new SqlError(kind, 'no more')) : db.batch(statements)),
    });
    return { state, wrap };
  }

  it.each<[SqlErrorKind, string]>([
    ['full', 'storage_full'],
    ['corrupt', 'database_corrupt'],
    ['io', 'storage_unavailable'],
    ['readonly', 'storage_unavailable'],
    ['other', 'storage_unavailable'],
  ])('%s: the caller is told %s, that the prompt was sent, and in which turn', async (kind, code) => {
    const { state, wrap } = failing(kind);
    let prompts = 0;
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method === 'session/prompt' && prompts++ === 0) {
        state.on = true;
        agent.say(words('half'));
      }
      if (message.method) agent.say(ordinary(message));
    });
    const { host } = await hostOf(agents, {}, wrap);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const error = await host.prompt('s', 'go').then(
      () => expect.unreachable(),
      (reason: unknown) => reason as RehydrateError,
    );
    expect(error).toBeInstanceOf(RehydrateError);
    expect(error).toMatchObject({ code, data: { turnId: expect.any(String) as string, cause: { kind: 'host_failed' } } });
    expect(error.message).toMatch(/unknown/);
    state.on = false;
    await until(async () => (await host.history('s')).some((event) => event.kind === 'turn_ended'));
    expect((await host.history('s')).find((event) => event.kind === 'turn_ended')).toMatchObject({
      turnId: error.data['turnId'],
      payload: { state: 'interrupted' },
    });
    await expect(host.prompt('s', 'go')).resolves.toMatchObject({ stopReason: 'end_turn' });
  });

  it('one that fails before has no turn, and nothing was sent', async () => {
    const { state, wrap } = failing('full');
    const agents = rawAgents((message: Heard, agent) => message.method && agent.say(ordinary(message)));
    const { host } = await hostOf(agents, {}, wrap);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    state.on = true;
    const error = await host.prompt('s', 'go').catch((reason: unknown) => reason as RehydrateError);
    expect(error).toMatchObject({
      code: 'storage_full',
      data: expect.not.objectContaining({ turnId: expect.anything() as unknown }) as object,
    });
    expect(agents.heard.some(({ method }) => method === 'session/prompt')).toBe(false);
    state.on = false;
  });
});

describe('I8: an opening that the host cuts off', () => {
  it.each([
    ['a create', 'Create it again.'],
    ['a prompt', 'Prompt it again.'],
  ])('%s says what was sent, and to do the same again', async (what, advice) => {
    const state = { silent: what === 'a create' };
    const asks = (method: string | undefined) => method === 'session/new' || method === 'session/load' || method === 'session/resume';
    const agents = rawAgents((message: Heard, agent) => {
      if (message.method && !(state.silent && asks(message.method))) agent.say(ordinary(message));
    });
    const { host } = await hostOf(agents);
    const create = () => host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    if (!state.silent) {
      await create();
      await host.close('s');
      state.silent = true;
    }
    const asked = () => agents.heard.filter(({ method }) => asks(method)).length;
    const before = asked();
    const opening = (what === 'a create' ? create() : host.prompt('s', 'go')).catch((reason: unknown) => reason as RehydrateError);
    await until(async () => asked() > before);
    // A session that is not there yet is not closed by its id.
    await (what === 'a create' ? host.sleep() : host.close('s'));
    expect(await opening).toMatchObject({
      code: 'agent_exited',
      message: expect.stringContaining(`nothing was sent. ${advice}`) as string,
    });
  });
});

describe('I8, I10: an agent that is ended for its output', () => {
  /** Its output breaks when it is asked `at`, as a transport's does at a message over its limit; or just ends, and it stays. */
  const breaking = (at: string, how: 'limit' | 'end'): AgentLauncher => ({
    async launch(spec, options) {
      const agent = await rawAgents((message: Heard, raw) => message.method && message.method !== at && raw.say(ordinary(message))).launch(
        spec,
        options,
      );
      const reader = agent.stream.readable.getReader();
      const writer = agent.stream.writable.getWriter();
      let out!: ReadableStreamDefaultController<never>;
      const readable = new ReadableStream<never>({
        start(controller) {
          out = controller;
        },
        async pull(controller) {
          const { value, done } = await reader.read();
          if (!done) controller.enqueue(value as never);
        },
      });
      const writable = new WritableStream<Heard>({
        async write(message) {
          await writer.write(message as never);
          if (message.method !== at) return;
          if (how === 'end') out.close();
          else
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

  it('in initialize: the limit is the error, by name', async () => {
    const { host } = await hostOf(breaking('initialize', 'limit'));
    await expect(host.create({ agent: 'raw', cwd: CWD })).rejects.toMatchObject({
      code: 'limit_exceeded',
      message: expect.stringMatching(/was ended before it answered initialize.*messageBytes/) as string,
      data: { limit: 'messageBytes' },
    });
  });

  it.each([
    ['limit', /messageBytes/],
    ['end', /closed its output and stayed/],
  ] as const)('I8: in a turn (%s): the outcome is unknown, and why it was ended is said', async (how, why) => {
    const { host } = await hostOf(breaking('session/prompt', how));
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await expect(host.prompt('s', 'go')).rejects.toMatchObject({
      code: 'turn_outcome_unknown',
      message: expect.stringMatching(why) as string,
    });
    // I8: it ended neither by itself nor as asked.
    expect((await host.history('s')).slice(-2)).toMatchObject([
      { kind: 'agent_exited', payload: { kind: 'killed', why: expect.stringMatching(why) as string } },
      { kind: 'turn_ended', payload: { state: 'interrupted' } },
    ]);
  });
});

describe('I6: what previewPreamble shows is what is sent', () => {
  it.each(['resource', 'inline'] as const)('%s', async (preamble) => {
    const sent: unknown[] = [];
    const agents = inProcessLauncher({ variant: 'amnesiac' });
    const tapped: AgentLauncher = {
      async launch(spec, options) {
        const agent = await agents.launch(spec, options);
        const writer = agent.stream.writable.getWriter();
        const writable = new WritableStream({
          write(message: Heard) {
            if (message.method === 'session/prompt') sent.push((message.params as { prompt: unknown[] }).prompt);
            return writer.write(message as never);
          },
        });
        return { ...agent, stream: { readable: agent.stream.readable, writable: writable as never } };
      },
    };
    const { host } = await hostOf(tapped, { preamble });
    await host.create({ agent: 'demo', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'My name is Ada.');
    await host.close('s');
    const shown = await host.previewPreamble('s');
    const { report } = await host.prompt('s', 'What is my name?');
    expect(report).toMatchObject({ tier: 'transcript', preamble: { mode: preamble } });
    expect(sent.at(-1)).toEqual([...shown, { type: 'text', text: 'What is my name?' }]);
  });
});
