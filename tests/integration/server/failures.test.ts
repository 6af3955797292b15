/** What goes wrong where no request can be answered with it: the client is told all the same, by code, and can go on. */
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { stdioMessages } from '../../../src/cli/stdio-messages.ts';
import { createHost, SqlError, type AgentLauncher, type SqlDatabase, type Statement } from '../../../src/engine/index.ts';
import { serveAcp, type ServeAcpOptions } from '../../../src/server/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { still } from '../../support/still.ts';
import { CWD, hostOf, PATIENT } from '../engine/helpers.ts';
import { ordinary, rawAgents, type Heard } from '../engine/raw-agent.ts';

let stop: () => Promise<void> = async () => undefined;
afterEach(() => stop());

/** A host whose database refuses what the test says it refuses. */
async function served(agents = inProcessLauncher()) {
  const real = await openNodeSqlite(':memory:');
  const refuses: { query: (sql: string) => boolean; batch: (statements: readonly Statement[]) => boolean } = {
    query: () => false,
    batch: () => false,
  };
  const broken = () => new SqlError('io', 'disk I/O error');
  const database: SqlDatabase = {
    ...real,
    query: (sql, params) => (refuses.query(sql) ? Promise.reject(broken()) : real.query(sql, params)),
    batch: (statements) => (refuses.batch(statements) ? Promise.reject(broken()) : real.batch(statements)),
    close: () => real.close(),
  };
  // One that falls behind by one event reads it from the record.
  const host = await createHost({ database, agents, limits: { ...PATIENT, subscriberEvents: 1 } });
  stop = async () => {
    await host.sleep();
    await database.close();
  };
  const connect = async (limits: ServeAcpOptions['limits'] = {}): Promise<RawClient> => {
    const { client, server } = pair();
    serveAcp(host, server, { agent: 'demo', limits });
    const raw = rawClient(client);
    await raw.request('initialize', INITIALIZE);
    return raw;
  };
  const one = await connect();
  const { sessionId } = (await one.request('session/new', { cwd: '/project', mcpServers: [] })).result;
  return { host, refuses, connect, one, sessionId };
}

const failures = (client: RawClient) => client.seen.filter((message) => message.params?._meta?.rehydrate?.error);
const prompt = (client: RawClient, sessionId: string, words: string) =>
  client.request('session/prompt', { sessionId, prompt: text(words) });

describe('the record cannot be read', () => {
  it('I2: the client is told, and its next call brings what it missed: no gap, no repeat', async () => {
    const { refuses, one, sessionId } = await served();
    await prompt(one, sessionId, 'say one');
    refuses.query = (sql) => /FROM acp_session_events/.test(sql);
    const lost = await prompt(one, sessionId, 'stream 40 chunks');
    expect(lost.error).toMatchObject({ code: -32603, data: { code: 'storage_unavailable' } });
    expect(failures(one)).toMatchObject([
      {
        params: {
          sessionId,
          update: { sessionUpdate: 'tool_call', status: 'failed', title: expect.stringMatching(/^Rehydrate: .*cannot be followed/) },
          _meta: { rehydrate: { error: { code: 'storage_unavailable' } } },
        },
      },
    ]);
    refuses.query = () => false;
    expect((await prompt(one, sessionId, 'say three')).result.stopReason).toBe('end_turn');
    expect(one.said()).toBe(`one${Array.from({ length: 40 }, (_, i) => `chunk ${i + 1} `).join('')}three`);
    expect(failures(one)).toHaveLength(1);
  });
});

describe('an answer that cannot be stored', () => {
  it('I1: the client is told and asked again; the agent gets the answer that was stored', async () => {
    const { refuses, one, sessionId } = await served();
    let times = 0;
    refuses.batch = (statements) => JSON.stringify(statements).includes('permission_resolved') && (times += 1) <= 2;
    one.answers.set('session/request_permission', ({ options }) => ({
      outcome: { outcome: 'selected', optionId: options[0].optionId },
    }));
    const { result } = await prompt(one, sessionId, 'ask permission');
    expect(result.stopReason).toBe('end_turn');
    expect(one.seen.filter((message) => message.method === 'session/request_permission')).toHaveLength(3);
    expect(failures(one).map((message) => message.params._meta.rehydrate.error.code)).toEqual([
      'storage_unavailable',
      'storage_unavailable',
    ]);
  });
});

