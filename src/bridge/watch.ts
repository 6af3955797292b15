/** The clocks of one connection: signs of life, and a client that is stuck. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { BridgeLimits } from './limits.ts';

/** Cuts a client off that exceeds `stalledMs` or `pingMs`, once `exceeded` was told which. */
export function watch(websocket: WebSocket, socket: Socket, limits: BridgeLimits, exceeded: (limit: keyof BridgeLimits) => void) {
  const { stalledMs, pingMs } = limits;
  /**
   * Milliseconds as this program's own looks count them. A machine's clock that is set does not move it, nor does a pause in which the
   * program did not run (a laptop was closed, a process stopped): what arrived meanwhile is still to be read.
   */
  let now = 0;
  /** When the first ping was sent of those that nothing has followed yet; null when something has. */
  let unanswered: number | null = null;
  let sent = 0;
  let movedAt = 0;
  let isHeld = false;
  const over = (since: number, ms: number): boolean => now - since > ms;
  const cutOff = (limit: keyof BridgeLimits): void => {
    exceeded(limit);
    // The close frame would lie after what the client does not read.
    websocket.terminate();
  };
  const look = (): void => {
    const { bytesWritten, writableLength } = socket;
    const behind = writableLength > 0;
    if (!behind || bytesWritten - writableLength !== sent) movedAt = now;
    sent = bytesWritten - writableLength;
    if (over(movedAt, stalledMs)) return cutOff('stalledMs');
    // A client with unread data cannot be blamed for not seeing the ping that follows it; `stalledMs` bounds that. While we do not
    // read, a ping is still worth sending: one to a client that has gone fails, and that ends the socket.
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
    /** Whether the client is not being read from, because nothing takes what is there. */
    held(on: boolean): void {
      isHeld = on;
      unanswered = null;
    },
    stop: () => clearInterval(timer),
  };
}
