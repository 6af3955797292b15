/** What an agent asks beside permissions, and what it says where nobody prompts: all of it is kept (I11). */
import { describe, expect, it } from 'vitest';
import type { ClientServices, Host } from '../../../src/engine/index.ts';
import { CWD, hostOf, PATIENT, until } from './helpers.ts';
import { ordinary, rawAgents, update, type Heard, type RawAgent } from './raw-agent.ts';

/** An agent that does all right, but for what `extra` answers itself. */
const agents = (extra: (message: Heard, agent: RawAgent) => boolean, capabilities: object = {}) =>
  rawAgents((message, agent) => {
    if (extra(message, agent)) return;
    if (message.method) agent.say(ordinary(message, capabilities));
  });

function client(answer: (params: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<unknown>) {
  const asked: unknown[] = [];
  const services: ClientServices = {
    capabilities: { elicitation: { form: {} } },
    handle({ method, params, signal }) {
      asked.push({ method, params });
      return answer(params, signal);
    },
    release: async () => undefined,
  };
  return { services, asked };
}

const stored = async (host: Host, ...kinds: string[]) =>
  (await host.history('s')).filter(({ kind }) => kinds.includes(kind)).map(({ kind, turnId, payload }) => ({ kind, turnId, payload }));

describe('I11: elicitation', () => {
  const QUESTION = {
    mode: 'form',
    message: 'Which branch?',
    requestedSchema: { type: 'object', properties: { branch: { type: 'string' } } },
  };
  /** Asks in the turn, and ends it when it was answered. */
  const asking = () => {
    const answers: unknown[] = [];
    let prompt: Heard | null = null;
    const raw = agents((message, agent) => {
      if (message.method === 'session/prompt') {
        prompt = message;
        agent.say({ jsonrpc: '2.0', id: 'q1', method: 'elicitation/create', params: { sessionId: 'raw-1', ...QUESTION } });
        return true;
      }
      if ((message.id as unknown) === 'q1') {
        answers.push(message.result);
        if (prompt) agent.say(ordinary(prompt));
        return true;
      }
      return false;
    });
    return { raw, answers };
  };

  it('what was asked and what was answered is in the log, and goes to the client and back', async () => {
    const { raw, answers } = asking();
    const { services, asked } = client(async () => ({ action: 'accept', content: { branch: 'main' } }));
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', client: services });
    const { turnId } = await host.prompt('s', 'go');
    expect(answers).toEqual([{ action: 'accept', content: { branch: 'main' } }]);
    expect(asked).toEqual([{ method: 'elicitation/create', params: { sessionId: 's', ...QUESTION } }]);
    const requestId = expect.any(String) as string;
    expect(await stored(host, 'elicitation_requested', 'elicitation_resolved')).toEqual([
      { kind: 'elicitation_requested', turnId, payload: { requestId, question: QUESTION } },
      {
        kind: 'elicitation_resolved',
        turnId,
        payload: { requestId, answer: { action: 'accept', content: { branch: 'main' } }, by: 'client' },
      },
    ]);
  });

  it.each([
    ['there is no client', undefined],
    ['the client is gone', client(() => Promise.reject(new Error('gone'))).services],
  ])('is cancelled where %s', async (_, services) => {
    const { raw, answers } = asking();
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', ...(services ? { client: services } : {}) });
    const { turnId } = await host.prompt('s', 'go');
    expect(answers).toEqual([{ action: 'cancel' }]);
    expect((await stored(host, 'elicitation_resolved'))[0]).toMatchObject({ turnId, payload: { answer: null, by: 'end' } });
  });

  it('a cancelled turn cancels it, and the client is told that nobody wants its answer', async () => {
    const { raw, answers } = asking();
    let withdrawn: AbortSignal | undefined;
    const { services, asked } = client((_, signal) => {
      withdrawn = signal;
      return new Promise(() => undefined);
    });
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', client: services });
    const turn = host.prompt('s', 'go');
    await until(() => asked.length === 1);
    await host.cancel('s');
    await turn;
    expect(answers).toEqual([{ action: 'cancel' }]);
    expect(withdrawn?.aborted).toBe(true);
    expect(await stored(host, 'elicitation_resolved')).toHaveLength(1);
  });

  it('I12: one that a killed host left open is resolved by the next', async () => {
    const { raw } = asking();
    const { services, asked } = client(() => new Promise(() => undefined));
    const { host, db } = await hostOf(raw, { client: services });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const turn = host.prompt('s', 'go');
    turn.catch(() => undefined);
    await until(() => asked.length === 1);
    await until(async () => (await stored(host, 'elicitation_requested')).length === 1);
    const { createHost } = await import('../../../src/engine/index.ts');
    const next = await createHost({ database: db, agents: raw, limits: PATIENT, ownerAlive: () => false });
    expect(await stored(next, 'elicitation_resolved')).toMatchObject([{ payload: { answer: null, by: 'end' } }]);
    await next.sleep();
  });
});

const options = [{ optionId: 'yes', name: 'Yes', kind: 'allow_once' }];
/** What an agent asks, and what it is told when nobody is to answer any more. */
const QUESTIONS: readonly [string, object, object][] = [
  ['fs/read_text_file', { path: '/x' }, { error: { code: -32800 } }],
  ['terminal/wait_for_exit', { terminalId: 't' }, { error: { code: -32800 } }],
  ['_raw/ask', {}, { error: { code: -32800 } }],
  ['session/request_permission', { toolCall: { toolCallId: 't' }, options }, { result: { outcome: { outcome: 'cancelled' } } }],
  ['elicitation/create', { mode: 'form', message: 'Which?', requestedSchema: {} }, { result: { action: 'cancel' } }],
];

it.each(QUESTIONS)('%s that the agent withdraws: it is told so, the client, too, and the turn goes on', async (method, params, told) => {
  let prompt: Heard | null = null;
  const answers: Heard[] = [];
  const withdrawn: unknown[] = [];
  const { services, asked } = client(
    (_, signal) => new Promise(() => signal.addEventListener('abort', () => withdrawn.push(signal.reason as unknown))),
  );
  const raw = agents((message, agent) => {
    if (message.method === 'session/prompt') {
      prompt = message;
      agent.say({ jsonrpc: '2.0', id: 'q', method, params: { sessionId: 'raw-1', ...params } });
    } else if (message.method === undefined) {
      answers.push(message);
      agent.say({ jsonrpc: '2.0', id: prompt?.id, result: { stopReason: 'end_turn' } });
    } else return false;
    return true;
  });
  const { host } = await hostOf(raw, { client: services });
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  const turn = host.prompt('s', 'go');
  const isPermission = method === 'session/request_permission';
  await until(async () => (isPermission ? (await host.get('s')).openPermissions.length : asked.length) === 1);
  for (const requestId of ['another', 'q']) raw.last?.say({ jsonrpc: '2.0', method: '$/cancel_request', params: { requestId } });
  expect(await turn).toMatchObject({ stopReason: 'end_turn' });
  expect(answers).toMatchObject([{ id: 'q', ...told }]);
  expect(withdrawn).toHaveLength(isPermission ? 0 : 1);
});

describe('a cancel while the client answers nothing that the agent asks', () => {
  it.each(QUESTIONS)('%s: it is told so, the client, too, and the turn ends as cancelled', async (method, params, told) => {
    let prompt: Heard | null = null;
    const answers: Heard[] = [];
    const raw = agents((message, agent) => {
      const ask = (id: string) => agent.say({ jsonrpc: '2.0', id, method, params: { sessionId: 'raw-1', ...params } });
      if (message.method === 'session/prompt') ask(((prompt = message), 'before'));
      else if (message.method === 'session/cancel' && /permission|elicitation/.test(method)) ask('after');
      else if (message.method === undefined) {
        answers.push(message);
        // It ends its turn when it has every answer.
        if (answers.length === (/permission|elicitation/.test(method) ? 2 : 1))
          agent.say({ jsonrpc: '2.0', id: prompt?.id, result: { stopReason: 'cancelled' } });
      } else return false;
      return true;
    });
    const withdrawn: boolean[] = [];
    const { services, asked } = client((_, signal) => {
      signal.addEventListener('abort', () => withdrawn.push(true));
      return new Promise(() => undefined);
    });
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', client: services });
    const turn = host.prompt('s', 'go');
    await until(async () => asked.length === 1 || (await host.get('s')).openPermissions.length === 1);
    await host.cancel('s');
    expect(await turn).toMatchObject({ stopReason: 'cancelled' });
    for (const answer of answers) expect(answer).toMatchObject(told);
    expect(withdrawn).toHaveLength(asked.length);
    expect((await host.get('s')).state).toBe('live');
  });

  it('what it asks afterwards, to clean up, is asked', async () => {
    let prompt: Heard | null = null;
    const raw = agents((message, agent) => {
      if (message.method === 'session/prompt') prompt = message;
      else if (message.method === 'session/cancel')
        agent.say({ jsonrpc: '2.0', id: 'k', method: 'terminal/kill', params: { sessionId: 'raw-1', terminalId: 't' } });
      else if (message.method === undefined) agent.say({ jsonrpc: '2.0', id: prompt?.id, result: { stopReason: 'cancelled' } });
      else return false;
      return true;
    });
    const { services, asked } = client(async () => ({}));
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', client: services });
    const turn = host.prompt('s', 'go');
    await until(() => prompt !== null);
    await host.cancel('s');
    expect(await turn).toMatchObject({ stopReason: 'cancelled' });
    expect(asked).toMatchObject([{ method: 'terminal/kill' }]);
  });
});

describe('the agent’s ids', () => {
  it('are exchanged under the new id, too, once the prompt has gone to a successor', async () => {
    let made = 0;
    const raw = agents((message, agent) => {
      const reply = (value: object) => agent.say({ jsonrpc: '2.0', id: message.id, ...value });
      if (message.method === 'session/new') reply({ result: { sessionId: `raw-${++made}` } });
      else if (message.method === 'session/prompt' && message.params?.['sessionId'] === 'raw-1' && made === 1 && forgotten)
        reply({ error: { code: -32602, message: 'session not found: raw-1', data: { sessionId: 'raw-1' } } });
      else if (message.method === 'session/prompt' && made === 2) {
        agent.say({ jsonrpc: '2.0', id: 'f', method: 'fs/read_text_file', params: { sessionId: 'raw-2', path: '/x' } });
        reply({ result: { stopReason: 'end_turn' } });
      } else return false;
      return true;
    });
    let forgotten = false;
    const { services, asked } = client(async () => ({ content: '' }));
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's', client: services });
    await host.prompt('s', 'one');
    forgotten = true;
    await host.prompt('s', 'two');
    await until(() => asked.length === 1);
    expect(asked).toEqual([{ method: 'fs/read_text_file', params: { sessionId: 's', path: '/x' } }]);
  });
});

