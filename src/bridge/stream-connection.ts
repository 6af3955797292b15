/** One WebSocket as a stream of messages, for a server that is itself what the client talks to. */
import { EventEmitter } from 'node:events';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentExit } from '../engine/ports.ts';
import { messageLine } from '../adapters/stdio/json-rpc.ts';
import { Client, type ClientOptions } from './client.ts';
import { textFrame } from './frames.ts';
import type { Connected } from './registry.ts';

const CLOSED: AgentExit = { kind: 'ended', code: 0, signal: null };

export class StreamConnection implements Connected {
  readonly id: string;
  readonly agent: string;
  /**
   * `readable` ends when the client is gone, after what it said. A write waits while more than `bufferedBytes` lie unread by the
   * client, who is cut off after `stalledMs`; what is written once it is gone goes nowhere.
   */
  readonly stream: { readonly readable: ReadableStream<AnyMessage>; readonly writable: WritableStream<AnyMessage> };
  readonly exited: Promise<AgentExit>;
  readonly done: Promise<void>;
  readonly client: Client;

  constructor(agent: string, options: ClientOptions) {
    const { limits, socket } = options;
    this.id = options.id;
    this.agent = agent;
    const incoming = new Incoming(limits.bufferedBytes);
    const client = new Client({
      ...options,
      onMessage: (line) => incoming.push(line),
      onFault: () => undefined,
    });
    this.client = client;
    void client.gone.then(() => incoming.end());
    this.stream = {
      readable: incoming.readable,
      writable: new WritableStream<AnyMessage>(
        {
          write: async (message) => {
            if (!client.open) return;
            const frame = textFrame(messageLine(message));
            if (frame.length > limits.messageBytes) return client.giveUp({ kind: 'limit', limit: 'messageBytes' });
            client.messageOut();
            socket.write(frame);
            if (socket.writableLength <= limits.bufferedBytes) return;
            await Promise.race([new Promise<void>((resolve) => socket.once('drain', () => resolve())), client.gone]);
          },
          close: () => client.close({ kind: 'exit', exit: CLOSED }),
          abort: () => client.close({ kind: 'shutdown' }),
        },
        { highWaterMark: 0 },
      ),
    };
    this.done = client.gone;
    this.exited = client.gone.then(() => CLOSED);
  }

  diagnostics(): string {
    return '';
  }

  async end(): Promise<AgentExit> {
    this.client.close({ kind: 'exit', exit: CLOSED });
    return this.exited;
  }

  shutDown(): Promise<void> {
    return this.client.shutDown(() => {
      this.client.close({ kind: 'shutdown' });
      return Promise.resolve();
    });
  }
}

/** What the client said and nobody has read yet, bounded in bytes: full from `bufferedBytes` on, until less lies here. */
class Incoming extends EventEmitter<{ drain: [] }> {
  readonly readable: ReadableStream<AnyMessage>;
  readonly #bufferedBytes: number;
  readonly #lines: string[] = [];
  #bytes = 0;
  #ended = false;
  #arrived: (() => void) | null = null;

  constructor(bufferedBytes: number) {
    super();
    this.#bufferedBytes = bufferedBytes;
    this.readable = new ReadableStream<AnyMessage>(
      {
        pull: async (controller) => {
          if (this.#lines.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#arrived = resolve));
          const line = this.#lines.shift();
          if (line === undefined) return controller.close();
          this.#bytes -= line.length;
          controller.enqueue(JSON.parse(line) as AnyMessage);
          if (this.#bytes <= this.#bufferedBytes) this.emit('drain');
        },
        cancel: () => {
          this.#lines.length = 0;
          this.#bytes = 0;
          this.emit('drain');
        },
      },
      { highWaterMark: 0 },
    );
  }

  push(line: string): this | null {
    this.#lines.push(line);
    this.#bytes += line.length;
    this.#wake();
    return this.#bytes > this.#bufferedBytes ? this : null;
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    this.#arrived?.();
    this.#arrived = null;
  }
}
