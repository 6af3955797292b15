/** The host as a client of ACP v2: what is different there, and that a session goes on whichever version its agent is spoken to in. */
import { describe, expect, it } from 'vitest';
import type { Host, HostOptions } from '../../../src/engine/index.ts';
import { foldEvents } from '../../../src/engine/index.ts';
import { inProcessLauncher, type AgentVariant } from '../../../src/testing/agents/index.ts';
import { ask, CWD, PATIENT, until, world, worldOf } from './helpers.ts';
import { rawAgents, update, type Heard } from './raw-agent.ts';
import { watched } from './watched-agents.ts';

const V2 = { protocol: 'v2' } as const;
const versionOf = (sent: readonly { method: string; params: Readonly<Record<string, unknown>> }[]) =>
  sent.filter(({ method }) => method === 'initialize').map(({ params }) => params['protocolVersion']);

describe('a session dies and comes back, in v2', () => {
  it.each([
    ['native', 'resume'],
    ['load', 'load'],
    ['amnesiac', 'transcript'],
    ['forgetful', 'transcript'],
    ['late', 'load'],
    ['v2-only', 'resume'],
    ['v2-no-stop-reason', 'resume'],
    ['v2-late-snapshot', 'resume'],
  ] as const)('I4: the %s agent comes back by %s and knows what it was told', async (variant, tier) => {
    const { wake } = await world(variant);
    const host = await wake(V2);
    const { sessionId } = await host.create({ agent: 'demo', cwd: CWD, sessionId: 'main' });
    const first = await host.prompt(sessionId, 'My name is Ada.');
    expect(first).toMatchObject({ stopReason: 'end_turn', report: { tier: 'new' } });
    await host.sleep();
    const next = await wake(V2);
    const before = (await next.get(sessionId)).latestSeq;
    const report = await next.resume(sessionId);
    expect(report.tier, JSON.stringify(report, null, 1)).toBe(tier);
    const added = await next.history(sessionId, { after: before });
    expect(
      added.filter(({ kind }) => kind === 'update').map(({ payload }) => (payload as { sessionUpdate: string }).sessionUpdate),
      'I3',
    ).not.toContain('agent_message_chunk');
    expect(await ask(next, sessionId, 'What is my name?')).toContain('Ada');
  });

  it('I11: the log keeps what was said in the words of the version, the prompt once', async () => {
    const { wake } = await world();
    const host = await wake(V2);
    const { sessionId } = await host.create({ agent: 'demo', cwd: CWD });
    const { turnId } = await host.prompt(sessionId, 'My name is Ada.');
    const events = (await host.history(sessionId)).filter((event) => event.turnId === turnId);
    const all = events.map(({ kind, payload }) => (kind === 'update' ? payload.sessionUpdate : kind));
    // How many rows a streamed message has is as its batches fell, and the commands come when they come.
    const kinds = all.filter((kind, at) => kind !== 'available_commands_update' && all.indexOf(kind) === at);
    expect(kinds).toEqual([
      'turn_started',
      'user_message_chunk',
      'state_update',
      'session_info_update',
      'agent_message',
      'agent_message_chunk',
      'usage_update',
      'turn_ended',
    ]);
    expect(events.at(-2)?.payload).toMatchObject({ sessionUpdate: 'state_update', state: 'idle' });
    const { messages } = foldEvents(events);
    expect(messages.map(({ role }) => role)).toEqual(['user', 'agent']);
    expect(events.at(-1)?.payload).toMatchObject({
      state: 'completed',
      stopReason: 'end_turn',
      answer: { messageId: expect.any(String) as string },
    });
  });
});

describe('a session goes on under the other version', () => {
  const VERSIONS: readonly [HostOptions['protocol'], HostOptions['protocol']][] = [
    ['v1', 'v2'],
    ['v2', 'v1'],
  ];
  it.each(VERSIONS.flatMap((pair) => (['native', 'load', 'forgetful'] as const).map((variant) => [...pair, variant] as const)))(
    'I3, I4: begun in %s, it goes on in %s with the %s agent, and nothing is stored twice',
    async (first, second, variant) => {
      const { wake } = await world(variant);
      const host = await wake({ protocol: first });
      const { sessionId } = await host.create({ agent: 'demo', cwd: CWD });
      await host.prompt(sessionId, 'My name is Ada.');
      await host.prompt(sessionId, 'My cat is called Miette.');
      await host.setMode(sessionId, 'brief');
      await host.sleep();
      const next = await wake({ protocol: second });
      const { latestSeq } = await next.get(sessionId);
      const report = await next.resume(sessionId);
      expect(report).toMatchObject({
        tier: { native: 'resume', load: 'load', forgetful: 'transcript' }[variant],
        settings: { restored: ['mode'], failed: [] },
      });
      if (variant === 'load')
        expect(report).toMatchObject({ verified: 'replay-matched', replay: { received: 4, matched: 4, missing: 0, imported: 0 } });
      const { messages } = foldEvents(await next.history(sessionId, { after: latestSeq }));
      expect(messages).toEqual([]);
      expect(await ask(next, sessionId, 'What is my name?')).toBe('Ada');
      await next.sleep();
      const back = await wake({ protocol: first });
      expect(await ask(back, sessionId, 'What is my cat called?')).toBe('Miette');
    },
  );
});

