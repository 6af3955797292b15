/** What a scripted agent of v2 does that says exactly what a test has it say, through us, to clients of both versions. */
import { describe, expect, it } from 'vitest';
import { createHost, foldEvents } from '../../../src/engine/index.ts';
import { toolOutput } from '../../../src/engine/protocol/updates.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { pair } from '../../support/pair.ts';
import { expectV2 } from '../../support/v2-schema.ts';
import { rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { CWD, hostOf, PATIENT, said } from '../engine/helpers.ts';
import { rawAgents, update, type Heard, type RawAgent } from '../engine/raw-agent.ts';

const HELLO = {
  v1: { protocolVersion: 1, clientCapabilities: { elicitation: { form: {} } } },
  v2: { protocolVersion: 2, info: { name: 'a client', version: '1' }, capabilities: { elicitation: { form: {} } } },
} as const;
const VERSIONS = [['v1'], ['v2']] as const;

/** An agent of v2 whose turn is what `turn` says; what it answers beside is in `more`. */
function agentOfV2(turn: (agent: RawAgent, message: Heard) => void, more: Readonly<Record<string, object>> = {}) {
  return rawAgents((message, agent) => {
    const { id, method } = message;
    const answer = (result: object) => agent.say({ jsonrpc: '2.0', id, result });
    switch (method) {
      case 'initialize':
        return answer({
          protocolVersion: 2,
          info: { name: 'raw', version: '1' },
          capabilities: { session: { prompt: {}, delete: {}, fork: {} } },
        });
      case 'session/new':
        return answer({ sessionId: 'raw-1', configOptions: [] });
      case 'session/fork':
        return answer({ sessionId: 'raw-1-fork', configOptions: [] });
      case 'session/prompt':
        answer({ messageId: 'm1' });
        agent.say(state(message, 'running'));
        return turn(agent, message);
      default:
        if (method === undefined) turn(agent, message);
        else if (id !== undefined) answer(more[method] ?? {});
    }
  });
}

const state = ({ params }: Heard, name: 'running' | 'idle') =>
  update({ sessionUpdate: 'state_update', state: name, ...(name === 'idle' ? { stopReason: 'end_turn' } : {}) }, { sessionId: params?.['sessionId'] }); // prettier-ignore

async function served(agents: ReturnType<typeof rawAgents>) {
  const { host, db } = await hostOf(agents, { protocol: 'v2' });
  return {
    host,
    /** As another process has one. */
    otherHost: () => createHost({ database: { ...db, close: async () => undefined }, agents, limits: PATIENT, protocol: 'v2' }),
    async connect(version: keyof typeof HELLO, to = host): Promise<RawClient> {
      const ends = pair();
      serveAcp(to, ends.server, { agent: 'raw' });
      const client = rawClient(ends.client);
      expect((await client.request('initialize', HELLO[version])).result.protocolVersion).toBe(Number(version.slice(1)));
      return client;
    },
    async begun(client: RawClient): Promise<string> {
      return (await client.request('session/new', { cwd: CWD, mcpServers: [] })).result.sessionId as string;
    },
  };
}

/** Prompts, and waits until the turn is over. */
async function turnOf(client: RawClient, sessionId: string): Promise<void> {
  const { result } = await client.request('session/prompt', { sessionId, prompt: text('go') });
  if (result?.stopReason === undefined)
    await expect.poll(() => client.seen.some(({ params }) => params?.update?.state === 'idle')).toBe(true);
}

const heardOf = ({ heard }: { readonly heard: readonly Heard[] }, method: string) => heard.filter((each) => each.method === method);

describe.each(VERSIONS)('an agent of v2 behind a client of %s', (version) => {
  it('I11: a question reaches the client, and its answer the agent; both are in the log', async () => {
    const answers: unknown[] = [];
    let prompt: Heard | null = null;
    const question = {
      mode: 'form',
      message: 'Which branch?',
      requestedSchema: { type: 'object', properties: { branch: { type: 'string' } } },
    };
    const agents = agentOfV2((agent, message) => {
      if (message.method === 'session/prompt') {
        prompt = message;
        return agent.say({ jsonrpc: '2.0', id: 'q1', method: 'elicitation/create', params: { sessionId: 'raw-1', ...question } });
      }
      answers.push(message.result);
      agent.say(state(prompt as Heard, 'idle'));
    });
    const { host, connect, begun } = await served(agents);
    const client = await connect(version);
    client.answers.set('elicitation/create', () => ({ action: 'accept', content: { branch: 'main' } }));
    const sessionId = await begun(client);
    await turnOf(client, sessionId);
    expect(heardOf(agents, 'initialize')[0]?.params).toMatchObject({ capabilities: { elicitation: { form: {} } } });
    expect(client.seen.find(({ method }) => method === 'elicitation/create').params).toEqual({ sessionId, ...question });
    expect(answers).toEqual([{ action: 'accept', content: { branch: 'main' } }]);
    const kinds = (await host.history(sessionId)).map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['elicitation_requested', 'elicitation_resolved']));
    // It holds up the turn, as a permission does.
    const states = client.updates('state_update').map((each) => each.state);
    if (version === 'v2') expect(states).toEqual(['running', 'requires_action', 'running', 'idle']);
  });

  it('a tool call that is told under an id of its own is asked about by that one, and cancelled by the agent’s', async () => {
    let prompt: Heard;
    const agents = agentOfV2((agent, message) => {
      const call = (status: string) =>
        agent.say(update({ sessionUpdate: 'tool_call_update', toolCallId: 'c1', title: 'Work', kind: 'other', status }));
      if (message.method === undefined) {
        call('completed');
        return agent.say(state(prompt, 'idle'));
      }
      // It counts anew in each turn.
      prompt = message;
      call('in_progress');
      const question = { sessionId: 'raw-1', toolCallId: 'c1', mode: 'form', message: 'Go on?', requestedSchema: { type: 'object' } };
      agent.say({ jsonrpc: '2.0', id: `q${String(prompt.id)}`, method: 'elicitation/create', params: question });
    });
    const { connect, begun } = await served(agents);
    const client = await connect(version);
    const sessionId = await begun(client);
    const asked: string[] = [];
    client.answers.set('elicitation/create', async ({ toolCallId }) => {
      asked.push(toolCallId);
      expect(client.updates().findLast((each) => each.toolCallId !== undefined).toolCallId).toBe(toolCallId);
      await client.request('tool_call/cancel', { sessionId, toolCallId });
      await client.request('terminal/cancel', { sessionId, terminalId: 't1' });
      return { action: 'accept' };
    });
    await turnOf(client, sessionId);
    await turnOf(client, sessionId);
    await expect.poll(() => asked).toEqual(['c1', expect.stringMatching(/^c1~/)]);
    const cancelled = (method: string) => heardOf(agents, method).map(({ params }) => params);
    await expect.poll(() => cancelled('terminal/cancel')).toEqual(Array(2).fill({ sessionId: 'raw-1', terminalId: 't1' }));
    expect(cancelled('tool_call/cancel')).toEqual(Array(2).fill({ sessionId: 'raw-1', toolCallId: 'c1' }));
  });

  it('what an agent asks that is nobody’s to ask is refused by the client, and the turn goes on', async () => {
    const refusals: unknown[] = [];
    let prompt: Heard | null = null;
    const asks = ['session/update', 'session/cancel', 'session/prompt'];
    const agents = agentOfV2((agent, message) => {
      if (message.method === 'session/prompt') prompt = message;
      else refusals.push((message as { error?: { code: number } }).error?.code);
      const method = asks[refusals.length];
      if (method === undefined) return agent.say(state(prompt as Heard, 'idle'));
      agent.say({ jsonrpc: '2.0', id: method, method, params: { sessionId: 'raw-1' } });
    });
    const { connect, begun } = await served(agents);
    const client = await connect(version);
    await turnOf(client, await begun(client));
    expect(refusals).toEqual([-32601, -32601, -32601]);
  });

  it('a fork is the agent’s own, asked for in the words of v2', async () => {
    const agents = agentOfV2((agent, message) => agent.say(state(message, 'idle')));
    const { host, connect, begun } = await served(agents);
    const client = await connect(version);
    const sessionId = await begun(client);
    await turnOf(client, sessionId);
    const { result } = await client.request('session/fork', { sessionId, cwd: CWD, mcpServers: [] });
    expect(result.sessionId).not.toMatch(/raw-1/);
    await client.request('session/prompt', { sessionId: result.sessionId, prompt: text('and?') });
    expect(heardOf(agents, 'session/fork').map(({ params }) => params)).toEqual([{ sessionId: 'raw-1', cwd: CWD, mcpServers: [] }]);
    await expect.poll(async () => (await host.get(result.sessionId)).agentSessionId).toBe('raw-1-fork');
    const report = (await host.history(result.sessionId)).findLast(({ kind }) => kind === 'resumed')?.payload;
    expect(report).toMatchObject({ tier: 'resume', attempts: [{ method: 'session/fork', outcome: 'ok' }] });
  });

  it('what ACP has elsewhere goes through, ids exchanged; close and delete are told the agent', async () => {
    const agents = agentOfV2((agent, message) => agent.say(state(message, 'idle')), {
      'session/status': { sessionId: 'raw-1', state: 'idle' },
      'session/archive': { archived: true },
      'session/set_title': { title: 'A talk' },
    });
    const { connect, begun } = await served(agents);
    const client = await connect(version);
    const sessionId = await begun(client);
    expect((await client.request('session/status', { sessionId })).result).toEqual({ sessionId, state: 'idle' });
    expect((await client.request('session/archive', { sessionId, archived: true })).result).toEqual({ archived: true });
    expect((await client.request('session/set_title', { sessionId, title: 'A talk' })).result).toEqual({ title: 'A talk' });
    expect(['session/status', 'session/archive', 'session/set_title'].map((method) => heardOf(agents, method)[0]?.params)).toEqual([
      { sessionId: 'raw-1' },
      { sessionId: 'raw-1', archived: true },
      { sessionId: 'raw-1', title: 'A talk' },
    ]);
    expect((await client.request('session/close', { sessionId })).result).toEqual({});
    expect(heardOf(agents, 'session/close').map(({ params }) => params)).toEqual([{ sessionId: 'raw-1' }]);
    await client.request('session/resume', { sessionId, cwd: CWD });
    await turnOf(client, sessionId);
    expect((await client.request('session/delete', { sessionId })).result).toEqual({});
    expect(heardOf(agents, 'session/delete').map(({ params }) => params)).toEqual([{ sessionId: 'raw-1' }]);
  });

  it.each(['its', 'another'] as const)(
    'a client that comes in the middle of a turn of %s process is told that it runs, and then how it ended',
    async (whose) => {
      let end = () => undefined as void;
      const agents = agentOfV2((agent, message) => {
        end = () => agent.say(state(message, 'idle'));
        agent.say(update({ sessionUpdate: 'agent_message_chunk', messageId: 'a1', content: { type: 'text', text: 'so far' } }));
      });
      const { host, otherHost, connect, begun } = await served(agents);
      const client = await connect(version);
      const sessionId = await begun(client);
      void client.request('session/prompt', { sessionId, prompt: text('go') });
      await expect.poll(() => client.said()).toBe('so far');
      const late = await connect(version, whose === 'its' ? host : await otherHost());
      const take = version === 'v1' ? 'session/load' : 'session/resume';
      await late.request(take, { sessionId, cwd: CWD, mcpServers: [], ...(version === 'v2' ? { replayFrom: { type: 'start' } } : {}) });
      const states = () =>
        version === 'v1'
          ? late.seen.flatMap(({ params }) => params?._meta?.rehydrate?.turn?.state ?? [])
          : late.updates('state_update').map((each) => each.state);
      expect([late.said(), states()]).toEqual(['so far', ['running']]);
      // Its own client, too, is told what is so, and whoever asks for no replay.
      if (version === 'v2')
        for (const each of [client, late]) {
          const before = each.updates('state_update').length;
          await each.request(take, { sessionId, cwd: CWD });
          expect(each.updates('state_update').slice(before)).toMatchObject([{ state: 'running' }]);
        }
      end();
      await expect.poll(states).toEqual(version === 'v1' ? ['running', 'completed'] : ['running', 'running', 'idle']);
    },
  );

  it.each(['before', 'after'] as const)(
    'I3, I11: a terminal of the agent’s own, told %s its call, is in that call, in a replay, too',
    async (when) => {
      const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64');
      const umlaut = new TextEncoder().encode('ü');
      const agents = agentOfV2((agent, message) => {
        const tell = (payload: object) => agent.say(update(payload));
        const call = {
          sessionUpdate: 'tool_call_update',
          toolCallId: 'c1',
          title: 'Run the tests',
          kind: 'execute',
          status: 'in_progress',
        };
        const terminal = { sessionUpdate: 'terminal_update', terminalId: 'c1', command: 'npm test', cwd: CWD };
        const shown = { ...call, content: [{ type: 'terminal', terminalId: 'c1' }] };
        for (const each of when === 'before' ? [terminal, shown] : [shown, terminal]) tell(each);
        for (const data of [base64('one '), base64(umlaut.subarray(0, 1)), base64(umlaut.subarray(1)), base64(' three')])
          tell({ sessionUpdate: 'terminal_output_chunk', terminalId: 'c1', data });
        tell({ sessionUpdate: 'terminal_update', terminalId: 'c1', exitStatus: { exitCode: 1 } });
        // The call tells its content again, and is told whole in v1.
        tell({ ...shown, status: 'failed' });
        agent.say(state(message, 'idle'));
      });
      const { host, connect, begun } = await served(agents);
      const client = await connect(version);
      const sessionId = await begun(client);
      await turnOf(client, sessionId);
      expect(await host.transcript(sessionId)).toMatch(/Run the tests \(execute, failed\)\s+.*one ü three/s);
      const { toolCalls } = foldEvents(await host.history(sessionId));
      expect(toolCalls.map(({ id, title, status }) => [id, title, status])).toEqual([['c1', 'Run the tests', 'failed']]);
      expect(toolOutput(toolCalls[0]!)).toEqual(['one ü three']);
      const again = await connect(version);
      if (version === 'v1') {
        await again.request('session/load', { sessionId, cwd: CWD, mcpServers: [] });
        for (const { updates } of [client, again]) {
          expect(updates('tool_call').map(({ toolCallId }) => toolCallId)).toEqual(['c1']);
          expect(updates('tool_call_update').at(-1)).toMatchObject({
            toolCallId: 'c1',
            title: 'Run the tests',
            status: 'failed',
            content: [{ type: 'content', content: { text: 'one ü three' } }],
          });
          expect(updates().filter(({ sessionUpdate }) => sessionUpdate.startsWith('terminal'))).toEqual([]);
        }
      } else {
        await again.request('session/resume', { sessionId, cwd: CWD, replayFrom: { type: 'start' } });
        for (const { updates, seen } of [client, again]) {
          expect(updates().filter(({ sessionUpdate }) => sessionUpdate.startsWith('terminal'))).toHaveLength(6);
          expectV2(seen);
        }
      }
    },
  );
});

