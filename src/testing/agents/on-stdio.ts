/** A scripted agent on this process's stdin and stdout. */
import { readdir, readFile } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { ndJsonStream } from '@agentclientprotocol/sdk';
import { runScriptedAgent } from './agent.ts';
import { directoryStore } from './node-store.ts';
import { memoryStore } from './store.ts';
import { sleeper, type Surroundings } from './surroundings.ts';
import { type AgentVariant, behaviourOf } from './variants.ts';

export interface StdioAgentOptions {
  /** The directory for its sessions. Without it they live as long as the process. */
  readonly store?: string | undefined;
  /** Multiplies its pauses. Default 1. */
  readonly pace?: number | undefined;
}

/** Runs until the client is gone. The stubborn agent never ends by itself. */
export async function runAgentOnStdio(variant: AgentVariant, { store, pace = 1 }: StdioAgentOptions = {}): Promise<void> {
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
    sleep: sleeper(pace),
  };

  // The client went away: that is no crash.
  process.stdout.on('error', () => process.exit(0));

  const { stubborn } = behaviourOf(variant);
  if (stubborn) {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => around.log(`stays in spite of ${signal}`));
    setInterval(() => undefined, 60_000);
  }

  const stream = ndJsonStream(
    Writable.toWeb(process.stdout) as WritableStream<Uint8Array>,
    Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
  );
  await runScriptedAgent(stream, { variant, store: store === undefined ? memoryStore() : directoryStore(store), around }).closed;
  if (stubborn) await new Promise(() => undefined);
}
