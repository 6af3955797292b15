/**
 * Agents in web workers: an `AgentLauncher` over `postMessage`. A worker has no exit code and no signals. So it tells how it ended; otherwise it
 * was killed, failed or lost (I8).
 */
import { checkOptions } from '../../engine/check-options.ts';
import { RehydrateError } from '../../engine/errors.ts';
import { DEFAULT_LIMITS } from '../../engine/limits.ts';
import type { AgentExit, AgentLauncher, AgentProcess, AgentSpec } from '../../engine/ports.ts';
import { unlessAborted, within } from '../../engine/waiting.ts';
import type { Frame, PortLike } from './frames.ts';
import { portStream } from './port-stream.ts';

export { type WorkerAgentScope, type WorkerStart, workerAgent } from './agent-side.ts';
export { type PortLike, WORKER_WINDOW_CHARS } from './frames.ts';

/** What the launcher needs of a `Worker`. A `MessagePort` will do, too; it is closed instead of terminated. */
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
  readonly startMs?: number | undefined;
  /** How long a worker that was asked to end may take before it is terminated. Default 1 s. */
  readonly graceMs?: number | undefined;
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
  checkOptions('workerLauncher', options, ['agents', 'startMs', 'graceMs'], ['agents']);
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
      return launchWorker(make, spec, signal, options);
    },
  };
}

/** Resolves when the worker is ready. Leaves no worker when it rejects. */
async function launchWorker(
  make: () => WorkerLike,
  { agent, sessionId, cwd = '/', env = {} }: AgentSpec,
  signal: AbortSignal,
  { startMs = 10_000, graceMs = 1_000 }: WorkerLauncherOptions,
): Promise<AgentProcess> {
  let worker: WorkerLike;
  try {
    worker = make();
  } catch (error) {
    throw startFailed(agent, error instanceof Error ? error.message : String(error), error);
  }
  const settled = Promise.withResolvers<AgentExit>();
  const ready = Promise.withResolvers<void>();
  let log = '';
  let asked = false;
  let over = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const post = (frame: Frame): void => {
    if (!over) worker.postMessage(frame);
  };
  const note = (line: string): void => {
    log = `${log}${line}\n`.slice(-DEFAULT_LIMITS.stderrBytes);
  };
  const stream = portStream(worker, {
    onOther: (frame, data) => heard(frame, data),
    goneError: () => {
      const message = `The agent “${agent}” is gone, so nothing can be sent to it. Prompt the session again: that starts it anew.`;
      return new RehydrateError('agent_exited', message, { agent });
    },
  });

  /** Settles the exit, once. The worker is always terminated, so that nothing of it lives on (I7). */
  function gone(exit: AgentExit): void {
    if (over) return;
    over = true;
    clearTimeout(timer);
    stream.finish(exit.kind === 'disconnected' ? new Error(`The agent's worker was lost: ${exit.message}`) : undefined);
    const settle = () => settled.resolve(log === '' ? exit : { ...exit, stderr: log });
    // In Node `terminate` returns a promise; in a browser the worker is gone when it returns.
    if (worker.terminate) Promise.resolve(worker.terminate()).then(settle, settle);
    else {
      worker.close?.();
      settle();
    }
  }

  function heard(frame: Frame | null, data: unknown): void {
    if (frame === null) return note(typeof data === 'string' ? data : JSON.stringify(data));
    switch (frame.rehydrate) {
      case 'ready':
        return ready.resolve();
      case 'log':
        return note(frame.text);
      case 'exit': {
        const { code } = frame;
        return gone(code === 0 ? { kind: asked ? 'ended' : 'quit', code, signal: null } : { kind: 'failed', code, signal: null });
      }
      default:
        return note(`unexpected frame: ${frame.rehydrate}`);
    }
  }

  worker.addEventListener('error', (event) => {
    // An uncaught error would end a process with code 1. A worker would live on in a broken state.
    const { message, filename, lineno } = event as { message?: string; filename?: string; lineno?: number };
    note(`${message ?? 'the worker failed to load or threw'}${filename ? ` (${filename}:${lineno})` : ''}`);
    gone({ kind: 'failed', code: 1, signal: null });
  });
  const lost = (message: string) => () => gone({ kind: 'disconnected', code: null, signal: null, message });
  worker.addEventListener('messageerror', lost('a message of the worker could not be read'));
  worker.addEventListener('close', lost('its port was closed from the other side'));

  const kill = (): Promise<AgentExit> => {
    gone({ kind: 'killed', code: null, signal: 'SIGKILL' });
    return settled.promise;
  };
  try {
    const early = settled.promise.then((exit): never => {
      throw startFailed(agent, 'message' in exit ? exit.message : (exit.stderr ?? exit.kind));
    });
    const answered = unlessAborted(Promise.race([ready.promise.then(() => true), early]), signal);
    if (!(await within(answered, startMs))) throw startFailed(agent, `its worker did not answer within ${startMs} ms (limit startMs)`);
  } catch (error) {
    await kill();
    throw error;
  }
  post({ rehydrate: 'start', agent, sessionId, cwd, env });
  return {
    stream,
    exited: settled.promise,
    diagnostics: () => log,
    async end(how) {
      if (how === 'kill') return kill();
      if (!asked) {
        asked = true;
        for (const rehydrate of ['close', 'end'] as const) post({ rehydrate });
        if (!over) timer = setTimeout(kill, graceMs);
      }
      return settled.promise;
    },
  };
}

function startFailed(agent: string, why: string, cause?: unknown): RehydrateError {
  return new RehydrateError(
    'agent_start_failed',
    `The agent “${agent}” could not be started: ${why.trim()}. Check that its worker script exists and calls workerAgent().`,
    { agent, reason: why.trim() },
    { cause },
  );
}
