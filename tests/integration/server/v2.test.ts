/** Our agent side in ACP v2, by a raw client: whatever version the agent behind it speaks, and whatever version the record is in. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type Host, type HostOptions } from '../../../src/engine/index.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher, type AgentVariant, type InProcessLauncher } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { CWD, PATIENT, worldOf } from '../engine/helpers.ts';
import { ordinary, rawAgents, update, type Heard } from '../engine/raw-agent.ts';
import { watched, wordsSent } from '../engine/watched-agents.ts';
import { expectV2 } from '../../support/v2-schema.ts';

const INITIALIZE_V2 = { protocolVersion: 2, info: { name: 'a raw client', version: '1' }, capabilities: {} };
const INITIALIZE_V1 = { protocolVersion: 1, clientCapabilities: {} };

async function served(protocol: HostOptions['protocol'], variant: AgentVariant = 'native') {
  const database = await openNodeSqlite(':memory:');
  const launcher: InProcessLauncher = inProcessLauncher({ variant });
  const agents = watched(launcher);
  const host = await createHost({ database, agents, protocol, limits: PATIENT });
  onTestFinished(async () => {
    await host.sleep();
    await database.close();
  });
  const connect = async (
    initialize: object = INITIALIZE_V2,
  ): Promise<{ client: RawClient; initialized: { result: Record<string, never> } }> => {
    const ends = pair();
    serveAcp(host, ends.server, { agent: 'demo' });
    const client = rawClient(ends.client);
    return { client, initialized: await client.request('initialize', initialize) };
  };
  return { host, agents: launcher, watched: agents, connect };
}

const begin = async (client: RawClient): Promise<string> => (await client.request('session/new', { cwd: CWD })).result.sessionId as string;

/** Prompts, and waits for the agent to be idle again. Gives all that came, in order. */
async function turn(client: RawClient, sessionId: string, words: string) {
  const from = client.seen.length;
  const answered = await client.request('session/prompt', { sessionId, prompt: text(words) });
  const idle = () => client.seen.slice(from).find(({ params }) => params?.update?.state === 'idle');
  while (!answered.error && !idle()) await new Promise((resolve) => setTimeout(resolve, 5));
  const seen = client.seen.slice(from);
  return {
    seen,
    answered,
    idle: idle()?.params.update,
    kinds: seen.map(({ method, params }) => (method ? (params.update?.state ?? params.update?.sessionUpdate ?? method) : 'answer')),
  };
}

const said = (seen: RawClient['seen'], kind = 'agent_message_chunk'): string =>
  seen.flatMap(({ params }) => (params?.update?.sessionUpdate === kind ? params.update.content.text : [])).join('');

const AGENTS = [['v1'], ['newest']] as const;

