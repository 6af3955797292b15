/** The live side: one host at a time, the agents it started, and the picture drawn from their wire. */
import { signal } from '@preact/signals';
import { createHost, type Host } from '../../src/engine/index.ts';
import { describeExit, type AgentLauncher, type ClientServices, type SqlDatabase } from '../../src/engine/ports.ts';
import type { ProtocolChoice } from '../../src/engine/types.ts';
import { FrameLog, type Frame } from './frames.ts';
import { INITIAL_MACHINE, isAnswer, reduceMachine, type Machine, type MachineInput } from './machine.ts';
import { drawn } from './pace.ts';
import { tapLauncher, type Confinement, type Tap, type TapEvent, type TappedAgent } from './tap.ts';

/** How often the wire is drawn at most. */
const FRAMES_MS = 150;

export interface HostOptions {
  readonly launcher: AgentLauncher;
  readonly confine: Confinement;
  readonly schedule: (run: () => void) => void;
  /** An agent ended, or did not start, and nobody on this page asked it to. */
  readonly onLost: () => void;
  /** The version of ACP that agents are spoken to in. */
  readonly protocol: () => ProtocolChoice;
  /** Files and the like for agents in the tab. */
  readonly client: (database: SqlDatabase, agent: string) => ClientServices | undefined;
}

export class HostController {
  readonly machine = signal<Machine>(INITIAL_MACHINE);
  readonly frames = signal<readonly Frame[]>([]);
  /** True while the agent is to be killed at the first word of its next answer. */
  readonly crashArmed = signal(false);
  readonly #options: HostOptions;
  readonly #log = new FrameLog();
  readonly #tap: Tap;
  #machine: Machine = INITIAL_MACHINE;
  #host: Host | null = null;
  #database: SqlDatabase | null = null;
  #sleeping: Promise<void> | null = null;
  #waking: Promise<Host> | null = null;
  #processes = 0;
  #drawing = false;
  readonly #wait: (go: () => void) => void;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#wait = drawn(options.schedule, FRAMES_MS);
    this.#tap = tapLauncher(
      options.launcher,
      options.confine,
      (event) => this.#onTap(event),
      () => ++this.#processes,
    );
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
    if (!this.#database) throw new Error('The database is not open yet.');
    const database = this.#database;
    this.#host = await createHost({
      database,
      agents: this.#tap.launcher,
      protocol: this.#options.protocol(),
      client: (agent) => this.#options.client(database, agent),
    });
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
    if (!host) {
      await this.#sleeping;
      return;
    }
    // Said first, so that an agent that ends now is asleep and not dead.
    this.dispatch({ type: 'host', status: 'asleep' });
    const sleeping = host.sleep().finally(() => {
      if (this.#sleeping === sleeping) this.#sleeping = null;
    });
    this.#sleeping = sleeping;
    await sleeping;
  }

  /** The agents that run for a session. */
  agentsOf(sessionId: string | null): readonly TappedAgent[] {
    return [...this.#tap.running.values()].filter((agent) => agent.sessionId === sessionId);
  }

  dispatch(input: MachineInput): void {
    this.#machine = reduceMachine(this.#machine, input);
    // The status is shown at once; frames are drawn together.
    this.machine.value = this.#machine;
  }

  clearFrames(): void {
    this.#log.clear();
    this.frames.value = [];
  }

  #onTap(event: TapEvent): void {
    const now = Date.now();
    switch (event.type) {
      case 'frame':
        this.#log.add(event.process, event.direction, event.message, now);
        if (this.crashArmed.value && this.#machine.agent === 'prompting' && isAnswer(event)) {
          this.crashArmed.value = false;
          void this.#tap.running.get(event.process)?.kill();
        }
        break;
      case 'launching':
        this.#log.note(event.process, 'to-agent', `process ${event.process}: starting ${event.agent}`, now);
        break;
      case 'launch_failed':
        this.#log.note(event.process, 'from-agent', `process ${event.process}: could not start`, now);
        this.#options.onLost();
        break;
      case 'exited':
        this.#log.note(event.process, 'from-agent', `process ${event.process}: ${describeExit(event.exit)}`, now);
        if (event.by === 'itself') this.#options.onLost();
        break;
      case 'launched':
        break;
    }
    this.dispatch(event);
    this.#draw();
  }

  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    this.#wait(() => {
      this.#drawing = false;
      this.frames.value = [...this.#log.frames];
    });
  }
}
