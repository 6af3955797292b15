/** A scenario in progress: what happens is told to its steps, and “Run step” does what a person would do. */
import { computed, effect, signal } from '@preact/signals';
import type { Step } from '../scenarios/types.ts';
import type { ResumePolicy } from '../../src/engine/types.ts';
import type { Agents } from './agents.ts';
import type { Editor } from './editor.ts';
import type { Faults } from './faults.ts';
import type { HostController } from './host-controller.ts';
import type { AgentStatus } from './machine.ts';
import type { Choice, Moves } from './moves.ts';
import type { Notices } from './notices.ts';
import { when } from './pace.ts';
import type { ShownSession } from './session.ts';
import type { Timeline } from './timeline.ts';
import { matches, observe, pressOf, WAITING, withStep, type Fact, type Press } from './steps.ts';
import type { Turns } from './turns.ts';
import { firstOpen, type StepProgress } from './visits.ts';
import { errorWords } from './words.ts';

export interface RunnerNeeds {
  readonly agents: Agents;
  readonly choice: Choice;
  readonly editor: Editor;
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

/** How long the wire may lag behind a prompt's own end before a status counts as different. */
const STATUS_MS = 3_000;

export class ScenarioRunner {
  readonly progress = signal<readonly StepProgress[]>([]);
  readonly running = signal(false);
  /** The first step that has not been passed; the number of steps when all have. */
  readonly next = computed(() => firstOpen(this.progress.value, this.#needs.choice.scenario.value.steps.length));
  readonly blocked = computed<string | null>(() => {
    const { choice, ready } = this.#needs;
    if (!ready.value || choice.scenario.value.agent !== 'own' || this.#where() === 'bridge') return null;
    return 'This scenario wants an agent of yours: connect a bridge, then choose it as the Agent.';
  });
  /** The next step has to wait: for one that runs, for a turn (unless it is about that turn), for the present. */
  readonly busy = computed<boolean>(() => {
    const { timeline, turns } = this.#needs;
    const step = this.#step;
    const waitsForTurn = step !== undefined && ('say' in step || step.do === 'create');
    return this.running.value || timeline.past.value !== null || (turns.sending.value && waitsForTurn);
  });
  /** What a person would press now, to do the next step by hand. */
  readonly press = computed<Press | null>(() => {
    const step = this.#step;
    return step === undefined || this.#needs.timeline.past.value !== null || this.blocked.value !== null ? null : pressOf(step);
  });
  /** The words of the next step, where it is a prompt. */
  readonly words = computed<string | null>(() => {
    const step = this.#step;
    return this.press.value !== null && step !== undefined && 'say' in step && !this.#needs.turns.sending.value ? step.say : null;
  });
  /** The words of the next step, where the editor says them. */
  readonly asks = computed<string | null>(() => {
    const step = this.#step;
    return this.press.value === 'ask' && step !== undefined && 'ask' in step ? step.ask : null;
  });
  readonly #needs: RunnerNeeds;
  #facts: Promise<void> = Promise.resolve();
  readonly #unfollow: () => void;

  constructor(needs: RunnerNeeds) {
    this.#needs = needs;
    let known: string | null = null;
    this.#unfollow = effect(() => {
      const { permission, prompt, report } = needs.session.live.value;
      if (permission && permission.requestId !== known && prompt !== null) void this.tell({ kind: 'asked', text: prompt, report });
      known = permission?.requestId ?? null;
    });
  }

  get #step(): Step | undefined {
    return this.#needs.choice.scenario.value.steps[this.next.value];
  }

  /** Something happened. Resolves when the steps say so. */
  tell(fact: Fact): Promise<void> {
    const { choice, moves } = this.#needs;
    const move = moves.now;
    this.#facts = this.#facts.then(async () => {
      const scenario = choice.scenario.value;
      const step = scenario.steps[this.next.value];
      if (move !== moves.now || step === undefined) return;
      const status = await this.#status(matches(step, fact) ? step.expect?.status : undefined);
      if (move === moves.now) this.#set(observe(scenario, this.progress.value, fact, status));
    });
    return this.#facts;
  }

  /** Does what a person would do by hand; what comes of it ticks the step. */
  async runNext(): Promise<void> {
    const { choice, moves, notices, opened } = this.#needs;
    const index = this.next.value;
    const scenario = choice.scenario.value;
    const step = scenario.steps[index];
    if (!step || this.running.value || this.blocked.value) return;
    let move = moves.now;
    this.running.value = true;
    notices.link.value = null;
    try {
      // It may be asked for while the page starts, or goes to the place whose step it is.
      await opened;
      await when(() => !moves.going.value);
      if (choice.scenario.value !== scenario) return;
      move = moves.now;
      this.#set(withStep(scenario, this.progress.value, index, { state: 'running', why: '' }));
      await this.#do(step);
      await this.#facts;
    } catch (error) {
      if (move === moves.now) this.#set(withStep(scenario, this.progress.value, index, { state: 'failed', why: errorWords(error) }));
    } finally {
      this.running.value = false;
    }
    // Nothing that happened was what the step is about: it stays to be done.
    if (move === moves.now && this.progress.value[index]?.state === 'running')
      this.#set(withStep(scenario, this.progress.value, index, WAITING));
  }

  skipNext(): void {
    this.#set(withStep(this.#needs.choice.scenario.value, this.progress.value, this.next.value, { state: 'skipped', why: '' }));
  }

  stop(): void {
    this.#unfollow();
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

  #set(progress: readonly StepProgress[]): void {
    if (progress === this.progress.value) return;
    this.progress.value = progress;
    this.#needs.onChange();
  }

  async #do(step: Step): Promise<void> {
    const { choosePolicy, editor, faults, host, session, turns } = this.#needs;
    if ('say' in step) {
      const turn = turns.say(step.say);
      await (step.until === 'permission' ? Promise.race([turn, when(() => session.live.value.permission !== null)]) : turn);
      return;
    }
    switch (step.do) {
      case 'answer': {
        const open = session.live.value.permission;
        if (!open) throw new Error('No question is open. Run the step before this one.');
        await turns.answer(open.requestId, open.options.find((one) => one.kind.startsWith(step.answer))?.optionId ?? null);
        return when(() => !turns.sending.value);
      }
      case 'create':
        return turns.createSession();
      case 'policy':
        return choosePolicy(step.policy);
      case 'editor':
        return step.ask === null ? editor.open() : editor.ask(step.ask);
      case 'arm-crash':
        return host.crashArmed.value ? this.tell({ kind: 'arm-crash' }) : faults.toggleCrash();
      case 'forget-store':
        return faults.forgetStore();
      default:
        return faults[step.do]();
    }
  }

  /** The agent's status, after giving it a moment to become the wanted one. */
  async #status(wanted?: AgentStatus): Promise<AgentStatus> {
    const { machine } = this.#needs.host;
    if (wanted) await Promise.race([when(() => machine.value.agent === wanted), new Promise((resolve) => setTimeout(resolve, STATUS_MS))]);
    return machine.value.agent;
  }
}