it.each(['whole', 'begun without words', 'growing'])(
  'I3: a replay between turns, in messages %s: only what the log lacks is stored, once',
  async (form) => {
    const message = (role: 'user' | 'agent', text: string) => {
      const messageId = `${text} ${processes}`;
      const parts = text.split('|').map((part) => ({ type: 'text', text: part }));
      const whole = (content: unknown[]) => update({ sessionUpdate: `${role}_message`, messageId, content });
      const chunks = parts.map((content) => update({ sessionUpdate: `${role}_message_chunk`, messageId, content }));
      if (form === 'begun without words') return [whole([]), ...chunks];
      return form === 'growing' ? [whole(parts.slice(0, 1)), whole(parts)] : [whole(parts)];
    };
    let processes = 0;
    const agents = rawAgents(({ id, method, params }: Heard, agent) => {
      const result = (value: object) => agent.say({ jsonrpc: '2.0', id, result: value });
      if (method === 'initialize') {
        processes += 1;
        return result({ protocolVersion: 2, info: { name: 'raw', version: '1' }, capabilities: { session: {} } });
      }
      if (method === 'session/new') return result({ sessionId: 'raw-1', configOptions: [] });
      if (method === 'session/list') return result({ sessions: [{ sessionId: 'raw-1', cwd: CWD }] });
      if (method !== 'session/prompt') return result({});
      result({ messageId: `live ${processes}` });
      const [{ text }] = params!['prompt'] as [{ text: string }];
      agent.say(...message('agent', `Answer to|${text}`), update({ sessionUpdate: 'state_update', state: 'idle', stopReason: 'end_turn' }));
      // Asked in another client.
      const elsewhere = [...message('user', 'And there?'), ...message('agent', 'Answer|elsewhere.')];
      if (processes > 1) agent.say(...message('user', 'Who am I?'), ...message('agent', 'Answer to|Who am I?'), ...elsewhere);
    });
    const { wake } = await worldOf(agents);
    const told = async (host: Host) => foldEvents(await host.history('s')).messages.map(({ text }) => text);
    const limits = { ...PATIENT, replayQuietMs: 50 };
    const first = await wake({ ...V2, limits });
    await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    await first.prompt('s', 'Who am I?');
    await first.sleep();
    const before = ['Who am I?', 'Answer toWho am I?'];
    for (const round of ['one', 'two']) {
      const host = await wake({ ...V2, limits });
      await host.prompt('s', `Round ${round}`);
      before.push(`Round ${round}`, `Answer toRound ${round}`, ...(round === 'one' ? ['And there?', 'Answerelsewhere.'] : []));
      await until(async () => (await told(host)).length >= before.length);
      await host.sleep();
      expect(await told(await wake(V2))).toEqual(before);
    }
  },
);

describe('which version is spoken', () => {
  const cases: readonly [AgentVariant, HostOptions['protocol'], number[], 1 | 2 | 'refused'][] = [
    ['native', undefined, [1], 1],
    ['native', 'v1', [1], 1],
    ['native', 'v2', [2], 2],
    ['native', 'newest', [2], 2],
    ['v1-only', 'newest', [2], 1],
    ['v1-only', 'v2', [2], 'refused'],
    ['v2-only', 'newest', [2], 2],
    ['v2-only', 'v1', [1], 'refused'],
    ['v2-in-name', 'newest', [2], 1],
    ['v2-in-name', 'v1', [1], 1],
    ['v2-refused', 'newest', [2, 1], 1],
    ['v2-refused', 'v2', [2], 'refused'],
  ];
  it.each(cases)('%s, protocol %s: asked for %j, spoken %s', async (variant, protocol, asked, spoken) => {
    const { agents, wake } = await worldOf(watched(inProcessLauncher({ variant })));
    const host = await wake({ protocol });
    const created = host.create({ agent: 'demo', cwd: CWD });
    if (spoken === 'refused') await expect(created).rejects.toMatchObject({ code: 'agent_protocol_error' });
    else {
      const { sessionId } = await created;
      expect(await ask(host, sessionId, 'My name is Ada.')).toContain('Ada');
      expect(await host.describeAgent('demo')).toMatchObject({ protocolVersion: spoken });
    }
    expect(versionOf(agents.sent).slice(0, asked.length)).toEqual(asked);
  });
});

describe('what an agent asks in v2', () => {
  it('permission is asked with the words of v2, answered, and the turn goes on', async () => {
    const { wake } = await world();
    const host = await wake({ ...V2, permission: 'allow' });
    const { sessionId } = await host.create({ agent: 'demo', cwd: CWD });
    expect(await ask(host, sessionId, 'delete notes.txt')).toContain('I would delete notes.txt');
    const asked = (await host.history(sessionId)).find(({ kind }) => kind === 'permission_requested');
    expect(asked?.payload).toMatchObject({ toolCall: { toolCallId: expect.any(String) as string, title: 'Delete notes.txt' } });
    const { toolCalls } = foldEvents(await host.history(sessionId));
    expect(toolCalls).toMatchObject([{ title: 'Delete notes.txt', status: 'completed' }]);
  });
});

