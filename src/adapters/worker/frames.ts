/**
 * What a host and an agent in a worker say to each other over `postMessage`. ACP messages travel as JSON
 * text: its length is what backpressure counts, and nothing that is not JSON can cross.
 */

export type Frame =
  /** The first frame of the agent: it listens. */
  | { readonly rehydrate: 'ready' }
  /** The first frame of the host. `env` is what a process would find in its environment. */
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

/** True for a frame; whatever else is posted is a diagnostic, as rubbish on stdout is. */
export function isFrame(value: unknown): value is Frame {
  return typeof value === 'object' && value !== null && typeof (value as { rehydrate?: unknown }).rehydrate === 'string';
}

/** The side of a `MessagePort`, `Worker` or worker scope that both ends need. */
export interface PortLike {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  removeEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  /** Only a `MessagePort` has it, and needs it. */
  start?(): void;
}

/** How many characters of messages may be under way in one direction. A longer message travels alone. */
export const WORKER_WINDOW_CHARS = 4 * 1024 * 1024;
