/** What of the page is chosen and in view, and the parts that the rest is made of. What a person does is in `turns`, `runner`, `navigation` and `editor`. */
import { computed, effect, signal } from '@preact/signals';
import { workspaceFiles, type Host, type ProtocolChoice, type ResumePolicy } from '../../src/engine/index.ts';
import { isBridged } from '../platform/bridge-prefix.ts';
import type { Platform } from '../platform/index.ts';
import { SCENARIOS, type Scenario } from '../scenarios/index.ts';
import { DOCK, type DockPanel, type Part } from '../scenarios/types.ts';
import { confined, confinedSpec, createAgents } from './agents.ts';
import { createDatabases } from './database.ts';
import { createHostController } from './host.ts';
import { createLesson } from './lesson.ts';
import { createBoot } from './pace.ts';
import { createShownSession, type SessionView } from './session.ts';
import { createTables } from './tables.ts';
import { createTimeline } from './timeline.ts';
import { createVisits, formatFragment, keyOf, type Place, type PlaceMemory } from './visits.ts';
import { createNotices, errorWords } from './words.ts';

export interface PlaygroundOptions {
  readonly platform: Platform;
  /** For an embedded playground, in place of the address. */
  readonly place?: Place | null;
  readonly base?: string;
}

function createMoves() {
  const moves = {
    /** The place is chosen, and its session not shown yet. */
    going: signal(false),
    /** Changes with the place: what began at one is not carried on at the next. */
    now: 0,

    /** Unless another place is gone to meanwhile. */
    async go(run: (move: number) => Promise<void>): Promise<number> {
      const move = ++moves.now;
      moves.going.value = true;
      try {
        await run(move);
      } finally {
        if (move === moves.now) moves.going.value = false;
      }
      return move;
    },
  };
  return moves;
}

const isDocked = (part: Part): part is DockPanel => (DOCK as readonly Part[]).includes(part);

function createStage() {
  /** Null: closed. */
  const dock = signal<DockPanel | null>('Resume report');
  /** The dock covers the conversation, too. */
  const large = signal(false);
  const advanced = signal(false);
  /** The part that “Show” points at. */
  const outlined = signal<Part | null>(null);
  /** The wire panel's filter. */
  const frames = signal('');

  function show(part: Part): void {
    if (isDocked(part)) dock.value = part;
    else if (part === 'Policy') advanced.value = true;
    else large.value = false;
    outlined.value = part;
  }

  return {
    dock,
    large,
    advanced,
    outlined,
    frames,
    show,

    /** An open panel's tab closes it. */
    choose(panel: DockPanel): void {
      outlined.value = null;
      dock.value = dock.value === panel ? null : panel;
      if (dock.value === null) large.value = false;
    },

    showFrames(method: string): void {
      frames.value = method;
      show('Wire');
    },

    /** Brings a scenario's part into view. */
    follow(part: Part): void {
      outlined.value = null;
      large.value = false;
      frames.value = '';
      dock.value = isDocked(part) ? part : 'Resume report';
    },
  };
}

export type Page = ReturnType<typeof createPage>;

