/** Who is asked, and what is withdrawn: each side is told in ids of its own. */
import { describe, expect, it } from 'vitest';
import { serveAcp } from '../../../src/server/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient, text, type RawClient } from '../../unit/agents/raw-client.ts';
import { CWD, hostOf } from '../engine/helpers.ts';
import { ordinary, rawAgents, type Heard, type RawAgent } from '../engine/raw-agent.ts';

const OPTIONS = [{ optionId: 'y', name: 'Yes', kind: 'allow_once' }];
const QUESTION = { toolCall: { toolCallId: 't' }, options: OPTIONS };

/** A session at an agent whose turn ends when the test says so, and which never answers `_raw/slow`. */
async function asked() {
  let turn: { readonly prompt: Heard; readonly agent: RawAgent } | null = null;
  const agents = rawAgents((message, agent) => {
    if (message.method === 'session/prompt') turn = { prompt: message, agent };
    else if (message.method !== '_raw/slow' && message.method && message.id !== undefined) agent.say(ordinary(message));
  });
  const { host } = await hostOf(agents);
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  const join = async (): Promise<RawClient> => {
    const { client, server } = pair();
    serveAcp(host, server, { agent: 'raw' });
    const raw = rawClient(client);
    await raw.request('initialize', INITIALIZE);
    await raw.request('session/load', { sessionId: 's', cwd: CWD, mcpServers: [] });
    return raw;
  };
  return {
    host,
    join,
    heard: agents.heard,
    answerTo: (id: string) => agents.heard.find((message) => message.method === undefined && (message.id as unknown) === id),
    async prompt(client: RawClient) {
      const answered = client.request('session/prompt', { sessionId: 's', prompt: text('go') });
      await expect.poll(() => turn).not.toBeNull();
      const { prompt, agent } = turn!;
      const ask = (id: string, method: string, params: object) =>
        agent.say({ jsonrpc: '2.0', id, method, params: { sessionId: 'raw-1', ...params } });
      return { agent, ask, answered, end: () => agent.say(ordinary(prompt)) };
    },
  };
}

const questions = ({ seen }: RawClient, asks: string) => seen.filter(({ method, id }) => method === asks && id !== undefined);
const withdrawals = ({ seen }: RawClient) =>
  seen.filter(({ method }) => method === '$/cancel_request').map(({ params }) => params.requestId);
const never = () => new Promise(() => undefined);

describe('what an agent withdraws is withdrawn at the client, and has an answer', () => {
  it.each([
    ['fs/read_text_file', { path: '/x' }, { error: { code: -32800 } }],
    ['terminal/wait_for_exit', { terminalId: 't' }, { error: { code: -32800 } }],
    ['_raw/ask', {}, { error: { code: -32800 } }],
    ['session/request_permission', QUESTION, { result: { outcome: { outcome: 'cancelled' } } }],
    ['elicitation/create', { mode: 'form', message: 'Which?', requestedSchema: {} }, { result: { action: 'cancel' } }],
  ])('%s', async (method, params, told) => {
    const { join, prompt, answerTo } = await asked();
    const client = await join();
    client.answers.set(method, never);
    const { agent, ask, answered, end } = await prompt(client);
    // ACP has it as a notification. The client's own requests have the same ids as the agent's.
    for (const [id, more] of [
      ['q1', {}],
      ['q2', { id: 'c' }],
    ] as const) {
      ask(id, method, params);
      await expect.poll(() => questions(client, method).length).toBe(id === 'q1' ? 1 : 2);
      agent.say({ jsonrpc: '2.0', ...more, method: '$/cancel_request', params: { requestId: id } });
      await expect.poll(() => answerTo(id)).toMatchObject(told);
    }
    await expect.poll(() => withdrawals(client)).toEqual(questions(client, method).map(({ id }) => id));
    expect(answerTo('c')).toMatchObject({ result: {} });
    expect(questions(client, '$/cancel_request')).toEqual([]);
    end();
    expect((await answered).result).toMatchObject({ stopReason: 'end_turn' });
  });
});

it.each([[{}], [{ id: 'c' }]])('what a client withdraws is withdrawn at the agent, under the id that it has there (%j)', async (more) => {
  const { join, heard } = await asked();
  const client = await join();
  await client.send({ id: 'slow', method: '_raw/slow', params: { sessionId: 's' } });
  await expect.poll(() => heard.find(({ method }) => method === '_raw/slow')).toBeDefined();
  await client.send({ ...more, method: '$/cancel_request', params: { requestId: 'slow' } });
  await expect.poll(() => client.seen.find(({ id }) => id === 'slow')).toMatchObject({ error: { code: -32800 } });
  const { id } = heard.find(({ method }) => method === '_raw/slow')!;
  await expect
    .poll(() => heard.filter(({ method }) => method === '$/cancel_request').map((each) => each.params))
    .toEqual([{ requestId: id }]);
  if ('id' in more) expect(client.seen.find((message) => message.id === 'c')).toMatchObject({ result: {} });
});

it('what an agent asks in a turn goes to the client that prompts, whatever another one asks of the agent meanwhile', async () => {
  const { join, prompt } = await asked();
  const [one, two] = [await join(), await join()];
  const { ask, answered, end } = await prompt(one);
  await two.request('_raw/usage', { sessionId: 's' });
  ask('q', 'fs/read_text_file', { path: '/x' });
  await expect.poll(() => [one, two].map((each) => questions(each, 'fs/read_text_file').length)).toEqual([1, 0]);
  end();
  await answered;
});
