/** A message stream over a port, for both ends, with backpressure by credit: a sender may send as much as the receiver has read. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { MessageStream } from '../../engine/ports.ts';
import { messageText, parseText } from '../json-rpc.ts';
import { messageQueue } from '../message-queue.ts';
import { type Frame, type PortLike, WORKER_WINDOW_CHARS, isFrame } from './frames.ts';

export interface PortStream extends MessageStream {
  /** Called when the other side is gone: the readable ends (with the error, if any), and writes fail. */
  finish(error?: Error): void;
}

export interface PortStreamOptions {
  /** Called with frames that are not about the stream, and with null for data that is not a frame. */
  readonly onOther: (frame: Frame | null, data: unknown) => void;
  /** Makes the error of a write when the other side is gone. Default: a plain error. */
  readonly goneError?: (() => Error) | undefined;
}

/** Listens at once, so that no message is lost. */
export function portStream(port: PortLike, options: PortStreamOptions): PortStream {
  const limit = DEFAULT_LIMITS.messageBytes;
  const post = (frame: Frame) => port.postMessage(frame);
  const tooLarge = (chars: number) => new Error(`A message of ${chars} characters is over the limit messageBytes (${limit}).`);
  let over = false;
  /** Characters received, and how many of them the sender knows were taken. */
  let received = 0;
  let credited = 0;
  /** Characters sent and not yet taken. */
  let outstanding = 0;
  let wake: (() => void) | null = null;
  const credit = () => {
    const chars = received - credited - queue.waiting;
    if (over || chars <= 0) return;
    credited += chars;
    post({ rehydrate: 'credit', chars });
  };
  const queue = messageQueue<AnyMessage>(WORKER_WINDOW_CHARS, credit);
  const finish = (error?: Error) => {
    if (over) return;
    over = true;
    port.removeEventListener('message', receive);
    wake?.();
    queue.end(error);
  };
  const take = (json: string) => {
    if (!queue.open) return;
    if (json.length > limit) return finish(tooLarge(json.length));
    // A sender that respects the window has at most this much unread.
    const most = WORKER_WINDOW_CHARS + limit;
    if (queue.waiting + json.length > most)
      return finish(new Error(`More than ${most} characters wait to be read (WORKER_WINDOW_CHARS and messageBytes).`));
    received += json.length;
    const message = parseText(json);
    if (message !== null) {
      queue.push(message, json.length);
      return;
    }
    credit();
    options.onOther(null, json);
  };
  const receive = ({ data }: { readonly data: unknown }) => {
    if (!isFrame(data)) return options.onOther(null, data);
    switch (data.rehydrate) {
      case 'message':
        return take(data.json);
      case 'credit':
        outstanding = Math.max(0, outstanding - data.chars);
        return wake?.();
      case 'close':
        return queue.end();
      default:
        return options.onOther(data, data);
    }
  };
  const close = () => {
    if (!over) post({ rehydrate: 'close' });
  };
  const writable = new WritableStream<AnyMessage>({
    async write(message) {
      const json = messageText(message);
      if (json.length > limit) throw tooLarge(json.length);
      while (!over && outstanding > 0 && outstanding + json.length > WORKER_WINDOW_CHARS) {
        await new Promise<void>((resolve) => (wake = resolve));
        wake = null;
      }
      if (over) throw options.goneError?.() ?? new Error('The other side of the port is gone.');
      outstanding += json.length;
      post({ rehydrate: 'message', json });
    },
    close,
    abort: close,
  });
  port.addEventListener('message', receive);
  port.start?.();
  return { readable: queue.readable, writable, finish };
}
