/** The playground's parts, each made with what it needs, and how they start and end together. */
import { computed, signal } from '@preact/signals';
import { workspaceFiles } from '../../src/engine/index.ts';
import type { ClientServices, SqlDatabase } from '../../src/engine/ports.ts';
import type { BridgeAccess, Platform } from '../platform/index.ts';
import { BRIDGE_PREFIX } from '../platform/bridge-prefix.ts';
import { Agents, confined, confinedSpec } from './agents.ts';
import { Boot } from './boot.ts';
import { Branches } from './branches.ts';
import type { SessionView } from './conversation.ts';
import { DatabaseSession } from './database-session.ts';
import { Editor } from './editor.ts';
import { Faults } from './faults.ts';
import { HostController } from './host-controller.ts';
import { formatFragment, type Place } from './link.ts';
import { machineElsewhere } from './machine.ts';
import { Choice, Moves } from './moves.ts';
import { Navigation } from './navigation.ts';
import { Notices, problemOf } from './notices.ts';
import { every, Pace } from './pace.ts';
import { ScenarioRunner } from './scenario.ts';
import { ShownSession } from './session.ts';
import { Stage } from './stage.ts';
import { Tables } from './tables.ts';
import { Timeline } from './timeline.ts';
import { Turns } from './turns.ts';
import { Visits } from './visits.ts';
import { errorWords } from './words.ts';

export interface PlaygroundOptions {
  readonly platform: Platform;
  readonly client?: (database: SqlDatabase, agent: string) => ClientServices | undefined;
  /** What an embedded playground shows, in place of the address. */
  readonly place?: Place;
  /** The site's base path. */
  readonly base?: string;
}

const TIMELINE_MS = 300;

export class Playground {
  readonly boot = new Boot();
  readonly ready = signal(false);
  readonly choice = new Choice();
  readonly moves = new Moves();
  readonly notices = new Notices();
  readonly stage = new Stage();
  readonly base: string;
  readonly platform: Platform;
  readonly visits: Visits;
  readonly agents: Agents;
  readonly host: HostController;
  readonly session: ShownSession;
  readonly tables: Tables;
  readonly timeline: Timeline;
  readonly databases: DatabaseSession;
  readonly turns: Turns;
  readonly faults: Faults;
  readonly editor: Editor;
  readonly runner: ScenarioRunner;
  readonly navigation: Navigation;
  readonly branches: Branches;

  /** What the panels show: the past while one looks at it, else now. */
  readonly view = computed<SessionView>(() => this.timeline.past.value?.view ?? this.session.live.value);
  readonly machine = computed(() => {
    const past = this.timeline.past.value;
    if (past) return past.machine;
    return this.session.elsewhere.value ? machineElsewhere(this.session.live.value) : this.host.machine.value;
  });
  /** What had crossed the wire; in the past, up to that moment. */
  readonly frames = computed(() => {
    const { moments, past } = this.timeline;
    const until = past.value ? moments.value[past.value.index]?.at : undefined;
    const frames = this.host.frames.value;
    return until === undefined ? frames : frames.filter(({ at }) => at <= until);
  });
  readonly report = computed(() => (this.timeline.past.value ? this.timeline.past.value.view.report : this.session.report.value));
  /** A turn runs, here or in another tab, or the prompt that begins one is on its way. */
  readonly running = computed(() => this.turns.sending.value || this.session.live.value.turnOpen);
  readonly inPast = computed(() => this.timeline.past.value !== null);
  readonly chosen = computed(() => this.agents.list.value.find((agent) => agent.key === this.choice.agent.value) ?? null);
  readonly #refreshTimeline: Pace;
  readonly #opened = Promise.withResolvers<void>();
  #unlisten: () => void = () => undefined;

