/**
 * A scenario in progress. What happens on the page is told to its steps: they are ticked by what really happened, whoever did it.
 * “Run step” does what a person would do.
 */
import { computed, effect, signal } from '@preact/signals';
import type { Expectation, Fact, Fault, Scenario, Step } from '../scenarios/types.ts';
import type { Editor } from './editor.ts';
import type { AgentStatus } from './machine.ts';
import type { Navigation } from './navigation.ts';
import { when } from './pace.ts';
import type { Page } from './page.ts';
import { newestReport } from './session.ts';
import type { Faults, Turns } from './turns.ts';
import { firstOpen, type StepProgress } from './visits.ts';
import { errorWords } from './words.ts';

const WAITING: StepProgress = { state: 'waiting', why: '' };
const DONE: StepProgress = { state: 'done', why: '' };

/** The progress with some of its steps changed; one that was not there yet waits. */
const withSteps = (
  { steps }: Scenario,
  progress: readonly StepProgress[],
  change: (index: number) => StepProgress | undefined,
): readonly StepProgress[] => steps.map((_, at) => change(at) ?? progress[at] ?? WAITING);

/** A prompt as it counts for a step: its words, however they are spelt. */
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** The fact is that somebody did what the step says. */
function matches(step: Step, fact: Fact): boolean {
  if ('say' in step) return fact.kind === (step.until === 'permission' ? 'asked' : 'said') && plain(fact.text) === plain(step.say);
  switch (step.do) {
    case 'answer':
      return fact.kind === 'answered' && fact.answer === step.answer;
    case 'create':
      return fact.kind === 'created';
    case 'policy':
      return fact.kind === 'policy' && fact.policy === step.policy;
    case 'editor':
      if (step.ask === null) return fact.kind === 'opened';
      return fact.kind === 'asked in the editor' && plain(fact.text) === plain(step.ask);
    default:
      return fact.kind === step.do;
  }
}

/**
 * What a fact does to the steps. The next step is ticked when it was done, with a word on what came out otherwise. A later
 * prompt that came out as its step says passes what stands before it: there is more than one way to lose an agent.
 */
export function observe(scenario: Scenario, progress: readonly StepProgress[], fact: Fact, status: AgentStatus): readonly StepProgress[] {
  const { steps } = scenario;
  const next = firstOpen(progress, steps.length);
  const step = steps[next];
  if (step === undefined) return progress;
  if (matches(step, fact)) {
    const { expect = {} } = step;
    const why = judge(expect, fact, status);
    if (why === null) return withSteps(scenario, progress, (at) => (at === next ? DONE : undefined));
    const failed = 'error' in fact && fact.error !== null;
    const fault = !failed && stillLive(expect, fact) ? steps.findLastIndex((one, at) => at < next && isFault(one)) : -1;
    const outcome: StepProgress =
      fault < 0
        ? { state: failed ? 'failed' : 'differs', why }
        : { ...WAITING, why: `The agent was still live. Do step ${fault + 1} again first.` };
    return withSteps(scenario, progress, (at) => (at === next ? outcome : at === fault ? WAITING : undefined));
  }
  if (fact.kind !== 'said') return progress;
  const ahead = steps.findIndex((one, at) => at > next && matches(one, fact) && judge(one.expect ?? {}, fact, status) === null);
  if (ahead < 0) return progress;
  return withSteps(scenario, progress, (at) =>
    at === ahead ? DONE : at >= next && at < ahead ? { state: 'skipped', why: '' } : undefined,
  );
}

const isFault = (step: Step): boolean => 'do' in step && step.do in FAULT_NAMES;

/** The step is about a way back, or a loss, and the agent had not been lost. */
function stillLive({ tier, error }: Expectation, fact: Fact): boolean {
  const away = error !== undefined || (tier !== undefined && tier !== 'new' && tier !== 'live');
  return away && 'report' in fact && fact.report?.tier === 'live';
}