describe.each(AGENTS)('a client of v2, the agent by protocol %s', (protocol) => {
  it('initialize, a session with its mode as an option, and a turn that ends with its state', async () => {
    const { connect } = await served(protocol);
    const { client, initialized } = await connect();
    expect(initialized.result).toMatchObject({
      protocolVersion: 2,
      info: { name: 'scripted-native' },
      capabilities: { session: { prompt: { image: {}, embeddedContext: {} }, mcp: { stdio: {}, http: {} }, delete: {} } },
    });
    const made = await client.request('session/new', { cwd: CWD });
    expect(made.result).toMatchObject({
      configOptions: [{ configId: 'mode', category: 'mode', currentValue: 'chatty' }, { configId: 'model' }],
    });
    const { sessionId } = made.result;
    const { kinds, seen, idle, answered } = await turn(client, sessionId, 'My name is Ada.');
    const order = kinds.filter((kind, at) => kinds.indexOf(kind) === at && !/commands|info|usage/.test(kind));
    expect(order).toEqual(['user_message', 'answer', 'running', 'agent_message', 'agent_message_chunk', 'idle']);
    expect(seen.find(({ params }) => params?.update?.sessionUpdate === 'user_message').params.update).toMatchObject({
      messageId: answered.result.messageId,
      content: text('My name is Ada.'),
    });
    expect(idle).toMatchObject({ stopReason: 'end_turn', _meta: { rehydrate: { report: { tier: 'new' } } } });
    expect(said(seen)).toContain('Ada');
    const set = await client.request('session/set_config_option', { sessionId, configId: 'mode', type: 'id', value: 'brief' });
    expect(set.result.configOptions).toMatchObject([{ configId: 'mode', currentValue: 'brief' }, { configId: 'model' }]);
    expect(said((await turn(client, sessionId, 'What is my name?')).seen)).toBe('Ada');
    expectV2(client.seen);
  });

  it('I4: the agent dies, and the next prompt brings it back; another client gets the record, each message once', async () => {
    const { agents, connect, host } = await served(protocol);
    const { client } = await connect();
    const sessionId = await begin(client);
    await turn(client, sessionId, 'My name is Ada.');
    agents.last?.crash();
    await agents.last?.exited;
    const again = await turn(client, sessionId, 'What is my name?');
    expect(again.idle).toMatchObject({ stopReason: 'end_turn', _meta: { rehydrate: { report: { tier: 'resume' } } } });
    expect(said(again.seen)).toContain('Ada');
    const second = (await connect()).client;
    const from = second.seen.length;
    expect((await second.request('session/resume', { sessionId, cwd: CWD, replayFrom: { type: 'start' } })).result).toMatchObject({
      configOptions: [{ configId: 'mode' }, {}],
    });
    const replayed = second.seen.slice(from);
    expect(said(replayed, 'user_message_chunk')).toBe('My name is Ada.What is my name?');
    expect(said(replayed)).toBe(said(client.seen));
    expect(replayed.at(-2).params.update, 'the snapshot stands before the answer').toEqual({
      sessionUpdate: 'state_update',
      state: 'idle',
    });
    const ids = replayed.flatMap(({ params }) => params?.update?.messageId ?? []);
    expect(new Set(ids).size).toBe(4);
    const bare = (await connect()).client;
    expect((await bare.request('session/resume', { sessionId, cwd: CWD })).error).toBeUndefined();
    expect(said(bare.seen)).toBe('');
    expect(await host.history(sessionId)).toEqual(expect.arrayContaining([]));
    expectV2([...client.seen, ...replayed, ...bare.seen]);
  });

  it('what v2 has not is refused, a lost session by -32002, and a replay from elsewhere by -32602', async () => {
    const { connect } = await served(protocol);
    const { client } = await connect();
    const sessionId = await begin(client);
    for (const method of ['session/load', 'session/set_mode', 'authenticate'])
      expect((await client.request(method, { sessionId, cwd: CWD, modeId: 'brief' })).error).toMatchObject({ code: -32601 });
    expect((await client.request('session/resume', { sessionId: 'nobody', cwd: CWD })).error).toMatchObject({
      code: -32002,
      data: { sessionId: 'nobody' },
    });
    for (const replayFrom of [{ type: 'end' }, {}, [], 5, false, ''])
      expect((await client.request('session/resume', { sessionId, cwd: CWD, replayFrom })).error).toMatchObject({ code: -32602 });
    expect((await client.request('session/resume', { sessionId, cwd: CWD, replayFrom: null })).error).toBeUndefined();
    expect((await client.request('session/list', { cwd: CWD })).result.sessions).toMatchObject([{ sessionId }]);
  });

  it('a fork is asked for and answered in the words of v2, and has a mode of its own', async () => {
    const { connect, host } = await served(protocol);
    const { client } = await connect();
    const sessionId = await begin(client);
    await turn(client, sessionId, 'My name is Ada.');
    const servers = [{ type: 'stdio', name: 'one', command: '/bin/true' }];
    const { result } = await client.request('session/fork', { sessionId, cwd: CWD, mcpServers: servers });
    expect(result).toMatchObject({ configOptions: [{ configId: 'mode', currentValue: 'chatty' }, { configId: 'model' }] });
    expect(result).not.toHaveProperty('modes');
    expect((await host.get(result.sessionId)).mcpServers).toEqual([{ name: 'one', command: '/bin/true', args: [], env: [] }]);
    const set = { sessionId: result.sessionId, configId: 'mode', type: 'id', value: 'brief' };
    expect((await client.request('session/set_config_option', set)).result.configOptions[0]).toMatchObject({ currentValue: 'brief' });
    expect((await host.get(sessionId)).modes).toMatchObject({ currentModeId: 'chatty' });
    // Where it names none, those of the original stay.
    const again = await client.request('session/fork', { sessionId: result.sessionId, cwd: CWD });
    expect((await host.get(again.result.sessionId)).mcpServers).toHaveLength(1);
  });

  it.each([['x'], [{}], [[null]], [[{}]], [[{ type: 'stdio', command: '/bin/true' }]]])(
    'MCP servers that are none are refused as in v1: %j',
    async (mcpServers) => {
      const { connect } = await served(protocol);
      const { client } = await connect();
      const sessionId = await begin(client);
      for (const method of ['session/new', 'session/resume', 'session/fork'])
        expect((await client.request(method, { sessionId, cwd: CWD, mcpServers })).error, method).toMatchObject({
          code: -32602,
          message: expect.stringContaining('mcpServers must be a list of MCP servers') as string,
        });
    },
  );

  it('a permission is asked in the words of v2, and holds up the turn', async () => {
    const { connect } = await served(protocol);
    const { client } = await connect();
    const sessionId = await begin(client);
    client.answers.set('session/request_permission', () => ({ outcome: { outcome: 'selected', optionId: 'once' } }));
    const { seen, kinds, idle } = await turn(client, sessionId, 'delete notes.txt');
    expect(seen.find(({ method }) => method === 'session/request_permission').params).toMatchObject({
      title: 'Delete notes.txt',
      subject: { type: 'tool_call', toolCall: { toolCallId: expect.any(String) as string } },
    });
    expect(kinds.filter((kind) => /running|requires|idle/.test(kind))).toEqual(['running', 'requires_action', 'running', 'idle']);
    expect(idle.stopReason).toBe('end_turn');
    expectV2(client.seen);
  });
});

