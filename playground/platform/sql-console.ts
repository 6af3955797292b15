/** The SQL console, and the reading of files from elsewhere: each in a worker of its own, on a copy, with a time limit. */
import type { SqlValue } from '../../src/engine/ports.ts';
import { IMPORT_MS, type ImportedFile } from './import-file.ts';

/** Integers that are not safe come as `bigint`. */
export type ConsoleValue = SqlValue | bigint;

export type ConsoleResult =
  | { readonly kind: 'running' }
  | {
      readonly kind: 'rows';
      readonly columns: readonly string[];
      readonly rows: readonly (readonly ConsoleValue[])[];
      readonly total: number;
      readonly ms: number;
    }
  | { readonly kind: 'error'; readonly message: string };

export interface SqlQuestion {
  /** SQLite's WebAssembly, and the address of its glue. */
  readonly wasm: ArrayBuffer;
  readonly glue: string;
  readonly bytes: Uint8Array;
  /** Null: the bytes are a file from elsewhere. */
  readonly sql: string | null;
}

export type SqlAnswer = ConsoleResult | ({ readonly kind: 'file' } & ImportedFile);

export const CONSOLE_MS = 5_000;
export const CONSOLE_ROWS = 200;

async function ask(question: SqlQuestion, startWorker: () => Worker, limitMs: number, tooLong: string): Promise<SqlAnswer> {
  const worker = startWorker();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    return await new Promise((resolve) => {
      const fail = (message: string) => resolve({ kind: 'error', message });
      timer = setTimeout(() => fail(tooLong), limitMs);
      worker.onmessage = ({ data }: MessageEvent<SqlAnswer>) => resolve(data);
      worker.onerror = (event) =>
        fail(`SQLite could not run beside the page: ${event.message || 'its worker did not load'}. Reload the page.`);
      worker.postMessage(question, [question.bytes.buffer as ArrayBuffer]);
    });
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}

export async function runOnCopy(question: SqlQuestion, startWorker: () => Worker, limitMs = CONSOLE_MS): Promise<ConsoleResult> {
  if (question.sql?.trim() === '')
    return { kind: 'error', message: 'Type a query first, such as SELECT kind, count(*) FROM acp_session_events GROUP BY kind.' };
  const stopped = `The query was stopped after ${limitMs / 1_000} s. The session was not touched. Add a LIMIT, or narrow it.`;
  return (await ask(question, startWorker, limitMs, stopped)) as ConsoleResult;
}

/** Rejects with why the file is not opened. */
export async function readFile(question: Omit<SqlQuestion, 'sql'>, startWorker: () => Worker, limitMs = IMPORT_MS): Promise<ImportedFile> {
  const stopped = `The file was not opened: reading it was stopped after ${limitMs / 1_000} s. Nothing here was changed.`;
  const answer = await ask({ ...question, sql: null }, startWorker, limitMs, stopped);
  if (answer.kind !== 'file') throw new Error(answer.kind === 'error' ? answer.message : 'The file could not be read.');
  return answer;
}
