import { once } from 'node:events';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { WebSocket } from 'ws';
import type { MessageStream } from '../../src/engine/index.ts';

/** A client of a bridge or a server, as a stream of messages. */
export async function socketStream(
  { url, token }: { readonly url: string; readonly token: string },
  agent: string,
  subprotocol = 'acp.v1',
): Promise<MessageStream & { readonly socket: WebSocket }> {
  const socket = new WebSocket(`${url}/agents/${agent}`, [subprotocol, `bearer.${token}`]);
  const queue = new TransformStream<AnyMessage, AnyMessage>(undefined, undefined, { highWaterMark: Infinity });
  const writer = queue.writable.getWriter();
  socket.on('message', (data) => void writer.write(JSON.parse(String(data))));
  socket.on('close', () => void writer.close());
  await once(socket, 'open');
  return {
    socket,
    readable: queue.readable,
    writable: new WritableStream<AnyMessage>({
      write: (message) => void socket.send(JSON.stringify(message)),
      close: () => socket.close(),
      abort: () => socket.terminate(),
    }),
  };
}