it('a client of v1 sees nothing but v1 of an agent that speaks v2, live and in a replay', async () => {
  const { connect, host } = await served('v2', 'v2-only');
  const { client, initialized } = await connect(INITIALIZE_V1);
  expect(initialized.result).toMatchObject({
    protocolVersion: 1,
    agentCapabilities: { promptCapabilities: { image: true, embeddedContext: true } },
  });
  const made = await client.request('session/new', { cwd: CWD, mcpServers: [] });
  expect(made.result).toMatchObject({ modes: { currentModeId: 'chatty' }, configOptions: [{ id: 'mode' }, { id: 'model' }] });
  const { sessionId } = made.result;
  client.answers.set('session/request_permission', () => ({ outcome: { outcome: 'selected', optionId: 'once' } }));
  for (const words of ['My name is Ada.', 'list files', 'delete notes.txt'])
    expect((await client.request('session/prompt', { sessionId, prompt: text(words) })).result).toMatchObject({ stopReason: 'end_turn' });
  const second = (await connect(INITIALIZE_V1)).client;
  await second.request('session/load', { sessionId, cwd: CWD, mcpServers: [] });
  const V1 = [
    'user_message_chunk',
    'agent_message_chunk',
    'tool_call',
    'tool_call_update',
    'plan',
    'session_info_update',
    'available_commands_update',
    'usage_update',
    'config_option_update',
    'current_mode_update',
  ];
  for (const update of [...client.updates(), ...second.updates()]) expect(V1).toContain(update.sessionUpdate);
  expect(second.said()).toBe(client.said());
  expect(second.updates('tool_call').map(({ title }) => title)).toEqual([`List ${CWD}`, 'Delete notes.txt']);
  expect(second.updates('user_message_chunk').map(({ content }) => content.text)).toEqual([
    'My name is Ada.',
    'list files',
    'delete notes.txt',
  ]);
  await (host satisfies Host).sleep();
});

describe('what a client asks for that is no version', () => {
  it.each([
    ['nothing', {}, 1],
    ['params that are null', null, 1],
    ['a word', { protocolVersion: '2' }, 1],
    ['a version to come', { protocolVersion: 3 }, 2],
  ])('I10: %s is answered, and the connection lives', async (_what, params, version) => {
    const { connect } = await served('v1');
    const { client, initialized } = await connect(params as never);
    expect(initialized.result).toMatchObject({ protocolVersion: version });
    await client.notify('session/set_mode', null as never);
    await client.notify('session/set_mode', {});
    expect((await client.request('session/set_mode', null as never)).error).toBeDefined();
    expect((await client.request('session/list', {})).result.sessions).toEqual([]);
    expect(client.seen.filter((message) => !('method' in message) && (message as { id?: unknown }).id === undefined)).toEqual([]);
  });
});

