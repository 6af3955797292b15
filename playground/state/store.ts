/** The playground's state: what is shown as signals, and what a person can do as methods. */
import { computed, signal } from '@preact/signals';
import type { ClientServices, SqlDatabase } from '../../src/engine/ports.ts';
import type { ResumePolicy, ResumeReport, SessionInfo } from '../../src/engine/types.ts';
import { workspaceFiles, type Host } from '../../src/engine/index.ts';
import { SCENARIOS, scenarioNamed, type Scenario } from '../scenarios/index.ts';
import { agentFor, agentNamed, BRIDGE_PREFIX, launcherFor, TAB_CWD } from './agents.ts';
import { Boot } from './boot.ts';
import { BridgeLink } from './bridge.ts';
import { formatFragment, parseFragment, type Place } from './fragment.ts';
import { Keeper } from './keeper.ts';
import { NO_MEMORY, placeKey, readMemory, writeMemory, type Memory, type StepProgress } from './memory.ts';
import { drawn, every, Pace } from './pace.ts';
import type { BridgeAccess, Platform, PlaygroundDatabase, TabRole } from './platform.ts';
import { firstOpen, Play } from './play.ts';
import { codeOf, problemOf, type Problem } from './problems.ts';
import { Follower, openReader } from './reader.ts';
import type { SayResult } from './runner.ts';
import { Tables } from './table-watch.ts';
import { TimeMachine } from './time-machine.ts';
import { EMPTY_VIEW, type SessionView } from './view.ts';
import { errorWords } from './words.ts';

