/** Which scenario, agent and session the page shows, as links, earlier visits and the person choose; and branches of the database. */
import { signal } from '@preact/signals';
import type { ProtocolChoice, ResumePolicy } from '../../src/engine/types.ts';
import { agentName, isBridged } from '../platform/bridge-prefix.ts';
import { Refused, sizeProblem } from '../platform/import-file.ts';
import { SCENARIOS, scenarioNamed, type Scenario } from '../scenarios/index.ts';
import { agentFor, agentNamed } from './agents.ts';
import type { Page } from './page.ts';
import type { Turns } from './turns.ts';
import { firstOpen, keyOf, parseFragment, type BranchMemory, type Place, type PlaceMemory, type StepProgress } from './visits.ts';
import { errorWords, label } from './words.ts';

export type Navigation = ReturnType<typeof createNavigation>;

export function createNavigation(page: Page, turns: Turns) {
  const { agents, choice, databases, host, lesson, moves, notices, session, stage, timeline, visits } = page;
  const { address } = page.platform;

  const asked = (): Place => page.fixed ?? parseFragment(address.read());

  function take(scenario: Scenario, agent = agentFor(scenario, agents.list.value)?.key ?? choice.agent.value, isFirst = false): void {
    if (isFirst || scenario !== choice.scenario.value) {
      stage.follow(scenario.look);
      choice.protocol.value = scenario.protocol;
    }
    choice.scenario.value = scenario;
    choice.agent.value = agent;
  }

  /** The key of an available agent, or of one that is unavailable but has a session here. */
  function keyNamed(name: string | null | undefined, scenario: Scenario): string | null {
    const here = agentNamed(name, agents.list.value);
    if (here || !name) return here?.key ?? null;
    return visits.last.places[keyOf(databases.branch.value, scenario.name, name)]?.sessionId ? name : null;
  }

  /** Applies what is available of a place. Returns the key of the agent that it names, or null. */
  function takePlace(place: Place, isFirst = false): string | null {
    const list = agents.list.value;
    const scenario = scenarioNamed(place.scenario ?? visits.last.scenario ?? undefined);
    const linked = keyNamed(place.agent, scenario);
    const named = linked ?? (place.scenario ? null : keyNamed(visits.last.agent, scenario));
    const fitting = agentFor(scenario, list);
    const bridged = list.find((agent) => agent.where === 'bridge');
    const other = place.scenario === undefined && fitting?.where !== 'bridge' ? (bridged ?? fitting) : fitting;
    take(scenario, named ?? other?.key ?? list[0]?.key ?? '', isFirst);
    return linked;
  }

  /** What an earlier visit stored for this place, unless its session is gone. */
  async function remembered(): Promise<PlaceMemory | null> {
    const kept = visits.last.places[page.placeKey()] ?? null;
    return !kept?.sessionId || (await session.has(kept.sessionId)) ? kept : null;
  }

  const fresh = (): PlaceMemory => ({ sessionId: null, progress: [], policy: choice.scenario.value.policy });

  /** Shows the session. If it is another, or a prompt is on its way, the host is put to sleep first. */
  async function showAt({ sessionId, progress: steps, policy }: PlaceMemory, move: number): Promise<void> {
    if (move !== moves.now) return;
    // A session that is being created has no id yet.
    if (sessionId !== session.id.value || page.sending.value) {
      await turns.leave();
      await timeline.close();
      await host.sleep();
      if (move !== moves.now) return;
      host.dispatch({ type: 'host', status: 'asleep' });
    }
    notices.clear();
    choice.policy.value = policy;
    // A step that was running when the person left never reported its end.
    lesson.progress.value = steps.map((step) => (step.state === 'running' ? { ...step, state: 'waiting' } : step));
    session.choose(sessionId, visits.failuresOf(page.databases.branch.value, sessionId));
    page.rememberPlace();
    await host.wake();
    await session.settle();
  }

  const showOnceOpen = (place: () => PlaceMemory) =>
    moves.go(async (move) => {
      await page.opened;
      await showAt(place(), move);
    });

  const show = (sessionId: string | null, progress: readonly StepProgress[]) =>
    showOnceOpen(() => ({ sessionId, progress, policy: choice.policy.value }));

  const switchTo = (...to: Parameters<typeof take>) =>
    notices.attempt(() =>
      moves.go(async (move) => {
        take(...to);
        await page.opened;
        await showAt((await remembered()) ?? fresh(), move);
      }),
    );

  return {
    asked,
    show,

    /** Shows the last session of the place if its progress fits the link, else starts afresh. Returns the move. */
    goTo: (place: Place, from: 'start' | 'link') =>
      moves.go(async (move) => {
        const linked = takePlace(place);
        const scenario = choice.scenario.value;
        const kept = await remembered();
        const { step: wanted } = place;
        const steps = kept ? firstOpen(kept.progress, scenario.steps.length) : 0;
        const isAsWanted = wanted === undefined || wanted === steps || (from === 'start' && wanted <= steps);
        await showAt(kept && isAsWanted ? kept : fresh(), move);
        if (move === moves.now) notices.addLink(linkProblem(place, scenario, linked !== null, choice.agent.value));
      }),

    choosePolicy(policy: ResumePolicy): void {
      choice.policy.value = policy;
      page.rememberPlace({ policy });
      void lesson.tell({ kind: 'policy', what: policy });
    },

    /** Restores as much of the last visit as needs no database. */
    recall(): Place {
      visits.recall();
      const place = asked();
      takePlace(place, true);
      choice.policy.value = (visits.last.places[page.placeKey()] ?? fresh()).policy;
      return place;
    },

    chooseScenario(name: string): Promise<void> {
      const scenario = scenarioNamed(name);
      if (!page.fixed && scenario !== choice.scenario.value) address.leave();
      return switchTo(scenario);
    },

    chooseAgent: (key: string) => switchTo(choice.scenario.value, key),

    /** Restarts the host, because agents must be started again for another version. */
    async chooseProtocol(protocol: ProtocolChoice): Promise<void> {
      choice.protocol.value = protocol;
      await notices.attempt(async () => {
        await page.opened;
        await host.sleep();
        await host.wake();
      });
    },

    startOver: () => showOnceOpen(fresh),

    async chooseSession(sessionId: string | null): Promise<void> {
      const info = session.list.value.find((one) => one.sessionId === sessionId);
      // Prompts go to the session's own agent, whether it is available or not.
      if (info) choice.agent.value = info.agent;
      await show(sessionId, []);
    },
  };
}

