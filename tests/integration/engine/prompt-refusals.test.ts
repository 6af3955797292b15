/** What an agent's refusal of a prompt means: only one that is about the session may leave the session behind. */
import { expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import { CWD, PATIENT } from './helpers.ts';
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
