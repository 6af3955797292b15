/** The clocks of one connection: signs of life, and a client that is stuck. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { BridgeLimits } from './limits.ts';

export class Watch {
  readonly #websocket: WebSocket;
  readonly #socket: Socket;
  readonly #limits: BridgeLimits;
  readonly #exceeded: (limit: keyof BridgeLimits) => void;
  readonly #timer: NodeJS.Timeout;
  /**
   * Milliseconds as this program's own looks count them. A machine's clock that is set does not move it, nor does a pause in which the
   * program did not run (a laptop was closed, a process stopped): what arrived meanwhile is still to be read.
   */
  #now = 0;
  /** When the first ping was sent of those that nothing has followed yet; null when there is none. */
  #unanswered: number | null = null;
  #sent = 0;
  #movedAt = 0;
  #held = false;

  constructor(websocket: WebSocket, socket: Socket, limits: BridgeLimits, exceeded: (limit: keyof BridgeLimits) => void) {
    this.#websocket = websocket;
    this.#socket = socket;
    this.#limits = limits;
    this.#exceeded = exceeded;
    for (const sign of ['pong', 'message']) websocket.on(sign, () => (this.#unanswered = null));
    const pause = Math.max(10, Math.min(limits.pingMs, limits.stalledMs) / 4);
    this.#timer = setInterval(() => {
      this.#now += pause;
      this.#look();
    }, pause).unref();
  }

  /** The client is not being read from, because the agent (or the client itself) does not take what is there. */
  held(on: boolean): void {
    this.#held = on;
    this.#unanswered = null;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { stalledMs, pingMs } = this.#limits;
    const { bytesWritten, writableLength } = this.#socket;
    const over = (since: number | null, ms: number): boolean => since !== null && this.#now - since > ms;
    const sent = bytesWritten - writableLength;
    if (writableLength === 0 || sent !== this.#sent) this.#movedAt = this.#now;
    this.#sent = sent;
    if (over(this.#movedAt, stalledMs)) return this.#cutOff('stalledMs');
    // A client with unread data cannot be blamed for not seeing a ping behind it; `stalledMs` bounds that. While we do not
    // read, a ping is still worth sending: one to a client that has gone fails, and that ends the socket.
    if (writableLength > 0 || this.#held) this.#unanswered = null;
    if (writableLength > 0) return;
    if (over(this.#unanswered, 2 * pingMs)) return this.#cutOff('pingMs');
    if (this.#websocket.readyState !== this.#websocket.OPEN) return;
    this.#websocket.ping();
    this.#unanswered ??= this.#now;
  }

  /** The close frame would lie behind what the client does not read. */
  #cutOff(limit: keyof BridgeLimits): void {
    this.#exceeded(limit);
    this.#websocket.terminate();
  }
}