/** What was expected against what came: why it differs, or null. */
export function judge(expect: Expectation, fact: Fact, status: AgentStatus): string | null {
  if ('report' in fact) {
    const { report } = fact;
    const error = 'error' in fact ? fact.error : null;
    const wanted: readonly string[] = [expect.error ?? []].flat();
    if (error && !wanted.includes(error.code)) return error.message;
    if (!error && wanted.length > 0) return `It was to fail with ${wanted.join(' or ')}, and did not.`;
    // A session that is live already was new before.
    if (expect.tier && report?.tier !== expect.tier && !(expect.tier === 'new' && report?.tier === 'live'))
      return `The session came back by ${report?.tier ?? 'nothing'}, not by ${expect.tier}.`;
    if (expect.verified && report?.verified !== expect.verified)
      return `The check was to say ${expect.verified} and says ${report?.verified ?? 'nothing'}.`;
    if (expect.reply && 'reply' in fact && !fact.reply.toLowerCase().includes(expect.reply.toLowerCase()))
      return `The answer was to name “${expect.reply}” and does not.`;
  }
  return expect.status && status !== expect.status ? `The agent was to be ${expect.status} and is ${status}.` : null;
}

/** The name of the control for each fault, as its button says it. */
export const FAULT_NAMES: Readonly<Record<Fault, string>> = {
  sleep: 'Sleep',
  wake: 'Wake',
  kill: 'Kill agent',
  drop: 'Drop connection',
  'forget-store': 'Delete agent store',
  'arm-crash': 'Crash mid-turn',
};

/** The control that a step is done with. */
export type Press = 'send' | 'allow' | 'reject' | 'create' | 'policy' | 'open' | 'ask' | Fault;

/** What a step is done with, and what it says on its row. */
export function doing(step: Step): { readonly press: Press; readonly words: string } {
  if ('say' in step) return { press: 'send', words: `Say “${step.say}”` };
  switch (step.do) {
    case 'answer':
      return { press: step.answer, words: step.answer === 'allow' ? 'Press Allow' : 'Press Reject' };
    case 'create':
      return { press: 'create', words: 'Create the session' };
    case 'policy':
      return { press: 'policy', words: `Set the policy to ${step.policy}` };
    case 'editor':
      return step.ask === null
        ? { press: 'open', words: 'Open it in the editor' }
        : { press: 'ask', words: `Ask from the editor “${step.ask}”` };
    default:
      return { press: step.do, words: `Press ${FAULT_NAMES[step.do]}` };
  }
}

/** How long the wire may lag behind a prompt's own end before a status counts as different. */
const STATUS_MS = 3_000;

export interface Actors {
  readonly turns: Turns;
  readonly faults: Faults;
  readonly editor: Editor;
  readonly navigation: Navigation;
}

