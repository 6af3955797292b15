/** A scenario in progress: which steps ran, how they went, and what runs the next. */
import { computed, signal } from '@preact/signals';
import type { Fault, Scenario } from '../scenarios/index.ts';
import type { StepProgress } from './memory.ts';
import { runStep, type Stage } from './runner.ts';
import type { Playground } from './store.ts';
import { errorWords } from './words.ts';

const WAITING: StepProgress = { state: 'waiting', why: '' };
/** How long the wire may lag behind a prompt's own end before a status counts as different. */
const STATUS_MS = 3_000;

export class Play {
  readonly progress = signal<readonly StepProgress[]>([]);
  readonly running = signal(false);
  /** Why nothing was run by a link, for people. */
  readonly linkWaits = signal<string | null>(null);
  /** The first step that has not been passed; the number of steps when all have. */
  readonly next = computed(() => firstOpen(this.progress.value, this.#pg.scenario.value));
  readonly blocked = computed<string | null>(() => {
    const pg = this.#pg;
    if (!pg.ready.value || pg.scenario.value.agent !== 'own' || pg.chosen.value?.where === 'bridge') return null;
    return 'This scenario wants an agent of yours: connect a bridge, then choose it as the Agent.';
  });
  /** The next step has to wait: for one that runs, for a turn (unless it is about that turn), for the present. */
  readonly busy = computed<boolean>(() => {
    const pg = this.#pg;
    const step = pg.scenario.value.steps[this.next.value];
    const waitsForTurn = step !== undefined && ('say' in step || step.do === 'create');
    return this.running.value || pg.inPast.value || (pg.sending.value && waitsForTurn);
  });
  readonly #pg: Playground;
  readonly #onChange: () => void;

  constructor(pg: Playground, onChange: () => void) {
    this.#pg = pg;
    this.#onChange = onChange;
  }

  async runNext(): Promise<void> {
    const pg = this.#pg;
    const index = this.next.value;
    const scenario = pg.scenario.value;
    const step = scenario.steps[index];
    if (!step || this.running.value || this.blocked.value) return;
    let { move } = pg.places;
    const came = (progress: StepProgress) => {
      if (move === pg.places.move) this.#set(index, progress);
    };
    this.running.value = true;
    this.linkWaits.value = null;
    try {
      // It may be asked for while the page starts, or goes to the place whose step it is.
      await pg.opened;
      await when(() => !pg.places.going.value);
      if (pg.scenario.value !== scenario) return;
      move = pg.places.move;
      this.#set(index, { state: 'running', why: '' });
      const result = await runStep(step, this.#stage());
      came(result.ok ? { state: 'done', why: '' } : { state: 'differs', why: result.why });
    } catch (error) {
      came({ state: 'differs', why: errorWords(error) });
    } finally {
      this.running.value = false;
    }
  }

  skipNext(): void {
    this.#set(this.next.value, { state: 'skipped', why: '' });
  }

  /** Runs the steps a link stands behind, at the place it led to. For agents in the tab only: nothing is sent to a bridge by a link. */
  async runLinked(step: number | undefined, move: number): Promise<void> {
    const pg = this.#pg;
    await when(() => !this.running.value && !pg.sending.value);
    if (move !== pg.places.move) return;
    const wanted = Math.min(step ?? 0, pg.scenario.value.steps.length);
    if (wanted === 0 || this.next.value >= wanted || pg.sessionId.value !== null) return;
    if (pg.chosen.value?.where !== 'tab') {
      this.linkWaits.value = `This link stands at step ${wanted} of the scenario. The agent is behind your bridge, so nothing is sent by itself: run the steps when you want to.`;
      return;
    }
    for (
      let before = -1;
      before < this.next.value && this.next.value < wanted && move === pg.places.move && pg.chosen.value?.where === 'tab';
    ) {
      before = this.next.value;
      await this.runNext();
    }
  }

  #set(index: number, progress: StepProgress): void {
    const steps = this.#pg.scenario.value.steps.map((_, at) => this.progress.value[at] ?? WAITING);
    steps[index] = progress;
    this.progress.value = steps;
    this.#onChange();
  }

  #stage(): Stage {
    const pg = this.#pg;
    return {
      say: async (text, until) => {
        const turn = pg.turns.say(text);
        if (until === 'turn-end') return turn;
        const asked = when(() => pg.live.value.permission !== null);
        const first = await Promise.race([turn, asked.then(() => null)]);
        return first ?? { report: pg.live.value.report, reply: '', error: null };
      },
      fault: (fault) => this.#fault(fault),
      answer: async (answer) => {
        const open = pg.live.value.permission;
        if (!open) throw new Error('No question is open. Run the step before this one.');
        const option = open.options.find((one) => one.kind.startsWith(answer));
        await pg.turns.answer(open.requestId, option?.optionId ?? null);
        await when(() => !pg.sending.value);
      },
      create: () => pg.turns.createSession(),
      policy: (policy) => pg.places.choosePolicy(policy),
      status: async (wanted) => {
        if (wanted)
          await Promise.race([
            when(() => pg.keeper.machine.value.agent === wanted),
            new Promise((resolve) => setTimeout(resolve, STATUS_MS)),
          ]);
        return pg.keeper.machine.value.agent;
      },
    };
  }

  #fault(fault: Fault): Promise<void> {
    const pg = this.#pg;
    switch (fault) {
      case 'sleep':
        return pg.breaking.sleep();
      case 'wake':
        return pg.breaking.wake();
      case 'kill':
        return pg.breaking.kill();
      case 'drop':
        return pg.breaking.drop();
      case 'forget-store':
        return pg.breaking.forgetStore();
      case 'arm-crash':
        pg.keeper.crashArmed.value = true;
        return Promise.resolve();
    }
  }
}

/** The first step that has not been passed. */
export function firstOpen(progress: readonly StepProgress[], scenario: Scenario): number {
  const at = progress.findIndex((step) => step.state !== 'done' && step.state !== 'skipped');
  return Math.min(at < 0 ? progress.length : at, scenario.steps.length);
}

/** Resolves when the condition holds; conditions read signals. */
export function when(condition: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = computed(condition).subscribe((holds) => {
    if (holds) resolve();
  });
  return promise.finally(stop);
}
