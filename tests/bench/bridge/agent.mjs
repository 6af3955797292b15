/** The benchmark's agent: as little work as can be, so that the transport is what is measured. */
import { once } from 'node:events';

let pending = '';

process.stdin.setEncoding('utf8');
for await (const chunk of process.stdin) {
  const lines = (pending + chunk).split('\n');
  pending = lines.pop();
  for (const line of lines) if (line !== '') await answer(JSON.parse(line));
}

async function answer({ id, method, params }) {
  if (method === 'flood') await flood(params);
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: {} })}\n`);
}

/** Streams `count` updates as real agents do: each made into JSON and written by itself. */
async function flood({ count, text }) {
  for (let index = 0; index < count; index += 1) {
    const update = { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text }, messageId: `msg_${index}` };
    const message = { jsonrpc: '2.0', method: 'session/update', params: { sessionId: 'sess_0123456789abcdef', update } };
    if (!process.stdout.write(`${JSON.stringify(message)}\n`)) await once(process.stdout, 'drain');
  }
}