describe('what names another session than the connection’s own', () => {
  const others = { sessionId: 'raw-2' };
  const REQUESTS: [string, object][] = [
    ['session/request_permission', { toolCall: { toolCallId: 't' }, options }],
    ['elicitation/create', { mode: 'form', message: 'Which?', requestedSchema: { type: 'object', properties: {} } }],
    ['fs/read_text_file', { path: '/x' }],
    ['terminal/create', { command: 'ls' }],
    ['_raw/ask', {}],
  ];

  it('is not asked, not told and not stored as ours, and the diagnostics say so', async () => {
    const answers = new Map<unknown, Heard>();
    const raw = agents((message, agent) => {
      if (message.method === undefined) answers.set(message.id, message);
      if (message.method !== 'session/prompt') return false;
      for (const [method, params] of REQUESTS) agent.say({ jsonrpc: '2.0', id: method, method, params: { ...params, ...others } });
      agent.say({ jsonrpc: '2.0', method: '_raw/said', params: others });
      agent.say(update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'Not yours.' } }, others));
      return true;
    });
    const { services, asked } = client(async () => ({ action: 'accept', outcome: { outcome: 'selected', optionId: 'yes' } }));
    const told: unknown[] = [];
    const { host } = await hostOf(raw, {
      client: { ...services, notify: async (notice) => void told.push(notice) },
      permission: () => 'yes',
      limits: { ...PATIENT, cancelGraceMs: 1 },
    });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const turn = host.prompt('s', 'go');
    turn.catch(() => undefined);
    await until(() => answers.size === REQUESTS.length);
    await host.cancel('s');
    for (const [method] of REQUESTS) expect(answers.get(method)).toMatchObject({ error: { code: -32602 } });
    expect([asked, told]).toEqual([[], []]);
    expect((await host.history('s')).map(({ kind }) => kind)).toEqual(['resumed', 'turn_started', 'update', 'agent_exited', 'turn_ended']);
    const { message } = await turn.then(
      () => new Error('it ended'),
      (error: Error) => error,
    );
    for (const named of [...REQUESTS.map(([method]) => method), '_raw/said', 'session/update'])
      expect(message).toContain(`sent ${named} for the session "raw-2", which is not this connection's`);
  });
});

