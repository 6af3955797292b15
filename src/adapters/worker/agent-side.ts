/** The agent's side: gives an agent in a worker its ACP stream. */
import type { MessageStream } from '../../engine/ports.ts';
import type { Frame, PortLike } from './frames.ts';
import { portStream } from './port-stream.ts';

/** What a process would get from its command line and environment. */
export interface WorkerStart {
  readonly agent: string;
  readonly sessionId: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface WorkerAgentScope {
  readonly stream: MessageStream;
  readonly start: WorkerStart;
  /** Resolves when the host asks the agent to end. Call `exit(0)` then, or be terminated after a grace. */
  readonly asked: Promise<void>;
  /** Tells the host how the agent ended. The host then terminates the worker. */
  exit(code: number): void;
  /** Writes a line to the diagnostics that error messages quote. */
  log(text: string): void;
  /** Posts a line that is not part of the protocol, like a stray print to stdout. */
  print(line: string): void;
}

/**
 * Call this once, first thing in the worker, with its scope (`self`) or a port. Resolves when the host starts the agent.
 *
 * @example
 * const { stream } = await workerAgent(self);
 * agent({ name: 'mine' }).connect(stream); // the ACP SDK's
 */
export async function workerAgent(port: PortLike): Promise<WorkerAgentScope> {
  const started = Promise.withResolvers<WorkerStart>();
  const asked = Promise.withResolvers<void>();
  const post = (frame: Frame) => port.postMessage(frame);
  const stream = portStream(port, {
    onOther(frame) {
      if (frame?.rehydrate === 'start') started.resolve({ agent: frame.agent, sessionId: frame.sessionId, cwd: frame.cwd, env: frame.env });
      if (frame?.rehydrate === 'end') asked.resolve();
    },
  });
  post({ rehydrate: 'ready' });
  return {
    stream,
    start: await started.promise,
    asked: asked.promise,
    exit: (code) => post({ rehydrate: 'exit', code }),
    log: (text) => post({ rehydrate: 'log', text }),
    print: (line) => port.postMessage(line),
  };
}