it('I5: an idle of before, told between a prompt and its answer, is no end of its turn', async () => {
  const raw = rawAgents((message, agent) => {
    const answer = (result: object) => agent.say({ jsonrpc: '2.0', id: message.id, result });
    if (message.method === 'initialize') return answer({ protocolVersion: 2, info: { name: 'raw', version: '1' }, capabilities: {} });
    if (message.method !== 'session/prompt') return answer({ sessionId: 'raw-1' });
    agent.say(state(message, 'idle'));
    answer({ messageId: 'm1' });
    const content = { type: 'text', text: 'all of it' };
    agent.say(
      state(message, 'running'),
      update({ sessionUpdate: 'agent_message_chunk', messageId: 'a1', content }),
      state(message, 'idle'),
    );
  });
  const { host } = await hostOf(raw, { protocol: 'v2' });
  const { sessionId } = await host.create({ agent: 'raw', cwd: CWD });
  const { turnId } = await host.prompt(sessionId, 'go');
  expect(said(await host.history(sessionId), turnId)).toBe('all of it');
  const end = (await host.history(sessionId)).findLast(({ kind }) => kind === 'turn_ended');
  expect((await host.history(sessionId)).filter(({ kind, seq }) => kind === 'update' && seq > end!.seq)).toEqual([]);
});
