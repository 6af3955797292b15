/** A scenario in progress: which steps ran, how they went, what runs the next, and whether what came is what was to come. */
import { computed, signal } from '@preact/signals';
import type { Expectation, Fault, Scenario, Step } from '../scenarios/types.ts';
import type { ResumePolicy } from '../../src/engine/types.ts';
import type { Agents } from './agents.ts';
import type { Faults } from './faults.ts';
import type { HostController } from './host-controller.ts';
import type { AgentStatus } from './machine.ts';
import type { Choice, Moves } from './moves.ts';
import type { Notices } from './notices.ts';
import { when } from './pace.ts';
import type { ShownSession } from './session.ts';
import type { Timeline } from './timeline.ts';
import type { SayResult, Turns } from './turns.ts';
import type { StepProgress } from './visits.ts';
import { errorWords } from './words.ts';

export interface RunnerNeeds {
  readonly agents: Agents;
  readonly choice: Choice;
  readonly faults: Faults;
  readonly host: HostController;
  readonly moves: Moves;
  readonly notices: Notices;
  readonly session: ShownSession;
  readonly timeline: Timeline;
  readonly turns: Turns;
  /** Resolves when the page has started; `ready` says whether it has. */
  readonly opened: Promise<void>;
  readonly ready: { readonly value: boolean };
  readonly choosePolicy: (policy: ResumePolicy) => void;
  readonly onChange: () => void;
}

const WAITING: StepProgress = { state: 'waiting', why: '' };
/** How long the wire may lag behind a prompt's own end before a status counts as different. */
const STATUS_MS = 3_000;

export class ScenarioRunner {
  readonly progress = signal<readonly StepProgress[]>([]);
  readonly running = signal(false);
  /** The first step that has not been passed; the number of steps when all have. */
  readonly next = computed(() => firstOpen(this.progress.value, this.#needs.choice.scenario.value));
  readonly blocked = computed<string | null>(() => {
    const { choice, ready } = this.#needs;
    if (!ready.value || choice.scenario.value.agent !== 'own' || this.#where() === 'bridge') return null;
    return 'This scenario wants an agent of yours: connect a bridge, then choose it as the Agent.';
  });
  /** The next step has to wait: for one that runs, for a turn (unless it is about that turn), for the present. */
  readonly busy = computed<boolean>(() => {
    const { choice, timeline, turns } = this.#needs;
    const step = choice.scenario.value.steps[this.next.value];
    const waitsForTurn = step !== undefined && ('say' in step || step.do === 'create');
    return this.running.value || timeline.past.value !== null || (turns.sending.value && waitsForTurn);
  });
  readonly #needs: RunnerNeeds;

  constructor(needs: RunnerNeeds) {
    this.#needs = needs;
  }

  async runNext(): Promise<void> {
    const { choice, moves, notices, opened } = this.#needs;
    const index = this.next.value;
    const scenario = choice.scenario.value;
    const step = scenario.steps[index];
    if (!step || this.running.value || this.blocked.value) return;
    let move = moves.now;
    const came = (progress: StepProgress) => {
      if (move === moves.now) this.#set(index, progress);
    };
    this.running.value = true;
    notices.link.value = null;
    try {
      // It may be asked for while the page starts, or goes to the place whose step it is.
      await opened;
      await when(() => !moves.going.value);
      if (choice.scenario.value !== scenario) return;
      move = moves.now;
      this.#set(index, { state: 'running', why: '' });
      const why = await this.#run(step);
      came(why === null ? { state: 'done', why: '' } : { state: 'differs', why });
    } catch (error) {
      came({ state: 'differs', why: errorWords(error) });
    } finally {
      this.running.value = false;
    }
  }

  skipNext(): void {
    this.#set(this.next.value, { state: 'skipped', why: '' });
  }

  /** Runs the steps a link stands after, at the place it led to. For agents in the tab only: nothing is sent to a bridge by a link. */
  async runLinked(step: number | undefined, move: number): Promise<void> {
    const { choice, moves, notices, session, turns } = this.#needs;
    await when(() => !this.running.value && !turns.sending.value);
    if (move !== moves.now) return;
    const wanted = Math.min(step ?? 0, choice.scenario.value.steps.length);
    if (wanted === 0 || this.next.value >= wanted || session.id.value !== null) return;
    if (this.#where() !== 'tab') {
      notices.addLink(
        `This link stands at step ${wanted} of the scenario. The agent is behind your bridge, so nothing is sent by itself: run the steps when you want to.`,
      );
      return;
    }
    for (let before = -1; before < this.next.value && this.next.value < wanted && move === moves.now && this.#where() === 'tab';) {
      before = this.next.value;
      await this.runNext();
    }
  }

  #where(): 'tab' | 'bridge' | undefined {
    return this.#needs.agents.named(this.#needs.choice.agent.value)?.where;
  }

  #set(index: number, progress: StepProgress): void {
    const steps = this.#needs.choice.scenario.value.steps.map((_, at) => this.progress.value[at] ?? WAITING);
    steps[index] = progress;
    this.progress.value = steps;
    this.#needs.onChange();
  }

  /** Does what the step says, and compares. Why it differs, or null. */
  async #run(step: Step): Promise<string | null> {
    let said: SayResult | null = null;
    if ('say' in step) said = await this.#say(step.say, step.until ?? 'turn-end');
    else if (step.do === 'answer') await this.#answer(step.answer);
    else if (step.do === 'create') await this.#needs.turns.createSession();
    else if (step.do === 'policy') this.#needs.choosePolicy(step.policy);
    else await this.#fault(step.do);
    return judge(step.expect ?? {}, said, await this.#status(step.expect?.status));
  }

  async #say(text: string, until: 'turn-end' | 'permission'): Promise<SayResult> {
    const { session, turns } = this.#needs;
    const turn = turns.say(text);
    if (until === 'turn-end') return turn;
    const asked = when(() => session.live.value.permission !== null);
    const first = await Promise.race([turn, asked.then(() => null)]);
    return first ?? { report: session.live.value.report, reply: '', error: null, stored: true };
  }