describe('lines of the agent’s that could not be read', () => {
  it('I11: a person is told of them before the answer, and so is who watches, comes back or loads the session', async () => {
    const raw = rawAgents((message, agent) => message.method && agent.say(ordinary(message)));
    const lossy: AgentLauncher = {
      launch: async (spec, options) => ({ ...(await raw.launch(spec, options)), dropped: () => ({ lines: 2, last: '{"x":NaN}' }) }),
    };
    const { host } = await hostOf(lossy, { protocol: 'v1' });
    const connect = async () => {
      const { client, server } = pair();
      serveAcp(host, server, { agent: 'raw' });
      const one = rawClient(client);
      await one.request('initialize', INITIALIZE);
      return one;
    };
    const [one, two, three, four] = await Promise.all([connect(), connect(), connect(), connect()]);
    const { sessionId } = (await one.request('session/new', { cwd: CWD, mcpServers: [] })).result;
    const open = (by: RawClient, method: string, more: object = {}) => by.request(method, { sessionId, cwd: CWD, mcpServers: [], ...more });
    await open(two, 'session/resume');
    expect((await prompt(one, sessionId, 'hi')).result.stopReason).toBe('end_turn');
    await open(three, 'session/load');
    await open(four, 'session/resume', { _meta: { rehydrate: { after: 0 } } });
    const told = (client: RawClient) =>
      client.seen.flatMap(({ params }) => (params?.update?.title?.includes('could not be read') ? [params.update] : []));
    for (const client of [one, two, three, four]) await expect.poll(() => told(client)).toHaveLength(1);
    expect(told(one)).toMatchObject([
      {
        sessionUpdate: 'tool_call',
        status: 'completed',
        content: [{ content: { text: expect.stringMatching(/^2 lines of the agent’s output .*\{"x":NaN\}$/s) as string } }],
      },
    ]);
    // The client that takes it up from there has not heard of the turn's end.
    const seq = (client: RawClient, what: (params: RawClient['seen'][number]['params']) => boolean) =>
      client.seen.find(({ params }) => what(params))?.params._meta.rehydrate.seq as number;
    expect(seq(two, (params) => params?.update === told(two)[0])).toBeLessThan(
      seq(two, (params) => params?._meta?.rehydrate?.turn?.state === 'completed'),
    );
  });
});

describe('a notification that cannot be taken', () => {
  it('I10: changes nothing, and the client goes on', async () => {
    const { host, one, sessionId } = await served();
    await one.notify('', { sessionId });
    expect((await prompt(one, sessionId, 'say one')).result.stopReason).toBe('end_turn');
    await host.sleep();
    await one.notify('_demo/late', { sessionId });
    expect((await one.request('session/nonsense', { sessionId })).error).toBeDefined();
  });
});

describe('a session that its own client deletes', () => {
  it('is gone with the answer, and no word of a failure before', async () => {
    const { connect, one, sessionId } = await served();
    const two = await connect();
    await two.request('session/resume', { sessionId, cwd: '/project' });
    expect((await one.request('session/delete', { sessionId })).result).toEqual({});
    await expect.poll(() => failures(two)).toHaveLength(1);
    expect(failures(one)).toEqual([]);
  });

  it('and cannot be deleted is followed on', async () => {
    const { connect, one, sessionId, refuses } = await served();
    refuses.batch = () => true;
    expect((await one.request('session/delete', { sessionId })).error).toMatchObject({ data: { code: 'storage_unavailable' } });
    refuses.batch = () => false;
    const two = await connect();
    await two.request('session/resume', { sessionId, cwd: '/project' });
    await prompt(two, sessionId, 'say one');
    await expect.poll(() => JSON.stringify(one.seen)).toContain('"text":"one"');
  });
});

