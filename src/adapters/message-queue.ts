/** Received messages that wait to be read, bounded by what they cost. Runs in browsers and Node. */

export interface MessageQueue<T> {
  readonly readable: ReadableStream<T>;
  /** What waits, in the unit of the sizes. */
  readonly waiting: number;
  /** False once nothing more is taken: it ended, or its reader left. */
  readonly open: boolean;
  /** False when there is no room for more: the transport waits for `room`. */
  push(message: T, size: number): boolean;
  /** Nothing follows. The reader gets an error instead of what waits. */
  end(error?: Error): void;
}

/** `room` is called when a reader wants more, `left` when it wants nothing more. */
export function messageQueue<T>(limit: number, room: () => void = () => undefined, left: () => void = () => undefined): MessageQueue<T> {
  let out!: ReadableStreamDefaultController<T>;
  let size = 0;
  let open = true;
  const free = (): number => (open ? (out.desiredSize ?? limit) : limit);
  const readable = new ReadableStream<T>(
    {
      start: (controller) => void (out = controller),
      pull: room,
      cancel() {
        open = false;
        left();
      },
    },
    { highWaterMark: limit, size: () => size },
  );
  return {
    readable,
    get waiting() {
      return limit - free();
    },
    get open() {
      return open;
    },
    push(message, messageSize) {
      if (!open) return true;
      size = messageSize;
      out.enqueue(message);
      return free() > 0;
    },
    end(error) {
      if (!open) return;
      open = false;
      if (error === undefined) out.close();
      else out.error(error);
    },
  };
}
