/**
 * The page: what of it is chosen and in view, and the parts that the rest is made of, each made with what it needs. What a person
 * does with them is in `turns`, `scenario`, `navigation` and `editor`.
 */
import { computed, effect, signal } from '@preact/signals';
import { workspaceFiles, type Host } from '../../src/engine/index.ts';
import type { ProtocolChoice, ResumePolicy } from '../../src/engine/types.ts';
import { BRIDGE_PREFIX } from '../platform/bridge-prefix.ts';
import type { Platform } from '../platform/index.ts';
import { SCENARIOS, type Scenario } from '../scenarios/index.ts';
import { DOCK, type DockPanel, type Fact, type Part } from '../scenarios/types.ts';
import { Agents, confined, confinedSpec } from './agents.ts';
import { DatabaseSession } from './database.ts';
import { HostController } from './host.ts';
import { Boot } from './pace.ts';
import { newestReport, ShownSession, type SessionView } from './session.ts';
import { Tables } from './tables.ts';
import { Timeline } from './timeline.ts';
import { firstOpen, formatFragment, placeKey, Visits, type Place, type PlaceMemory, type StepProgress } from './visits.ts';
import { errorWords, Notices } from './words.ts';

export interface PlaygroundOptions {
  readonly platform: Platform;
  /** What an embedded playground shows, in place of the address. */
  readonly place?: Place;
  /** The site's base path. */
  readonly base?: string;
}

/** The way from one place to another. */
class Moves {
  /** Scenario and agent are chosen, and their session is not shown yet. */
  readonly going = signal(false);
  /** Another number whenever the page goes to another place. What began at one place is not carried on at the next. */
  now = 0;

  /** Goes to a place, unless another one is gone to meanwhile. */
  async go(run: (move: number) => Promise<void>): Promise<number> {
    const move = ++this.now;
    this.going.value = true;
    try {
      await run(move);
    } finally {
      if (move === this.now) this.going.value = false;
    }
    return move;
  }
}

const isDocked = (part: Part): part is DockPanel => (DOCK as readonly Part[]).includes(part);

/** What is in view: the dock's panel, and the part that is pointed at. */
class Stage {
  /** Null: the dock is closed, and the conversation has its place. */
  readonly dock = signal<DockPanel | null>('Resume report');
  /** The dock's panel takes the place of the conversation, too. */
  readonly large = signal(false);
  /** Agent, policy and the like are open. */
  readonly advanced = signal(false);
  /** What “Show” was pressed for last; null when something else was looked at since. */
  readonly outlined = signal<Part | null>(null);
  /** What the wire panel filters by. */
  readonly frames = signal('');

  /** A tab was pressed: its panel, or none where it was open. */
  choose(panel: DockPanel): void {
    this.outlined.value = null;
    this.dock.value = this.dock.value === panel ? null : panel;
    if (this.dock.value === null) this.large.value = false;
  }

  /** Brings a part into view and points at it. */
  show(part: Part): void {
    if (isDocked(part)) this.dock.value = part;
    else if (part === 'Policy') this.advanced.value = true;
    else this.large.value = false;
    this.outlined.value = part;
  }

  /** The frames of one method, on the wire. */
  showFrames(method: string): void {
    this.frames.value = method;
    this.show('Wire');
  }

  /** What a scenario is about stands where it is seen when it happens. */
  follow(part: Part): void {
    this.outlined.value = null;
    this.large.value = false;
    this.frames.value = '';
    this.dock.value = isDocked(part) ? part : 'Resume report';
  }
}

export class Page {
  readonly boot = new Boot();
  readonly moves = new Moves();
  readonly notices = new Notices();
  readonly stage = new Stage();
  readonly choice = {
    scenario: signal<Scenario>(SCENARIOS[0]!),
    agent: signal(''),
    policy: signal<ResumePolicy>('auto'),
    /** The version of ACP that agents are spoken to in. */
    protocol: signal<ProtocolChoice>('v1'),
  };
  /** How far the scenario has come. */
  readonly progress = signal<readonly StepProgress[]>([]);
  /** The first step that has not been passed; the number of steps when all have. */
  readonly next = computed(() => firstOpen(this.progress.value, this.choice.scenario.value.steps.length));
  /** A prompt is on its way, or its turn runs. */
  readonly sending = signal(false);
  /** The session that is being created. Its agent can be broken before there is a session. */
  startingId: string | null = null;
  /** The page has started. */
  readonly ready = signal(false);
  readonly base: string;
  readonly platform: Platform;
  readonly visits: Visits;
  readonly agents: Agents;
  readonly host: HostController;
  readonly session: ShownSession;
  readonly tables: Tables;
  readonly timeline: Timeline;
  readonly databases: DatabaseSession;

