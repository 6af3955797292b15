/** Ids of tool calls and messages are unique within the session that a client sees, though an agent counts anew in each process. */
import { expect, it } from 'vitest';
import { serveAcp } from '../../../src/server/index.ts';
import type { Host } from '../../../src/engine/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { CWD, hostOf } from '../engine/helpers.ts';
import { ordinary, rawAgents, update, words, type Heard, type RawAgent } from '../engine/raw-agent.ts';

/** Counts from 1 in each process, has no resume, and asks before it works. */
function counter() {
  let count = 0;
  let asked: Heard | null = null;
  const call = (kind: string, more: object) => update({ sessionUpdate: kind, toolCallId: `call_${count}`, ...more });
  return rawAgents((message: Heard, agent: RawAgent) => {
    if (message.method === 'initialize') count = 0;
    if (message.method === 'session/prompt') {
      count += 1;
      asked = message;
      agent.say(call('tool_call', { title: `Work ${count}`, status: 'pending' }));
      const params = {
        sessionId: 'raw-1',
        toolCall: { toolCallId: `call_${count}` },
        options: [{ optionId: 'y', name: 'Yes', kind: 'allow_once' }],
      };
      return agent.say({ jsonrpc: '2.0', id: 900 + count, method: 'session/request_permission', params });
    }
    if (message.method === undefined && asked) {
      agent.say(call('tool_call_update', { status: 'completed' }), words('well ', `msg_${count}`), words('done', `msg_${count}`));
      agent.say(ordinary(asked));
      asked = null;
    } else if (message.method) agent.say(ordinary(message));
  });
}

async function connected(host: Host): Promise<RawClient> {
  const { client, server } = pair();
  serveAcp(host, server, { agent: 'raw' });
  const raw = rawClient(client);
  raw.answers.set('session/request_permission', () => ({ outcome: { outcome: 'selected', optionId: 'y' } }));
  await raw.request('initialize', INITIALIZE);
  return raw;
}

const prompt = (client: RawClient) => client.request('session/prompt', { sessionId: 's', prompt: text('go') });
const take = (client: RawClient, method: 'load' | 'resume', after?: number) =>
  client.request(`session/${method}`, {
    sessionId: 's',
    cwd: CWD,
    mcpServers: [],
    ...(after === undefined ? {} : { _meta: { rehydrate: { after } } }),
  });

/** What was told under which id, each message once. */
function ids(client: RawClient): string[] {
  const told = client.seen.flatMap(({ method, params }) => {
    const { sessionUpdate: kind, toolCallId, messageId } = params?.update ?? {};
    if (method === 'session/request_permission') return `asks ${params.toolCall.toolCallId}`;
    if (toolCallId?.startsWith('call')) return `${kind === 'tool_call' ? 'begins' : 'ends'} ${toolCallId}`;
    return kind === 'agent_message_chunk' ? `says ${messageId}` : [];
  });
  return told.filter((each, index) => each !== told[index - 1]);
}

const turn = (call: string, message: string) => [`begins ${call}`, `asks ${call}`, `ends ${call}`, `says ${message}`];

it('what a later life counts anew is told under ids of its own: live, in a replay, and to one that comes back', async () => {
  const { host: first, db } = await hostOf(counter());
  await first.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  const one = await connected(first);
  await take(one, 'resume');
  await prompt(one);
  await prompt(one);
  expect(ids(one)).toEqual([...turn('call_1', 'msg_1'), ...turn('call_2', 'msg_2')]);
  const { latestSeq } = await first.get('s');
  await first.sleep();

  const { host } = await hostOf(counter(), { database: db });
  const [loads, resumes, back] = [await connected(host), await connected(host), await connected(host)];
  await take(loads, 'load');
  await take(resumes, 'resume');
  await take(back, 'resume', latestSeq);
  const fromHere = ids(loads).length;
  const { turnId } = (await prompt(loads)).result._meta.rehydrate;
  const third = turn(`call_1~${turnId}`, `msg_1~${turnId}`);
  expect(ids(loads).slice(fromHere)).toEqual(third);
  // The others are asked, too; who answers first is chance.
  const unasked = (client: RawClient) => ids(client).filter((each) => !each.startsWith('asks') || each === third[1]);
  for (const each of [resumes, back]) await expect.poll(() => unasked(each)).toEqual(third);
  const late = await connected(host);
  await take(late, 'load');
  expect(ids(late)).toEqual(ids(loads).filter((each) => !each.startsWith('asks')));
  expect(new Set(late.updates('tool_call').map(({ toolCallId }) => toolCallId)).size).toBe(late.updates('tool_call').length);
  // One that is told nothing of what was before knows it all the same.
  const between = await connected(host);
  await take(between, 'resume', latestSeq + 1);
  expect(ids(between)).toEqual(third.filter((each) => !each.startsWith('asks')));
});