describe('I1, I10: what a client of v2 should not do', () => {
  it('a prompt while another runs is refused, and the turn that runs ends as it would', async () => {
    const { connect, watched: seen, host } = await served('v1');
    const { client } = await connect();
    const sessionId = await begin(client);
    const first = client.request('session/prompt', { sessionId, prompt: text('stream 300 chunks') });
    const second = await client.request('session/prompt', { sessionId, prompt: text('say hello') });
    expect(second.error).toMatchObject({ data: { code: 'turn_in_progress' } });
    expect((await first).result).toMatchObject({ messageId: expect.stringMatching(/./) });
    await expect.poll(() => client.seen.filter(({ params }) => params?.update?.state === 'idle').length).toBe(1);
    const ids = client.seen.filter((message) => !message.method).map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
    expect(wordsSent(seen)).toEqual(['stream 300 chunks']);
    expect((await host.get(sessionId)).state).toBe('live');
  });

  it.each([
    ['v1', INITIALIZE_V1],
    ['v2', INITIALIZE_V2],
  ])('a prompt without an id reaches no agent, and is not answered, in %s', async (_version, initialize) => {
    const { connect, watched: seen, host } = await served('v1');
    const { client } = await connect(initialize);
    const { sessionId } = (await client.request('session/new', { cwd: CWD, mcpServers: [] })).result;
    await client.request('session/prompt', { sessionId, prompt: text('say hello') });
    await expect.poll(async () => (await host.get(sessionId)).state).toBe('live');
    await client.notify('session/prompt', { sessionId, prompt: text('say nothing of this') });
    await client.request('session/list', {});
    await host.sleep();
    expect(wordsSent(seen)).toEqual(['say hello']);
    expect(client.seen.filter((message) => !('method' in message) && (message as { id?: unknown }).id === undefined)).toEqual([]);
  });
});

it('a mode that an agent changes as an option is what a client of v2 sees, too', async () => {
  const database = await openNodeSqlite(':memory:');
  const configOptions = (currentValue: string) => [
    { id: 'approval', name: 'Mode', category: 'mode', type: 'select', currentValue, options: [] },
  ];
  const agents = rawAgents((message, raw) => {
    const { method, id } = message;
    const modes = { currentModeId: 'plan', availableModes: [] };
    const settings = { modes, configOptions: configOptions('plan') };
    if (method === 'session/new') return raw.say({ jsonrpc: '2.0', id, result: { sessionId: 'raw-1', ...settings } });
    if (method === 'session/prompt') raw.say(update({ sessionUpdate: 'config_option_update', configOptions: configOptions('code') }));
    if (method) raw.say(ordinary(message));
  });
  const host = await createHost({ database, agents, protocol: 'v1', limits: PATIENT });
  onTestFinished(async () => {
    await host.sleep();
    await database.close();
  });
  const ends = pair();
  serveAcp(host, ends.server, { agent: 'demo' });
  const client = rawClient(ends.client);
  await client.request('initialize', INITIALIZE_V2);
  const { seen } = await turn(client, await begin(client), 'approve');
  const told = seen.flatMap(({ params }) => (params?.update?.sessionUpdate === 'config_option_update' ? [params.update] : []));
  expect(told).toMatchObject([{ configOptions: [{ configId: 'approval', currentValue: 'code' }] }]);
});

