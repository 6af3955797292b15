/** The frames between a host and an agent in a worker, over `postMessage`. ACP messages are sent as JSON text, whose length is used for backpressure. */

export type Frame =
  /** The agent's first frame: it is ready. */
  | { readonly rehydrate: 'ready' }
  /** The host's first frame. */
  | {
      readonly rehydrate: 'start';
      readonly agent: string;
      readonly sessionId: string;
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly rehydrate: 'message'; readonly json: string }
  /** The receiver has read this many characters, so the sender may send as many more. */
  | { readonly rehydrate: 'credit'; readonly chars: number }
  /** The sender will send no more messages, like the end of a pipe. */
  | { readonly rehydrate: 'close' }
  /** The host asks the agent to end. */
  | { readonly rehydrate: 'end' }
  /** A line for diagnostics, as stderr would carry it. */
  | { readonly rehydrate: 'log'; readonly text: string }
  /** The agent's last frame. */
  | { readonly rehydrate: 'exit'; readonly code: number };

/** Whether posted data is a frame. Anything else is taken for diagnostics. */
export function isFrame(value: unknown): value is Frame {
  return typeof value === 'object' && value !== null && typeof (value as { rehydrate?: unknown }).rehydrate === 'string';
}

/** What both ends need of a `MessagePort`, `Worker` or worker scope. */
export interface PortLike {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  removeEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  /** Only a `MessagePort` has it, and needs it. */
  start?(): void;
}

/** How many characters may be sent and unread in one direction. A longer message is sent alone. */
export const WORKER_WINDOW_CHARS = 4 * 1024 * 1024;