  async #answer(answer: 'allow' | 'reject'): Promise<void> {
    const { session, turns } = this.#needs;
    const open = session.live.value.permission;
    if (!open) throw new Error('No question is open. Run the step before this one.');
    const option = open.options.find((one) => one.kind.startsWith(answer));
    await turns.answer(open.requestId, option?.optionId ?? null);
    await when(() => !turns.sending.value);
  }

  #fault(fault: Fault): Promise<void> {
    const { faults, host } = this.#needs;
    switch (fault) {
      case 'sleep':
      case 'wake':
      case 'kill':
      case 'drop':
        return faults[fault]();
      case 'forget-store':
        return faults.forgetStore();
      case 'arm-crash':
        host.crashArmed.value = true;
        return Promise.resolve();
    }
  }

  /** The agent's status, after giving it a moment to become the wanted one. */
  async #status(wanted?: AgentStatus): Promise<AgentStatus> {
    const { machine } = this.#needs.host;
    if (wanted) await Promise.race([when(() => machine.value.agent === wanted), new Promise((resolve) => setTimeout(resolve, STATUS_MS))]);
    return machine.value.agent;
  }
}

/** The first step that has not been passed. */
export function firstOpen(progress: readonly StepProgress[], scenario: Scenario): number {
  const at = progress.findIndex((step) => step.state !== 'done' && step.state !== 'skipped');
  return Math.min(at < 0 ? progress.length : at, scenario.steps.length);
}

/** What was expected against what came: why it differs, or null. Pure. */
export function judge(expect: Expectation, said: Omit<SayResult, 'stored'> | null, status: AgentStatus): string | null {
  if (said) {
    const wanted: readonly string[] = expect.error === undefined ? [] : typeof expect.error === 'string' ? [expect.error] : expect.error;
    if (said.error && !wanted.includes(said.error.code)) return said.error.message;
    if (!said.error && wanted.length > 0) return `It was to fail with ${wanted.join(' or ')}, and did not.`;
    if (expect.tier && said.report?.tier !== expect.tier) return `The tier was to be ${expect.tier} and is ${said.report?.tier ?? 'none'}.`;
    if (expect.verified && said.report?.verified !== expect.verified)
      return `The check was to say ${expect.verified} and says ${said.report?.verified ?? 'nothing'}.`;
    if (expect.reply && !said.reply.toLowerCase().includes(expect.reply.toLowerCase()))
      return `The answer was to name “${expect.reply}” and does not.`;
  }
  if (expect.status && status !== expect.status) return `The agent was to be ${expect.status} and is ${status}.`;
  return null;
}

const FAULT_WORDS: Readonly<Record<Fault, string>> = {
  sleep: 'Press Sleep',
  wake: 'Press Wake',
  kill: 'Kill the agent',
  drop: 'Drop the connection',
  'forget-store': 'Delete the agent’s store',
  'arm-crash': 'Arm a crash mid-turn',
};

/** What a step does, as shown on its row. */
export function stepWords(step: Step): string {
  if ('say' in step) return `Say “${step.say}”`;
  switch (step.do) {
    case 'answer':
      return step.answer === 'allow' ? 'Allow it' : 'Reject it';
    case 'create':
      return 'Create the session';
    case 'policy':
      return `Set the policy to ${step.policy}`;
    default:
      return FAULT_WORDS[step.do];
  }
}
