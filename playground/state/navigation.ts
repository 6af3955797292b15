/** Where the page is: scenario, agent, policy and session; what a link or an earlier visit says about that. */
import type { ProtocolChoice, ResumePolicy } from '../../src/engine/types.ts';
import type { Platform } from '../platform/index.ts';
import { SCENARIOS, scenarioNamed, type Scenario } from '../scenarios/index.ts';
import { agentFor, agentNamed, type Agents } from './agents.ts';
import type { DatabaseSession } from './database-session.ts';
import type { HostController } from './host-controller.ts';
import { formatFragment, parseFragment, type Place } from './link.ts';
import type { Choice, Moves } from './moves.ts';
import type { Notices } from './notices.ts';
import type { ScenarioRunner } from './scenario.ts';
import type { ShownSession } from './session.ts';
import type { Stage } from './stage.ts';
import type { Timeline } from './timeline.ts';
import type { Turns } from './turns.ts';
import { firstOpen, placeKey, type PlaceMemory, type StepProgress, type Visits } from './visits.ts';

export interface NavigationNeeds {
  readonly address: Platform['address'];
  readonly agents: Agents;
  readonly choice: Choice;
  readonly databases: DatabaseSession;
  readonly host: HostController;
  readonly moves: Moves;
  readonly notices: Notices;
  readonly opened: Promise<void>;
  readonly runner: ScenarioRunner;
  readonly session: ShownSession;
  readonly stage: Stage;
  readonly timeline: Timeline;
  readonly turns: Turns;
  readonly visits: Visits;
  /** What an embedded playground shows, in place of the address. */
  readonly fixed?: Place | undefined;
}

export class Navigation {
  readonly #needs: NavigationNeeds;

  constructor(needs: NavigationNeeds) {
    this.#needs = needs;
  }

  /** Reads what the last visit left, and shows as much of it as needs no database. */
  recall(): Place {
    const { agents, choice, visits } = this.#needs;
    visits.recall();
    const place = this.asked();
    choice.policy.value = visits.last.policy;
    const scenario = scenarioNamed(place.scenario ?? visits.last.scenario ?? undefined);
    const agent = agentNamed(place.agent ?? visits.last.agent, agents.list.value) ?? agentFor(scenario, agents.list.value);
    this.#take(scenario, agent?.key ?? '', true);
    return place;
  }

  /** What the address asks for. */
  asked(): Place {
    return this.#needs.fixed ?? parseFragment(this.#needs.address.read());
  }

  /** Where the page is, as a link tells it. */
  here(): Place {
    const { choice, runner } = this.#needs;
    return { scenario: choice.scenario.value.name, agent: choice.agent.value, step: runner.next.value };
  }

  chooseScenario(name: string): Promise<void> {
    const { agents, choice } = this.#needs;
    const scenario = scenarioNamed(name);
    return this.#switchTo(scenario, agentFor(scenario, agents.list.value)?.key ?? choice.agent.value);
  }

  chooseAgent(key: string): Promise<void> {
    return this.#switchTo(this.#needs.choice.scenario.value, key);
  }

  choosePolicy(policy: ResumePolicy): void {
    this.#needs.choice.policy.value = policy;
    this.#needs.visits.remember(() => ({ policy }));
    void this.#needs.runner.tell({ kind: 'policy', policy });
  }

  /** Agents are started anew for it: one that runs speaks what it was started with. */
  async chooseProtocol(protocol: ProtocolChoice): Promise<void> {
    const { choice, host, notices } = this.#needs;
    choice.protocol.value = protocol;
    await notices.attempt(async () => {
      await host.sleep();
      await host.wake();
    });
  }

  /** The scenario from its beginning, in a new session. */
  async startOver(): Promise<void> {
    await this.show(null, []);
    this.choosePolicy(this.#needs.choice.scenario.value.policy);
  }

  async chooseSession(sessionId: string | null): Promise<void> {
    const { agents, choice, session } = this.#needs;
    const info = session.list.value.find((one) => one.sessionId === sessionId);
    if (info && agents.named(info.agent)) choice.agent.value = info.agent;
    await this.show(sessionId, []);
  }

  /** Shows a place: its last session where this browser has one, else a fresh start. Gives the move that went there. */
  goTo(place: Place, from: 'start' | 'link'): Promise<number> {
    return this.#needs.moves.go((move) => this.#follow(place, from, move));
  }

  /** Scenario and agent, and what comes with another scenario. */
  #take(scenario: Scenario, agent: string, isFirst = false): void {
    const { choice, stage } = this.#needs;
    if (isFirst || scenario !== choice.scenario.value) {
      stage.follow(scenario.look);
      choice.protocol.value = scenario.protocol;
    }
    choice.scenario.value = scenario;
    choice.agent.value = agent;
  }

