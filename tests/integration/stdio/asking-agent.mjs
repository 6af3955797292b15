/** An agent that, when it is prompted, asks its client for everything: a file written and read, a terminal started and left open. */
let pending = '';
let id = 100;
const waiting = new Map();
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const ask = (method, params) =>
  new Promise((resolve) => {
    waiting.set((id += 1), resolve);
    send({ id, method, params });
  });
let cwd;
let offered;
let client;

process.stdin.on('data', (chunk) => {
  const lines = (pending + chunk).split('\n');
  pending = lines.pop();
  for (const line of lines) void take(JSON.parse(line));
});
process.stdin.on('end', () => process.exit(0));

async function take(message) {
  if (message.method === undefined) return waiting.get(message.id)?.(message.result ?? message.error);
  const { id: call, method, params } = message;
  if (method === 'initialize') {
    offered = params.clientCapabilities;
    client = params.clientInfo;
    return send({ id: call, result: { protocolVersion: 1, agentCapabilities: {} } });
  }
  if (method === 'session/new') {
    cwd = params.cwd;
    return send({ id: call, result: { sessionId: 'private-id' } });
  }
  if (method !== 'session/prompt') return;
  const sessionId = 'private-id';
  await ask('fs/write_text_file', { sessionId, path: `${cwd}/note`, content: 'kept' });
  const { content } = await ask('fs/read_text_file', { sessionId, path: `${cwd}/note` });
  const outside = await ask('fs/read_text_file', { sessionId, path: '/etc/passwd' });
  const { terminalId } = await ask('terminal/create', { sessionId, command: 'sh', args: ['-c', 'echo up; sleep 60'] });
  let output = '';
  while (output === '') ({ output } = await ask('terminal/output', { sessionId, terminalId }));
  const text = JSON.stringify({ client, offered, content, outside: outside.code, output });
  send({
    method: 'session/update',
    params: { sessionId, update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } } },
  });
  send({ id: call, result: { stopReason: 'end_turn' } });
}
