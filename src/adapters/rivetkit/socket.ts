/** Turns an actor's raw WebSocket into a message stream for our agent side. Each text frame is one JSON-RPC message, as over the bridge. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { MessageStream } from '../../engine/ports.ts';
import { messageText, parseText } from '../json-rpc.ts';
import { messageQueue } from '../message-queue.ts';

/** The part of a RivetKit WebSocket that is used. */
export interface RivetSocket {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void;
}

const OPEN = 1;

/** How many characters may wait to be read, since the socket cannot be paused: as many as the largest message has. */
const WAITING_CHARS = DEFAULT_LIMITS.messageBytes;

/** What a request for a WebSocket asks for: `/websocket/agents/NAME`, with `observe.v1` to only look. Null for any other request. */
export function askedOf(request: Request | undefined): { readonly agent: string; readonly observe: boolean } | null {
  const [, name = ''] = /\/agents\/([^/]+)\/?$/.exec(request ? new URL(request.url).pathname : '') ?? [];
  const agent = decoded(name);
  const protocols = request?.headers.get('sec-websocket-protocol') ?? '';
  return agent ? { agent, observe: /(^|,)\s*observe\.v1\s*(,|$)/.test(protocols) } : null;
}

function decoded(name: string): string | null {
  try {
    return decodeURIComponent(name);
  } catch {
    return null; // its escapes are not UTF-8
  }
}

/** The registered WebSocket close code of a server that will be back. */
const SERVICE_RESTART = 1012;

/**
 * A frame that is not a message is passed on as its text, for the reader to refuse. While the actor `isGoing` to sleep, which takes until its
 * agents have ended, clients are sent to its next life.
 */
export function socketMessages(socket: RivetSocket, isGoing: () => boolean): MessageStream {
  const said = messageQueue<AnyMessage>(WAITING_CHARS);
  const end = () => (isGoing() ? socket.close(SERVICE_RESTART, 'the actor goes to sleep: connect again') : socket.close(1000));
  socket.addEventListener('message', ({ data }) => {
    if (!said.open) return;
    if (isGoing()) {
      end();
      return said.end();
    }
    if (typeof data === 'string' && said.waiting + data.length <= WAITING_CHARS) {
      said.push(parseText(data) ?? (data as never), data.length);
      return;
    }
    if (typeof data === 'string') socket.close(1009, `more than ${WAITING_CHARS} characters wait to be read`);
    else socket.close(1002, 'ACP frames are text');
    said.end();
  });
  socket.addEventListener('close', () => said.end());
  return {
    readable: said.readable,
    writable: new WritableStream<AnyMessage>({
      write(message) {
        if (socket.readyState !== OPEN) throw new Error('the client is gone');
        socket.send(messageText(message));
      },
      close: end,
      abort: end,
    }),
  };
}
