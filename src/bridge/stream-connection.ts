/** Turns one client's WebSocket into a stream of messages. */
import { EventEmitter } from 'node:events';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import type { AgentExit, MessageStream } from '../engine/ports.ts';
import { messageQueue } from '../adapters/message-queue.ts';
import { messageLine } from '../adapters/stdio/lines.ts';
import { attend, type ClientOptions } from './client.ts';
import type { Connected } from './connections.ts';
import { textFrame } from './frames.ts';

const CLOSED: AgentExit = { kind: 'ended', code: 0, signal: null };

export interface StreamConnection extends Connected {
  /**
   * `readable` ends when the client is gone and everything it sent was read. A write waits while the client has more than `bufferedBytes` unread;
   * after `stalledMs` of that the client is cut off. Writes to a client that is gone are dropped.
   */
  readonly stream: MessageStream;
}

export function streamConnection(agent: string, options: ClientOptions): StreamConnection {
  const { limits, socket } = options;
  const drained = new EventEmitter<{ drain: [] }>();
  const room = (): void => void drained.emit('drain');
  const said = messageQueue<AnyMessage>(limits.bufferedBytes, room, room);
  const client = attend({
    ...options,
    onMessage: (message, line) => (said.push(message, line.length) ? null : drained),
    onFault: () => undefined,
  });
  const close = (): void => client.close({ kind: 'exit', exit: CLOSED });
  const exited = client.gone.then(() => {
    said.end();
    return CLOSED;
  });
  const writable = new WritableStream<AnyMessage>(
    {
      async write(message) {
        if (!client.open) return;
        const frame = textFrame(messageLine(message));
        if (frame.length > limits.messageBytes) return client.giveUp({ kind: 'limit', limit: 'messageBytes' });
        socket.write(frame);
        if (socket.writableLength <= limits.bufferedBytes) return;
        await Promise.race([new Promise<void>((resolve) => socket.once('drain', () => resolve())), client.gone]);
      },
      close,
      abort: () => client.close({ kind: 'shutdown' }),
    },
    { highWaterMark: 0 },
  );
  return {
    agent,
    client,
    exited,
    done: exited,
    stream: { readable: said.readable, writable },
    end() {
      close();
      return exited;
    },
    diagnostics: () => '',
  };
}
