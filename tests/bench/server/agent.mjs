/**
 * The benchmark's agent over stdio. A prompt's text is `{count, gapMs}`: so many messages, each with the time when it was said;
 * without a gap so many chunks of one message, as fast as they are read.
 */
import { once } from 'node:events';

const say = async (message) => {
  if (!process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)) await once(process.stdout, 'drain');
};

async function stream({ sessionId, prompt }) {
  const { count, gapMs } = JSON.parse(prompt.at(-1).text);
  for (let i = 0; i < count; i++) {
    if (gapMs > 0) await new Promise((resolve) => setTimeout(resolve, gapMs));
    const text = gapMs > 0 ? String(performance.timeOrigin + performance.now()) : 'The quick brown fox jumps over the lazy dog. ';
    await say({
      method: 'session/update',
      params: {
        sessionId,
        update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text }, messageId: gapMs > 0 ? `m${i}` : 'm' },
      },
    });
  }
}

const answers = {
  initialize: () => ({ protocolVersion: 1, agentCapabilities: {} }),
  'session/new': () => ({ sessionId: crypto.randomUUID() }),
  'session/prompt': async (params) => {
    await stream(params);
    return { stopReason: 'end_turn' };
  },
};

let pending = '';
process.stdin.setEncoding('utf8');
for await (const chunk of process.stdin) {
  const lines = (pending + chunk).split('\n');
  pending = lines.pop();
  for (const line of lines) {
    const { id, method, params } = JSON.parse(line);
    if (id !== undefined && method in answers) await say({ id, result: await answers[method](params) });
  }
}