describe('ids of messages that the agent gives none', () => {
  /** Says two things about each prompt, asks in the middle of the second, and has no ids for them. */
  function nameless() {
    let prompt: Heard = {};
    return rawAgents((message, raw) => {
      const { method } = message;
      const say = (words: string) => raw.say(update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: words } }));
      if (method === 'session/prompt') {
        say('one');
        raw.say(update({ sessionUpdate: 'tool_call', toolCallId: 'c', title: 'Look', status: 'completed' }));
        say('two');
        const params = { sessionId: 'raw-1', toolCall: { toolCallId: 'c' }, options: [{ optionId: 'y', name: 'Yes', kind: 'allow_once' }] };
        raw.say({ jsonrpc: '2.0', id: 900, method: 'session/request_permission', params });
        prompt = message;
      } else if (method) raw.say(ordinary(message));
      else {
        say(' and three');
        raw.say(ordinary(prompt));
      }
    });
  }

  /** For each connection another host on the same record. Its agent does not come back. */
  async function clients() {
    const { wake } = await worldOf(nameless());
    let host: Host | null = null;
    return async (): Promise<RawClient> => {
      await host?.sleep();
      host = await wake({ protocol: 'v1' });
      const ends = pair();
      serveAcp(host, ends.server, { agent: 'demo' });
      const client = rawClient(ends.client);
      client.answers.set('session/request_permission', () => ({ outcome: { outcome: 'selected', optionId: 'y' } }));
      await client.request('initialize', INITIALIZE_V2);
      return client;
    };
  }

  /** Each message's id, once. */
  const ids = (seen: RawClient['seen']): string[] => [
    ...new Set(seen.flatMap(({ params }) => (/message/.test(params?.update?.sessionUpdate) ? [params.update.messageId as string] : []))),
  ];

  it('I3: are no other message’s on any connection, and the same live and in each replay', async () => {
    const connect = await clients();
    const first = await connect();
    const sessionId = await begin(first);
    const one = await turn(first, sessionId, 'What is it?');
    const second = await connect();
    await second.request('session/resume', { sessionId, cwd: CWD });
    // That the agent had lost the session is told before the prompt is in the conversation.
    const two = await turn(second, sessionId, 'And now?');
    for (const { seen, answered } of [one, two]) {
      expect(ids(seen)).toHaveLength(3);
      expect(ids(seen)[0]).toBe(answered.result.messageId);
    }
    const live = [...ids(one.seen), ...ids(two.seen)];
    expect(new Set(live).size).toBe(6);
    for (let again = 0; again < 2; again += 1) {
      const third = await connect();
      await third.request('session/resume', { sessionId, cwd: CWD, replayFrom: { type: 'start' } });
      expect(ids(third.seen)).toEqual(live);
    }
    expectV2([...first.seen, ...second.seen]);
  });

  it('I5: a prompt that is sent again under its key is answered with the id that it has', async () => {
    const connect = await clients();
    const prompt = (client: RawClient, sessionId: string) =>
      client.request('session/prompt', { sessionId, prompt: text('go'), _meta: { rehydrate: { idempotencyKey: 'k' } } });
    const first = await connect();
    const sessionId = await begin(first);
    const { messageId } = (await prompt(first, sessionId)).result;
    await expect.poll(() => first.updates('state_update').at(-1)?.state).toBe('idle');
    expect((await prompt(first, sessionId)).result.messageId).toBe(messageId);
    expect((await prompt(await connect(), sessionId)).result.messageId).toBe(messageId);
  });
});

it('I3: what another client did meanwhile is told before the prompt, and not taken for it', async () => {
  const chunk = (role: 'user' | 'agent', words: string) =>
    update({ sessionUpdate: `${role}_message_chunk`, content: { type: 'text', text: words } });
  const agents = rawAgents((message, raw) => {
    const { method } = message;
    if (method === 'session/prompt') raw.say(chunk('agent', 'It is a cat.'));
    if (method === 'session/load')
      raw.say(chunk('user', 'What is it?'), chunk('agent', 'It is a cat.'), chunk('user', 'Whose?'), chunk('agent', 'Mine.'));
    if (method) raw.say(ordinary(message, { loadSession: true }));
  });
  const { wake } = await worldOf(agents);
  const host = await wake({ protocol: 'v1' });
  const ends = pair();
  serveAcp(host, ends.server, { agent: 'demo' });
  const client = rawClient(ends.client);
  await client.request('initialize', INITIALIZE_V2);
  const sessionId = await begin(client);
  await turn(client, sessionId, 'What is it?');
  await host.close(sessionId);
  const { seen, answered } = await turn(client, sessionId, 'And now?');
  const told = seen.flatMap(({ params }) => (/_message/.test(params?.update?.sessionUpdate) ? [params.update] : []));
  expect(told.slice(0, 4)).toMatchObject([
    { sessionUpdate: 'user_message_chunk', content: { text: 'Whose?' } },
    { sessionUpdate: 'agent_message' },
    { sessionUpdate: 'agent_message_chunk', content: { text: 'Mine.' } },
    { sessionUpdate: 'user_message', messageId: answered.result.messageId, content: text('And now?') },
  ]);
  expectV2(client.seen);
});