/** How often new events are shown at most: a stream reads smoothly at this, and leaves the page time for everything else. */
const FOLLOW_MS = 60;
/** How often a session that is live elsewhere is looked at. */
const LOOK_AGAIN_MS = 1_000;

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

  readonly scenario = signal<Scenario>(SCENARIOS[0]!);
  readonly agent = signal('');
  readonly policy = signal<ResumePolicy>('auto');

  readonly sessionId = signal<string | null>(null);
  readonly sessions = signal<readonly SessionInfo[]>([]);
  readonly live = signal<SessionView>(EMPTY_VIEW);
  readonly report = signal<ResumeReport | null>(null);
  /** Counts the times that new events were shown. */
  readonly commits = signal(0);
  readonly branch = signal<string | null>(null);
  readonly role = signal<TabRole | null>(null);
  readonly warning = signal<string | null>(null);

  readonly play: Play;
  readonly bridge: BridgeLink;
  readonly keeper: Keeper;
  readonly tables: Tables;
  readonly time: TimeMachine;
  readonly platform: Platform;

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
  readonly #follow: Pace;
  readonly #timeline: Pace;
  readonly #options: PlaygroundOptions;
  #memory: Memory = NO_MEMORY;
  #shownSeq = 0;
  #database: PlaygroundDatabase | null = null;
  #reader: Host | null = null;
  #follower: Follower | null = null;
  #looking: ReturnType<typeof setTimeout> | undefined;
  #unwatch: () => void = () => undefined;
  #unlisten: () => void = () => undefined;
  readonly #opened = Promise.withResolvers<void>();

  constructor(options: PlaygroundOptions) {
    this.#options = options;
    this.platform = options.platform;
    this.bridge = new BridgeLink(this.platform);
    this.play = new Play(this, () => this.#rememberPlace());
    this.keeper = new Keeper({
      launcher: launcherFor(this.platform, () => this.bridge.access),
      schedule: this.platform.schedule,
      // An agent behind the bridge has a disk of its own; one in the tab gets the session's virtual files.
      client: options.client ?? ((database, agent) => (agent.startsWith(BRIDGE_PREFIX) ? undefined : workspaceFiles(database))),
    });
    const complain = (error: unknown) => (this.note.value = errorWords(error));
    this.#follow = new Pace(() => this.#catchUp(), drawn(this.platform.schedule, FOLLOW_MS), complain);
    this.#timeline = new Pace(() => this.time.refresh(), every(300), complain);
    this.tables = new Tables((sql) => this.#runSql(sql), complain);
    this.time = new TimeMachine(complain);
    this.#opened.promise.catch(() => undefined);
  }

  get reader(): Host | null {
    return this.#reader;
  }

  // ------------------------------------------------------------ start and end

  /** Opens everything, beside each other. The page can be typed into before it is done. */
  async start(): Promise<void> {
    this.#memory = readMemory(this.platform.memory.read());
    this.policy.value = this.#memory.policy;
    const place = this.#place();
    this.scenario.value = scenarioNamed(place.scenario ?? this.#memory.scenario ?? undefined);
    this.agent.value = (agentNamed(place.agent ?? this.#memory.agent, this.bridge.agents.value) ?? agentFor(this.scenario.value, this.bridge.agents.value))?.key ?? '';
    this.#unlisten = this.platform.tabs.listen((message) => this.#onTab(message));
    try {
      const bridge = this.boot.step('Bridge', '', () => this.bridge.discover()).catch(() => undefined);
      const agents = this.boot.step('Agents', 'Reload the page when the connection is back.', () => this.platform.tabAgents.load()).catch(() => undefined);
      await this.boot.step('Database', 'Reload the page. If it stays so, this browser refuses to store data for this site.', () => this.#openBranch(this.#memory.branch));
      await Promise.all([bridge, agents]);
      await this.#goTo(place, 'start');
      this.ready.value = true;
      this.#opened.resolve();
    } catch (error) {
      this.#opened.reject(error);
      throw error;
    }
    // Wanted later and only perhaps: what fails now is tried again when it is used.
    this.platform.loadRest().catch(() => undefined);
    await this.play.runLinked(place.step);
  }

  async dispose(): Promise<void> {
    this.#unlisten();
    clearTimeout(this.#looking);
    this.#unwatch();
    this.#follow.stop();
    this.#timeline.stop();
    this.tables.stop();
    await this.time.close();
    await this.keeper.sleep();
    await this.#reader?.sleep();
    await this.#database?.close();
  }

  /** The address changed under the page: a link was opened, or the history walked. */
  async navigate(): Promise<void> {
    await this.#opened.promise;
    const place = this.#place();
    if (formatFragment(this.here()) === formatFragment(place)) return;
    await this.#goTo(place, 'link');
    await this.play.runLinked(place.step);
  }

  /** Where the page is, as a link tells it. */
  here(): Place {
    return { scenario: this.scenario.value.name, agent: this.agent.value, step: this.play.next.value };
  }

  // ------------------------------------------------------------ what is played

  chooseScenario(name: string): Promise<void> {
    const scenario = scenarioNamed(name);
    const agent = agentFor(scenario, this.bridge.agents.value);
    return this.#switchTo(scenario, agent?.key ?? this.agent.value);
  }

  chooseAgent(key: string): Promise<void> {
    return this.#switchTo(this.scenario.value, key);
  }

  choosePolicy(policy: ResumePolicy): void {
    this.policy.value = policy;
    this.#remember({ policy });
  }

  /** The scenario from its beginning, in a new session. */
  async startOver(): Promise<void> {
    await this.#show(null, []);
    this.choosePolicy(this.scenario.value.policy);
  }

  async chooseSession(sessionId: string | null): Promise<void> {
    const info = this.sessions.value.find((session) => session.sessionId === sessionId);
    if (info && this.bridge.agents.value.some((agent) => agent.key === info.agent)) {
      this.agent.value = info.agent;
    }
    await this.#show(sessionId, []);
  }

  // ------------------------------------------------------------ the conversation

  /** Sends what stands in the prompt box. */
  async sendDraft(): Promise<void> {
    const text = this.draft.value;
    if (this.sending.value) return;
    this.draft.value = '';
    const said = await this.say(text);
    // What was never stored was never sent: it goes back where it can be sent again.
    if (said.error && !said.stored && this.draft.value === '') this.draft.value = text;
  }

  /** One turn. Wakes the host, creates the session and resumes it, as needed. */
  async say(text: string): Promise<SayResult & { readonly stored: boolean }> {
    this.problem.value = null;
    this.play.linkWaits.value = null;
    this.sending.value = true;
    const before = this.live.value.lastSeq;
    let error: SayResult['error'] = null;
    let report: ResumeReport | null = null;
    try {
      await this.#opened.promise;
      if (this.inPast.value) await this.time.close();
      const host = await this.keeper.wake();
      const sessionId = await this.#ensureSession(host);
      const result = await host.prompt(sessionId, text, { policy: this.#policyNow() });
      report = result.report;
      this.report.value = report;
      this.keeper.dispatch({ type: 'report', report });
    } catch (caught) {
      error = { code: codeOf(caught), message: errorWords(caught) };
      this.problem.value = problemOf(caught);
      if (codeOf(caught) === 'storage_full') await this.#goOnInMemory();
    }
    await this.#settle();
    this.sending.value = false;
    return { report, reply: lastReply(this.live.value), error, stored: this.live.value.lastSeq > before && this.live.value.items.some((item) => item.kind === 'user') };
  }

  async cancel(): Promise<void> {
    await this.#try(async () => {
      const sessionId = this.sessionId.value;
      if (sessionId) await this.keeper.host?.cancel(sessionId);
    });
  }

  async answer(requestId: string, optionId: string | null): Promise<void> {
    await this.#try(async () => {
      const sessionId = this.sessionId.value;
      if (sessionId) await this.keeper.host?.respondPermission(sessionId, requestId, optionId);
    });
  }

  async authenticate(methodId: string): Promise<void> {
    this.problem.value = null;
    await this.#try(async () => (await this.keeper.wake()).authenticate(this.agent.value, methodId));
  }

  // ------------------------------------------------------------ faults

  async sleep(): Promise<void> {
    await this.#try(() => this.keeper.sleep());
    await this.#settle();
  }

  async wake(): Promise<void> {
    await this.#try(async () => void (await this.keeper.wake()));
  }

  async kill(): Promise<void> {
    await this.#try(async () => void (await Promise.all(this.keeper.agentsOf(this.sessionId.value).map((agent) => agent.kill()))));
    await this.#settle();
  }

  async drop(): Promise<void> {
    await this.#try(async () => void (await Promise.all(this.keeper.agentsOf(this.sessionId.value).map((agent) => agent.drop()))));
    await this.#settle();
  }

  async forgetStore(): Promise<void> {
    await this.#try(async () => {
      const agent = this.chosen.value;
      if (agent?.where !== 'tab') return;
      await this.platform.tabAgents.forget(agent.name);
      this.note.value = `The agent ${agent.name} has forgotten every session. The host’s record stays.`;
    });
  }

  toggleCrash(): void {
    this.keeper.crashArmed.value = !this.keeper.crashArmed.value;
    this.note.value = this.keeper.crashArmed.value ? 'Armed: the agent dies at the first word of its next answer.' : null;
  }

  /** Asks the tab in which the session is live to let go of it. */
  takeOver(): void {
    const sessionId = this.sessionId.value;
    if (!sessionId) return;
    this.platform.tabs.send({ type: 'give-up', sessionId });
    this.problem.value = null;
    this.note.value = 'The other tab was asked to let go. Send the prompt again.';
  }

  // ------------------------------------------------------------ the past

  /** Shows a moment; null is now. */
  async seek(index: number | null): Promise<void> {
    await this.#try(() => this.time.seek(index, this.#database, this.sessionId.value, this.tables.shown));
  }

  /** Which table the database panel shows, now or at the moment looked at. */
  async showTable(name: string): Promise<void> {
    this.tables.choose(name);
    if (this.time.at.value !== null) await this.seek(this.time.at.value);
  }

  /** A branch of the whole database from the moment shown. */
  async fork(): Promise<void> {
    await this.#try(async () => {
      const past = this.time.past.value;
      if (!past) return;
      const name = `${this.#memory.branches.length + 1}`;
      const bytes = await past.database.export();
      const info = past.view.info;
      await this.#branchOff({ name, sessionId: info?.sessionId ?? null, agentSessionId: info?.agentSessionId ?? null }, bytes);
      this.note.value = 'This is a fork. The agent’s own session stays with the main line, so the next prompt brings the record along instead.';
    });
  }

  /** Leaves the past; from a fork, back to the main line. */
  async returnToNow(): Promise<void> {
    await this.#try(async () => {
      if (this.inPast.value) {
        await this.time.close();
        return;
      }
      if (this.branch.value === null) return;
      await this.#openBranch(null);
      this.#remember({ branch: null });
      await this.#goTo(this.here(), 'start');
      this.note.value = null;
    });
  }

  async exportBytes(): Promise<Uint8Array> {
    await this.#opened.promise;
    return this.#database!.export();
  }

  async exportDatabase(): Promise<void> {
    await this.#try(async () => this.platform.download('rehydrate-playground.sqlite', await this.exportBytes()));
  }

  /** Opens a database file as a branch, so that nothing here is lost by it. */
  async importDatabase(bytes: Uint8Array): Promise<void> {
    await this.#try(async () => {
      if (new TextDecoder().decode(bytes.subarray(0, 15)) !== 'SQLite format 3') {
        throw new Error('This file is not a SQLite database. Choose one that was exported here, or written by the rehydrate command.');
      }
      await this.#branchOff({ name: `import ${this.#memory.branches.length + 1}`, sessionId: null, agentSessionId: null }, bytes);
      const newest = this.sessions.value[0];
      if (newest) await this.chooseSession(newest.sessionId);
      this.note.value = `The file is open as a copy${newest ? `, showing its newest session` : '; it holds no session'}. Return to now brings back what was here.`;
    });
  }

  /** What Reset would delete. */
  async inventory(): Promise<{ sessions: number; events: number; forks: number }> {
    const [row] = (await this.#database?.query('SELECT count(*) AS sessions, coalesce(sum(latest_seq), 0) AS events FROM acp_sessions')) ?? [];
    return { sessions: Number(row?.['sessions'] ?? 0), events: Number(row?.['events'] ?? 0), forks: this.#memory.branches.length };
  }

  async reset(): Promise<void> {
    await this.#try(async () => {
      this.platform.tabs.send({ type: 'reset' });
      await this.dispose();
      await this.platform.deleteDatabases([null, ...this.#memory.branches.map((branch) => branch.name)]);
      for (const name of this.platform.tabAgents.names) await this.platform.tabAgents.forget(name);
      this.platform.memory.clear();
      this.platform.address.write('');
      this.platform.reload();
    });
  }

  // ------------------------------------------------------------ the bridge

  connectBridge(access: BridgeAccess): Promise<void> {
    return this.bridge.connect(access);
  }

  async disconnectBridge(): Promise<void> {
    await this.keeper.sleep();
    this.bridge.disconnect();
    if (!this.chosen.value) await this.chooseScenario(this.scenario.value.name);
  }

  // ------------------------------------------------------------ inside

  #place(): Place {
    return this.#options.place ?? parseFragment(this.platform.address.read());
  }

  /** Shows a place: its last session where this browser has one, else a fresh start. */
  async #goTo(place: Place, from: 'start' | 'link'): Promise<void> {
    const scenario = scenarioNamed(place.scenario ?? this.#memory.scenario ?? undefined);
    const bridged = this.bridge.agents.value.find((agent) => agent.where === 'bridge');
    const named = agentNamed(place.agent, this.bridge.agents.value) ?? (place.scenario ? null : agentNamed(this.#memory.agent, this.bridge.agents.value));
    const fitting = agentFor(scenario, this.bridge.agents.value);
    // With nothing chosen yet, a bridged agent comes first.
    const agent = named ?? (place.scenario === undefined && fitting?.where !== 'bridge' ? (bridged ?? fitting) : fitting);
    this.scenario.value = scenario;
    this.agent.value = agent?.key ?? this.bridge.agents.value[0]?.key ?? '';
    const kept = this.#memory.places[this.#key()];
    const there = kept?.sessionId ? await this.#has(kept.sessionId) : false;
    const wanted = place.step;
    const steps = kept ? firstOpen(kept.progress, scenario) : 0;
    if (kept && (there || kept.sessionId === null) && (wanted === undefined || wanted === steps || (from === 'start' && wanted <= steps))) {
      await this.#show(there ? kept.sessionId : null, kept.progress);
    } else if (there && wanted === undefined) {
      await this.#show(kept!.sessionId, kept!.progress);
    } else {
      await this.#show(null, []);
    }
  }

  async #switchTo(scenario: Scenario, agent: string): Promise<void> {
    await this.#try(async () => {
      this.scenario.value = scenario;
      this.agent.value = agent;
      this.choosePolicy(scenario.policy);
      await this.#opened.promise;
      const kept = this.#memory.places[this.#key()];
      const there = kept?.sessionId ? await this.#has(kept.sessionId) : false;
      await this.#show(there ? kept!.sessionId : null, there ? kept!.progress : []);
    });
  }

  /** Shows a session, or the empty start of a new one. What was live sleeps. */
  async #show(sessionId: string | null, progress: readonly StepProgress[]): Promise<void> {
    if (sessionId !== this.sessionId.value) {
      await this.time.close();
      await this.keeper.sleep();
      this.keeper.dispatch({ type: 'host', status: 'awake' });
      this.keeper.dispatch({ type: 'host', status: 'asleep' });
    }
    this.problem.value = null;
    this.note.value = null;
    this.play.linkWaits.value = null;
    this.sessionId.value = sessionId;
    this.play.progress.value = progress;
    this.report.value = null;
    this.#follower = null;
    this.live.value = EMPTY_VIEW;
    this.#rememberPlace();
    await this.keeper.wake();
    await this.#settle();
  }

  /** Creates the session without a prompt. */
  async createSession(): Promise<void> {
    await this.#ensureSession(await this.keeper.wake());
    await this.#settle();
  }

  async #ensureSession(host: Host): Promise<string> {
    const known = this.sessionId.value;
    if (known !== null) return known;
    const agent = this.chosen.value;
    const sessionId = `${this.scenario.value.name}-${crypto.randomUUID().slice(0, 6)}`;
    const cwd = agent?.cwd ?? TAB_CWD;
    // Shown before it is created: what the agent does on the way is part of the picture.
    const info = await host.create({ agent: this.agent.value, cwd, sessionId });
    this.sessionId.value = info.sessionId;
    this.#rememberPlace();
    return info.sessionId;
  }

  /** In a fork the agent's own session belongs to the main line, until a successor has answered. */
  #policyNow(): ResumePolicy {
    const branch = this.#memory.branches.find((one) => one.name === this.branch.value);
    const info = this.live.value.info;
    const foreign = branch && info && info.sessionId === branch.sessionId && info.agentSessionId !== null && info.agentSessionId === branch.agentSessionId;
    return foreign ? 'transcript' : this.policy.value;
  }

  /** The browser’s store is full: what is committed is safe there, and the session goes on without it. */
  async #goOnInMemory(): Promise<void> {
    const bytes = await this.#database?.export();
    if (!bytes) return;
    const reason = 'The browser’s storage for this site is full. The session goes on in memory, and is lost with this page: export the database, or make room and reload.';
    await this.#adopt(await this.platform.openInMemory(bytes, reason), this.branch.value);
    await this.keeper.wake();
  }

  async #openBranch(branch: string | null, bytes?: Uint8Array): Promise<void> {
    await this.#adopt(await this.platform.openDatabase(branch, bytes), branch);
  }

  async #adopt(database: PlaygroundDatabase, branch: string | null): Promise<void> {
    await this.time.close();
    await this.keeper.use(database);
    this.#unwatch();
    // What was opened with the last database is let go with it.
    await this.#reader?.sleep();
    await this.#database?.close();
    this.#database = database;
    this.#reader = await openReader(database);
    this.#follower = null;
    this.branch.value = branch;
    this.warning.value = database.warning;
    this.tables.use(database);
    this.time.use(database);
    const unwatchRole = database.onRole((role) => (this.role.value = role));
    const unwatchCommits = database.onCommit(() => {
      this.warning.value = database.warning;
      this.#follow.poke();
      this.tables.poke();
    });
    this.#unwatch = () => {
      unwatchRole();
      unwatchCommits();
    };
    this.#timeline.poke();
    this.tables.poke();
  }

  async #branchOff(branch: Memory['branches'][number], bytes: Uint8Array): Promise<void> {
    await this.#openBranch(branch.name, bytes);
    this.#remember({ branch: branch.name, branches: [...this.#memory.branches, branch] });
    await this.#show(branch.sessionId, branch.sessionId === null ? [] : this.play.progress.value);
  }

  async #catchUp(): Promise<void> {
    const sessionId = this.sessionId.value;
    if (!this.#reader) return;
    // The list changes with turns, not with every piece of an answer.
    if (!this.live.value.turnOpen) this.sessions.value = (await this.#reader.list({ limit: 50 })).sessions;
    if (sessionId === null) return;
    if (this.#follower?.sessionId !== sessionId) this.#follower = new Follower(this.#reader, sessionId);
    const follower = this.#follower;
    const view = await follower.catchUp();
    if (this.#follower !== follower || this.sessionId.value !== sessionId) return;
    const before = this.live.value.report;
    this.live.value = view;
    if (view.lastSeq !== this.#shownSeq) this.commits.value += 1;
    this.#shownSeq = view.lastSeq;
    if (view.report !== before) this.report.value = view.report;
    this.tables.focus(sessionId);
    // Whether another tab still has the session shows in nothing that is committed.
    if (this.elsewhere.value) this.#lookAgain();
    // Reading the journal costs what it holds: not while an answer streams in.
    if (!view.turnOpen) this.#timeline.poke();
  }

  #lookAgain(): void {
    clearTimeout(this.#looking);
    this.#looking = setTimeout(() => this.#follow.poke(), LOOK_AGAIN_MS);
  }

  /** Everything committed so far is shown. */
  async #settle(): Promise<void> {
    await this.#follow.now();
  }

  async #has(sessionId: string): Promise<boolean> {
    if (!this.#reader) return false;
    return (await new Follower(this.#reader, sessionId).catchUp()).info !== null;
  }

  #runSql(sql: string) {
    return this.#opened.promise.then(async () => this.platform.runSql(await (this.time.past.value?.database ?? this.#database!).export(), sql));
  }

  #onTab(message: Parameters<Parameters<Platform['tabs']['listen']>[0]>[0]): void {
    if (message.type === 'reset') {
      void this.dispose().then(() => this.platform.reload());
      return;
    }
    if (message.sessionId === this.sessionId.value && this.keeper.host) {
      void this.sleep().then(() => (this.note.value = 'Another tab took the session over.'));
    }
  }

  async #try(run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.problem.value = problemOf(error);
    }
  }

  #key(): string {
    return placeKey(this.branch.value, this.scenario.value.name, this.agent.value);
  }

  #rememberPlace(): void {
    const places = { ...this.#memory.places, [this.#key()]: { sessionId: this.sessionId.value, progress: this.play.progress.value } };
    this.#remember({ scenario: this.scenario.value.name, agent: this.agent.value, places });
    if (!this.#options.place) this.platform.address.write(formatFragment(this.here()));
  }

  #remember(part: Partial<Memory>): void {
    this.#memory = { ...this.#memory, ...part };
    this.platform.memory.write(writeMemory(this.#memory));
  }
}

/** What the agent said since the last prompt. */
function lastReply(view: SessionView): string {
  const from = view.items.findLastIndex((item) => item.kind === 'user');
  return view.items
    .slice(from + 1)
    .flatMap((item) => (item.kind === 'agent' ? item.pieces : []))
    .join('');
}
