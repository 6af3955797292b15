/** The timers of one connection, which find a client that is gone or does not read. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { BridgeLimits } from './limits.ts';

/** Cuts off a client that exceeds `stalledMs` or `pingMs`, after telling `exceeded` which. */
export function watch(websocket: WebSocket, socket: Socket, limits: BridgeLimits, exceeded: (limit: keyof BridgeLimits) => void) {
  const { stalledMs, pingMs } = limits;
  /**
   * Milliseconds counted by the timer's ticks. Unlike a clock, this does not jump when the program was paused (a closed laptop, a stopped
   * process), after which what has arrived meanwhile must still be read.
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
    // No close frame: it would queue up behind what the client does not read.
    websocket.terminate();
  };
  const look = (): void => {
    const { bytesWritten, writableLength } = socket;
    const behind = writableLength > 0;
    if (!behind || bytesWritten - writableLength !== sent) movedAt = now;
    sent = bytesWritten - writableLength;
    if (over(movedAt, stalledMs)) return cutOff('stalledMs');
    // A client with unread data has not seen a ping behind it; `stalledMs` bounds that. While we do not read from the client we cannot see its
    // pong. A ping is still sent then, because to a client that is gone it fails and so ends the socket.
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
    /** Tells whether reading from the client is paused, because a stream is full. */
    held(on: boolean): void {
      isHeld = on;
      unanswered = null;
    },
    stop: () => clearInterval(timer),
  };
}
