/** The clocks of one connection: signs of life, start-up, idleness, and a client that is stuck. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { BridgeLimits } from './limits.ts';

export class Watch {
  readonly #websocket: WebSocket;
  readonly #socket: Socket;
  readonly #limits: BridgeLimits;
  readonly #exceeded: (limit: string) => void;
  readonly #timer: NodeJS.Timeout;
  #firstIn: number | null = null;
  #firstOut = false;
  #lastMessage = Date.now();
  #lastSign = Date.now();
  #lastWritten = 0;
  #movedAt = Date.now();
  #held = false;

  constructor(websocket: WebSocket, socket: Socket, limits: BridgeLimits, exceeded: (limit: string) => void) {
    this.#websocket = websocket;
    this.#socket = socket;
    this.#limits = limits;
    this.#exceeded = exceeded;
    websocket.on('pong', () => {
      this.#lastSign = Date.now();
    });
    const shortest = Math.min(limits.pingMs, limits.startMs, limits.idleMs, limits.stalledMs);
    this.#timer = setInterval(() => this.#look(), Math.max(10, shortest / 4)).unref();
  }

  messageIn(): void {
    this.#lastMessage = this.#lastSign = Date.now();
    this.#firstIn ??= this.#lastMessage;
  }

  messageOut(): void {
    this.#lastMessage = Date.now();
    this.#firstOut = true;
  }

  /** The client is not being read from, because the agent (or the client itself) does not take what is there. */
  held(on: boolean): void {
    this.#held = on;
    this.#lastSign = Date.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = Date.now();
    if (this.#firstIn !== null && !this.#firstOut && now - this.#firstIn > this.#limits.startMs) return this.#exceeded('startMs');
    if (now - this.#lastMessage > this.#limits.idleMs) return this.#exceeded('idleMs');
    const sent = this.#socket.bytesWritten - this.#socket.writableLength;
    if (this.#socket.writableLength === 0 || sent !== this.#lastWritten) this.#movedAt = now;
    this.#lastWritten = sent;
    if (now - this.#movedAt > this.#limits.stalledMs) {
      this.#exceeded('stalledMs');
      // The close frame lies behind what the client does not read.
      this.#websocket.terminate();
      return;
    }
    this.#ping(now);
  }

  #ping(now: number): void {
    // A client with unread data cannot be blamed for not seeing a ping behind it; `stalledMs` bounds that.
    if (this.#socket.writableLength > 0) {
      this.#lastSign = now;
      return;
    }
    // While we do not read, a ping is still worth sending: one to a client that has gone fails, and that ends the socket.
    if (this.#held) this.#lastSign = now;
    if (now - this.#lastSign > 2 * this.#limits.pingMs) {
      this.#exceeded('pingMs');
      this.#websocket.terminate();
      return;
    }
    if (this.#websocket.readyState === this.#websocket.OPEN) this.#websocket.ping();
  }
}
