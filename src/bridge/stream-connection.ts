/** One client of a door, as a stream of messages. Its types name the `ws` package, which those of the door's callers do not. */
import { EventEmitter } from 'node:events';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentExit, MessageStream } from '../engine/ports.ts';
import { messageQueue } from '../adapters/message-queue.ts';
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
  readonly stream: MessageStream;
  readonly exited: Promise<AgentExit>;
  readonly done: Promise<void>;
  readonly client: Client;

  constructor(agent: string, options: ClientOptions) {
    this.id = options.id;
    this.agent = agent;
    const drained = new EventEmitter<{ drain: [] }>();
    const room = (): void => void drained.emit('drain');
    const said = messageQueue<AnyMessage>(options.limits.bufferedBytes, room, room);
    this.client = new Client({
      ...options,
      onMessage: (message, line) => (said.push(message, line.length) ? null : drained),
      onFault: () => undefined,
    });
    this.done = this.client.gone;
    this.exited = this.done.then(() => CLOSED);
    void this.done.then(() => said.end());
    this.stream = { readable: said.readable, writable: this.#outgoing(options) };
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

  #outgoing({ limits, socket }: ClientOptions): WritableStream<AnyMessage> {
    const { client } = this;
    return new WritableStream<AnyMessage>(
      {
        async write(message) {
          if (!client.open) return;
          const frame = textFrame(messageLine(message));
          if (frame.length > limits.messageBytes) return client.giveUp({ kind: 'limit', limit: 'messageBytes' });
          socket.write(frame);
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