export function createPage({ platform, base = '/', place: fixed = null }: PlaygroundOptions) {
  const { schedule } = platform;
  const choice = {
    scenario: signal<Scenario>(SCENARIOS[0]!),
    agent: signal(''),
    policy: signal<ResumePolicy>('auto'),
    protocol: signal<ProtocolChoice>('v1'),
  };
  const sending = signal(false);
  const ready = signal(false);
  const started = Promise.withResolvers<void>();
  started.promise.catch(() => undefined);

  const moves = createMoves();
  const boot = createBoot();
  const notices = createNotices();
  const onError = (error: unknown) => (notices.note.value = errorWords(error));
  const visits = createVisits(platform.memory);
  const agents = createAgents(platform, boot);
  const host = createHostController({
    launch: agents.launch,
    confine: { spec: (spec) => confinedSpec(spec, agents.list.value), message: confined },
    schedule,
    shownId: () => session.current(),
    // Its end may be the bridge's.
    onLost: () => void agents.lookAfterBridge(),
    options: (database) => ({
      protocol: choice.protocol.value,
      // A bridged agent has a disk of its own; one in the tab gets virtual files.
      client: (agent) => (isBridged(agent) ? undefined : workspaceFiles(database)),
    }),
    onError,
  });
  const timeline = createTimeline(platform, onError);
  const database = () => timeline.past.value?.database ?? databases.database;
  const tables = createTables({
    database,
    run: async (sql) => {
      await started.promise;
      return platform.runSql(await database()!.export(), sql);
    },
    onError,
  });
  const session = createShownSession({
    reader: () => databases.reader,
    schedule,
    busyHere: () => sending.value || !['asleep', 'dead'].includes(host.machine.value.agent),
    onShown: (sessionId) => {
      host.dispatch({ type: 'shown' });
      tables.focus(sessionId);
      timeline.poke();
    },
    onError,
  });
  const databases = createDatabases(platform, visits, {
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

  const lesson = createLesson({
    scenario: choice.scenario,
    machine: host.machine,
    live: session.live,
    place: () => moves.now,
    onChange: () => page.rememberPlace(),
  });

  const chosen = computed(() => agents.named(choice.agent.value));
  const inPast = computed(() => timeline.past.value !== null);
  /** The past while one looks at it, else now. */
  const view = computed<SessionView>(() => timeline.past.value?.view ?? session.live.value);
  const machine = computed(() => {
    if (inPast.value) return view.value.machine;
    if (!session.elsewhere.value) return host.machine.value;
    // The wire is in the other tab: this is what the log tells.
    const { machine: told, turnOpen } = session.live.value;
    const words = 'The agent runs in another tab of this page. What happens there is shown here as it is stored.';
    return { ...told, agent: turnOpen ? ('prompting' as const) : ('live' as const), legs: turnOpen ? 2 : 4, words };
  });
  /** In the past, up to that moment. */
  const frames = computed(() => {
    const until = timeline.past.value?.moment.at;
    return until === undefined ? host.frames.value : host.frames.value.filter(({ at }) => at <= until);
  });
  const looked = effect(() => {
    // Read for its change alone.
    void timeline.past.value;
    tables.turn();
  });

  const here = (): Place => ({ scenario: choice.scenario.value.name, agent: choice.agent.value, step: lesson.next.value });
  const placeKey = () => keyOf(databases.branch.value, choice.scenario.value.name, choice.agent.value);

  /** One that does not end as it should keeps nothing else from ending. */
  async function letGo(): Promise<void> {
    const problems: unknown[] = [];
    for (const end of [() => timeline.close(), () => host.sleep(), () => databases.close()]) {
      await end().catch((error: unknown) => problems.push(error));
    }
    if (problems.length > 0) throw problems[0];
  }

  const page = {
    platform,
    base,
    fixed,
    choice,
    lesson,
    sending,
    ready,
    boot,
    notices,
    moves,
    stage: createStage(),
    visits,
    agents,
    host,
    timeline,
    tables,
    session,
    databases,
    inPast,
    view,
    machine,
    frames,
    /** Here or in another tab, or about to begin. */
    running: computed(() => sending.value || session.live.value.turnOpen),
    chosen,
    /** Why the agent of the session cannot be asked. */
    missing: computed(() => (ready.value && !chosen.value && choice.agent.value !== '' ? agents.missing(choice.agent.value) : null)),
    ends: [looked, lesson.stop, agents.stop, session.stop, timeline.stop, tables.stop],
    here,
    placeKey,
    letGo,

    /** Now, or the moment that is looked at. */
    reader(): Host | null {
      const past = timeline.past.peek();
      return past ? past.reader : databases.reader;
    },

    /** Rejects when the page could not start. */
    opened: started.promise,

    settle(error?: unknown): void {
      ready.value = error === undefined;
      if (error === undefined) started.resolve();
      else started.reject(error as Error);
    },

    rememberPlace(change?: Partial<PlaceMemory>): void {
      const now: PlaceMemory = { sessionId: session.id.value, progress: lesson.progress.value, policy: choice.policy.value };
      const key = placeKey();
      visits.remember(({ places }) => ({
        scenario: choice.scenario.value.name,
        agent: choice.agent.value,
        places: { ...places, [key]: change && places[key] ? { ...places[key], ...change } : now },
      }));
      if (!fixed) platform.address.write(formatFragment(here()));
    },

    async dispose(): Promise<void> {
      for (const end of page.ends) end();
      await letGo();
    },
  };
  return page;
}
