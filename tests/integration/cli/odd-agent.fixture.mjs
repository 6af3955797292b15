/**
 * An agent that says what it is told to, however odd: the first argument is JSON with the `updates` of a turn, with
 * the `ask`, the params of a permission request before the last of them, and with updates for `later`, `laterMs` after the answer.
 */
import { createInterface } from 'node:readline';

const { updates = [], ask = null, later = [], laterMs = 700 } = JSON.parse(process.argv[2] ?? '{}');
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const answered = new Map();
const request = (method, params) =>
  new Promise((resolve) => {
    const id = `asked-${answered.size}`;
    answered.set(id, resolve);
    send({ id, method, params });
  });

async function turn(id) {
  const sessionId = 'odd';
  for (const update of updates) send({ method: 'session/update', params: { sessionId, update } });
  if (ask !== null) {
    const answer = await request('session/request_permission', { sessionId, ...ask });
    const text = `answered ${JSON.stringify(answer.result?.outcome ?? answer.error)}`;
    send({
      method: 'session/update',
      params: { sessionId, update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } } },
    });
  }
  send({ id, result: { stopReason: 'end_turn' } });
  if (later.length > 0)
    setTimeout(() => later.forEach((update) => send({ method: 'session/update', params: { sessionId, update } })), laterMs);
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line);
  const { id, method } = message;
  if (method === undefined) answered.get(id)?.(message);
  else if (method === 'initialize') send({ id, result: { protocolVersion: 1, agentCapabilities: {} } });
  else if (method === 'session/new') send({ id, result: { sessionId: 'odd' } });
  else if (method === 'session/prompt') void turn(id);
  else if (id !== undefined) send({ id, error: { code: -32601, message: 'Method not found' } });
});