export function createRunner(page: Page, { turns, faults, editor, navigation }: Actors) {
  const { chosen, choice, host, inPast, moves, next, notices, progress, ready, sending, session } = page;
  const running = signal(false);
  let facts: Promise<void> = Promise.resolve();

  const step = computed<Step | undefined>(() => choice.scenario.value.steps[next.value]);
  const blocked = computed(() =>
    ready.value && choice.scenario.value.agent === 'own' && chosen.value?.where !== 'bridge'
      ? 'This scenario wants an agent of yours: connect a bridge, then choose it as the Agent.'
      : null,
  );
  /** What a person would press now, to do the next step by hand. */
  const press = computed(() => (step.value === undefined || inPast.value || blocked.value !== null ? null : doing(step.value).press));

  function set(changed: readonly StepProgress[]): void {
    if (changed === progress.value) return;
    progress.value = changed;
    page.rememberPlace();
  }

  function mark(index: number, as: StepProgress): void {
    set(withSteps(choice.scenario.value, progress.value, (at) => (at === index ? as : undefined)));
  }

  /** The agent's status, after giving it a moment to become the wanted one. */
  async function status(wanted?: AgentStatus): Promise<AgentStatus> {
    const { machine } = host;
    if (wanted) await Promise.race([when(() => machine.value.agent === wanted), new Promise((resolve) => setTimeout(resolve, STATUS_MS))]);
    return machine.value.agent;
  }

  page.tell = (fact) => {
    const move = moves.now;
    facts = facts.then(async () => {
      const now = step.value;
      if (move !== moves.now || now === undefined) return;
      const is = await status(matches(now, fact) ? now.expect?.status : undefined);
      if (move === moves.now) set(observe(choice.scenario.value, progress.value, fact, is));
    });
    return facts;
  };

  let known: string | null = null;
  page.ends.push(
    effect(() => {
      const { permission, prompt } = session.live.value;
      if (permission && permission.requestId !== known && prompt !== null)
        void page.tell({ kind: 'asked', text: prompt, report: newestReport(session.live.value) });
      known = permission?.requestId ?? null;
    }),
  );

  async function perform(now: Step): Promise<void> {
    if ('say' in now) {
      const turn = turns.say(now.say);
      await (now.until === 'permission' ? Promise.race([turn, when(() => session.live.value.permission !== null)]) : turn);
      return;
    }
    switch (now.do) {
      case 'answer': {
        const open = session.live.value.permission;
        if (!open) throw new Error('No question is open. Run the step before this one.');
        await turns.answer(open.requestId, open.options.find((one) => one.kind.startsWith(now.answer))?.optionId ?? null);
        return when(() => !sending.value);
      }
      case 'create':
        return turns.createSession();
      case 'policy':
        return navigation.choosePolicy(now.policy);
      case 'editor':
        return now.ask === null ? editor.open() : editor.ask(now.ask);
      case 'arm-crash':
        return host.crashArmed.value ? page.tell({ kind: 'arm-crash' }) : faults['arm-crash']();
      default:
        return faults[now.do]();
    }
  }

  /** Does what a person would do by hand; what comes of it ticks the step. */
  async function runNext(): Promise<void> {
    const index = next.value;
    const scenario = choice.scenario.value;
    const now = step.value;
    if (!now || running.value || blocked.value) return;
    let move = moves.now;
    running.value = true;
    notices.link.value = null;
    try {
      // It may be asked for while the page starts, or goes to the place whose step it is.
      await page.opened;
      await when(() => !moves.going.value);
      if (choice.scenario.value !== scenario) return;
      move = moves.now;
      mark(index, { state: 'running', why: '' });
      await perform(now);
      await facts;
    } catch (error) {
      if (move === moves.now) mark(index, { state: 'failed', why: errorWords(error) });
    } finally {
      running.value = false;
    }
    // Nothing that happened was what the step is about: it stays to be done.
    if (move === moves.now && progress.value[index]?.state === 'running') mark(index, WAITING);
  }

  return {
    progress,
    next,
    running,
    blocked,
    press,
    runNext,
    /** The next step has to wait: for one that runs, for a turn (unless it is about that turn), for the present. */
    busy: computed(() => {
      const waitsForTurn = ['send', 'create'].includes(press.value ?? '');
      return running.value || inPast.value || (sending.value && waitsForTurn);
    }),
    /** The words of the next step, where they are said here; and where they are said in the editor. */
    words: computed(() => (press.value === 'send' && step.value && 'say' in step.value && !sending.value ? step.value.say : null)),
    asks: computed(() => (press.value === 'ask' && step.value && 'ask' in step.value ? step.value.ask : null)),

    skipNext: () => mark(next.value, { state: 'skipped', why: '' }),

    /** Runs the steps a link stands after, at the place it led to. For agents in the tab only: nothing is sent to a bridge by a link. */
    async runLinked(wanted = 0, move: number): Promise<void> {
      await when(() => !running.value && !sending.value);
      if (move !== moves.now) return;
      const until = Math.min(wanted, choice.scenario.value.steps.length);
      if (next.value >= until || session.id.value !== null) return;
      const inTab = () => chosen.value?.where === 'tab';
      if (!inTab()) {
        notices.addLink(
          `This link stands at step ${until} of the scenario. The agent is behind your bridge, so nothing is sent by itself: run the steps when you want to.`,
        );
        return;
      }
      for (let before = -1; before < next.value && next.value < until && move === moves.now && inTab();) {
        before = next.value;
        await runNext();
      }
    },
  };
}
