/** The clocks of one connection: signs of life, start-up, idleness, and a client that is stuck. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { BridgeLimits } from './limits.ts';

export class Watch {
  readonly #websocket: WebSocket;
  readonly #socket: Socket;
  readonly #limits: BridgeLimits;
  readonly #exceeded: (limit: string) => void;
  readonly #clock: WakingClock;
  readonly #timer: NodeJS.Timeout;
  #firstIn: number | null = null;
  #firstOut = false;
  #lastMessage: number;
  /** When the first ping was sent of those that nothing has followed yet; null when there is none. */
  #unanswered: number | null = null;
  #lastWritten = 0;
  #movedAt: number;
  #held = false;

  constructor(websocket: WebSocket, socket: Socket, limits: BridgeLimits, exceeded: (limit: string) => void) {
    this.#websocket = websocket;
    this.#socket = socket;
    this.#limits = limits;
    this.#exceeded = exceeded;
    websocket.on('pong', () => this.#alive());
    const pause = Math.max(10, Math.min(limits.pingMs, limits.startMs, limits.idleMs, limits.stalledMs) / 4);
    this.#clock = new WakingClock(2 * pause);
    this.#lastMessage = this.#movedAt = this.#clock.now();
    this.#timer = setInterval(() => this.#look(), pause).unref();
  }

  messageIn(): void {
    this.#alive();
    this.#lastMessage = this.#clock.now();
    this.#firstIn ??= this.#lastMessage;
  }

  messageOut(): void {
    this.#lastMessage = this.#clock.now();
    this.#firstOut = true;
  }

  /** The client is not being read from, because the agent (or the client itself) does not take what is there. */
  held(on: boolean): void {
    this.#held = on;
    this.#alive();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #alive(): void {
    this.#unanswered = null;
  }

  #look(): void {
    const now = this.#clock.tick();
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
    if (this.#socket.writableLength > 0) return this.#alive();
    // While we do not read, a ping is still worth sending: one to a client that has gone fails, and that ends the socket.
    if (this.#held) this.#alive();
    if (this.#unanswered !== null && now - this.#unanswered > 2 * this.#limits.pingMs) {
      this.#exceeded('pingMs');
      this.#websocket.terminate();
      return;
    }
    if (this.#websocket.readyState !== this.#websocket.OPEN) return;
    this.#websocket.ping();
    this.#unanswered ??= now;
  }
}

/**
 * Milliseconds that this program was awake for. Setting the machine's clock does not move it, and of a pause in which
 * the program did not run (a laptop was closed, a process stopped) it counts no more than `mostMs`: what
 * arrived meanwhile is still to be read.
 */
class WakingClock {
  readonly #mostMs: number;
  #passed = 0;
  #lastTick = performance.now();

  constructor(mostMs: number) {
    this.#mostMs = mostMs;
  }

  now(): number {
    return this.#passed + Math.min(performance.now() - this.#lastTick, this.#mostMs);
  }

  /** To be called at intervals well below `mostMs`. */
  tick(): number {
    this.#passed = this.now();
    this.#lastTick = performance.now();
    return this.#passed;
  }
}