  constructor(options: PlaygroundOptions) {
    const platform = (this.platform = options.platform);
    this.base = options.base ?? '/';
    const { boot, choice, moves, notices, ready, stage } = this;
    const opened = this.#opened.promise;
    opened.catch(() => undefined);
    const complain = (error: unknown) => (notices.note.value = errorWords(error));
    const visits = (this.visits = new Visits(platform.memory));
    const agents = (this.agents = new Agents(platform, boot));
    const host = (this.host = new HostController({
      launcher: agents.launcher(),
      confine: { spec: (spec) => confinedSpec(spec, agents.list.value), message: confined },
      schedule: platform.schedule,
      protocol: () => choice.protocol.value,
      // Its end may be the bridge's.
      onLost: () => void agents.lookAfterBridge(),
      // An agent behind the bridge has a disk of its own; one in the tab gets the session's virtual files.
      client: options.client ?? ((database, agent) => (agent.startsWith(BRIDGE_PREFIX) ? undefined : workspaceFiles(database))),
    }));
    const tables = (this.tables = new Tables(async (sql) => {
      await opened;
      return platform.runSql(await (this.timeline.past.value?.database ?? this.databases.database!).export(), sql);
    }, complain));
    const timeline = (this.timeline = new Timeline(complain));
    this.#refreshTimeline = new Pace(() => timeline.refresh(), every(TIMELINE_MS), complain);
    const session = (this.session = new ShownSession({
      reader: () => this.databases.reader,
      schedule: platform.schedule,
      busyHere: () => this.turns.sending.value || !['asleep', 'dead'].includes(host.machine.value.agent),
      onShown: (sessionId) => {
        host.dispatch({ type: 'shown' });
        tables.focus(sessionId);
        this.#refreshTimeline.poke();
      },
      onError: complain,
    }));
    const databases = (this.databases = new DatabaseSession(platform, visits, {
      async leave() {
        await timeline.close();
        await host.sleep();
      },
      use: (database) => {
        host.use(database);
        session.forget();
        tables.use(database);
        timeline.use(database);
        this.#refreshTimeline.poke();
      },
      committed: (notes) => {
        if (this.turns.sending.value) host.dispatch({ type: 'committed', notes });
        session.poke();
        tables.poke();
      },
    }));
    const onChange = () => this.navigation.rememberPlace();
    const tell: ScenarioRunner['tell'] = (fact) => this.runner.tell(fact);
    const shared = {
      tell,
      agents,
      choice,
      databases,
      host,
      moves,
      notices,
      opened,
      platform,
      ready,
      session,
      stage,
      tables,
      timeline,
      visits,
    };
    const turns = (this.turns = new Turns({ ...shared, tabs: platform.tabs, onCreated: onChange }));
    const dispose = () => this.dispose();
    const faults = (this.faults = new Faults({ ...shared, turns, dispose }));
    const editor = (this.editor = new Editor({ ...shared, admit: (sessionId) => turns.admit(sessionId) }));
    const choosePolicy: Navigation['choosePolicy'] = (policy) => this.navigation.choosePolicy(policy);
    const runner = (this.runner = new ScenarioRunner({ ...shared, editor, faults, turns, choosePolicy, onChange }));
    const navigation = (this.navigation = new Navigation({ ...shared, address: platform.address, fixed: options.place, runner, turns }));
    this.branches = new Branches({ ...shared, dispose, navigation, runner });
  }

  /** Resolves when a session can be shown; rejects when the page could not start. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Opens everything, beside each other. The page can be typed into before it is done. */
  async start(): Promise<void> {
    const { agents, boot, databases, navigation, platform, visits } = this;
    const place = navigation.recall();
    let move: number;
    this.#unlisten = platform.tabs.listen((message) => this.faults.hear(message));
    try {
      const bridge = boot.step('Bridge', '', () => agents.discover()).catch(() => undefined);
      const scripts = boot
        .step('Agents', 'Reload the page when the connection is back.', () => platform.tabAgents.load())
        .catch(() => undefined);
      await boot.step('Database', 'Reload the page. If it stays so, this browser refuses to store data for this site.', () =>
        databases.open(visits.last.branch),
      );
      await Promise.all([bridge, scripts]);
      move = await navigation.goTo(place, 'start').catch((error: unknown) => {
        // No step of the start told it.
        this.notices.problem.value = problemOf(error);
        throw error;
      });
      this.ready.value = true;
      this.#opened.resolve();
    } catch (error) {
      this.#opened.reject(error);
      // Nobody can use what is open here; another tab may.
      await this.#letGo();
      throw error;
    }
    // Wanted later and only perhaps: what fails now is tried again when it is used.
    platform.loadRest().catch(() => undefined);
    await this.runner.runLinked(place.step, move);
  }

  /** Lets go of everything, for good. What does not end as it should keeps nothing else from ending. */
  async dispose(): Promise<void> {
    this.#unlisten();
    this.turns.consent.value?.answer(false);
    this.agents.stop();
    this.editor.leave();
    this.runner.stop();
    this.session.stop();
    this.#refreshTimeline.stop();
    this.tables.stop();
    await this.#letGo();
  }

  async #letGo(): Promise<void> {
    const problems: unknown[] = [];
    for (const end of [() => this.timeline.close(), () => this.host.sleep(), () => this.databases.close()]) {
      await end().catch((error: unknown) => problems.push(error));
    }
    if (problems.length > 0) throw problems[0];
  }

  /** The address changed under the page: a link was opened, or the history walked. */
  async navigate(): Promise<void> {
    await this.opened;
    const { navigation } = this;
    const place = navigation.asked();
    if (formatFragment(navigation.here()) === formatFragment(place)) return;
    await this.runner.runLinked(place.step, await navigation.goTo(place, 'link'));
  }

  connectBridge(access: BridgeAccess): Promise<void> {
    return this.agents.connect(access);
  }

  async disconnectBridge(): Promise<void> {
    await this.host.sleep();
    this.agents.disconnect();
    if (!this.chosen.value) await this.navigation.chooseScenario(this.choice.scenario.value.name);
  }
}
