/**
 * The playground's state: what is shown, as signals, and its parts, each with what a person can do there.
 * The parts know each other through this object alone.
 */
import { computed, signal } from '@preact/signals';
import type { ClientServices, SqlDatabase } from '../../src/engine/ports.ts';
import type { ResumePolicy, ResumeReport, SessionInfo } from '../../src/engine/types.ts';
import { workspaceFiles } from '../../src/engine/index.ts';
import { SCENARIOS, type Scenario } from '../scenarios/index.ts';
import { BRIDGE_PREFIX, bridgeConfined, launcherFor } from './agents.ts';
import { Boot } from './boot.ts';
import { Branches } from './branches.ts';
import { Breaking } from './breaking.ts';
import { BridgeLink } from './bridge.ts';
import { formatFragment, type Place } from './fragment.ts';
import { Keeper } from './keeper.ts';
import { Places } from './places.ts';
import type { BridgeAccess, Platform } from './platform.ts';
import { Play } from './play.ts';
import { problemOf, type Problem } from './problems.ts';
import { Shelf } from './shelf.ts';
import { Tables } from './table-watch.ts';
import { TimeMachine } from './time-machine.ts';
import { Turns, type Consent } from './turns.ts';
import { EMPTY_VIEW, type SessionView } from './view.ts';
import { Watch } from './watch.ts';
import { errorWords } from './words.ts';

export interface PlaygroundOptions {
  readonly platform: Platform;
  readonly client?: (database: SqlDatabase, agent: string) => ClientServices | undefined;
  /** What an embedded playground shows, in place of the address. */
  readonly place?: Place;
}

export class Playground {
  readonly boot = new Boot();
  readonly ready = signal(false);
  readonly draft = signal('');
  readonly sending = signal(false);
  readonly problem = signal<Problem | null>(null);
  readonly note = signal<string | null>(null);
  /** A file's conversation that is about to go to an agent behind the bridge: the person decides. */
  readonly consent = signal<Consent | null>(null);

  readonly scenario = signal<Scenario>(SCENARIOS[0]!);
  readonly agent = signal('');
  readonly policy = signal<ResumePolicy>('auto');

  readonly sessionId = signal<string | null>(null);
  readonly sessions = signal<readonly SessionInfo[]>([]);
  readonly live = signal<SessionView>(EMPTY_VIEW);
  readonly report = signal<ResumeReport | null>(null);
  /** Counts the times that new events were shown. */
  readonly commits = signal(0);

  readonly platform: Platform;
  readonly bridge: BridgeLink;
  readonly keeper: Keeper;
  readonly tables: Tables;
  readonly time: TimeMachine;
  readonly watch: Watch;
  readonly shelf: Shelf;
  readonly places: Places;
  readonly turns: Turns;
  readonly breaking: Breaking;
  readonly branches: Branches;
  readonly play: Play;

  /** What the panels show: the past while one looks at it, else now. */
  readonly view = computed<SessionView>(() => this.time.past.value?.view ?? this.live.value);
  readonly machine = computed(() => this.time.past.value?.machine ?? this.keeper.machine.value);
  readonly shownReport = computed(() => (this.time.past.value ? this.time.past.value.view.report : this.report.value));
  readonly inPast = computed(() => this.time.past.value !== null);
  /** The session is live in another tab. */
  readonly elsewhere = computed(() => {
    const quiet = ['asleep', 'dead'].includes(this.keeper.machine.value.agent);
    return quiet && !this.sending.value && this.live.value.info !== null && this.live.value.info.state === 'busy';
  });
  readonly chosen = computed(() => this.bridge.agents.value.find((agent) => agent.key === this.agent.value) ?? null);
  readonly canForget = computed(() => this.chosen.value?.where === 'tab');
  #unlisten: () => void = () => undefined;
  readonly #opened = Promise.withResolvers<void>();

  constructor(options: PlaygroundOptions) {
    const complain = (error: unknown) => (this.note.value = errorWords(error));
    this.platform = options.platform;
    this.bridge = new BridgeLink(this.platform);
    this.keeper = new Keeper({
      launcher: launcherFor(this.platform, () => this.bridge.access),
      confine: (tapped) => bridgeConfined(tapped, () => this.bridge.agents.value),
      schedule: this.platform.schedule,
      // An agent behind the bridge has a disk of its own; one in the tab gets the session's virtual files.
      client: options.client ?? ((database, agent) => (agent.startsWith(BRIDGE_PREFIX) ? undefined : workspaceFiles(database))),
    });
    this.tables = new Tables((sql) => this.#runSql(sql), complain);
    this.time = new TimeMachine(complain);
    this.watch = new Watch(this, complain);
    this.shelf = new Shelf(this);
    this.places = new Places(this, options.place);
    this.turns = new Turns(this);
    this.breaking = new Breaking(this);
    this.branches = new Branches(this);
    this.play = new Play(this, () => this.places.rememberPlace());
    this.#opened.promise.catch(() => undefined);
  }

  /** Resolves when a session can be shown; rejects when the page could not start. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Opens everything, beside each other. The page can be typed into before it is done. */
  async start(): Promise<void> {
    const place = this.places.recall();
    let move: number;
    this.#unlisten = this.platform.tabs.listen((message) => this.breaking.hear(message));
    try {
      const bridge = this.boot.step('Bridge', '', () => this.bridge.discover()).catch(() => undefined);
      const agents = this.boot
        .step('Agents', 'Reload the page when the connection is back.', () => this.platform.tabAgents.load())
        .catch(() => undefined);
      await this.boot.step('Database', 'Reload the page. If it stays so, this browser refuses to store data for this site.', () =>
        this.shelf.open(this.places.branch),
      );
      await Promise.all([bridge, agents]);
      move = await this.places.goTo(place, 'start');
      this.ready.value = true;
      this.#opened.resolve();
    } catch (error) {
      this.#opened.reject(error);
      throw error;
    }
    // Wanted later and only perhaps: what fails now is tried again when it is used.
    this.platform.loadRest().catch(() => undefined);
    await this.play.runLinked(place.step, move);
  }

  async dispose(): Promise<void> {
    this.#unlisten();
    this.consent.value?.answer(false);
    this.watch.stop();
    this.tables.stop();
    await this.time.close();
    await this.keeper.sleep();
    await this.shelf.close();
  }

  /** The address changed under the page: a link was opened, or the history walked. */
  async navigate(): Promise<void> {
    await this.opened;
    const place = this.places.asked();
    if (formatFragment(this.places.here()) === formatFragment(place)) return;
    await this.play.runLinked(place.step, await this.places.goTo(place, 'link'));
  }

  connectBridge(access: BridgeAccess): Promise<void> {
    return this.bridge.connect(access);
  }

  async disconnectBridge(): Promise<void> {
    await this.keeper.sleep();
    this.bridge.disconnect();
    if (!this.chosen.value) await this.places.chooseScenario(this.scenario.value.name);
  }

  /** Does what a person asked for; what goes wrong is shown. */
  async attempt(run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.problem.value = problemOf(error);
    }
  }

  async #runSql(sql: string) {
    await this.opened;
    return this.platform.runSql(await (this.time.past.value?.database ?? this.shelf.database!).export(), sql);
  }
}
