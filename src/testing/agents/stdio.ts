/**
 * Runs a scripted agent on stdin and stdout:
 *
 *   node stdio.js [--variant NAME] [--store DIR] [--pace FACTOR]
 *
 * Without `--store` its sessions live as long as the process. `--pace` multiplies its pauses.
 */
import { readdir, readFile } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { ndJsonStream } from '@agentclientprotocol/sdk';
import { runScriptedAgent } from './agent.ts';
import { directoryStore } from './node-store.ts';
import { memoryStore } from './store.ts';
import { sleeper } from './surroundings.ts';
import type { Surroundings } from './surroundings.ts';
import { AGENT_VARIANTS, behaviourOf, isAgentVariant } from './variants.ts';

const { values } = parseArgs({
  options: {
    variant: { type: 'string', default: 'native' },
    store: { type: 'string' },
    pace: { type: 'string', default: '1' },
  },
});

if (!isAgentVariant(values.variant)) {
  process.stderr.write(`There is no variant “${values.variant}”. There are: ${AGENT_VARIANTS.join(', ')}.\n`);
  process.exit(2);
}

const around: Surroundings = {
  exit: (code) => process.exit(code),
  log: (text) => process.stderr.write(`${text}\n`),
  print: (line) => process.stdout.write(`${line}\n`),
  env: (name) => process.env[name],
  listFiles: async (directory) => (await readdir(directory)).slice(0, 100),
  readFile: (file) =>
    readFile(file, 'utf8').catch((error: unknown) => {
      around.log(`${file} could not be read: ${String(error)}`);
      return null;
    }),
  newId: () => crypto.randomUUID(),
  sleep: sleeper(Number(values.pace)),
};

// A client that went away is the end of this agent, not a crash with a stack.
process.stdout.on('error', () => process.exit(0));

if (behaviourOf(values.variant).stubborn) {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => around.log(`stays in spite of ${signal}`));
  setInterval(() => undefined, 60_000);
}

const stream = ndJsonStream(
  Writable.toWeb(process.stdout) as WritableStream<Uint8Array>,
  Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
);
const { closed } = runScriptedAgent(stream, {
  variant: values.variant,
  store: values.store === undefined ? memoryStore() : directoryStore(values.store),
  around,
});
await closed;
if (!behaviourOf(values.variant).stubborn) process.exit(0);
