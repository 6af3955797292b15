/** A queue of received messages that wait to be read, bounded by their size. Runs in browsers and Node. */

export interface MessageQueue<T> {
  readonly readable: ReadableStream<T>;
  /** The total size of the waiting messages. */
  readonly waiting: number;
  /** False once the queue has ended or its reader has left. */
  readonly open: boolean;
  /** Adds a message. False if there is no room for more: the transport then waits for `room`. */
  push(message: T, size: number): boolean;
  /** Ends the queue. With an error, the reader gets that instead of the waiting messages. */
  end(error?: Error): void;
}

/** `room` is called when the reader wants more, `left` when it wants no more. */
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
