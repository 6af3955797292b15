/**
 * What a host and an agent in a worker say to each other over `postMessage`. ACP messages travel as JSON text, whose length backpressure counts.
 */

export type Frame =
  /** The agent's first frame: it listens. */
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
  /** The receiver has taken so many characters; the sender may send as many more. */
  | { readonly rehydrate: 'credit'; readonly chars: number }
  /** The sender will send no more messages, as a closed pipe would say. */
  | { readonly rehydrate: 'close' }
  /** The host asks the agent to end. */
  | { readonly rehydrate: 'end' }
  /** A line for diagnostics, as stderr would carry it. */
  | { readonly rehydrate: 'log'; readonly text: string }
  /** The agent's last frame. */
  | { readonly rehydrate: 'exit'; readonly code: number };

/** Anything else that is posted is a diagnostic. */
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

/** How many characters may be under way in one direction. A longer message travels alone. */
export const WORKER_WINDOW_CHARS = 4 * 1024 * 1024;
