/** Where the page is: scenario, agent, policy and session; what a link or an earlier visit says about that. */
import { signal } from '@preact/signals';
import type { ResumePolicy } from '../../src/engine/types.ts';
import { scenarioNamed, type Scenario } from '../scenarios/index.ts';
import { agentFor, agentNamed } from './agents.ts';
import { formatFragment, parseFragment, type Place } from './fragment.ts';
import {
  NO_MEMORY,
  placeKey,
  readMemory,
  writeMemory,
  type BranchMemory,
  type ForeignFile,
  type Memory,
  type StepProgress,
} from './memory.ts';
import { firstOpen } from './play.ts';
import type { Playground } from './store.ts';
import { EMPTY_VIEW } from './view.ts';

export class Places {
  readonly #pg: Playground;
  /** What an embedded playground shows, in place of the address. */
  readonly #fixed: Place | undefined;
  #memory: Memory = NO_MEMORY;
  /** What earlier visits left, while their database is not open. */
  #suspended: Memory | null = null;
  #move = 0;
  /** Scenario and agent are chosen, and their session is not shown yet. */
  readonly going = signal(false);

  constructor(pg: Playground, fixed: Place | undefined) {
    this.#pg = pg;
    this.#fixed = fixed;
  }

  /** Another number whenever the page goes to another place. What began at one place is not carried on at the next. */
  get move(): number {
    return this.#move;
  }
  /** Those of the other tabs, too. */
  get branches(): readonly BranchMemory[] {
    const { branches } = this.#memory;
    const others = readMemory(this.#pg.platform.memory.read()).branches;
    return [...branches, ...others.filter(({ name }) => !branches.some((mine) => mine.name === name))];
  }
  /** The branch of the last visit. */
  get branch(): string | null {
    return this.#memory.branch;
  }

  /** The file that the sessions of a branch come from; null where they were begun here. What is not remembered may be anybody's. */
  fileOf(branch: string | null): ForeignFile | null {
    if (branch === null) return null;
    const known = this.branches.find(({ name }) => name === branch);
    return known ? known.file : { name: 'a file', read: false, sent: [] };
  }

  /** This session of a file may go to agents behind the bridge: it was begun here, or the person has said so. */
  trust(sessionId: string): void {
    this.#changeFile(this.#pg.shelf.branch.value, (file) => ({ ...file, sent: [...file.sent, sessionId] }));
  }

  /** The branch’s rows are now rows of our own making. */
  wasRead(branch: string): void {
    this.#changeFile(branch, (file) => ({ ...file, read: true }));
  }

  #changeFile(branch: string | null, change: (file: ForeignFile) => ForeignFile): void {
    if (this.fileOf(branch) === null) return;
    this.remember(({ branches }) => ({
      branches: branches.map((one) => (one.name === branch && one.file ? { ...one, file: change(one.file) } : one)),
    }));
  }

