/** The live side: one host at a time and its agents, which the page watches and breaks behind an ordinary `AgentLauncher`. */
import { signal } from '@preact/signals';
import type { AnyMessage } from '@agentclientprotocol/sdk';
import {
  createHost,
  describeExit,
  type AgentExit,
  type AgentLauncher,
  type AgentProcess,
  type AgentSpec,
  type Host,
  type HostOptions,
  type SqlDatabase,
} from '../../src/engine/index.ts';
import { agentName } from '../platform/bridge-prefix.ts';
import { FrameLog, type Direction, type Frame } from './frames.ts';
import { INITIAL_MACHINE, isAnswer, isOfSession, reduceMachine, type EndedBy, type MachineInput, type TapEvent } from './machine.ts';
import { createPace, drawn } from './pace.ts';

const FRAMES_MS = 150;

interface HostControllerOptions {
  readonly launch: AgentLauncher['launch'];
  /** Holds whatever the host asks for. */
  readonly confine: { spec(spec: AgentSpec): AgentSpec; message(spec: AgentSpec, message: AnyMessage): AnyMessage };
  readonly schedule: (run: () => void) => void;
  readonly shownId: () => string | null;
  /** An agent ended or did not start, unasked. */
  readonly onLost: () => void;
  readonly options: (database: SqlDatabase) => Pick<HostOptions, 'protocol' | 'client'>;
  readonly onError: (error: unknown) => void;
}

interface Running {
  sessionId: string;
  /** As a crash would. Resolves when it is gone. */
  kill(): Promise<unknown>;
  /** Behind a bridge its socket is closed, and the bridge ends the tree; in the tab it is ended. */
  drop(): Promise<unknown>;
}

const DROPPED = 'the connection was dropped by hand';

export function createHostController({ launch, confine, schedule, shownId, onLost, options, onError }: HostControllerOptions) {
  const machine = signal(INITIAL_MACHINE);
  const frames = signal<readonly Frame[]>([]);
  /** The agent is to be killed at the first word of its next answer. */
  const crashArmed = signal(false);
  const log = new FrameLog();
  const running = new Map<number, Running>();
  const drawing = createPace(async () => void (frames.value = [...log.frames]), drawn(schedule, FRAMES_MS), onError);
  let host: Host | null = null;
  let database: SqlDatabase | null = null;
  let sleeping: Promise<void> | null = null;
  let waking: Promise<Host> | null = null;
  let processes = 0;

  function dispatch(input: MachineInput): void {
    machine.value = reduceMachine(machine.peek(), input);
  }

  async function open(): Promise<Host> {
    if (!database) throw new Error('The database is not open yet.');
    host = await createHost({ database, agents: { launch: watched }, ...options(database) });
    dispatch({ type: 'host', status: 'awake' });
    return host;
  }

  const watched: AgentLauncher['launch'] = async (given, asked) => {
    const spec = confine.spec(given);
    const process = ++processes;
    const of = { process, agent: agentName(spec.agent) };
    tell({ ...of, type: 'launching' });
    const agent = await launch(spec, asked).catch((error: unknown) => {
      tell({ ...of, type: 'launch_failed', error });
      throw error;
    });
    tell({ ...of, type: 'launched' });
    const seen = (direction: Direction, message: AnyMessage) => {
      // An agent that was started for its capabilities is taken for the session that needs one.
      if (direction === 'to-agent' && isOfSession(message)) one.sessionId = shownId() ?? spec.sessionId;
      tell({ ...of, type: 'frame', direction, message });
    };
    const { drop } = agent as AgentProcess & { readonly drop?: () => void };
    const cut = new AbortController();
    // Pulls, so that backpressure reaches the agent.
    const watch = new TransformStream<AnyMessage, AnyMessage>({
      transform(message, out) {
        seen('from-agent', message);
        out.enqueue(message);
      },
    });
    const writer = agent.stream.writable.getWriter();
    let by: EndedBy = 'itself';
    // A line that was cut reads as disconnected, however the agent ended.
    const exited = agent.exited.then((exit): AgentExit => {
      if (!cut.signal.aborted) return exit;
      return { kind: 'disconnected', code: null, signal: null, message: DROPPED, ...(exit.stderr ? { stderr: exit.stderr } : {}) };
    });
    const end = (how: 'ask' | 'kill') => agent.end(how).then(() => exited);
    const one: Running = {
      sessionId: spec.sessionId,
      kill: () => {
        by = 'button';
        return end('kill');
      },
      drop: () => {
        by = 'button';
        cut.abort(new Error(DROPPED));
        if (!drop) return end('kill');
        drop();
        return exited;
      },
    };
    running.set(process, one);
    void exited.then((exit) => {
      running.delete(process);
      tell({ ...of, type: 'exited', exit, by });
    });
    return {
      stream: {
        readable: agent.stream.readable.pipeThrough(watch, { signal: cut.signal }),
        // A message counts as sent when it is handed on.
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
      end: (how) => {
        if (by === 'itself') by = 'host';
        return end(how);
      },
      diagnostics: () => agent.diagnostics(),
    };
  };

  function tell(event: TapEvent): void {
    const { process } = event;
    const now = Date.now();
    const note = (direction: Direction, words: string) => log.note(process, direction, `process ${process}: ${words}`, now);
    switch (event.type) {
      case 'frame':
        log.add(process, event.direction, event.message, now);
        if (crashArmed.value && machine.value.agent === 'prompting' && isAnswer(event)) {
          crashArmed.value = false;
          void running.get(process)?.kill();
        }
        break;
      case 'launching':
        note('to-agent', `starting ${event.agent}`);
        break;
      case 'launch_failed':
        note('from-agent', 'could not start');
        onLost();
        break;
      case 'exited':
        note('from-agent', describeExit(event.exit));
        if (event.by === 'itself') onLost();
    }
    dispatch(event);
    drawing.poke();
  }

  return {
    machine,
    frames,
    crashArmed,
    dispatch,

    get host(): Host | null {
      return host;
    },

    /** For the next host; the last one sleeps. */
    use: (opened: SqlDatabase) => void (database = opened),

    /** No agent starts. */
    async wake(): Promise<Host> {
      // A host that is going to sleep still holds its sessions.
      while (sleeping) await sleeping;
      return host ?? (waking ??= open().finally(() => (waking = null)));
    },

    async sleep(): Promise<void> {
      // Whoever woke it hears why it did not.
      await waking?.catch(() => undefined);
      const awake = host;
      host = null;
      crashArmed.value = false;
      if (awake) {
        // First, so that an agent that ends now is asleep and not dead.
        dispatch({ type: 'host', status: 'asleep' });
        const mine = awake.sleep().finally(() => {
          if (sleeping === mine) sleeping = null;
        });
        sleeping = mine;
      }
      await sleeping;
    },

    agentsOf: (sessionId: string | null): readonly Running[] => [...running.values()].filter((agent) => agent.sessionId === sessionId),

    clearFrames(): void {
      log.clear();
      frames.value = [];
    },
  };
}
