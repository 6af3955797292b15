/** One WebSocket and one agent's process tree, bound to each other's lives. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { AgentExit } from '../engine/ports.ts';
import type { RunningProcess } from '../adapters/stdio/agent-process.ts';
import { type CloseCause, closeFrame } from './close.ts';
import { corker } from './cork.ts';
import { textFrame } from './frames.ts';
import { judgeFrame } from './inbound.ts';
import type { BridgeLimits } from './limits.ts';
import { pumpOut } from './outbound.ts';
import { answerPings } from './pings.ts';
import { Watch } from './watch.ts';

export interface ConnectionOptions {
  readonly id: string;
  readonly agent: string;
  readonly websocket: WebSocket;
  readonly socket: Socket;
  readonly running: RunningProcess;
  readonly limits: BridgeLimits;
  readonly allowMcp: boolean;
  /** Told of what the client cannot see; never given a frame's content. */
  readonly onNote: (note: string) => void;
}

interface Drained {
  once(event: 'drain', listener: () => void): unknown;
}

export class Connection {
  readonly id: string;
  readonly agent: string;
  /** Settles when the tree is gone. */
  readonly exited: Promise<AgentExit>;
  /** Settles when tree and socket are both gone. */
  readonly done: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #watch: Watch;
  readonly #corkInput: () => void;
  /** Where what the client says piles up; while it does, nothing more is read from it. */
  readonly #full = new Set<Drained>();
  #cause: CloseCause | null = null;

  constructor(options: ConnectionOptions) {
    this.id = options.id;
    this.agent = options.agent;
    this.#options = options;
    const { websocket, socket, running, limits } = options;
    this.exited = running.exited;
    this.#corkInput = corker(running.stdin);
    this.#watch = new Watch(websocket, socket, limits, (limit) => this.#giveUp({ kind: 'limit', limit }));
    const output = pumpOut({
      running,
      socket,
      open: () => websocket.readyState === websocket.OPEN && socket.writable,
      messageBytes: limits.messageBytes,
      bufferedBytes: limits.bufferedBytes,
      onMessages: () => this.#watch.messageOut(),
      onTooLong: () => this.#giveUp({ kind: 'limit', limit: 'messageBytes' }),
    });
    answerPings({ websocket, socket, limits, onTooMany: () => this.#giveUp({ kind: 'limit', limit: 'pingsPerSecond' }) });
    websocket.on('message', (data, binary) => this.#receive(data as Buffer, binary));
    const socketGone = new Promise<void>((resolve) => websocket.once('close', () => resolve()));
    void socketGone.then(() => {
      this.#watch.stop();
      return running.end('ask');
    });
    // Everything the agent said comes before the frame that says how it went.
    const closed = Promise.all([running.exited, output]).then(([exit]) => this.#close(this.#cause ?? { kind: 'exit', exit }));
    this.done = Promise.all([closed, socketGone, running.exited]).then(() => undefined);
  }

  diagnostics(): string {
    return this.#options.running.diagnostics();
  }

  end(how: 'ask' | 'kill'): Promise<AgentExit> {
    return this.#options.running.end(how);
  }

  /** Ends the tree, tells the client that the bridge goes, and resolves when both are gone. */
  async shutDown(): Promise<void> {
    this.#cause ??= { kind: 'shutdown' };
    await this.end('ask');
    // A client that is behind gets a moment to read the rest; it cannot hold the bridge up.
    const timer = setTimeout(() => this.#options.websocket.terminate(), this.#options.limits.closeMs);
    await this.done;
    clearTimeout(timer);
  }

  /** The WebSocket layer found a fault in the client's frames and is closing; the tree goes with it. */
  faulted(cause: CloseCause): void {
    this.#cause ??= cause;
    void this.end('ask');
  }

  #giveUp(cause: CloseCause): void {
    this.faulted(cause);
    this.#close(cause);
  }

  #close(cause: CloseCause): void {
    const { websocket, socket } = this.#options;
    if (websocket.readyState !== websocket.OPEN) return;
    const frame = closeFrame(cause, this.id);
    // The close timer starts with the frame, so the frame waits until what lies before it is sent.
    if (cause.kind === 'exit' && socket.writableLength > 0) socket.write('', () => websocket.close(frame.code, frame.reason));
    else websocket.close(frame.code, frame.reason);
  }

  #receive(data: Buffer, binary: boolean): void {
    const { running, websocket, socket, limits, onNote } = this.#options;
    if (this.#cause !== null) return;
    const verdict = judgeFrame(data, binary, this.#options);
    switch (verdict.verdict) {
      case 'forward':
        this.#watch.messageIn();
        if (!running.stdin.writable) return;
        this.#corkInput();
        running.stdin.write(`${verdict.line}\n`);
        if (running.stdin.writableLength > limits.bufferedBytes) this.#holdUntilDrained(running.stdin);
        return;
      case 'answer':
        onNote('mcp_command_not_allowed');
        socket.write(textFrame(verdict.text));
        if (socket.writableLength > limits.bufferedBytes) this.#holdUntilDrained(socket);
        return;
      case 'drop':
        onNote(verdict.why);
        return;
      case 'close':
        onNote(`closed for ${verdict.why}`);
        this.#giveUp({ kind: 'not_json_rpc' });
        websocket.pause();
    }
  }

  /** Stops reading from the client until the streams have room again. What was read already still comes, and finds it so. */
  #holdUntilDrained(stream: Drained): void {
    if (this.#full.has(stream)) return;
    const { websocket } = this.#options;
    this.#full.add(stream);
    websocket.pause();
    this.#watch.held(true);
    stream.once('drain', () => {
      this.#full.delete(stream);
      if (this.#full.size > 0) return;
      this.#watch.held(false);
      if (websocket.readyState === websocket.OPEN) websocket.resume();
    });
  }
}
