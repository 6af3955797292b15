/** With an agent that needs nothing of us, a client sees what it would see without us: but for ids, `_meta` and the capabilities we add. */
import { expect, it } from 'vitest';
import { createHost, type Host, type MessageStream } from '../../../src/engine/index.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient, text } from '../../unit/agents/raw-client.ts';
import { hostOf, PATIENT } from '../engine/helpers.ts';
import { ordinary, rawAgents, update } from '../engine/raw-agent.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- raw JSON, looked into by assertions
type Json = any;

const PROMPTS = [
  'my cat is called Miette',
  'what is my cat called?',
  'think about cats',
  'ask permission',
  'switch to brief',
  'call this session A talk',
  'stream 40 chunks',
  'no such thing as this',
];

async function session(stream: MessageStream): Promise<Json[]> {
  const client = rawClient(stream);
  client.answers.set('session/request_permission', (params) => ({
    outcome: { outcome: 'selected', optionId: params.options[0].optionId },
  }));
  await client.request('initialize', INITIALIZE);
  const { sessionId } = (await client.request('session/new', { cwd: '/project', mcpServers: [] })).result;
  await expect.poll(() => client.updates('available_commands_update')).toHaveLength(1);
  for (const words of PROMPTS) await client.request('session/prompt', { sessionId, prompt: text(words) });
  await client.request('session/set_mode', { sessionId, modeId: 'chatty' });
  await client.request('session/set_config_option', { sessionId, configId: 'model', value: 'memo-large' });
  await client.request('session/set_mode', { sessionId, modeId: 'nonsense' });
  const running = client.request('session/prompt', { sessionId, prompt: text('count to 1000000') });
  await expect.poll(() => client.said()).toMatch(/1 2 /);
  await client.notify('session/cancel', { sessionId });
  await running;
  return client.seen;
}

/** A frame without what may differ; chunks of one message are one, however they came. */
function normalised(seen: readonly Json[]): Json[] {
  const ids = new Map<string, string>();
  let options: string | undefined;
  const frames: Json[] = [];
  for (const message of seen) {
    const plain = JSON.parse(JSON.stringify(message), (key, value: Json) => {
      if (key === '_meta') return undefined;
      if (key === 'agentCapabilities') return undefined;
      if (/^(sessionId|messageId|toolCallId)$/.test(key) && typeof value === 'string') {
        if (!ids.has(value)) ids.set(value, `${key} ${ids.size}`);
        return ids.get(value);
      }
      return value;
    });
    if (plain.method && plain.id !== undefined) plain.id = 'theirs';
    // What says nothing new is not stored, so nobody is told it.
    const told = JSON.stringify(plain.result?.configOptions ?? plain.params?.update?.configOptions);
    if (plain.method && told !== undefined && told === options) continue;
    options = told ?? options;
    const before = frames.at(-1);
    const [a, b] = [before?.params?.update, plain.params?.update];
    if (a && b && /_chunk$/.test(b.sessionUpdate) && a.sessionUpdate === b.sessionUpdate && a.messageId === b.messageId)
      a.content.text += b.content.text;
    else frames.push(plain);
  }
  // How far a count came before it was cancelled is chance, and so is what it used.
  for (const { params } of frames.slice(-3)) if (params?.update?.used) params.update.used = 0;
  return JSON.parse(JSON.stringify(frames).replace(/1 2 3[ 0-9]*/g, 'a count'));
}

it('a client sees the same frames as without us', async () => {
  const spec = { agent: 'demo', cwd: '/project', sessionId: 's' };
  const bare = await inProcessLauncher({ pace: 0.01 }).launch(spec, { signal: new AbortController().signal });
  const without = await session(bare.stream);
  await bare.end('kill');

  const database = await openNodeSqlite(':memory:');
  const host = await createHost({ database, agents: inProcessLauncher({ pace: 0.01 }), limits: PATIENT });
  const { client, server } = pair();
  serveAcp(host, server, { agent: 'demo' });
  const withUs = await session(client);
  await host.sleep();
  await database.close();

  expect(normalised(withUs)).toEqual(normalised(without));
});

it('a stop reason that ACP does not have is end_turn for a client, with the agent’s own in _meta, and the session goes on', async () => {
  const raw = rawAgents((message, agent) => {
    if (message.method === 'session/prompt') agent.say({ jsonrpc: '2.0', id: message.id, result: { stopReason: 'error' } });
    else if (message.method) agent.say(ordinary(message));
  });
  const { host } = await hostOf(raw);
  const { client, server } = pair();
  serveAcp(host, server, { agent: 'raw' });
  const one = rawClient(client);
  await one.request('initialize', INITIALIZE);
  const { sessionId } = (await one.request('session/new', { cwd: '/project', mcpServers: [] })).result;
  for (let turn = 0; turn < 2; turn++)
    expect((await one.request('session/prompt', { sessionId, prompt: text('hi') })).result).toMatchObject({
      stopReason: 'end_turn',
      _meta: { rehydrate: { stopReason: 'error' } },
    });
});

