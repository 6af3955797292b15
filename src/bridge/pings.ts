/** A client's pings: each is answered, within bounds of the bridge's own (I10). */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { corker } from './cork.ts';

export type PingVerdict =
  | 'answer'
  /** When there is room again. Of several only the latest is answered: the standard (RFC 6455, 5.5.3) allows it. */
  | 'answer_later'
  | 'too_many';

export interface PingLimits {
  readonly pingsPerSecond: number;
  readonly bufferedBytes: number;
}

/** What becomes of a ping. Pure. `count` is its number in its second, from 1; `unsent` are the bytes the client has not taken. */
export function judgePing(count: number, unsent: number, limits: PingLimits): PingVerdict {
  if (count > limits.pingsPerSecond) return 'too_many';
  return unsent > limits.bufferedBytes ? 'answer_later' : 'answer';
}

export interface PingOptions {
  readonly websocket: WebSocket;
  readonly socket: Socket;
  readonly limits: PingLimits;
  readonly onTooMany: () => void;
}

/** Answers until the socket closes. `ws` would do it by itself, and cut off whoever sends 61 in one write, without a word. */
export function answerPings({ websocket, socket, limits, onTooMany }: PingOptions): void {
  const cork = corker(socket);
  let since = -Infinity;
  let count = 0;
  let waiting: Buffer | null = null;
  const answer = (data: Buffer): void => {
    if (websocket.readyState !== websocket.OPEN) return;
    cork();
    websocket.pong(data);
  };
  const answerLatest = (): void => {
    const data = waiting;
    waiting = null;
    if (data !== null) answer(data);
  };
  websocket.on('ping', (data) => {
    if (websocket.readyState !== websocket.OPEN) return;
    const now = performance.now();
    if (now - since >= 1_000) {
      since = now;
      count = 0;
    }
    count += 1;
    switch (judgePing(count, socket.writableLength, limits)) {
      case 'answer':
        return answer(data);
      case 'answer_later':
        // A copy: what `ws` hands out is a view of all that was read with it.
        if (waiting === null) socket.write('', answerLatest);
        waiting = Buffer.from(data);
        return;
      case 'too_many':
        return onTooMany();
    }
  });
}