describe('a prompt, and at once the end of its session', () => {
  it.each(['session/delete', 'session/close'])('%s: the client follows it no more, and hears of no failure', async (method) => {
    const { host, connect, one } = await served();
    const { sessionId } = await host.create({ agent: 'demo', cwd: '/project' });
    for (const words of ['say one', 'say two', 'say three']) await host.prompt(sessionId, words);
    // It takes a while to look up what the session has.
    const two = await connect({ replayPage: 1 });
    const [, ended] = await Promise.all([prompt(two, sessionId, 'count to 1000000'), two.request(method, { sessionId })]);
    expect(ended.result).toEqual({});
    const { length } = two.seen;
    if (method === 'session/close') {
      await prompt(one, sessionId, 'say four');
      // Nobody else keeps it from ending the agent.
      await one.request(method, { sessionId });
      expect((await host.get(sessionId)).state).toBe('asleep');
    } else await still(() => two.seen.length);
    expect(two.seen.slice(length)).toEqual([]);
    expect(failures(two)).toEqual([]);
  });
});

it.each(['session/delete', 'session/close'])('%s: a request that names no session is not one for that session any more', async (method) => {
  const { host, one, sessionId: first } = await served();
  const { sessionId: second } = (await one.request('session/new', { cwd: '/project', mcpServers: [] })).result;
  await one.request(method, { sessionId: second });
  await host.close(first);
  // Of a method that it does not know the agent of the other session says so.
  const state = async () => (await host.get(first)).state;
  expect((await one.request('_demo/nothing', {})).error).toMatchObject({ code: -32601 });
  expect(await state()).toBe('live');
  await one.request(method, { sessionId: first });
  expect((await one.request('_demo/nothing', {})).error).toMatchObject({ code: -32601, data: { method: '_demo/nothing' } });
  expect((await host.list()).sessions.filter((each) => each.state !== 'asleep')).toEqual([]);
});

it('who comes at the instant in which a turn has ended in the record, and in the host not yet, is not told that it runs', async () => {
  const { host, sessionId } = await served();
  await host.prompt(sessionId, 'say one');
  const { client, server } = pair();
  serveAcp({ ...host, get: async (id) => ({ ...(await host.get(id)), state: 'prompting' }) }, server, { agent: 'demo' });
  const raw = rawClient(client);
  await raw.request('session/resume', { sessionId, cwd: '/project' });
  expect(raw.seen.filter(({ params }) => params?._meta?.rehydrate?.turn)).toEqual([]);
});

describe('a session that another client deletes', () => {
  it('is told of as not found, and so is one that takes its id', async () => {
    const { host, connect, one, sessionId } = await served();
    const two = await connect();
    await two.request('session/delete', { sessionId });
    await expect.poll(() => failures(one).map((message) => message.params._meta.rehydrate.error.code)).toEqual(['session_not_found']);
    expect((await prompt(one, sessionId, 'say hi')).error).toMatchObject({ code: -32002, data: { code: 'session_not_found' } });
    await host.create({ agent: 'demo', cwd: '/project', sessionId });
    await one.request('session/resume', { sessionId, cwd: '/project' });
    expect((await prompt(one, sessionId, 'say hi')).result.stopReason).toBe('end_turn');
  });
});

describe('more sessions than a client may have open', () => {
  it('I10: are refused before anything is made', async () => {
    const { host, connect, sessionId } = await served();
    const two = await connect({ attached: 1 });
    await two.request('session/resume', { sessionId, cwd: '/project' });
    for (const [method, params] of [
      ['session/new', { cwd: '/project', mcpServers: [] }],
      ['session/fork', { sessionId }],
    ] as const)
      expect((await two.request(method, params)).error).toMatchObject({ data: { code: 'limit_exceeded', limit: 'attached' } });
    expect((await host.list()).sessions).toHaveLength(1);
    expect((await two.request('session/load', { sessionId, cwd: '/project', mcpServers: [] })).error).toBeUndefined();
    expect((await prompt(two, sessionId, 'say hi')).result.stopReason).toBe('end_turn');
  });
});

it('I10: sessions that others have deleted take no room of a client’s', async () => {
  const { host, connect, one } = await served();
  const two = await connect({ attached: 2 });
  for (let round = 1; round <= 4; round += 1) {
    const { result } = await two.request('session/new', { cwd: '/project', mcpServers: [] });
    expect(result).toBeDefined();
    await one.request('session/delete', { sessionId: result.sessionId });
    await expect.poll(() => failures(two)).toHaveLength(round);
  }
  expect((await host.list()).sessions).toHaveLength(1);
});

