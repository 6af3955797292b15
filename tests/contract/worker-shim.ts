/** A web worker over `node:worker_threads`: the events and methods that a browser's `Worker` has, and no more. */
import { Worker } from 'node:worker_threads';
import type { WorkerLike } from '../../src/adapters/worker/index.ts';

type Listener = (event: never) => void;

/** Starts `file` (TypeScript, erasable syntax) in a thread that sees itself as a worker named `name`. */
export function threadWorker(file: URL, name = ''): WorkerLike & { readonly thread: Worker } {
  const boot = `
    const { parentPort, workerData } = require('node:worker_threads');
    globalThis.self = globalThis;
    globalThis.name = workerData.name;
    globalThis.postMessage = (message) => parentPort.postMessage(message);
    const wrapped = new Map();
    globalThis.addEventListener = (type, listener) => {
      const wrap = (data) => listener({ data });
      wrapped.set(listener, wrap);
      parentPort.on(type, wrap);
    };
    globalThis.removeEventListener = (type, listener) => parentPort.off(type, wrapped.get(listener));
    import(workerData.file);
  `;
  const thread = new Worker(boot, { eval: true, workerData: { file: file.href, name }, stdout: true, stderr: true });
  const wrapped = new Map<unknown, (value: unknown) => void>();
  return {
    thread,
    postMessage: (message) => thread.postMessage(message),
    addEventListener(type: string, listener: Listener) {
      const wrap = (value: unknown) =>
        (listener as (event: unknown) => void)(
          type === 'message' ? { data: value } : { message: value instanceof Error ? value.message : String(value) },
        );
      wrapped.set(listener, wrap);
      thread.on(type, wrap);
    },
    removeEventListener(type: string, listener: Listener) {
      const wrap = wrapped.get(listener);
      if (wrap) thread.off(type, wrap);
    },
    terminate: () => thread.terminate(),
  };
}
