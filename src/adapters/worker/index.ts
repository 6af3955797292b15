/**
 * Agents in web workers: an `AgentLauncher` over `postMessage`. A worker has no exit code and no signals of
 * its own; it says how it ended, and what ends without a word was killed, failed or lost (I8).
 */
import { RehydrateError } from '../../engine/errors.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { AgentExit, AgentLauncher, AgentProcess, AgentSpec } from '../../engine/ports.ts';
import type { Frame, PortLike } from './frames.ts';
import { portStream } from './port-stream.ts';

export { type WorkerAgentScope, type WorkerStart, workerAgent } from './agent-side.ts';
export { type PortLike, WORKER_WINDOW_CHARS } from './frames.ts';

/** What the launcher needs of a `Worker`. A `MessagePort` fits too: it is closed where a worker is terminated. */
export interface WorkerLike extends PortLike {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'error' | 'messageerror' | 'close', listener: (event: unknown) => void): void;
  terminate?(): unknown;
  close?(): void;
}

export interface WorkerLauncherOptions {
  /** Makes the worker of each agent, by the agent's name. The worker must call `workerAgent`. */
  readonly agents: Readonly<Record<string, () => WorkerLike>>;
  /** How long a worker may take to load and answer. Default 10 s. */
  readonly startMs?: number;
  /** How long a worker that was asked to end may take before it is terminated. Default 1 s. */
  readonly graceMs?: number;
}

/**
 * Makes a launcher from a table of worker factories. `launch` rejects with `agent_not_found` or
 * `agent_start_failed`, or with the reason of its signal, and leaves no worker then.
 *
 * @example
 * const mine = () => new Worker(new URL('./agent.ts', import.meta.url), { type: 'module' });
 * const agents = workerLauncher({ agents: { mine } });
 */
export function workerLauncher(options: WorkerLauncherOptions): AgentLauncher {
  return {
    async launch(spec, { signal }) {
      const make = Object.hasOwn(options.agents, spec.agent) ? options.agents[spec.agent] : undefined;
      if (!make) {
        throw new RehydrateError(
          'agent_not_found',
          `There is no agent “${spec.agent}” among the workers. Choose one of: ${Object.keys(options.agents).join(', ') || 'none'}.`,
          { agent: spec.agent, known: Object.keys(options.agents) },
        );
      }
      signal.throwIfAborted();
      return launchWorker(make, spec, signal, options.startMs ?? 10_000, options.graceMs ?? 1_000);
    },
  };
}

async function launchWorker(
  make: () => WorkerLike,
  spec: AgentSpec,
  signal: AbortSignal,
  startMs: number,
  graceMs: number,
): Promise<AgentProcess> {
  const agent = new WorkerProcess(create(make, spec.agent), spec.agent, graceMs);
  const stopped = AbortSignal.any([signal, AbortSignal.timeout(startMs)]);
  const late = new Promise<never>((_, reject) => {
    const why = () =>
      signal.aborted ? signal.reason : startFailed(spec.agent, `its worker did not answer within ${startMs} ms (limit startMs)`);
    stopped.addEventListener('abort', () => reject(why()), { once: true });
  });
  try {
    const early = agent.exited.then((exit) => {
      throw startFailed(spec.agent, 'message' in exit ? exit.message : (exit.stderr ?? exit.kind));
    });
    await Promise.race([agent.ready, early, late]);
  } catch (error) {
    await agent.end('kill');
    throw error;
  }
  agent.start(spec);
  return agent;
}

function create(make: () => WorkerLike, agent: string): WorkerLike {
  try {
    return make();
  } catch (error) {
    throw startFailed(agent, error instanceof Error ? error.message : String(error), error);
  }
}