describe('I11: what is said where nobody prompts', () => {
  const NOTICE = { sessionUpdate: 'notice', title: 'The gateway is slow', severity: 'warning' };
  const words = (text: string) => update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
  const updates = async (host: Host) =>
    (await host.history('s')).flatMap(({ kind, payload }) =>
      kind === 'update' && ['notice', 'agent_message_chunk'].includes((payload as { sessionUpdate: string }).sessionUpdate)
        ? [payload]
        : [],
    );

  it.each([
    ['session/load', { loadSession: true }],
    ['session/resume', { sessionCapabilities: { resume: {} } }],
  ])('a notice during %s is kept, once, also when the replay brings it again', async (method, capabilities) => {
    let lives = 0;
    const raw = agents((message, agent) => {
      if (message.method === 'session/prompt') agent.say(words('Hello.'));
      if (message.method !== method) return false;
      if (method === 'session/load')
        agent.say(update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'hi' } }), words('Hello.'));
      if (method === 'session/load' || lives === 0) agent.say(update(NOTICE));
      lives++;
      return false;
    }, capabilities);
    const { host } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'hi');
    for (let i = 0; i < 2; i++) {
      await host.close('s');
      await host.resume('s');
    }
    expect((await updates(host)).filter((each) => (each as { sessionUpdate: string }).sessionUpdate === 'notice')).toEqual([NOTICE]);
  });

  const WAYS: [string, object][] = [
    ['session/load', { loadSession: true }],
    ['session/resume', { sessionCapabilities: { resume: {} } }],
  ];
  /** An agent that has been woken, and was silent since. */
  async function woken(capabilities: object, limits: object = {}) {
    const raw = agents((message, agent) => {
      if (message.method === 'session/prompt') agent.say(words('Hello.'));
      if (message.method === 'session/load')
        agent.say(update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'hi' } }), words('Hello.'));
      return false;
    }, capabilities);
    const { host } = await hostOf(raw, { limits: { ...PATIENT, ...limits } });
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'hi');
    await host.close('s');
    await host.resume('s');
    return { host, agent: raw.last! };
  }
  const texts = async (host: Host) => (await updates(host)).map((each) => (each as { content: { text: string } }).content.text);

  it.each(WAYS)('after the answer to %s it is stored when it comes, not with the next prompt', async (_, capabilities) => {
    const { host, agent } = await woken(capabilities);
    agent.say(words('By the way.'));
    await until(async () => (await updates(host)).length === 2);
    expect(await texts(host)).toEqual(['Hello.', 'By the way.']);
    await host.prompt('s', 'hi');
    expect(await texts(host)).toEqual(['Hello.', 'By the way.', 'Hello.']);
  });

  it.each(WAYS)('after the answer to %s it is not lost where no prompt follows', async (_, capabilities) => {
    const { host, agent } = await woken(capabilities, { replayQuietMs: 60_000 });
    const { read } = agent;
    agent.say(words('By the way.'));
    await until(() => agent.read > read);
    await host.close('s');
    expect(await texts(host)).toEqual(['Hello.', 'By the way.']);
  });

  it('after the answer to session/resume: however much it is', async () => {
    const { host, agent } = await woken({ sessionCapabilities: { resume: {} } }, { replayQuietMs: 60_000 });
    for (let i = 0; i < 600; i++) agent.say(update({ sessionUpdate: 'tool_call', toolCallId: `t${i}`, title: 'Works' }));
    const { read } = agent;
    agent.say(words('Done.'));
    await until(() => agent.read > read);
    await host.close('s');
    expect((await host.history('s')).filter(({ payload }) => 'toolCallId' in (payload as object))).toHaveLength(600);
  });
});

