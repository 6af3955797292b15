/** Where the page is: scenario, agent, policy and session; what a link or an earlier visit says about that. */
import type { ResumePolicy } from '../../src/engine/types.ts';
import { scenarioNamed, type Scenario } from '../scenarios/index.ts';
import { agentFor, agentNamed } from './agents.ts';
import { formatFragment, parseFragment, type Place } from './fragment.ts';
import { NO_MEMORY, placeKey, readMemory, writeMemory, type BranchMemory, type Memory, type StepProgress } from './memory.ts';
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

  constructor(pg: Playground, fixed: Place | undefined) {
    this.#pg = pg;
    this.#fixed = fixed;
  }

  get branches(): readonly BranchMemory[] {
    return this.#memory.branches;
  }
  /** The branch of the last visit. */
  get branch(): string | null {
    return this.#memory.branch;
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
    return Object.entries(this.#memory.places).some(([key, place]) => place.sessionId !== null && key.startsWith(placeKey(branch, '', '').slice(0, -1)));
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
    this.remember({ policy });
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

  /** Shows a place: its last session where this browser has one, else a fresh start. */
  async goTo(place: Place, from: 'start' | 'link'): Promise<void> {
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
      await this.show(there ? kept.sessionId : null, kept.progress);
    } else {
      await this.show(null, []);
    }
  }

  /** Shows a session, or the empty start of a new one. What was live sleeps. */
  async show(sessionId: string | null, progress: readonly StepProgress[]): Promise<void> {
    const pg = this.#pg;
    if (sessionId !== pg.sessionId.value) {
      await pg.time.close();
      await pg.keeper.sleep();
      pg.keeper.dispatch({ type: 'host', status: 'awake' });
      pg.keeper.dispatch({ type: 'host', status: 'asleep' });
    }
    pg.problem.value = null;
    pg.note.value = null;
    pg.play.linkWaits.value = null;
    pg.sessionId.value = sessionId;
    pg.play.progress.value = progress;
    pg.report.value = null;
    pg.watch.forget();
    pg.live.value = EMPTY_VIEW;
    this.rememberPlace();
    await pg.keeper.wake();
    await pg.watch.settle();
  }

  rememberPlace(): void {
    const { agent, play, scenario, sessionId } = this.#pg;
    const places = { ...this.#memory.places, [this.#key()]: { sessionId: sessionId.value, progress: play.progress.value } };
    this.remember({ scenario: scenario.value.name, agent: agent.value, places });
    if (!this.#fixed) this.#pg.platform.address.write(formatFragment(this.here()));
  }

  remember(part: Partial<Memory>): void {
    this.#memory = { ...this.#memory, ...part };
    if (!this.#suspended) this.#pg.platform.memory.write(writeMemory(this.#memory));
  }

  async #switchTo(scenario: Scenario, agent: string): Promise<void> {
    const pg = this.#pg;
    await pg.attempt(async () => {
      pg.scenario.value = scenario;
      pg.agent.value = agent;
      this.choosePolicy(scenario.policy);
      await pg.opened;
      const kept = this.#memory.places[this.#key()];
      const there = kept?.sessionId ? await pg.watch.has(kept.sessionId) : false;
      await this.show(there ? kept!.sessionId : null, there ? kept!.progress : []);
    });
  }

  #key(): string {
    return placeKey(this.#pg.shelf.branch.value, this.#pg.scenario.value.name, this.#pg.agent.value);
  }
}