describe('more requests than a client may have under way', () => {
  it('I10: are refused by the name of the limit', async () => {
    const { connect, sessionId } = await served();
    const two = await connect({ requests: 1 });
    const running = prompt(two, sessionId, 'count to 1000000');
    expect((await two.request('session/list', {})).error).toMatchObject({
      data: { code: 'limit_exceeded', limit: 'requests', allowed: 1 },
    });
    await two.notify('session/cancel', { sessionId });
    expect((await running).result.stopReason).toBe('cancelled');
  });
});

describe('requests of one client under one id', () => {
  it.each([1, 2])('I10: one is answered, and the others are refused and reach nobody, in version %i', async (protocolVersion) => {
    let reached = 0;
    const agents = rawAgents((message, agent) => {
      if (message.method === '_raw/slow') reached += 1;
      else if (message.method) agent.say(ordinary(message));
      if (message.method === '_raw/go') agent.say({ jsonrpc: '2.0', id: slow?.id, result: { done: true } });
      if (message.method === '_raw/slow') slow ??= message;
    });
    let slow: Heard | null = null;
    const { host } = await hostOf(agents);
    const { client, server } = pair();
    serveAcp(host, server, { agent: 'raw', limits: { requests: 4 } });
    const raw = rawClient(client);
    await raw.request('initialize', protocolVersion === 1 ? INITIALIZE : { protocolVersion, info: { name: 'c', version: '1' } });
    const { sessionId } = (await raw.request('session/new', { cwd: CWD, mcpServers: [] })).result;
    const from = raw.seen.length;
    for (let times = 0; times < 500; times += 1) await raw.send({ id: 'twice', method: '_raw/slow', params: { sessionId } });
    await raw.request('_raw/go', { sessionId });
    const answers = () => raw.seen.slice(from).filter(({ id }) => id === 'twice');
    await expect.poll(answers).toHaveLength(500);
    expect(reached).toBe(1);
    expect(
      answers()
        .slice(0, -1)
        .every(({ error }) => error?.code === -32600),
    ).toBe(true);
    expect(answers().at(-1).result).toEqual({ done: true });
    // It is free again.
    await raw.send({ id: 'twice', method: 'session/list', params: {} });
    await expect.poll(() => answers().at(-1).result?.sessions).toHaveLength(1);
  });
});

it.each([1, 2])('a client that answers with the id as a text is heard, in version %i', async (protocolVersion) => {
  const { host } = await served();
  const { client, server } = pair();
  serveAcp(host, server, { agent: 'demo' });
  const raw = rawClient(client);
  raw.answers.set('session/request_permission', () => new Promise(() => undefined));
  await raw.request('initialize', protocolVersion === 1 ? INITIALIZE : { protocolVersion, info: { name: 'c', version: '1' } });
  const { sessionId } = (await raw.request('session/new', { cwd: CWD, mcpServers: [] })).result;
  void prompt(raw, sessionId, 'ask permission');
  const question = () => raw.seen.find(({ method }) => method === 'session/request_permission');
  await expect.poll(question).toBeDefined();
  const { id, params } = question();
  await raw.send({ id: String(id), result: { outcome: { outcome: 'selected', optionId: params.options[0].optionId } } });
  await expect
    .poll(async () => (await host.history(sessionId)).at(-1))
    .toMatchObject({ kind: 'turn_ended', payload: { state: 'completed' } });
  if (protocolVersion === 2)
    await expect
      .poll(() => raw.updates('state_update').map(({ state }) => state))
      .toEqual(['running', 'requires_action', 'running', 'idle']);
});

