/**
 * A launcher that lets the page watch and break the agents it starts. The engine sees an ordinary
 * `AgentLauncher`; the frames pass through in order, and within what the page allows.
 */
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { RehydrateError } from '../../src/engine/errors.ts';
import type { AgentExit, AgentLauncher, AgentProcess, AgentSpec } from '../../src/engine/ports.ts';
import type { Direction } from './frames.ts';

/** What the tap reports, in the order it happened. */
export type TapEvent =
  | { readonly type: 'launching'; readonly process: number; readonly agent: string }
  | { readonly type: 'launched'; readonly process: number; readonly agent: string }
  | { readonly type: 'launch_failed'; readonly process: number; readonly error: unknown }
  | { readonly type: 'frame'; readonly process: number; readonly direction: Direction; readonly message: AnyMessage }
  | { readonly type: 'exited'; readonly process: number; readonly exit: AgentExit; readonly by: EndedBy };

/** Who ended an agent: the host that asked it to, a button on this page, or the agent itself. */
export type EndedBy = 'host' | 'button' | 'itself';

/** An agent whose line can be lost as a network loses it, behind the back of both sides. */
export interface Droppable {
  drop(): void;
}

/** One agent that runs now, with the ways to break it. */
export interface TappedAgent {
  readonly process: number;
  readonly sessionId: string;
  /** Ends the agent at once, as a crash would: nobody asked it to. Resolves when it is gone. */
  kill(): Promise<unknown>;
  /** Loses the line between host and agent. Behind a bridge the agent's tree goes with its socket; in the tab it is ended. */
  drop(): Promise<unknown>;
}

export interface Tap {
  readonly launcher: AgentLauncher;
  /** The agents that run now, or start. */
  readonly running: ReadonlyMap<number, TappedAgent>;
}

/** What agents may be started with and asked, whatever the host would. */
export interface Confinement {
  spec(spec: AgentSpec): AgentSpec;
  message(spec: AgentSpec, message: AnyMessage): AnyMessage;
}

/** The message of the error on a stream without a socket, whose line was cut by a button. */
export const DROPPED = 'the connection was dropped by hand';

/** Wraps a launcher. `onEvent` is called synchronously; it must not throw. */
export function tapLauncher(inner: AgentLauncher, confine: Confinement, onEvent: (event: TapEvent) => void, nextId: () => number): Tap {
  const running = new Map<number, TappedAgent>();

  const launch = async (given: AgentSpec, options: { signal: AbortSignal }): Promise<AgentProcess> => {
    const spec = confine.spec(given);
    const process = nextId();
    onEvent({ type: 'launching', process, agent: spec.agent });
    // One that still starts can be broken, too.
    const stop = new AbortController();
    const { promise: started, resolve: settle } = Promise.withResolvers<TappedAgent | null>();
    const early = (how: 'kill' | 'drop') => async () => {
      stop.abort(startBroken(spec.agent, how));
      await (await started)?.[how]();
    };
    running.set(process, { process, sessionId: spec.sessionId, kill: early('kill'), drop: early('drop') });
    let agent: AgentProcess;
    try {
      agent = await inner.launch(spec, { ...options, signal: AbortSignal.any([options.signal, stop.signal]) });
    } catch (error) {
      running.delete(process);
      settle(null);
      onEvent({ type: 'launch_failed', process, error });
      throw stop.signal.aborted && !options.signal.aborted ? stop.signal.reason : error;
    }
    onEvent({ type: 'launched', process, agent: spec.agent });
    let cut: ((reason: Error) => void) | undefined;
    const seen = (direction: Direction) => (message: AnyMessage) => onEvent({ type: 'frame', process, direction, message });
    const readable = watchReadable(agent.stream.readable, seen('from-agent'), (stop) => (cut = stop));
    const writable = watchWritable(agent.stream.writable, (message) => confine.message(spec, message), seen('to-agent'));

    let dropped = false;
    let by: EndedBy = 'itself';
    // A line that was cut on purpose reads as disconnected, whatever the agent's own end looks like.
    const exited = agent.exited.then((exit): AgentExit =>
      dropped
        ? { kind: 'disconnected', code: null, signal: null, message: DROPPED, ...(exit.stderr ? { stderr: exit.stderr } : {}) }
        : exit,
    );
    const tapped: TappedAgent = {
      process,
      sessionId: spec.sessionId,
      kill: async () => {
        by = 'button';
        await agent.end('kill');
        return exited;
      },
      drop: async () => {
        by = 'button';
        if (isDroppable(agent)) {
          // How it ended is for its launcher to find out.
          agent.drop();
          return exited;
        }
        dropped = true;
        cut?.(new Error(DROPPED));
        await agent.end('kill');
        return exited;
      },
    };
    running.set(process, tapped);
    settle(tapped);
    void exited.then((exit) => {
      running.delete(process);
      onEvent({ type: 'exited', process, exit, by });
    });
    return {
      stream: { readable, writable },
      exited,
      end: async (how) => {
        if (by === 'itself') by = 'host';
        await agent.end(how);
        return exited;
      },
      diagnostics: () => agent.diagnostics(),
    };
  };

  return { launcher: { launch }, running };
}

function startBroken(agent: string, how: 'kill' | 'drop'): RehydrateError {
  const what = how === 'kill' ? 'it was ended by hand' : DROPPED;
  return new RehydrateError('agent_start_failed', `Agent "${agent}" did not start: ${what}. Send the prompt again.`, { agent });
}

function isDroppable(agent: object): agent is Droppable {
  return 'drop' in agent && typeof agent.drop === 'function';
}

/** The same stream, seen. Pull-driven, so that the reader's backpressure reaches the agent. */
function watchReadable(
  source: ReadableStream<AnyMessage>,
  seen: (message: AnyMessage) => void,
  onCut: (cut: (reason: Error) => void) => void,
): ReadableStream<AnyMessage> {
  const reader = source.getReader();
  let over = false;
  return new ReadableStream<AnyMessage>(
    {
      start(controller) {
        onCut((reason) => {
          if (over) return;
          over = true;
          // What the agent still says has nobody to hear it: its stream ends with its process.
          controller.error(reason);
        });
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (over) return;
          if (done) {
            over = true;
            controller.close();
          } else {
            seen(value);
            controller.enqueue(value);
          }
        } catch (error) {
          if (over) return;
          over = true;
          controller.error(error);
        }
      },
      cancel: (reason) => {
        over = true;
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The same sink, confined and seen: as it is sent. A message counts as sent when it is handed on. */
function watchWritable(
  sink: WritableStream<AnyMessage>,
  confine: (message: AnyMessage) => AnyMessage,
  seen: (message: AnyMessage) => void,
): WritableStream<AnyMessage> {
  const writer = sink.getWriter();
  return new WritableStream<AnyMessage>({
    async write(given) {
      const message = confine(given);
      seen(message);
      await writer.write(message);
    },
    close: () => writer.close(),
    abort: (reason) => writer.abort(reason),
  });
}
