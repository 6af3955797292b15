/** One WebSocket and one agent's process tree, bound to each other's lives. */
import type { AgentExit } from '../engine/ports.ts';
import type { RunningProcess } from '../adapters/stdio/agent-process.ts';
import { Client, type ClientOptions } from './client.ts';
import { corker } from './cork.ts';
import { pumpOut } from './outbound.ts';
import type { Connected } from './registry.ts';

export class Connection implements Connected {
  readonly id: string;
  readonly agent: string;
  /** Settles when the tree is gone. */
  readonly exited: Promise<AgentExit>;
  /** Settles when tree and socket are both gone. */
  readonly done: Promise<void>;
  readonly client: Client;
  readonly #running: RunningProcess;

  constructor(agent: string, running: RunningProcess, options: ClientOptions) {
    const { limits, socket } = options;
    const { stdin } = running;
    this.id = options.id;
    this.agent = agent;
    this.exited = running.exited;
    this.#running = running;
    const cork = corker(stdin);
    const client = new Client({
      ...options,
      onMessage: (line) => {
        if (!stdin.writable) return null;
        cork();
        stdin.write(`${line}\n`);
        return stdin.writableLength > limits.bufferedBytes ? stdin : null;
      },
      onFault: () => void running.end('ask'),
    });
    this.client = client;
    const output = pumpOut({
      running,
      socket,
      open: () => client.open,
      messageBytes: limits.messageBytes,
      bufferedBytes: limits.bufferedBytes,
      onMessages: () => client.messageOut(),
      onTooLong: () => client.giveUp({ kind: 'limit', limit: 'messageBytes' }),
    });
    void client.gone.then(() => running.end('ask'));
    // Everything the agent said comes before the frame that says how it went.
    const closed = Promise.all([running.exited, output]).then(([exit]) => client.close({ kind: 'exit', exit }));
    this.done = Promise.all([closed, client.gone, running.exited]).then(() => undefined);
  }

  diagnostics(): string {
    return this.#running.diagnostics();
  }

  end(how: 'ask' | 'kill'): Promise<AgentExit> {
    return this.#running.end(how);
  }

  /** Ends the tree, tells the client that the bridge goes, and resolves when both are gone. */
  async shutDown(): Promise<void> {
    await this.client.shutDown(() => this.end('ask'));
    await this.done;
  }
}
