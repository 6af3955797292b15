/** `adopt`, in process: what a session is called that the agent had first, and what is said of one that cannot be taken in. */
import { afterEach, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type Host } from '../../../src/engine/index.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher, memoryStore } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient } from '../../unit/agents/raw-client.ts';
import { CWD, hostOf, PATIENT } from '../engine/helpers.ts';
import { ordinary, rawAgents, update } from '../engine/raw-agent.ts';

const PLACE = { cwd: '/project', mcpServers: [] };
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const store = memoryStore();
async function open(): Promise<Host> {
  const database = await openNodeSqlite(':memory:');
  const host = await createHost({ database, agents: inProcessLauncher({ store }), limits: PATIENT });
  ends.push(async () => {
    await host.sleep();
    await database.close();
  });
  return host;
}
async function adopting(host?: Host) {
  const { client, server } = pair();
  serveAcp(host ?? (await open()), server, { agent: 'demo', adopt: true });
  const raw = rawClient(client);
  await raw.request('initialize', INITIALIZE);
  return raw;
}

it('it keeps the title of the agent’s list, also where the client has not listed it', async () => {
  const elsewhere = await open();
  const begun = await elsewhere.create({ agent: 'demo', cwd: '/project' });
  await elsewhere.prompt(begun.sessionId, 'my cat is called Miette');
  await elsewhere.prompt(begun.sessionId, 'title: The cat');
  await elsewhere.close(begun.sessionId);
  const sessionId = begun.agentSessionId as string;

  const client = await adopting();
  expect((await client.request('session/load', { sessionId, ...PLACE })).error).toBeUndefined();
  expect((await client.request('session/list', {})).result.sessions).toMatchObject([{ sessionId, title: 'The cat' }]);
});

it('I4: one that was being taken in when the host was killed is taken in at the next load, which shows what was said', async () => {
  const elsewhere = await open();
  const begun = await elsewhere.create({ agent: 'demo', cwd: '/project' });
  await elsewhere.prompt(begun.sessionId, 'my cat is called Miette');
  await elsewhere.close(begun.sessionId);
  const sessionId = begun.agentSessionId as string;

  const host = await open();
  // All that a host gets to write before the agent has answered.
  await host.adopt({ agent: 'demo', agentSessionId: sessionId, sessionId, cwd: '/project' });
  const client = await adopting(host);
  expect((await client.request('session/load', { sessionId, ...PLACE })).error).toBeUndefined();
  expect(client.updates('user_message_chunk').map(({ content }) => content.text)).toEqual(['my cat is called Miette']);
});

it('what nobody has is told as that: it names no policy that nobody set, and no record that there is not', async () => {
  const { error } = await (await adopting()).request('session/load', { sessionId: 'nobody', ...PLACE });
  expect(error).toMatchObject({ code: -32002, data: { sessionId: 'nobody' } });
  expect(error.message).toContain('The record has nothing of it to go on from.');
  expect(error.message).not.toMatch(/policy|stored record|any more/i);
});

it.each([
  ['is refused', { error: { code: -32603, message: 'No tokens left today' } }],
  ['is withdrawn', null],
] as const)(
  'I4: a load that %s costs the agent nothing: its own session stays, and is taken in when it is loaded again',
  async (_, answer) => {
    let isRefused = true;
    const agents = rawAgents((message, agent) => {
      const say = (body: object) => agent.say({ jsonrpc: '2.0', id: message.id, ...body });
      if (message.method === 'session/list') return say({ result: { sessions: [{ sessionId: 'theirs', cwd: CWD }] } });
      if (message.method === 'session/load' && isRefused) return answer === null ? undefined : say(answer);
      if (message.method === 'session/load')
        agent.say(update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'hi' } }, { sessionId: 'theirs' }));
      if (message.method && message.id !== undefined)
        agent.say(ordinary(message, { loadSession: true, sessionCapabilities: { list: {}, delete: {} } }));
    });
    const { host } = await hostOf(agents);
    // A process of the agent runs, which could be asked to delete.
    await host.create({ agent: 'raw', cwd: CWD });
    const { client, server } = pair();
    serveAcp(host, server, { agent: 'raw', adopt: true });
    const raw = rawClient(client);
    await raw.request('initialize', INITIALIZE);
    const load = { sessionId: 'theirs', cwd: CWD, mcpServers: [] };
    await raw.send({ id: 'first', method: 'session/load', params: load });
    await expect.poll(() => agents.heard.some(({ method }) => method === 'session/load')).toBe(true);
    if (answer === null) await raw.notify('$/cancel_request', { requestId: 'first' });
    await expect.poll(() => raw.seen.find(({ id }) => id === 'first')?.error).toBeDefined();
    expect(agents.heard.map(({ method }) => method)).not.toContain('session/delete');
    isRefused = false;
    expect((await raw.request('session/load', load)).error).toBeUndefined();
    expect(raw.updates('user_message_chunk')).toHaveLength(1);
  },
);
