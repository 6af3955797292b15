/**
 * A scripted agent on stdin and stdout that also writes down, before it acts on it, every prompt it is
 * given: `node agent.ts VARIANT STORE LOG PACE`. The log is how a test counts what was really sent.
 */
import { appendFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { ndJsonStream, type AnyMessage } from '@agentclientprotocol/sdk';
import { runScriptedAgent } from '../../../src/testing/agents/agent.ts';
import { directoryStore } from '../../../src/testing/agents/node-store.ts';
import { sleeper } from '../../../src/testing/agents/surroundings.ts';
import type { AgentVariant } from '../../../src/testing/agents/variants.ts';
import type { AgentLogLine } from './agent-log.ts';

const [variant = 'native', store = '', log = '', pace = '1'] = process.argv.slice(2);
const note = (line: AgentLogLine) => appendFileSync(log, `${JSON.stringify(line)}\n`);
note({ at: 'start', pid: process.pid, mark: process.env['REHYDRATE_MARK'] ?? '' });
process.stdout.on('error', () => process.exit(0));

const stream = ndJsonStream(
  Writable.toWeb(process.stdout) as WritableStream<Uint8Array>,
  Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
);
const noted = stream.readable.pipeThrough(
  new TransformStream<AnyMessage, AnyMessage>({
    transform(message, controller) {
      if ('method' in message && message.method === 'session/prompt') {
        const { sessionId, prompt } = message.params as { sessionId: string; prompt: { type: string; text?: string }[] };
        note({ at: 'prompt', pid: process.pid, agentSessionId: sessionId, blocks: prompt.length, text: prompt.at(-1)?.text ?? '' });
      }
      controller.enqueue(message);
    },
  }),
);
const { closed } = runScriptedAgent(
  { readable: noted, writable: stream.writable },
  {
    variant: variant as AgentVariant,
    store: directoryStore(store),
    around: {
      exit: (code) => process.exit(code),
      log: (text) => process.stderr.write(`${text}\n`),
      print: (line) => process.stdout.write(`${line}\n`),
      env: (name) => process.env[name],
      sleep: sleeper(Number(pace)),
    },
  },
);
await closed;
process.exit(0);