  async #follow(place: Place, from: 'start' | 'link', move: number): Promise<void> {
    const { agents, choice, moves, notices, visits } = this.#needs;
    const list = agents.list.value;
    const scenario = scenarioNamed(place.scenario ?? visits.last.scenario ?? undefined);
    const asked = agentNamed(place.agent, list);
    const named = asked ?? (place.scenario ? null : agentNamed(visits.last.agent, list));
    const fitting = agentFor(scenario, list);
    // With nothing chosen yet, a bridged agent comes first.
    const bridged = list.find((agent) => agent.where === 'bridge');
    const agent = named ?? (place.scenario === undefined && fitting?.where !== 'bridge' ? (bridged ?? fitting) : fitting);
    this.#take(scenario, agent?.key ?? list[0]?.key ?? '');
    const { kept, there } = await this.#remembered();
    const wanted = place.step;
    const steps = kept ? firstOpen(kept.progress, scenario.steps.length) : 0;
    if (kept && (there || kept.sessionId === null) && (wanted === undefined || wanted === steps || (from === 'start' && wanted <= steps))) {
      await this.#show(there ? kept.sessionId : null, kept.progress, move);
    } else {
      await this.#show(null, [], move);
    }
    if (move === moves.now) notices.addLink(linkProblem(place, scenario, asked !== null, choice.agent.value));
  }

  /** Shows a session, or the empty start of a new one. What was live sleeps. */
  async show(sessionId: string | null, progress: readonly StepProgress[]): Promise<void> {
    await this.#needs.moves.go((move) => this.#show(sessionId, progress, move));
  }

  async #show(sessionId: string | null, progress: readonly StepProgress[], move: number): Promise<void> {
    const { host, moves, notices, runner, session, timeline, turns } = this.#needs;
    if (move !== moves.now) return;
    // A session that is still being created has no id to tell it by.
    if (sessionId !== session.id.value || turns.sending.value) {
      await turns.leave();
      await timeline.close();
      await host.sleep();
      if (move !== moves.now) return;
      host.dispatch({ type: 'host', status: 'awake' });
      host.dispatch({ type: 'host', status: 'asleep' });
    }
    notices.clear();
    // A step that was left while it ran has not been seen to end.
    runner.progress.value = progress.map((step) => (step.state === 'running' ? { ...step, state: 'waiting' } : step));
    session.choose(sessionId);
    this.rememberPlace();
    await host.wake();
    await session.settle();
  }

  rememberPlace(): void {
    const { address, choice, fixed, runner, session, visits } = this.#needs;
    const place = { [this.#key()]: { sessionId: session.id.value, progress: runner.progress.value } };
    visits.remember(({ places }) => ({
      scenario: choice.scenario.value.name,
      agent: choice.agent.value,
      places: { ...places, ...place },
    }));
    if (!fixed) address.write(formatFragment(this.here()));
  }

  async #switchTo(scenario: Scenario, agent: string): Promise<void> {
    const { moves, notices, opened } = this.#needs;
    await notices.attempt(() =>
      moves.go(async (move) => {
        this.#take(scenario, agent);
        this.choosePolicy(scenario.policy);
        await opened;
        const { kept, there } = await this.#remembered();
        await this.#show(there ? kept!.sessionId : null, there ? kept!.progress : [], move);
      }),
    );
  }

  /** What an earlier visit left at the place that is chosen, and whether its session is still there. */
  async #remembered(): Promise<{ readonly kept: PlaceMemory | undefined; readonly there: boolean }> {
    const { session, visits } = this.#needs;
    const kept = visits.last.places[this.#key()];
    return { kept, there: kept?.sessionId ? await session.has(kept.sessionId) : false };
  }

  #key(): string {
    const { choice, databases } = this.#needs;
    return placeKey(databases.branch.value, choice.scenario.value.name, choice.agent.value);
  }
}

/** What of a link could not be followed, and what is shown instead. */
export function linkProblem(place: Place, scenario: Scenario, hasAgent: boolean, agent: string): string | null {
  const problems = place.problem === undefined ? [] : [place.problem];
  if (place.scenario !== undefined && !SCENARIOS.some(({ name }) => name === place.scenario))
    problems.push(`This link is to the scenario “${place.scenario}”, which this page does not have: “${scenario.title}” is shown instead.`);
  if (place.agent !== undefined && !hasAgent)
    problems.push(`This link is for the agent “${place.agent}”, which is not here: ${agent === '' ? 'none' : agent} is chosen instead.`);
  return problems.length > 0 ? problems.join(' ') : null;
}