  /** What the panels show: the past while one looks at it, else now. */
  readonly view = computed<SessionView>(() => this.timeline.past.value?.view ?? this.session.live.value);
  readonly machine = computed(() => {
    if (this.inPast.value) return this.view.value.machine;
    if (!this.session.elsewhere.value) return this.host.machine.value;
    // As far as the log tells: its wire is in the other tab.
    const { machine, turnOpen } = this.session.live.value;
    const words = 'The agent runs in another tab of this page. What happens there is shown here as it is stored.';
    return { ...machine, agent: turnOpen ? ('prompting' as const) : ('live' as const), legs: turnOpen ? 2 : 4, words };
  });
  /** The moment of the past that is shown. */
  readonly moment = computed(() => this.timeline.past.value && this.timeline.moments.value[this.timeline.past.value.index]);
  /** What had crossed the wire; in the past, up to that moment. */
  readonly frames = computed(() => {
    const until = this.moment.value?.at;
    const frames = this.host.frames.value;
    return until === undefined ? frames : frames.filter(({ at }) => at <= until);
  });
  readonly report = computed(() => (this.inPast.value ? newestReport(this.view.value) : this.session.report.value));
  /** A turn runs, here or in another tab, or the prompt that begins one is on its way. */
  readonly running = computed(() => this.sending.value || this.session.live.value.turnOpen);
  readonly inPast = computed(() => this.timeline.past.value !== null);
  readonly chosen = computed(() => this.agents.list.value.find((agent) => agent.key === this.choice.agent.value) ?? null);
  /** What ends with the page. */
  readonly ends: (() => void)[];
  /** Something happened that a step may be about. Resolves when the steps say so. */
  tell: (fact: Fact) => Promise<void> = async () => undefined;
  /** What an embedded playground shows, in place of the address. */
  readonly fixed: Place | undefined;
  readonly #opened = Promise.withResolvers<void>();

  constructor({ platform, base = '/', place }: PlaygroundOptions) {
    this.platform = platform;
    this.base = base;
    this.fixed = place;
    this.#opened.promise.catch(() => undefined);
    const { boot, choice, sending } = this;
    const { schedule } = platform;
    const onError = (error: unknown) => (this.notices.note.value = errorWords(error));
    this.visits = new Visits(platform.memory);
    const agents = (this.agents = new Agents(platform, boot));
    const host = (this.host = new HostController({
      launcher: agents.launcher(),
      confine: { spec: (spec) => confinedSpec(spec, agents.list.value), message: confined },
      schedule,
      shownId: () => this.session.id.peek() ?? this.startingId,
      // Its end may be the bridge's.
      onLost: () => void agents.lookAfterBridge(),
      options: (database) => ({
        protocol: choice.protocol.value,
        // An agent behind the bridge has a disk of its own; one in the tab gets the session's virtual files.
        client: (agent) => (agent.startsWith(BRIDGE_PREFIX) ? undefined : workspaceFiles(database)),
      }),
      onError,
    }));
    const timeline = (this.timeline = new Timeline(onError));
    const database = () => timeline.past.value?.database ?? this.databases.database;
    const tables = (this.tables = new Tables({
      database,
      run: async (sql) => {
        await this.opened;
        return platform.runSql(await database()!.export(), sql);
      },
      onError,
    }));
    const session = (this.session = new ShownSession({
      reader: () => this.databases.reader,
      schedule,
      busyHere: () => sending.value || !['asleep', 'dead'].includes(host.machine.value.agent),
      onShown: (sessionId) => {
        host.dispatch({ type: 'shown' });
        tables.focus(sessionId);
        timeline.poke();
      },
      onError,
    }));
    this.databases = new DatabaseSession(platform, this.visits, {
      async leave() {
        await timeline.close();
        await host.sleep();
      },
      use: (opened) => {
        host.use(opened);
        session.forget();
        tables.turn(null);
        timeline.use(opened);
      },
      committed: (notes) => {
        if (sending.value) host.dispatch({ type: 'committed', notes });
        session.poke();
        tables.poke();
      },
    });
    const looked = effect(() => {
      // Read for its change alone: now, or another moment.
      void timeline.past.value;
      tables.turn();
    });
    this.ends = [looked, () => agents.stop(), () => session.stop(), () => timeline.stop(), () => tables.stop()];
  }

  /** Who reads what is shown: now, or the moment that is looked at. */
  reader(): Host | null {
    const past = this.timeline.past.peek();
    return past ? past.reader : this.databases.reader;
  }

  /** Resolves when a session can be shown; rejects when the page could not start. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** The page has started, or could not. */
  settle(error?: unknown): void {
    this.ready.value = error === undefined;
    if (error === undefined) this.#opened.resolve();
    else this.#opened.reject(error as Error);
  }

  /** Where the page is, as a link tells it. */
  here(): Place {
    return { scenario: this.choice.scenario.value.name, agent: this.choice.agent.value, step: this.next.value };
  }

  /** The place that is chosen, in what is remembered. */
  placeKey(): string {
    return placeKey(this.databases.branch.value, this.choice.scenario.value.name, this.choice.agent.value);
  }

  /** The place as it stands, or what of it has changed. */
  rememberPlace(change?: Partial<PlaceMemory>): void {
    const { choice, platform, progress, session, visits } = this;
    const now: PlaceMemory = { sessionId: session.id.value, progress: progress.value, policy: choice.policy.value };
    const key = this.placeKey();
    visits.remember(({ places }) => ({
      scenario: choice.scenario.value.name,
      agent: choice.agent.value,
      places: { ...places, [key]: change && places[key] ? { ...places[key], ...change } : now },
    }));
    if (!this.fixed) platform.address.write(formatFragment(this.here()));
  }

  /** Lets go of everything, for good. What does not end as it should keeps nothing else from ending. */
  async dispose(): Promise<void> {
    for (const end of this.ends) end();
    await this.letGo();
  }

  /** Lets go of what is open. */
  async letGo(): Promise<void> {
    const problems: unknown[] = [];
    for (const end of [() => this.timeline.close(), () => this.host.sleep(), () => this.databases.close()]) {
      await end().catch((error: unknown) => problems.push(error));
    }
    if (problems.length > 0) throw problems[0];
  }
}
