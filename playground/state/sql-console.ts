/**
 * The SQL console: a statement runs in a worker of its own, on a copy of the database, and the worker
 * is ended when it takes too long. Neither a wrong DELETE nor an endless query can reach the session.
 */
import type { SqlValue } from '../../src/engine/ports.ts';

export type ConsoleResult =
  | { readonly kind: 'running' }
  | {
      readonly kind: 'rows';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly SqlValue[])[];
      readonly total: number;
      readonly ms: number;
    }
  | { readonly kind: 'error'; readonly message: string };

/** What the page sends its console worker. */
export interface ConsoleQuestion {
  /** SQLite itself, as WebAssembly. */
  readonly wasm: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly sql: string;
}

/** How long a query may take. */
export const CONSOLE_MS = 5_000;
/** How many rows come back to be shown. */
export const CONSOLE_ROWS = 200;

interface WorkerLike {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  terminate(): void;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
}

export async function runOnCopy(question: ConsoleQuestion, startWorker: () => WorkerLike, limitMs = CONSOLE_MS): Promise<ConsoleResult> {
  if (question.sql.trim() === '')
    return { kind: 'error', message: 'Type a query first, such as SELECT kind, count(*) FROM acp_session_events GROUP BY kind.' };
  const worker = startWorker();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await new Promise<ConsoleResult>((resolve) => {
      timer = setTimeout(
        () =>
          resolve({
            kind: 'error',
            message: `The query was stopped after ${limitMs / 1_000} s. The session was not touched. Add a LIMIT, or narrow it.`,
          }),
        limitMs,
      );
      worker.onmessage = (event) => resolve(event.data as ConsoleResult);
      worker.onerror = (event) =>
        resolve({ kind: 'error', message: `The console could not run: ${event.message || 'its worker did not load'}. Reload the page.` });
      worker.postMessage(question, [question.bytes.buffer as ArrayBuffer]);
    });
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}
