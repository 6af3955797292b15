/** Raw ACP over stdio, with every frame kept: for learning what an agent really does, before any engine is in between. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** JSON whose shape the test that reads it knows. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any;

export interface Frame {
  /** `send` is what the client wrote, `receive` what the agent wrote. */
  readonly dir: 'send' | 'receive';
  readonly frame: Record<string, unknown>;
}

export interface RawAgent {
  readonly pid: number;
  readonly frames: readonly Frame[];
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** The whole response: `result` or `error`. */
  request(method: string, params: unknown): Promise<{ result?: Json; error?: { code: number; message: string; data?: unknown } }>;
  notify(method: string, params: unknown): void;
  /** Answers the agent's own requests; without it they get −32601. */
  onRequest(handler: (method: string, params: Json) => unknown): void;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export function startRaw(program: string, args: readonly string[], options: { cwd: string; env: Record<string, string> }): RawAgent {
  const child = spawn(program, [...args], { ...options, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const frames: Frame[] = [];
  const pending = new Map<number, (response: Json) => void>();
  let handler: ((method: string, params: Json) => unknown) | undefined;
  let nextId = 0;
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  child.stderr.resume();

  const send = (frame: Record<string, unknown>): void => {
    frames.push({ dir: 'send', frame });
    child.stdin.write(`${JSON.stringify(frame)}\n`);
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    const frame = JSON.parse(line) as Record<string, Json>;
    frames.push({ dir: 'receive', frame });
    if (frame.method === undefined) {
      pending.get(frame.id)?.(frame);
      pending.delete(frame.id);
    } else if (frame.id !== undefined) {
      void Promise.resolve(handler?.(frame.method, frame.params)).then((result) =>
        send({
          jsonrpc: '2.0',
          id: frame.id,
          ...(result === undefined ? { error: { code: -32601, message: 'Method not found' } } : { result }),
        }),
      );
    }
  });

  return {
    pid: child.pid ?? 0,
    frames,
    exited,
    request: (method, params) =>
      new Promise((resolve, reject) => {
        const id = nextId++;
        pending.set(id, resolve);
        void exited.then(() => reject(new Error(`The agent ended before it answered ${method}.`)));
        send({ jsonrpc: '2.0', id, method, params });
      }),
    notify: (method, params) => send({ jsonrpc: '2.0', method, params }),
    onRequest: (next) => {
      handler = next;
    },
    kill: async (signal) => {
      try {
        process.kill(-(child.pid ?? 0), signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
      await exited;
    },
  };
}
