/**
 * The live side: one host at a time, and the agents that it starts, which the page watches and breaks. The engine sees an
 * ordinary `AgentLauncher`; the frames pass through in order, and within what the page allows.
 */
import { signal } from '@preact/signals';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import { createHost, type Host, type HostOptions } from '../../src/engine/index.ts';
import {
  describeExit,
  type AgentExit,
  type AgentLauncher,
  type AgentProcess,
  type AgentSpec,
  type SqlDatabase,
} from '../../src/engine/ports.ts';
import { agentName } from '../platform/bridge-prefix.ts';
import { FrameLog, type Direction, type Frame } from './frames.ts';
import {
  INITIAL_MACHINE,
  isAnswer,
  isOfSession,
  reduceMachine,
  type EndedBy,
  type Machine,
  type MachineInput,
  type TapEvent,
} from './machine.ts';
import { drawn, Pace } from './pace.ts';

/** How often the wire is drawn at most. */
const FRAMES_MS = 150;

export interface HostControllerOptions {
  readonly launcher: AgentLauncher;
  /** What agents may be started with and asked, whatever the host would. */
  readonly confine: { spec(spec: AgentSpec): AgentSpec; message(spec: AgentSpec, message: AnyMessage): AnyMessage };
  readonly schedule: (run: () => void) => void;
  /** The session that is shown, or being created. */
  readonly shownId: () => string | null;
  /** An agent ended, or did not start, and nobody on this page asked it to. */
  readonly onLost: () => void;
  /** What each host is opened with. */
  readonly options: (database: SqlDatabase) => Pick<HostOptions, 'protocol' | 'client'>;
  readonly onError: (error: unknown) => void;
}

/** An agent whose line can be lost as a network loses it, behind the back of both sides. */
export interface Droppable {
  drop(): void;
}

/** One agent that runs now, with the ways to break it. */
interface Running {
  sessionId: string;
  /** Ends the agent at once, as a crash would: nobody asked it to. Resolves when it is gone. */
  kill(): Promise<unknown>;
  /** Loses the line between host and agent. Behind a bridge the agent's tree goes with its socket; in the tab it is ended. */
  drop(): Promise<unknown>;
}

/** The message of the error on a stream without a socket, whose line was cut by a button. */
const DROPPED = 'the connection was dropped by hand';

export class HostController {
  readonly machine = signal<Machine>(INITIAL_MACHINE);
  readonly frames = signal<readonly Frame[]>([]);
  /** True while the agent is to be killed at the first word of its next answer. */
  readonly crashArmed = signal(false);
  readonly #options: HostControllerOptions;
  readonly #log = new FrameLog();
  readonly #running = new Map<number, Running>();
  readonly #drawing: Pace;
  #host: Host | null = null;
  #database: SqlDatabase | null = null;
  #sleeping: Promise<void> | null = null;
  #waking: Promise<Host> | null = null;
  #processes = 0;

