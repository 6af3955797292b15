/** An actor's raw WebSocket as a client of our agent side: one JSON-RPC message a text frame, as over the bridge. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { MessageStream } from '../../engine/ports.ts';

/** What is used of a RivetKit WebSocket. */
export interface RivetSocket {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void;
}

const OPEN = 1;

/** How many characters of a client's messages may wait to be read: one of the largest there is. Its socket cannot be paused. */
const WAITING_CHARS = DEFAULT_LIMITS.messageBytes;

/** What the request for a WebSocket asks for: `/websocket/agents/NAME`, with `observe.v1` to look only. Null when it is none of ours. */
export function askedOf(request: Request | undefined): { readonly agent: string; readonly observe: boolean } | null {
  const [, name] = /\/agents\/([^/]+)\/?$/.exec(request ? new URL(request.url).pathname : '') ?? [];
  if (name === undefined) return null;
  const protocols = request?.headers.get('sec-websocket-protocol') ?? '';
  return { agent: decodeURIComponent(name), observe: /(^|,)\s*observe\.v1\s*(,|$)/.test(protocols) };
}

export function socketMessages(socket: RivetSocket): MessageStream {
  const frames = new ReadableStream<string>(
    {
      start(controller) {
        let open = true;
        const end = () => {
          if (open) controller.close();
          open = false;
        };
        socket.addEventListener('message', ({ data }) => {
          if (!open) return;
          if (typeof data === 'string' && (controller.desiredSize ?? 0) >= data.length) return controller.enqueue(data);
          if (typeof data === 'string') socket.close(1009, `more than ${WAITING_CHARS} characters wait to be read`);
          else socket.close(1002, 'ACP frames are text');
          end();
        });
        socket.addEventListener('close', end);
      },
    },
    { highWaterMark: WAITING_CHARS, size: (text) => text.length },
  );
  const parse = new TransformStream<string, AnyMessage>({
    transform: (text, controller) => controller.enqueue(parsed(text) as AnyMessage),
  });
  return {
    readable: frames.pipeThrough(parse),
    writable: new WritableStream<AnyMessage>({
      write(message) {
        if (socket.readyState !== OPEN) throw new Error('the client is gone');
        socket.send(JSON.stringify(message));
      },
      close: () => socket.close(1000),
      abort: () => socket.close(1000),
    }),
  };
}

/** What is no JSON is no message either; whoever reads it says so. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
