/** A door whose clients are streams of messages, for a server that is itself what they talk to. */
import { EventEmitter } from 'node:events';
import path from 'node:path';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentExit, MessageStream } from '../engine/ports.ts';
import { LONGEST_MS } from '../engine/with-limits.ts';
import { messageLine } from '../adapters/stdio/lines.ts';
import { Client, type ClientOptions } from './client.ts';
import type { Connected } from './connections.ts';
import { openDoor } from './door.ts';
import { textFrame } from './frames.ts';
import type { Door, DoorOptions } from './options.ts';

/** What of the door is the caller's; agents and subprotocols are the server's. */
export interface StreamDoorOptions extends Omit<DoorOptions, 'agents' | 'subprotocols'> {
  /** What `GET /agents` names as every agent's cwd. Default the process's own. */
  readonly cwd?: string;
}

/** The `door` of `startServer` in `acp-rehydrate/server`: WebSockets, let in by the bridge's policy. */
export function streamDoor({ cwd = '.', ...options }: StreamDoorOptions) {
  return (
    asks: { readonly agents: readonly string[]; readonly subprotocols: readonly string[] },
    connect: (client: { readonly agent: string; readonly subprotocol: string; readonly stream: MessageStream }) => void,
  ): Promise<Door> => {
    const agents = Object.fromEntries(asks.agents.map((name) => [name, { cwd: path.resolve(cwd) }]));
    // Who only watches says nothing for days; a client that is gone is found out by pings.
    const limits = { idleMs: LONGEST_MS, ...options.limits };
    return openDoor({ ...options, limits, agents, subprotocols: asks.subprotocols }, async ({ id, agent, subprotocol, upgrade }) => {
      upgrade((client) => {
        const connection = new StreamConnection(agent, client);
        options.log?.({ event: 'opened', connection: id, agent });
        void connection.done.then(() => options.log?.({ event: 'closed', connection: id, agent, exit: 'the client is gone' }));
        connect({ agent, subprotocol, stream: connection.stream });
        return connection;
      });
    });
  };
}

const CLOSED: AgentExit = { kind: 'ended', code: 0, signal: null };

/** One WebSocket as a stream of messages. */
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