  constructor(options: HostControllerOptions) {
    this.#options = options;
    const draw = async () => void (this.frames.value = [...this.#log.frames]);
    this.#drawing = new Pace(draw, drawn(options.schedule, FRAMES_MS), options.onError);
  }

  get host(): Host | null {
    return this.#host;
  }

  /** Which database the next host opens on; the last one sleeps. */
  use(database: SqlDatabase): void {
    this.#database = database;
  }

  /** The host, opened if there is none. No agent starts. */
  async wake(): Promise<Host> {
    // A host that still puts its agents to sleep holds its sessions: the next one waits for it.
    while (this.#sleeping) await this.#sleeping;
    if (this.#host) return this.#host;
    // Two that wake it at once get the same one.
    this.#waking ??= this.#open().finally(() => (this.#waking = null));
    return this.#waking;
  }

  async #open(): Promise<Host> {
    const database = this.#database;
    if (!database) throw new Error('The database is not open yet.');
    const agents: AgentLauncher = { launch: (spec, options) => this.#launch(spec, options) };
    this.#host = await createHost({ database, agents, ...this.#options.options(database) });
    this.dispatch({ type: 'host', status: 'awake' });
    return this.#host;
  }

  /** Drops everything live. */
  async sleep(): Promise<void> {
    // Whoever asked to wake it hears why it did not.
    await this.#waking?.catch(() => undefined);
    const host = this.#host;
    this.#host = null;
    this.crashArmed.value = false;
    if (host) {
      // Said first, so that an agent that ends now is asleep and not dead.
      this.dispatch({ type: 'host', status: 'asleep' });
      const sleeping = host.sleep().finally(() => {
        if (this.#sleeping === sleeping) this.#sleeping = null;
      });
      this.#sleeping = sleeping;
    }
    await this.#sleeping;
  }

  /** The agents that run for a session. */
  agentsOf(sessionId: string | null): readonly Running[] {
    return [...this.#running.values()].filter((agent) => agent.sessionId === sessionId);
  }

  dispatch(input: MachineInput): void {
    this.machine.value = reduceMachine(this.machine.peek(), input);
  }

  clearFrames(): void {
    this.#log.clear();
    this.frames.value = [];
  }

  async #launch(given: AgentSpec, options: { readonly signal: AbortSignal }): Promise<AgentProcess> {
    const { confine, launcher } = this.#options;
    const spec = confine.spec(given);
    const { sessionId } = spec;
    const name = agentName(spec.agent);
    const process = ++this.#processes;
    this.#tell({ type: 'launching', process, agent: name });
    let agent: AgentProcess;
    try {
      agent = await launcher.launch(spec, options);
    } catch (error) {
      this.#tell({ type: 'launch_failed', process, agent: name, error });
      throw error;
    }
    this.#tell({ type: 'launched', process, agent: name });
    const seen = (direction: Direction, message: AnyMessage) => {
      // One that was started to say what it can do is kept, and taken for the session when that needs one.
      if (direction === 'to-agent' && isOfSession(message)) running.sessionId = this.#options.shownId() ?? sessionId;
      this.#tell({ type: 'frame', process, agent: name, direction, message });
    };
    const cut = new AbortController();
    // Pull-driven, so that the reader's backpressure reaches the agent.
    const watch = new TransformStream<AnyMessage, AnyMessage>({
      transform(message, out) {
        seen('from-agent', message);
        out.enqueue(message);
      },
    });
    const writer = agent.stream.writable.getWriter();
    let by: EndedBy = 'itself';
    // A line that was cut on purpose reads as disconnected, whatever the agent's own end looks like.
    const exited = agent.exited.then((exit): AgentExit => {
      if (!cut.signal.aborted) return exit;
      return { kind: 'disconnected', code: null, signal: null, message: DROPPED, ...(exit.stderr ? { stderr: exit.stderr } : {}) };
    });
    const running: Running = {
      sessionId,
      kill: () => {
        by = 'button';
        return agent.end('kill').then(() => exited);
      },
      drop: () => {
        by = 'button';
        // How it ended is for its launcher to find out.
        if ('drop' in agent) return ((agent as Droppable).drop(), exited);
        cut.abort(new Error(DROPPED));
        return agent.end('kill').then(() => exited);
      },
    };
    this.#running.set(process, running);
    void exited.then((exit) => {
      this.#running.delete(process);
      this.#tell({ type: 'exited', process, agent: name, exit, by });
    });
    return {
      stream: {
        readable: agent.stream.readable.pipeThrough(watch, { signal: cut.signal }),
        // As it is sent: a message counts as sent when it is handed on.
        writable: new WritableStream<AnyMessage>({
          write(unconfined) {
            const message = confine.message(spec, unconfined);
            seen('to-agent', message);
            return writer.write(message);
          },
          close: () => writer.close(),
          abort: (reason) => writer.abort(reason),
        }),
      },
      exited,
      end: async (how) => {
        if (by === 'itself') by = 'host';
        await agent.end(how);
        return exited;
      },
      diagnostics: () => agent.diagnostics(),
    };
  }

  #tell(event: TapEvent): void {
    const { process } = event;
    const now = Date.now();
    const note = (direction: Direction, words: string) => this.#log.note(process, direction, `process ${process}: ${words}`, now);
    switch (event.type) {
      case 'frame':
        this.#log.add(process, event.direction, event.message, now);
        if (this.crashArmed.value && this.machine.value.agent === 'prompting' && isAnswer(event)) {
          this.crashArmed.value = false;
          void this.#running.get(process)?.kill();
        }
        break;
      case 'launching':
        note('to-agent', `starting ${event.agent}`);
        break;
      case 'launch_failed':
        note('from-agent', 'could not start');
        this.#options.onLost();
        break;
      case 'exited':
        note('from-agent', describeExit(event.exit));
        if (event.by === 'itself') this.#options.onLost();
        break;
      case 'launched':
        break;
    }
    this.dispatch(event);
    this.#drawing.poke();
  }
}
