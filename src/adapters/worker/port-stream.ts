/** A message stream over a port, with backpressure by credit. Both ends use it. */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { MessageStream } from '../../engine/ports.ts';
import { messageText, parseText } from '../json-rpc.ts';
import { type Frame, type PortLike, WORKER_WINDOW_CHARS, isFrame } from './frames.ts';

export interface PortStream extends MessageStream {
  /** The other side is gone: the readable ends, as a transport failure when there is an error, and writes fail. */
  finish(error?: Error): void;
}

export interface PortStreamOptions {
  /** Frames that are not about the stream, and (as `null`) whatever is not a frame. */
  readonly onOther: (frame: Frame | null, data: unknown) => void;
  /** What a write fails with when the other side is gone. Default: a plain error. */
  readonly goneError?: () => Error;
  /** The largest message, in characters of JSON. Default: `DEFAULT_LIMITS.messageBytes`. */
  readonly messageChars?: number;
}

/** Attaches to the port at once; nothing that arrives from then on is lost. */
export function portStream(port: PortLike, options: PortStreamOptions): PortStream {
  const limit = options.messageChars ?? DEFAULT_LIMITS.messageBytes;
  const inbox: { readonly message: AnyMessage; readonly chars: number }[] = [];
  const post = (frame: Frame) => port.postMessage(frame);
  let over = false;
  let closing = false;
  /** Characters sent and not yet taken by the other side. */
  let outstanding = 0;
  /** Characters received and not read yet. */
  let waiting = 0;
  let wake: (() => void) | null = null;
  let pulled: (() => void) | null = null;
  let reader: ReadableStreamDefaultController<AnyMessage> | null = null;

  const take = () => {
    const next = inbox.shift();
    if (!next || !reader) return false;
    reader.enqueue(next.message);
    waiting -= next.chars;
    if (!over) post({ rehydrate: 'credit', chars: next.chars });
    return true;
  };
  /** Ends the readable once what arrived before was read. */
  const closeWhenRead = () => {
    if (closing && inbox.length === 0 && reader) {
      reader.close();
      reader = null;
    }
    pulled?.();
  };
  const finish = (error?: Error) => {
    if (over) return;
    over = true;
    port.removeEventListener('message', receive);
    wake?.();
    if (error) {
      reader?.error(error);
      reader = null;
      pulled?.();
    } else {
      closing = true;
      closeWhenRead();
    }
  };
  const receive = ({ data }: { readonly data: unknown }) => {
    if (!isFrame(data)) return options.onOther(null, data);
    switch (data.rehydrate) {
      case 'message': {
        if (closing) return;
        if (data.json.length > limit)
          return finish(new Error(`A message of ${data.json.length} characters is over the limit messageBytes (${limit}).`));
        const message = parseText(data.json);
        if (message === null) {
          post({ rehydrate: 'credit', chars: data.json.length });
          return options.onOther(null, data.json);
        }
        inbox.push({ message, chars: data.json.length });
        waiting += data.json.length;
        // A sender that keeps to the window has at most that under way, or one longer message.
        if (waiting > WORKER_WINDOW_CHARS + limit)
          return finish(
            new Error(`More than ${WORKER_WINDOW_CHARS + limit} characters wait to be read (WORKER_WINDOW_CHARS and messageBytes).`),
          );
        return pulled?.();
      }
      case 'credit':
        outstanding = Math.max(0, outstanding - data.chars);
        return wake?.();
      case 'close':
        closing = true;
        return closeWhenRead();
      default:
        return options.onOther(data, data);
    }
  };

  const readable = new ReadableStream<AnyMessage>(
    {
      start(controller) {
        reader = controller;
      },
      async pull() {
        while (reader && !take()) {
          if (closing) return closeWhenRead();
          await new Promise<void>((resolve) => (pulled = resolve));
          pulled = null;
        }
        closeWhenRead();
      },
      cancel() {
        reader = null;
        inbox.length = 0;
      },
    },
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<AnyMessage>({
    async write(message) {
      const json = messageText(message);
      if (json.length > limit) throw new Error(`A message of ${json.length} characters is over the limit messageBytes (${limit}).`);
      while (!over && outstanding > 0 && outstanding + json.length > WORKER_WINDOW_CHARS) {
        await new Promise<void>((resolve) => (wake = resolve));
        wake = null;
      }
      if (over) throw options.goneError?.() ?? new Error('The other side of the port is gone.');
      outstanding += json.length;
      post({ rehydrate: 'message', json });
    },
    close() {
      if (!over) post({ rehydrate: 'close' });
    },
    abort() {
      if (!over) post({ rehydrate: 'close' });
    },
  });
  port.addEventListener('message', receive);
  port.start?.();
  return { readable, writable, finish };
}
