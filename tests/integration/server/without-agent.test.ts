/** Sessions open also while their agent is starting, or cannot start at all: `initialize` does not depend on it. */
import { expect, it } from 'vitest';
import { serveAcp, type ServeAcpOptions } from '../../../src/server/index.ts';
import type { AgentLauncher, Host } from '../../../src/engine/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient, text } from '../../unit/agents/raw-client.ts';
import { CWD, hostOf } from '../engine/helpers.ts';
import { ordinary, rawAgents, words, type Heard, type RawAgent } from '../engine/raw-agent.ts';

const SELF = {
  protocolVersion: 1,
  agentInfo: { name: 'raw', version: '7' },
  agentCapabilities: { promptCapabilities: { image: true } },
  authMethods: [{ id: 'login', name: 'Log in' }],
};

/** An agent whose introduction the test may withhold, or whose start it may forbid, in a host that has a session of it. */
async function world() {
  let starts = true;
  let withheld: (() => void)[] | null = null;
  const raw = rawAgents((message: Heard, agent: RawAgent) => {
    const introduce = () => agent.say({ jsonrpc: '2.0', id: message.id, result: SELF });
    if (message.method === 'initialize') return withheld ? void withheld.push(introduce) : introduce();
    if (message.method === 'session/prompt') agent.say(words('hello'));
    if (message.method) agent.say(ordinary(message));
  });
  const agents: AgentLauncher = {
    launch: (spec, options) => (starts ? raw.launch(spec, options) : Promise.reject(new Error('spawn /no/such/agent ENOENT'))),
  };
  // Each host knows of the agent what the record has of it, and no more.
  const { host: first, db } = await hostOf(agents);
  const { sessionId } = await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await first.prompt(sessionId, 'hi');
  await first.sleep();
  const { host } = await hostOf(agents, { database: db });
  return {
    host,
    sessionId,
    raw,
    withhold: () => void (withheld = []),
    introduce() {
      for (const introduce of withheld?.splice(0) ?? []) introduce();
      withheld = null;
    },
    forbid: () => void (starts = false),
  };
}

function connected(host: Host, limits: ServeAcpOptions['limits'] = {}, agent = 'raw') {
  const { client, server } = pair();
  serveAcp(host, server, { agent, limits });
  return rawClient(client);
}

it('an agent that cannot start: the record says what it was like, its sessions open, and what needs it tells why it fails', async () => {
  const { host, sessionId, forbid } = await world();
  forbid();
  const client = connected(host);
  const { result } = await client.request('initialize', INITIALIZE);
  expect(result).toMatchObject({
    agentInfo: SELF.agentInfo,
    agentCapabilities: { loadSession: true, promptCapabilities: { image: true }, sessionCapabilities: { list: {}, resume: {} } },
    authMethods: [],
  });
  expect((await client.request('session/list', {})).result.sessions).toMatchObject([{ sessionId }]);
  expect((await client.request('session/load', { sessionId, cwd: CWD, mcpServers: [] })).error).toBeUndefined();
  expect(client.said()).toBe('hello');
  expect((await client.request('session/resume', { sessionId, cwd: CWD })).error).toBeUndefined();
  const failure = { code: -32603, message: expect.stringContaining('/no/such/agent') };
  expect((await client.request('session/prompt', { sessionId, prompt: text('hi') })).error).toMatchObject(failure);
  expect((await client.request('session/new', { cwd: CWD, mcpServers: [] })).error).toMatchObject(failure);
});

it('one that cannot start and of which there is no session: initialize tells why', async () => {
  const { host, forbid } = await world();
  forbid();
  const { error } = await connected(host, {}, 'another').request('initialize', INITIALIZE);
  expect(error).toMatchObject({ message: expect.stringContaining('/no/such/agent') });
});

it('one that is slow: its sessions open meanwhile, a prompt waits for it or is cancelled, and it is started once', async () => {
  const { host, sessionId, raw, withhold, introduce } = await world();
  withhold();
  const client = connected(host, { describeMs: 20 });
  expect((await client.request('initialize', INITIALIZE)).result).toMatchObject({ agentInfo: SELF.agentInfo, authMethods: [] });
  expect((await client.request('session/load', { sessionId, cwd: CWD, mcpServers: [] })).error).toBeUndefined();
  expect(client.said()).toBe('hello');
  const starts = () => raw.heard.filter(({ method }) => method === 'initialize').length;
  const waiting = client.request('session/prompt', { sessionId, prompt: text('hi') });
  introduce();
  expect((await waiting).result.stopReason).toBe('end_turn');
  // Once for the session of before, and once for this one.
  expect(starts()).toBe(2);
  // From now on the host knows it.
  expect((await connected(host).request('initialize', INITIALIZE)).result.authMethods).toEqual(SELF.authMethods);
});

it('one that never speaks: a prompt that waits for it is cancelled at once', async () => {
  const { host, sessionId, withhold } = await world();
  withhold();
  const client = connected(host, { describeMs: 20 });
  await client.request('initialize', INITIALIZE);
  await client.request('session/resume', { sessionId, cwd: CWD });
  const waiting = client.request('session/prompt', { sessionId, prompt: text('hi') });
  await expect.poll(async () => (await host.get(sessionId)).state).toBe('resuming');
  await client.notify('session/cancel', { sessionId });
  expect((await waiting).result).toEqual({ stopReason: 'cancelled' });
});

it('one that speaks in time says itself what it is', async () => {
  const { host } = await world();
  expect((await connected(host).request('initialize', INITIALIZE)).result).toMatchObject({ authMethods: SELF.authMethods });
});