describe('what an agent asks outside of a turn', () => {
  /** Asks as soon as a turn is over. */
  const asking = () =>
    agents(
      (message, agent) => {
        if (message.method !== 'session/prompt') return false;
        const params = { sessionId: 'raw-1', toolCall: { toolCallId: 't' }, options };
        agent.say(ordinary(message), { jsonrpc: '2.0', id: 'q1', method: 'session/request_permission', params });
        return true;
      },
      { sessionCapabilities: { resume: {} } },
    );
  const CANCELLED = [
    { kind: 'permission_resolved', turnId: null, payload: { requestId: expect.any(String) as string, optionId: null, by: 'end' } },
  ];

  it('I12: is resolved by the next host, when the host was killed meanwhile', async () => {
    const raw = asking();
    const { host, db } = await hostOf(raw);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await host.prompt('s', 'go');
    await until(async () => (await host.get('s')).openPermissions.length === 1);
    const { createHost } = await import('../../../src/engine/index.ts');
    const next = await createHost({ database: db, agents: raw, limits: PATIENT, ownerAlive: () => false });
    expect((await next.get('s')).openPermissions).toEqual([]);
    expect(await stored(next, 'permission_resolved')).toEqual(CANCELLED);
    await next.sleep();
  });

  it('is not open in a fork', async () => {
    const { host } = await hostOf(asking());
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 'source' });
    await host.prompt('source', 'go');
    await until(async () => (await host.get('source')).openPermissions.length === 1);
    await host.fork('source', { sessionId: 's' });
    expect(await stored(host, 'permission_resolved')).toEqual(CANCELLED);
    expect((await host.get('source')).openPermissions).toHaveLength(1);
  });
});