it.each([
  ['message', { sessionUpdate: 'agent_message', messageId: 'm', content: [{ type: 'text', text: 'done' }] }],
  ['tool call', { sessionUpdate: 'tool_call_update', toolCallId: 't', title: 'Look', status: 'completed' }],
  ['plan', { sessionUpdate: 'plan_update', plan: { type: 'items', planId: 'p', entries: [] } }],
  ['terminal', { sessionUpdate: 'terminal_update', terminalId: 'x', command: 'ls', exitStatus: { exitCode: 0 } }],
])('an agent that never says that it runs has ended its turn when it is idle after a %s', async (_what, said) => {
  const agents = rawAgents(({ id, method }: Heard, agent) => {
    const result = (value: object) => agent.say({ jsonrpc: '2.0', id, result: value });
    if (method === 'initialize') return result({ protocolVersion: 2, info: { name: 'raw', version: '1' }, capabilities: { session: {} } });
    if (method === 'session/new') return result({ sessionId: 'raw-1', configOptions: [] });
    if (method !== 'session/prompt') return;
    // What it says of being idle before it has done anything is how things stood.
    agent.say(update({ sessionUpdate: 'state_update', state: 'idle' }));
    result({ messageId: 'u' });
    agent.say(
      update({ sessionUpdate: 'state_update', state: 'idle' }),
      update(said),
      update({ sessionUpdate: 'state_update', state: 'idle' }),
    );
  });
  const { wake } = await worldOf(agents);
  const host = await wake(V2);
  const { sessionId } = await host.create({ agent: 'raw', cwd: CWD });
  const { turnId, stopReason } = await host.prompt(sessionId, 'go');
  expect(stopReason).toBe('end_turn');
  expect((await host.history(sessionId)).filter((event) => event.turnId === turnId).map(({ payload }) => payload)).toContainEqual(said);
});

it('an agent that takes the prompt and is idle with a stop reason has ended its turn, although it said nothing', async () => {
  const agents = rawAgents(({ id, method }: Heard, agent) => {
    const result = (value: object) => agent.say({ jsonrpc: '2.0', id, result: value });
    if (method === 'initialize') return result({ protocolVersion: 2, info: { name: 'raw', version: '1' }, capabilities: { session: {} } });
    if (method === 'session/new') return result({ sessionId: 'raw-1', configOptions: [] });
    if (method !== 'session/prompt') return;
    result({ messageId: 'u' });
    agent.say(update({ sessionUpdate: 'state_update', state: 'idle', stopReason: 'end_turn' }));
  });
  const { wake } = await worldOf(agents);
  const host = await wake(V2);
  const { sessionId } = await host.create({ agent: 'raw', cwd: CWD });
  expect(await host.prompt(sessionId, '/quiet')).toMatchObject({ stopReason: 'end_turn' });
});

it('an agent that says that its turn has stopped, and never answers the prompt, has ended it all the same', async () => {
  const agents = rawAgents(({ id, method }: Heard, agent) => {
    const result = (value: object) => agent.say({ jsonrpc: '2.0', id, result: value });
    if (method === 'initialize') return result({ protocolVersion: 2, info: { name: 'raw', version: '1' }, capabilities: { session: {} } });
    if (method === 'session/new') return result({ sessionId: 'raw-1', configOptions: [] });
    if (method !== 'session/prompt') return;
    agent.say(update({ sessionUpdate: 'state_update', state: 'running' }));
    agent.say(update({ sessionUpdate: 'agent_message', messageId: 'a', content: [{ type: 'text', text: 'Done.' }] }));
    agent.say(update({ sessionUpdate: 'state_update', state: 'idle', stopReason: 'end_turn' }));
  });
  const { wake } = await worldOf(agents);
  const host = await wake(V2);
  const { sessionId } = await host.create({ agent: 'raw', cwd: CWD });
  expect(await host.prompt(sessionId, 'go')).toMatchObject({ stopReason: 'end_turn' });
  const [said] = (await host.history(sessionId)).filter(({ payload }) => JSON.stringify(payload).includes('Done.'));
  expect(said?.turnId).not.toBeNull();
});

it('an agent that answers the prompt without a messageId is told to lack that, which v2 requires, and no stop reason', async () => {
  const agents = rawAgents(({ id, method }: Heard, agent) => {
    const result = (value: object) => agent.say({ jsonrpc: '2.0', id, result: value });
    if (method === 'initialize') return result({ protocolVersion: 2, info: { name: 'raw', version: '1' }, capabilities: { session: {} } });
    if (method === 'session/new') return result({ sessionId: 'raw-1', configOptions: [] });
    if (method === 'session/prompt') result({});
  });
  const { wake } = await worldOf(agents);
  const host = await wake(V2);
  const { sessionId } = await host.create({ agent: 'raw', cwd: CWD });
  await expect(host.prompt(sessionId, 'go')).rejects.toMatchObject({
    code: 'agent_protocol_error',
    message: expect.stringContaining('its answer has no messageId') as string,
  });
});