class WorkerProcess implements AgentProcess {
  readonly stream;
  readonly exited: Promise<AgentExit>;
  readonly ready: Promise<void>;
  readonly #worker: WorkerLike;
  readonly #graceMs: number;
  readonly #settled = Promise.withResolvers<AgentExit>();
  readonly #ready = Promise.withResolvers<void>();
  #log = '';
  #asked = false;
  #over = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(worker: WorkerLike, agent: string, graceMs: number) {
    this.#worker = worker;
    this.#graceMs = graceMs;
    this.exited = this.#settled.promise;
    this.ready = this.#ready.promise;
    this.stream = portStream(worker, {
      onOther: (frame, data) => this.#other(frame, data),
      goneError: () =>
        new RehydrateError(
          'agent_exited',
          `The agent “${agent}” is gone, so nothing can be sent to it. Prompt the session again: that starts it anew.`,
          { agent },
        ),
    });
    worker.addEventListener('error', (event) => this.#failed(event));
    const lost = (message: string) => () => this.#gone({ kind: 'disconnected', code: null, signal: null, message });
    worker.addEventListener('messageerror', lost('a message of the worker could not be read'));
    worker.addEventListener('close', lost('its port was closed from the other side'));
  }

  start(spec: AgentSpec): void {
    this.#post({ rehydrate: 'start', agent: spec.agent, sessionId: spec.sessionId, cwd: spec.cwd ?? '/', env: spec.env ?? {} });
  }

  async end(how: 'ask' | 'kill'): Promise<AgentExit> {
    if (this.#over) return this.exited;
    const kill = () => this.#gone({ kind: 'killed', code: null, signal: 'SIGKILL' });
    if (how === 'kill') kill();
    else if (!this.#asked) {
      this.#asked = true;
      for (const rehydrate of ['close', 'end'] as const) this.#post({ rehydrate });
      this.#timer = setTimeout(kill, this.#graceMs);
    }
    return this.exited;
  }

  diagnostics(): string {
    return this.#log;
  }

  #post(frame: Frame): void {
    if (!this.#over) this.#worker.postMessage(frame);
  }

  #other(frame: Frame | null, data: unknown): void {
    if (frame === null) return this.#note(typeof data === 'string' ? data : JSON.stringify(data));
    switch (frame.rehydrate) {
      case 'ready':
        return this.#ready.resolve();
      case 'log':
        return this.#note(frame.text);
      case 'exit': {
        const { code } = frame;
        if (code !== 0) return this.#gone({ kind: 'failed', code, signal: null });
        return this.#gone({ kind: this.#asked ? 'ended' : 'quit', code: 0, signal: null });
      }
      default:
        return this.#note(`unexpected frame: ${frame.rehydrate}`);
    }
  }

  /** An uncaught error ends a process with code 1; a worker would live on, half dead. */
  #failed(event: unknown): void {
    const { message, filename, lineno } = event as { message?: string; filename?: string; lineno?: number };
    this.#note(`${message ?? 'the worker failed to load or threw'}${filename ? ` (${filename}:${lineno})` : ''}`);
    this.#gone({ kind: 'failed', code: 1, signal: null });
  }

  #note(line: string): void {
    this.#log = `${this.#log}${line}\n`.slice(-DEFAULT_LIMITS.stderrBytes);
  }

  /** Settles the exit once. The worker is terminated in every case: nothing of it may live on (I7). */
  #gone(exit: AgentExit): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    const lost = exit.kind === 'disconnected' ? new Error(`The agent's worker was lost: ${exit.message}`) : undefined;
    this.stream.finish(lost);
    const settle = () => this.#settled.resolve(this.#log === '' ? exit : { ...exit, stderr: this.#log });
    const { terminate, close } = this.#worker;
    // In Node `terminate` returns a promise; in a browser the worker is gone when it returns.
    if (terminate) Promise.resolve(terminate.call(this.#worker)).then(settle, settle);
    else {
      close?.call(this.#worker);
      settle();
    }
  }
}

function startFailed(agent: string, why: string, cause?: unknown): RehydrateError {
  return new RehydrateError(
    'agent_start_failed',
    `The agent “${agent}” could not be started: ${why.trim()}. Check that its worker script exists and calls workerAgent().`,
    { agent, reason: why.trim() },
    { cause },
  );
}
