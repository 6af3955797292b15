/** One JSON-RPC message a text frame, over web streams. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../../engine/errors.ts';
import type { DroppedLines, MessageStream } from '../../engine/ports.ts';
import { delay } from '../../engine/waiting.ts';
import { messageText, parseText } from '../json-rpc.ts';
import { messageQueue } from '../message-queue.ts';
import { readDropped } from './dropped.ts';
import { CLIENT_LIMIT } from './exit.ts';
import type { WebSocketLimits } from './limits.ts';
import { exceeds } from '../../engine/transcript/text.ts';

const POLL_MS = 5;
/** Characters that may wait before the socket is paused. */
const QUEUED_CHARACTERS = 1024 * 1024;

/** The part of a WebSocket that is used; browsers, Node and the `ws` package have it. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: never) => void): void;
  /** The `ws` package's: stops reading from the network. */
  pause?(): void;
  resume?(): void;
}

export interface SocketStream {
  readonly stream: MessageStream;
  /** The socket has closed: what came before is still delivered. */
  closed(): void;
  readonly dropped: DroppedLines | null;
  /** The limit of this side for which it was closed. */
  readonly exceeded: keyof WebSocketLimits | undefined;
}

/** `reject` gets the frames that are not messages. */
export function socketStream(agent: string, socket: WebSocketLike, limits: WebSocketLimits, reject: (text: string) => void): SocketStream {
  const said = messageQueue<AnyMessage>(QUEUED_CHARACTERS, () => socket.resume?.());
  const tooMuch = (limit: keyof WebSocketLimits): RehydrateError =>
    new RehydrateError('limit_exceeded', `The agent '${agent}' reached the limit ${limit} (${limits[limit]}) of its WebSocket.`, {
      agent,
      limit,
      value: limits[limit],
    });
  let dropped: DroppedLines | null = null;
  let exceeded: keyof WebSocketLimits | undefined;
  const fail = (limit: keyof WebSocketLimits): void => {
    exceeded = limit;
    said.end(tooMuch(limit));
    socket.close(CLIENT_LIMIT);
  };
  const onMessage = ({ data: text }: { readonly data: unknown }): void => {
    if (!said.open) return;
    if (typeof text !== 'string') return reject('[a binary frame]');
    if (exceeds(limits.messageBytes, text)) return fail('messageBytes');
    const message = parseText(text);
    if (message === null) return reject(text);
    const lost = readDropped(message);
    if (lost !== null) {
      dropped = lost;
      return;
    }
    if (said.waiting + text.length > limits.receivedCharacters) return fail('receivedCharacters');
    // The `ws` package can stop reading, and then the bridge stops the agent; a browser's socket cannot.
    if (!said.push(message, text.length)) socket.pause?.();
  };
  socket.addEventListener('message', onMessage as (event: never) => void);
  const writable = new WritableStream<AnyMessage>({
    async write(message) {
      if (socket.readyState !== 1) throw new RehydrateError('agent_exited', `The connection to the agent '${agent}' is closed.`, { agent });
      const text = messageText(message);
      if (exceeds(limits.messageBytes, text)) throw tooMuch('messageBytes');
      socket.send(text);
      // A WebSocket has no event for room in its buffer.
      while (socket.bufferedAmount > limits.bufferedBytes && socket.readyState === 1) await delay(POLL_MS);
    },
  });
  return {
    stream: { readable: said.readable, writable },
    closed: () => said.end(),
    get dropped() {
      return dropped;
    },
    get exceeded() {
      return exceeded;
    },
  };
}
