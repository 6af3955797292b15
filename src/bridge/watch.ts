/** The clocks of one connection: signs of life, and a client that is stuck. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { BridgeLimits } from './limits.ts';

/** Cuts off a client that exceeds `stalledMs` or `pingMs`, after telling `exceeded` which. */
export function watch(websocket: WebSocket, socket: Socket, limits: BridgeLimits, exceeded: (limit: keyof BridgeLimits) => void) {
  const { stalledMs, pingMs } = limits;
  /**
   * Milliseconds by the timer's ticks: neither a clock that is set moves it, nor a pause of the program (a closed laptop, a stopped process), after
   * which what arrived meanwhile is still to be read.
   */
  let now = 0;
  /** When the first ping without an answer was sent; null when there is none. */
  let unanswered: number | null = null;
  let sent = 0;
  let movedAt = 0;
  let isHeld = false;
  const over = (since: number, ms: number): boolean => now - since > ms;
  const cutOff = (limit: keyof BridgeLimits): void => {
    exceeded(limit);
    // A close frame would come after what the client does not read.
    websocket.terminate();
  };
  const look = (): void => {
    const { bytesWritten, writableLength } = socket;
    const behind = writableLength > 0;
    if (!behind || bytesWritten - writableLength !== sent) movedAt = now;
    sent = bytesWritten - writableLength;
    if (over(movedAt, stalledMs)) return cutOff('stalledMs');
    // A client with unread data has not seen the ping after it; `stalledMs` bounds that. While we do not read, a ping is still sent: to a client
    // that is gone it fails, and that ends the socket.
    if (behind || isHeld) unanswered = null;
    if (behind) return;
    if (unanswered !== null && over(unanswered, 2 * pingMs)) return cutOff('pingMs');
    if (websocket.readyState !== websocket.OPEN) return;
    websocket.ping();
    unanswered ??= now;
  };
  for (const sign of ['pong', 'message']) websocket.on(sign, () => (unanswered = null));
  const pause = Math.max(10, Math.min(pingMs, stalledMs) / 4);
  const timer = setInterval(() => {
    now += pause;
    look();
  }, pause).unref();
  return {
    /** Whether the client is not being read from because a stream is full. */
    held(on: boolean): void {
      isHeld = on;
      unanswered = null;
    },
    stop: () => clearInterval(timer),
  };
}
