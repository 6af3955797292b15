/** One client of a door, as a stream of messages. Its types name the `ws` package, which those of the door's callers do not. */
import { EventEmitter } from 'node:events';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentExit } from '../engine/ports.ts';
import { messageLine } from '../adapters/stdio/lines.ts';
import { Client, type ClientOptions } from './client.ts';
import type { Connected } from './connections.ts';
import { textFrame } from './frames.ts';

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
  readonly #incoming: Incoming;

  constructor(agent: string, options: ClientOptions) {
    this.id = options.id;
    this.agent = agent;
    const incoming = new Incoming(options.limits.bufferedBytes);
    this.#incoming = incoming;
    this.client = new Client({ ...options, onMessage: (line) => incoming.push(line), onFault: () => undefined });
    this.done = this.client.gone;
    this.exited = this.done.then(() => CLOSED);
    void this.done.then(() => incoming.end());
    this.stream = { readable: incoming.readable, writable: this.#outgoing(options) };
  }

  get heldBytes(): number {
    return this.client.heldBytes + this.#incoming.bytes;
  }

  diagnostics(): string {
    return '';
  }

  async end(): Promise<AgentExit> {
    this.client.close({ kind: 'exit', exit: CLOSED });
    return this.exited;
  }

  shutDown(): Promise<void> {
    return this.client.shutDown(() => this.client.close({ kind: 'shutdown' }));
  }

  #outgoing({ limits, socket, onBytes }: ClientOptions): WritableStream<AnyMessage> {
    const { client } = this;
    return new WritableStream<AnyMessage>(
      {
        async write(message) {
          if (!client.open) return;
          const frame = textFrame(messageLine(message));
          if (frame.length > limits.messageBytes) return client.giveUp({ kind: 'limit', limit: 'messageBytes' });
          client.messageOut();
          socket.write(frame);
          onBytes(frame.length);
          if (socket.writableLength <= limits.bufferedBytes) return;
          await Promise.race([new Promise<void>((resolve) => socket.once('drain', () => resolve())), client.gone]);
        },
        close: () => client.close({ kind: 'exit', exit: CLOSED }),
        abort: () => client.close({ kind: 'shutdown' }),
      },
      { highWaterMark: 0 },
    );
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

  get bytes(): number {
    return this.#bytes;
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