  /** Reads what the last visit left, and shows as much of it as needs no database. */
  recall(): Place {
    const pg = this.#pg;
    this.#memory = readMemory(pg.platform.memory.read());
    const place = this.asked();
    const agents = pg.bridge.agents.value;
    pg.policy.value = this.#memory.policy;
    pg.scenario.value = scenarioNamed(place.scenario ?? this.#memory.scenario ?? undefined);
    pg.agent.value = (agentNamed(place.agent ?? this.#memory.agent, agents) ?? agentFor(pg.scenario.value, agents))?.key ?? '';
    return place;
  }

  /** What the address asks for. */
  asked(): Place {
    return this.#fixed ?? parseFragment(this.#pg.platform.address.read());
  }

  /** Where the page is, as a link tells it. */
  here(): Place {
    const { agent, play, scenario } = this.#pg;
    return { scenario: scenario.value.name, agent: agent.value, step: play.next.value };
  }

  /** This browser has had a session in the branch. */
  holds(branch: string | null): boolean {
    return Object.entries(this.#memory.places).some(
      ([key, place]) => place.sessionId !== null && key.startsWith(placeKey(branch, '', '').slice(0, -1)),
    );
  }

  /** Keeps what earlier visits left as it is, for the one that can open their database again. */
  suspend(): void {
    this.#suspended ??= this.#memory;
  }

  /** Their database is there again. */
  resume(): void {
    this.#memory = this.#suspended ?? this.#memory;
    this.#suspended = null;
  }

  chooseScenario(name: string): Promise<void> {
    const scenario = scenarioNamed(name);
    const agent = agentFor(scenario, this.#pg.bridge.agents.value);
    return this.#switchTo(scenario, agent?.key ?? this.#pg.agent.value);
  }

  chooseAgent(key: string): Promise<void> {
    return this.#switchTo(this.#pg.scenario.value, key);
  }

  choosePolicy(policy: ResumePolicy): void {
    this.#pg.policy.value = policy;
    this.remember(() => ({ policy }));
  }

  /** The scenario from its beginning, in a new session. */
  async startOver(): Promise<void> {
    await this.show(null, []);
    this.choosePolicy(this.#pg.scenario.value.policy);
  }

  async chooseSession(sessionId: string | null): Promise<void> {
    const { agent, bridge, sessions } = this.#pg;
    const info = sessions.value.find((session) => session.sessionId === sessionId);
    if (info && bridge.agents.value.some((one) => one.key === info.agent)) agent.value = info.agent;
    await this.show(sessionId, []);
  }

  /** Shows a place: its last session where this browser has one, else a fresh start. Gives the move that went there. */
  goTo(place: Place, from: 'start' | 'link'): Promise<number> {
    return this.#go((move) => this.#follow(place, from, move));
  }

  async #follow(place: Place, from: 'start' | 'link', move: number): Promise<void> {
    const pg = this.#pg;
    const agents = pg.bridge.agents.value;
    const scenario = scenarioNamed(place.scenario ?? this.#memory.scenario ?? undefined);
    const bridged = agents.find((agent) => agent.where === 'bridge');
    const named = agentNamed(place.agent, agents) ?? (place.scenario ? null : agentNamed(this.#memory.agent, agents));
    const fitting = agentFor(scenario, agents);
    // With nothing chosen yet, a bridged agent comes first.
    const agent = named ?? (place.scenario === undefined && fitting?.where !== 'bridge' ? (bridged ?? fitting) : fitting);
    pg.scenario.value = scenario;
    pg.agent.value = agent?.key ?? agents[0]?.key ?? '';
    const kept = this.#memory.places[this.#key()];
    const there = kept?.sessionId ? await pg.watch.has(kept.sessionId) : false;
    const wanted = place.step;
    const steps = kept ? firstOpen(kept.progress, scenario) : 0;
    if (kept && (there || kept.sessionId === null) && (wanted === undefined || wanted === steps || (from === 'start' && wanted <= steps))) {
      await this.#show(there ? kept.sessionId : null, kept.progress, move);
    } else {
      await this.#show(null, [], move);
    }
  }

  /** Shows a session, or the empty start of a new one. What was live sleeps. */
  async show(sessionId: string | null, progress: readonly StepProgress[]): Promise<void> {
    await this.#go((move) => this.#show(sessionId, progress, move));
  }

  async #show(sessionId: string | null, progress: readonly StepProgress[], move: number): Promise<void> {
    const pg = this.#pg;
    if (move !== this.#move) return;
    // A session that is still being created has no id to tell it by.
    if (sessionId !== pg.sessionId.value || pg.sending.value) {
      await pg.turns.leave();
      await pg.time.close();
      await pg.keeper.sleep();
      if (move !== this.#move) return;
      pg.keeper.dispatch({ type: 'host', status: 'awake' });
      pg.keeper.dispatch({ type: 'host', status: 'asleep' });
    }
    pg.problem.value = null;
    pg.note.value = null;
    pg.play.linkWaits.value = null;
    pg.sessionId.value = sessionId;
    // A step that was left while it ran has not been seen to end.
    pg.play.progress.value = progress.map((step) => (step.state === 'running' ? { ...step, state: 'waiting' } : step));
    pg.report.value = null;
    pg.watch.forget();
    pg.live.value = EMPTY_VIEW;
    this.rememberPlace();
    await pg.keeper.wake();
    await pg.watch.settle();
  }

  rememberPlace(): void {
    const { agent, play, scenario, sessionId } = this.#pg;
    const place = { [this.#key()]: { sessionId: sessionId.value, progress: play.progress.value } };
    this.remember(({ places }) => ({ scenario: scenario.value.name, agent: agent.value, places: { ...places, ...place } }));
    if (!this.#fixed) this.#pg.platform.address.write(formatFragment(this.here()));
  }

  /** Changes what this tab remembers, and the same in what the tabs keep together. */
  remember(change: (memory: Memory) => Partial<Memory>): void {
    const { memory } = this.#pg.platform;
    const changed = (before: Memory): Memory => ({ ...before, ...change(before) });
    this.#memory = changed(this.#memory);
    if (this.#suspended) return;
    const kept = memory.read();
    memory.write(writeMemory(kept === null ? this.#memory : changed(readMemory(kept))));
  }

  async #switchTo(scenario: Scenario, agent: string): Promise<void> {
    const pg = this.#pg;
    await pg.attempt(() =>
      this.#go(async (move) => {
        pg.scenario.value = scenario;
        pg.agent.value = agent;
        this.choosePolicy(scenario.policy);
        await pg.opened;
        const kept = this.#memory.places[this.#key()];
        const there = kept?.sessionId ? await pg.watch.has(kept.sessionId) : false;
        await this.#show(there ? kept!.sessionId : null, there ? kept!.progress : [], move);
      }),
    );
  }

  /** Goes to a place, unless another one is gone to meanwhile. */
  async #go(run: (move: number) => Promise<void>): Promise<number> {
    const move = ++this.#move;
    this.going.value = true;
    try {
      await run(move);
    } finally {
      if (move === this.#move) this.going.value = false;
    }
    return move;
  }

  #key(): string {
    return placeKey(this.#pg.shelf.branch.value, this.#pg.scenario.value.name, this.#pg.agent.value);
  }
}