const inFull = (agent: string): string => `“${agentName(agent)}”${isBridged(agent) ? ' over the bridge' : ''}`;

function linkProblem(
  { problem, scenario: wanted, agent: linked }: Place,
  scenario: Scenario,
  hasAgent: boolean,
  agent: string,
): string | null {
  const problems = problem === undefined ? [] : [problem];
  if (wanted !== undefined && !SCENARIOS.some(({ name }) => name === wanted))
    problems.push(`This link is to the scenario “${wanted}”, which this page does not have: “${scenario.title}” is shown instead.`);
  if (linked !== undefined && !hasAgent)
    problems.push(
      `This link is for the agent ${inFull(linked)}, which is not here: ${agent === '' ? 'none' : inFull(agent)} is chosen instead.`,
    );
  return problems.join(' ') || null;
}

// ---- the past and the branches off it

/** What Reset would delete. `stored` is null while no database is open. */
export type Inventory = Awaited<ReturnType<ReturnType<typeof createBranches>['inventory']>>;

interface Importing {
  readonly name: string;
  readonly problem: string | null;
}

export function createBranches(page: Page, navigation: Navigation) {
  const { databases, moves, notices, platform, session, timeline, visits } = page;
  /** What Reset could not delete; else null. */
  const undeleted = signal<readonly string[] | null>(null);
  const importing = signal<Importing | null>(null);
  let running: Promise<unknown> | null = null;
  let asked = 0;

  /** Runs one change of branch at a time; a call during another does nothing. */
  async function alone(run: () => Promise<void>): Promise<void> {
    if (running) return;
    running = notices.attempt(run);
    await running;
    running = null;
  }

  /** Opens a new branch that begins with these bytes. Unless `from` names a file, it inherits that of the current branch. */
  async function branchOff(
    kind: string,
    from: Omit<BranchMemory, 'name' | 'file'> & Partial<BranchMemory>,
    bytes: Uint8Array,
  ): Promise<void> {
    const file = visits.fileOf(databases.branch.value);
    const steps = from.sessionId === null ? [] : page.lesson.progress.value;
    const taken = visits.branches.map((one) => one.name);
    const branch = { file, ...from, name: freeName(kind, taken) };
    // Remember it before opening, so that another tab chooses another name.
    visits.remember(({ branches }) => ({ branches: [...branches, branch] }));
    await moves.go(async () => {
      try {
        await databases.open(branch.name, bytes);
      } catch (error) {
        visits.remember(({ branches }) => ({ branches: branches.filter(({ name }) => name !== branch.name) }));
        await platform.deleteDatabase(branch.name);
        throw error;
      }
      visits.remember(() => ({ branch: branch.name }));
      await navigation.show(from.sessionId, steps);
    });
  }

  /** Goes to a branch; null is the main line. Waits for a change in progress; of several waiting calls only the last is carried out. */
  async function go(name: string | null): Promise<void> {
    const nth = ++asked;
    while (running) await running;
    if (nth !== asked) return;
    await alone(async () => {
      if (databases.branch.value === name) return;
      await moves.go(async () => {
        await databases.open(name);
        visits.remember(() => ({ branch: name }));
        const here = page.here();
        // An agent that is not available is not named: the branch may come from a file, and its agent may not exist here.
        await navigation.goTo(page.chosen.value ? here : { scenario: here.scenario, step: here.step }, 'start');
      });
      notices.note.value = null;
    });
  }

  async function exportBytes(): Promise<Uint8Array> {
    await page.opened;
    return databases.database!.export();
  }

  return {
    undeleted,
    importing,
    go,
    exportBytes,

    seek: (index: number | null) => notices.attempt(() => timeline.seek(index, session.id.value)),

    fork: () =>
      alone(async () => {
        const past = timeline.past.value;
        if (!past) return;
        const { sessionId = null, agentSessionId = null } = past.view.info ?? {};
        await branchOff('', { parent: databases.branch.value, sessionId, agentSessionId }, await past.database.export());
        notices.note.value =
          'This is a fork. The agent’s own session stays with the main line, so the next prompt carries the record instead.';
      }),

    /** Leaves the past if it is shown, else goes back to the main line. */
    returnToNow: () => (timeline.past.value ? alone(() => timeline.close()) : go(null)),

    salvage: () =>
      notices.attempt(async () => {
        const { bytes, problem } = await platform.salvage(visits.last.branch);
        platform.download('rehydrate-playground-salvaged.sqlite', bytes);
        notices.note.value = `Everything up to the damage is in the file${problem ? `: ${problem}` : '.'}`;
      }),

    exportDatabase: () => notices.attempt(async () => platform.download('rehydrate-playground.sqlite', await exportBytes())),

    /** Opens a database file as a branch. Problems are shown beside the button. */
    async importDatabase(file: { readonly name: string; readonly size: number; bytes(): Promise<Uint8Array> }): Promise<void> {
      if (importing.value?.problem === null) return;
      const name = label(file.name, 'a file', 80);
      const shows = (problem: string | null) => (importing.value = { name, problem });
      await alone(async () => {
        try {
          shows(null);
          await page.opened;
          const problem = sizeProblem(file.size);
          if (problem) throw new Refused(problem);
          const { bytes, sessions } = await platform.readFile(await file.bytes());
          await branchOff(name, { parent: null, sessionId: null, agentSessionId: null, file: { name, sent: [] } }, bytes);
          const newest = session.list.value[0];
          if (newest) await navigation.chooseSession(newest.sessionId);
          notices.note.value = `The file is open as a copy${sessions > 0 ? ', showing its newest session' : '; it holds no session'}. Return to now brings back what was here.`;
          importing.value = null;
        } catch (error) {
          shows(errorWords(error));
        }
      });
    },

    async inventory() {
      const sql = 'SELECT (SELECT count(*) FROM acp_sessions) AS sessions, (SELECT count(*) FROM acp_session_events) AS events';
      const [row] = (await databases.database?.query(sql)) ?? [];
      return { stored: row ? { sessions: Number(row['sessions']), events: Number(row['events']) } : null, forks: visits.branches.length };
    },

    /** Deletes all that this page stores, in every tab, and reloads. A failed deletion does not stop the others, and is reported. */
    async reset(): Promise<void> {
      if (running) return;
      // Never settles, so that no other change starts after the reset.
      running = new Promise(() => undefined);
      const forks = visits.branches.map(({ name }) => name);
      const left = new Set<string>();
      const remove = (what: string, run: () => Promise<void>) =>
        run().catch((error: unknown) => void left.add(`${what}: ${errorWords(error)}`));
      platform.tabs.send({ type: 'reset' });
      // A failure here must not stop the deletions.
      await page.dispose().catch((error: unknown) => console.warn(error));
      await remove('the playground’s database', () => platform.deleteDatabase(null));
      for (const name of forks) await remove(`the fork ${name}`, () => platform.deleteDatabase(name));
      for (const name of platform.tabAgents.names)
        await remove('what the agents in the tab remember', () => platform.tabAgents.forget(name));
      platform.memory.clear();
      platform.address.write('');
      // Another tab may already have restarted with data that had not been deleted yet.
      platform.tabs.send({ type: 'reset' });
      if (left.size > 0) undeleted.value = [...left];
      else platform.reload();
    },
  };
}

/** “1”, “2” for forks; “ada.sqlite”, “ada.sqlite 2” for files. */
function freeName(kind: string, taken: readonly string[]): string {
  for (let number = 1; ; number++) {
    const name = kind === '' ? `${number}` : number === 1 ? kind : `${kind} ${number}`;
    if (!taken.includes(name)) return name;
  }
}
