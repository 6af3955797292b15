/** One client's WebSocket: what may come in by it, how much may lie unread, how long it may be silent, and how it hears of the end. */
import type { Socket } from 'node:net';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { WebSocket } from 'ws';
import { type CloseCause, type CloseFrame, closeFrame, limitOf } from './close.ts';
import { textFrame } from './frames.ts';
import { judgeFrame } from './inbound.ts';
import type { BridgeLimits } from './limits.ts';
import { type Watch, watch } from './watch.ts';

/** Something that takes what the client says, and may be full. */
export interface Drained {
  once(event: 'drain', listener: () => void): unknown;
}

/** A client that was let in. */
export interface ClientOptions {
  readonly id: string;
  readonly websocket: BridgeSocket;
  /** The connection below the WebSocket: frames are written to it whole, so they never mix with that layer's own. */
  readonly socket: Socket;
  readonly limits: BridgeLimits;
  readonly allowMcp: boolean;
  /** Told of what the client cannot see; never given a frame's content. */
  readonly onNote: (note: string) => void;
}

/** What becomes of what a client says. */
export interface ClientEvents {
  /** One message, and as one line. What is given back is full: nothing more is read until it drains. */
  readonly onMessage: (message: AnyMessage, line: string) => Drained | null;
  /** The client broke a rule, or passed a limit; it is being told. */
  readonly onFault: () => void;
}

export class Client {
  readonly id: string;
  /** Settles when the socket is closed. */
  readonly gone: Promise<void>;
  readonly #options: ClientOptions & ClientEvents;
  readonly #watch: Watch;
  /** Where what the client says piles up; while it does, nothing more is read from it. */
  readonly #full = new Set<Drained>();
  #cause: CloseCause | null = null;

  constructor(options: ClientOptions & ClientEvents) {
    const { id, websocket, socket, limits } = options;
    this.id = id;
    this.#options = options;
    this.#watch = watch(websocket, socket, limits, (limit) => this.giveUp({ kind: 'limit', limit }));
    websocket.onFault((cause) => {
      this.#faulted(cause);
      return closeFrame(cause, id);
    });
    websocket.on('message', (data, binary) => this.#receive(data as Buffer, binary));
    this.gone = new Promise((resolve) => {
      websocket.once('close', () => {
        this.#watch.stop();
        resolve();
      });
    });
  }

  /** Whether frames may still be sent: none may follow a close frame. */
  get open(): boolean {
    const { websocket, socket } = this.#options;
    return websocket.readyState === websocket.OPEN && socket.writable;
  }

  /** The limit that the connection is ended for, if it is. */
  get limit(): string | undefined {
    return this.#cause === null ? undefined : limitOf(this.#cause);
  }

  /** The end, once all that was sent before it has been read. What was found wrong earlier is what the client is told. */
  close(cause: CloseCause): void {
    this.#cause ??= cause;
    this.#sendClose(this.#cause);
  }

  /** Ends the connection for a fault. */
  giveUp(cause: CloseCause): void {
    this.#faulted(cause);
    this.#sendClose(cause);
  }

  /** The bridge goes; what ends next ends for that. Resolves when the socket is closed: a client that is behind cannot hold that up. */
  async shutDown(end: () => Promise<unknown>): Promise<void> {
    this.#cause ??= { kind: 'shutdown' };
    await end();
    const timer = setTimeout(() => this.#options.websocket.terminate(), this.#options.limits.closeMs);
    await this.gone;
    clearTimeout(timer);
  }

  #faulted(cause: CloseCause): void {
    this.#cause ??= cause;
    this.#options.onFault();
  }

  #sendClose(cause: CloseCause): void {
    const { websocket, socket } = this.#options;
    if (websocket.readyState !== websocket.OPEN) return;
    const frame = closeFrame(cause, this.id);
    // The close timer starts with the frame, so the frame waits until what lies before it is sent.
    if (cause.kind === 'exit' && socket.writableLength > 0) socket.write('', () => websocket.close(frame.code, frame.reason));
    else websocket.close(frame.code, frame.reason);
  }

  #receive(data: Buffer, binary: boolean): void {
    const { websocket, socket, limits, onNote, onMessage } = this.#options;
    if (this.#cause !== null) return;
    const verdict = judgeFrame(data, binary, this.#options);
    switch (verdict.verdict) {
      case 'forward': {
        const full = onMessage(verdict.message, verdict.line);
        if (full !== null) this.#holdUntilDrained(full);
        return;
      }
      case 'answer':
        onNote(verdict.why);
        socket.write(textFrame(verdict.text));
        if (socket.writableLength > limits.bufferedBytes) this.#holdUntilDrained(socket);
        return;
      case 'drop':
        onNote(verdict.why);
        return;
      case 'close':
        onNote(`closed for ${verdict.why}`);
        this.giveUp({ kind: 'not_json_rpc' });
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

/** The server's WebSocket, with the contract's codes and reasons where the layer below closes by itself. */
export class BridgeSocket extends WebSocket {
  #fault: ((cause: CloseCause) => CloseFrame) | null = null;

  /** Who is told, once, of a fault that the layer below found, and says with which frame that ends. */
  onFault(fault: (cause: CloseCause) => CloseFrame): void {
    this.#fault = fault;
  }

  override close(code?: number, reason?: string | Buffer): void {
    // `ws` gives no reason when it found the fault itself; an answer to the client's own close frame has one.
    const cause = code === undefined || reason !== undefined ? null : causeOf(code);
    const fault = this.#fault;
    if (cause === null || fault === null) return super.close(code, reason);
    this.#fault = null;
    const frame = fault(cause);
    super.close(frame.code, frame.reason);
  }
}

/** What `ws` means by the codes it closes with when a client's frames break the protocol. */
function causeOf(code: number): CloseCause | null {
  if (code === 1009) return { kind: 'too_large' };
  return code === 1002 || code === 1007 ? { kind: 'not_json_rpc' } : null;
}