it('what ACP does not have goes through both ways, but for our part of _meta; an agent’s own word of a setting is told once', async () => {
  const mode = { currentModeId: 'a', availableModes: [{ id: 'a', name: 'A' }, { id: 'b', name: 'B' }] }; // prettier-ignore
  const raw = rawAgents((message, agent) => {
    const reply = (result: object) => agent.say({ jsonrpc: '2.0', id: message.id, result });
    if (message.method === 'session/new') reply({ sessionId: 'raw-1', modes: mode, _meta: { made: true }, tips: ['one'] });
    else if (message.method === 'session/prompt') reply({ stopReason: 'end_turn', _meta: { cost: 3 }, mood: 'fine' });
    else if (message.method === 'session/set_mode') {
      agent.say(update({ sessionUpdate: 'current_mode_update', currentModeId: 'b' }));
      reply({});
    } else if (message.method) agent.say(ordinary(message));
  });
  const { host } = await hostOf(raw);
  const { client, server } = pair();
  serveAcp(host, server, { agent: 'raw' });
  const one = rawClient(client);
  await one.request('initialize', INITIALIZE);
  const extra = { _meta: { theirs: 1, rehydrate: { ours: 2 } }, systemPrompt: 'Be brief' };
  const { result: made } = await one.request('session/new', { cwd: '/project', mcpServers: [], ...extra });
  expect(made).toMatchObject({ modes: mode, _meta: { made: true }, tips: ['one'] });
  const { sessionId } = made;
  const { result } = await one.request('session/prompt', { sessionId, prompt: text('hi'), ...extra });
  expect(result).toMatchObject({ stopReason: 'end_turn', mood: 'fine', _meta: { cost: 3, rehydrate: { report: { tier: 'new' } } } });
  const heard = (method: string) => raw.heard.find((message) => message.method === method)?.params;
  const theirs = { _meta: { theirs: 1 }, systemPrompt: 'Be brief' };
  expect(heard('session/new')).toEqual({ cwd: '/project', mcpServers: [], ...theirs });
  expect(heard('session/prompt')).toEqual({ sessionId: 'raw-1', prompt: text('hi'), ...theirs });

  const answer = await one.request('session/set_mode', { sessionId, modeId: 'b' });
  expect(one.updates('current_mode_update')).toEqual([{ sessionUpdate: 'current_mode_update', currentModeId: 'b' }]);
  expect(one.seen.findIndex((message) => message.params?.update?.currentModeId === 'b')).toBeLessThan(one.seen.indexOf(answer));
});

/** Two clients at one session. */
async function twoClients(host: Host) {
  const [one, other] = [pair(), pair()].map(({ client, server }) => {
    serveAcp(host, server, { agent: 'raw' });
    return rawClient(client);
  }) as [ReturnType<typeof rawClient>, ReturnType<typeof rawClient>];
  for (const each of [one, other]) await each.request('initialize', INITIALIZE);
  const { sessionId } = (await one.request('session/new', { cwd: '/project', mcpServers: [] })).result;
  expect((await other.request('session/load', { sessionId, cwd: '/project', mcpServers: [] })).error).toBeUndefined();
  return { one, other, sessionId };
}

it.each(['session/set_mode', 'session/set_config_option'])(
  'a mode that is an option, too: by %s the others hear of both, and who set it of neither',
  async (method) => {
    const available = [{ id: 'a', name: 'A' }, { id: 'b', name: 'B' }]; // prettier-ignore
    const option = (currentValue: string) => ({
      ...{ id: 'how', name: 'How', category: 'mode', type: 'select', currentValue },
      options: available.map(({ id, name }) => ({ value: id, name })),
    });
    const raw = rawAgents((message, agent) => {
      const reply = (result: object) => agent.say({ jsonrpc: '2.0', id: message.id, result });
      if (message.method === 'session/new')
        reply({ sessionId: 'raw-1', modes: { availableModes: available, currentModeId: 'a' }, configOptions: [option('a')] });
      else if (message.method === 'session/set_config_option') reply({ configOptions: [option('b')] });
      else if (message.method === 'session/set_mode') reply({});
      else if (message.method) agent.say(ordinary(message));
    });
    const { host } = await hostOf(raw);
    const { one, other, sessionId } = await twoClients(host);
    const params = method === 'session/set_mode' ? { modeId: 'b' } : { configId: 'how', value: 'b' };
    expect((await one.request(method, { sessionId, ...params })).error).toBeUndefined();
    // Turns come after it, to both.
    await one.request('session/prompt', { sessionId, prompt: text('hi') });
    await expect.poll(() => other.updates('user_message_chunk')).not.toEqual([]);
    const heard = (client: typeof one) => ['current_mode_update', 'config_option_update'].map((kind) => client.updates(kind).length);
    expect(heard(one)).toEqual([0, 0]);
    expect(heard(other)).toEqual([1, 1]);
    expect(other.updates('config_option_update')[0].configOptions[0].currentValue).toBe('b');
  },
);

it('what two clients set in one millisecond each hears of the other', async () => {
  const options = { size: 'a', colour: 'a' } as Record<string, string>;
  const configOptions = () =>
    Object.entries(options).map(([id, currentValue]) => ({
      ...{ id, name: id, type: 'select', currentValue },
      options: ['a', 'b'].map((value) => ({ value, name: value })),
    }));
  const raw = rawAgents((message, agent) => {
    const reply = (result: object) => agent.say({ jsonrpc: '2.0', id: message.id, result });
    if (message.method === 'session/new') reply({ sessionId: 'raw-1', configOptions: configOptions() });
    else if (message.method === 'session/set_config_option') {
      const { configId, value } = message.params as Json;
      options[configId] = value;
      reply({ configOptions: configOptions() });
    } else if (message.method) agent.say(ordinary(message));
  });
  const { host } = await hostOf(raw, { clock: () => 1 });
  const { one, other, sessionId } = await twoClients(host);
  await one.request('session/prompt', { sessionId, prompt: text('hi') });
  await one.request('session/set_config_option', { sessionId, configId: 'size', value: 'b' });
  await other.request('session/set_config_option', { sessionId, configId: 'colour', value: 'b' });
  const values = (client: typeof one) =>
    client.updates('config_option_update').map((update: Json) => update.configOptions.map((option: Json) => option.currentValue));
  await expect.poll(() => values(one)).toEqual([['b', 'b']]);
  await expect.poll(() => values(other)).toEqual([['b', 'a']]);
});