describe('a client that asks and reads no answer', () => {
  it('I10: is not read any further, holds up nobody else, and has each answer once when it reads', async () => {
    const { host, one, sessionId } = await served();
    const { client, server } = pair();
    serveAcp(host, server, { agent: 'demo', limits: { queuedChars: 32 * 1024 } });
    const writer = client.writable.getWriter();
    const NUMBER = 1_000;
    let read = 0;
    for (let id = 0; id < NUMBER; id += 1)
      void writer.write({ jsonrpc: '2.0', id, method: 'session/list', params: {} }).then(() => (read += 1));
    // Answers have more than 100 characters.
    expect(await still(() => read)).toBeLessThan(NUMBER / 2);
    expect((await prompt(one, sessionId, 'say one')).result.stopReason).toBe('end_turn');
    const ids: unknown[] = [];
    for await (const message of client.readable as unknown as AsyncIterable<{ id: unknown }>) if (ids.push(message.id) === NUMBER) break;
    expect(ids.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: NUMBER }, (_, id) => id));
  });
});

describe('a client that goes while its session is opened', () => {
  it('leaves nothing behind that keeps another from closing the session', async () => {
    const { host, connect, one } = await served();
    const two = await connect();
    void two.request('session/new', { cwd: '/elsewhere', mcpServers: [] });
    await two.leave();
    const made = async () => (await host.list({ cwd: '/elsewhere' })).sessions[0];
    await expect.poll(async () => (await made())?.state).toBe('live');
    const { sessionId } = (await made())!;
    await one.request('session/resume', { sessionId, cwd: '/elsewhere' });
    await one.request('session/close', { sessionId });
    expect((await made())!.state).toBe('asleep');
  });
});

describe('a prompt', () => {
  it('of a wrong type has a code, and a repeated one says that it is', async () => {
    const { one, sessionId } = await served();
    const asked = (more: object) => one.request('session/prompt', { sessionId, prompt: text('say one'), ...more });
    expect((await asked({ prompt: 'say one' })).error).toMatchObject({ code: -32602, data: { code: 'invalid_argument', sessionId } });
    const _meta = { rehydrate: { idempotencyKey: 'k' } };
    const results = [await asked({ _meta }), await asked({ _meta })].map(({ result }) => result._meta.rehydrate);
    expect(results.map(({ repeated }) => repeated)).toEqual([undefined, true]);
    expect(results[1]?.turnId).toBe(results[0]?.turnId);
  });

  it('that was not sent yet is answered as cancelled, and one whose request is withdrawn with the error for that', async () => {
    const { host, one, sessionId } = await served(inProcessLauncher({ variant: 'hang-resume' }));
    await prompt(one, sessionId, 'say one');
    await host.close(sessionId);
    for (const [id, method, params, answer] of [
      ['a', 'session/cancel', { sessionId }, { result: { stopReason: 'cancelled' } }],
      ['b', '$/cancel_request', { requestId: 'b' }, { error: { code: -32800 } }],
    ] as const) {
      await one.send({ id, method: 'session/prompt', params: { sessionId, prompt: text('say one') } });
      await expect.poll(async () => (await host.get(sessionId)).state).toBe('resuming');
      await one.notify(method, params);
      await expect.poll(() => one.seen.find((message) => message.id === id)).toMatchObject(answer);
    }
  });
});

it('lines that are no messages are refused by name, under the id of the request that they were to be, and the next is read', async () => {
  const { host } = await served();
  const [input, output] = [new PassThrough(), new PassThrough()];
  const serving = serveAcp(host, stdioMessages(input, output, 2 ** 20), { agent: 'demo' });
  const hello = JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'initialize', params: INITIALIZE });
  const notUtf8 = Buffer.from(hello.replace('"id":9', '"id":4').replace('}', ',"x":"\u00ff"}'), 'latin1');
  for (const line of ['{"id":', '[]', '{"id":3,"method":"session/list"}', notUtf8, hello])
    input.write(Buffer.concat([Buffer.from(line), Buffer.from('\n')]));
  const answers: { id: unknown; error?: { code: number; message: string } }[] = [];
  for await (const line of createInterface({ input: output })) {
    answers.push(JSON.parse(line));
    if (answers.length === 5) break;
  }
  expect(answers.map(({ id, error }) => [id, error?.code, error?.message])).toEqual([
    [null, -32700, expect.stringContaining('not JSON')],
    [null, -32600, expect.stringContaining('no batches')],
    [3, -32600, expect.stringContaining('"jsonrpc": "2.0"')],
    [4, -32600, expect.stringContaining('not UTF-8')],
    [9, undefined, undefined],
  ]);
  input.end();
  await serving.closed;
});
