/** What an agent's refusal of a prompt means: only one that is about the session may leave the session behind. */
import { expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import { CWD, hostOf, PATIENT, until } from './helpers.ts';
import { ordinary, rawAgents } from './raw-agent.ts';

it.each<[string, object, string]>([
  ['another resource', { code: -32002, message: 'Resource not found', data: { uri: 'file:///home/u/photo.png' } }, 'failed'],
  ['some resource', { code: -32002, message: 'Resource not found' }, 'failed'],
  ['a service that failed', { code: -32603, message: 'Internal error: OpenCode service failure', data: { service: 'session' } }, 'failed'],
  ['a model', { code: -32603, message: 'Internal error', data: { details: 'model "gpt-9" not found' } }, 'failed'],
  ['this session', { code: -32002, message: 'Resource not found', data: { sessionId: 'raw-1' } }, 'transcript'],
  [
    'this session, in words',
    { code: -32603, message: 'Internal error', data: { details: 'No conversation found with session ID: raw-1' } },
    'transcript',
  ],
])('I4: a live agent refuses a prompt over %s (%j): %s', async (_, error, end) => {
  let prompts = 0;
  const agents = rawAgents((message, agent) => {
    if (message.method === 'session/prompt' && ++prompts === 2) agent.say({ jsonrpc: '2.0', id: message.id, error });
    else if (message.method) agent.say(ordinary(message, { loadSession: false }));
  });
  const database = await openNodeSqlite(':memory:');
  onTestFinished(() => database.close());
  const host = await createHost({ database, agents, limits: PATIENT });
  onTestFinished(() => host.sleep());
  await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
  await host.prompt('s', 'My name is Ada.');
  const outcome = await host.prompt('s', 'What is it?').then(
    ({ report }) => report.tier as string,
    (failure: { code: string }) => failure.code,
  );
  expect(outcome).toBe(end === 'failed' ? 'agent_protocol_error' : end);
});

it.each<[object, string]>([
  [{ code: -32800, message: 'Request cancelled' }, 'cancelled'],
  [{ code: -32603, message: 'This operation was aborted', data: { name: 'AbortError' } }, 'cancelled'],
  [{ code: -32603, message: 'Internal error', data: { details: 'AbortError: the user aborted a request.' } }, 'cancelled'],
  [{ code: -32000, message: 'Canceled' }, 'cancelled'],
  [{ code: -32603, message: 'The model is overloaded' }, 'agent_protocol_error'],
  [{ code: -32603, message: 'The tool could not be cancelled' }, 'agent_protocol_error'],
  [{ code: -32603, message: 'Failed to abort the running tool' }, 'agent_protocol_error'],
])('an agent answers a prompt that was cancelled with %j: %s, and failed where nobody cancelled', async (error, end) => {
  const outcomes: unknown[] = [];
  for (const cancels of [true, false]) {
    const agents = rawAgents((message, agent) => {
      const refuse = () => agent.say({ jsonrpc: '2.0', id: agents.heard.find(({ method }) => method === 'session/prompt')?.id, error });
      if (message.method === (cancels ? 'session/cancel' : 'session/prompt')) refuse();
      else if (message.method !== 'session/prompt' && message.method) agent.say(ordinary(message));
    });
    const { host } = await hostOf(agents);
    await host.create({ agent: 'raw', cwd: CWD, sessionId: 's' });
    const turn = host.prompt('s', 'go').then(
      ({ stopReason }) => stopReason as string,
      (failure: { code: string }) => failure.code,
    );
    if (cancels) await until(() => agents.heard.some(({ method }) => method === 'session/prompt'));
    if (cancels) await host.cancel('s');
    outcomes.push(await turn);
  }
  const { code } = error as { code: number };
  expect(outcomes).toEqual([end, code === -32000 ? 'auth_required' : 'agent_protocol_error']);
});
