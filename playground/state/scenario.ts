/**
 * A scenario in progress. What happens on the page is told to its steps: they are ticked by what really happened, whoever did it.
 * “Run step” does what a person would do.
 */
import { computed, effect, signal } from '@preact/signals';
import type { ResumePolicy } from '../../src/engine/types.ts';
import type { Expectation, Fact, Fault, Press, Scenario, Step } from '../scenarios/types.ts';
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
  changed: Readonly<Record<number, StepProgress>>,
): readonly StepProgress[] => steps.map((_, at) => changed[at] ?? progress[at] ?? WAITING);

/** Words as they count for a step, however they are spelt. */
const plain = (text = ''): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** The fact is that somebody did what the step says. */
const matches = (step: Step, fact: Fact): boolean => fact.kind === (step.asks ? 'asked' : step.do) && plain(fact.what) === plain(step.what);

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
    if (why === null) return withSteps(scenario, progress, { [next]: DONE });
    const fault = !fact.error && stillLive(expect, fact) ? steps.findLastIndex((one, at) => at < next && one.do in FAULTS) : -1;
    if (fault < 0) return withSteps(scenario, progress, { [next]: { state: fact.error ? 'failed' : 'differs', why } });
    const again = `The agent was still live. Do step ${fault + 1} again first.`;
    return withSteps(scenario, progress, { [fault]: WAITING, [next]: { ...WAITING, why: again } });
  }
  if (fact.kind !== 'send') return progress;
  const ahead = steps.findIndex((one, at) => at > next && matches(one, fact) && judge(one.expect ?? {}, fact, status) === null);
  if (ahead < 0) return progress;
  const skipped = steps.map((_, at) => [at, { state: 'skipped' as const, why: '' }] as const).slice(next, ahead);
  return withSteps(scenario, progress, { ...Object.fromEntries(skipped), [ahead]: DONE });
}

const stillLive = ({ tier, error }: Expectation, { report }: Fact): boolean =>
  report?.tier === 'live' && (error !== undefined || (tier !== undefined && tier !== 'new' && tier !== 'live'));

/** What was expected against what came: why it differs, or null. */
export function judge(expect: Expectation, { report, error, reply }: Fact, status: AgentStatus): string | null {
  if (report !== undefined) {
    const wanted: readonly string[] = [expect.error ?? []].flat();
    if (error && !wanted.includes(error.code)) return error.message;
    if (!error && wanted.length > 0) return `It was to fail with ${wanted.join(' or ')}, and did not.`;
    // A session that is live already was new before.
    if (expect.tier && report?.tier !== expect.tier && !(expect.tier === 'new' && report?.tier === 'live'))
      return `The session came back by ${report?.tier ?? 'nothing'}, not by ${expect.tier}.`;
    if (expect.verified && report?.verified !== expect.verified)
      return `The check was to say ${expect.verified} and says ${report?.verified ?? 'nothing'}.`;
    if (expect.reply && reply !== undefined && !reply.toLowerCase().includes(expect.reply.toLowerCase()))
      return `The answer was to name “${expect.reply}” and does not.`;
  }
  return expect.status && status !== expect.status ? `The agent was to be ${expect.status} and is ${status}.` : null;
}

/** The name of the control for each fault, as its button says it, and what it does. */
export const FAULTS: Readonly<Record<Fault, readonly [name: string, does: string]>> = {
  sleep: ['Sleep', 'End host and agent. The database stays.'],
  wake: ['Wake', 'Open a host on the same database again. No agent starts yet.'],
  kill: ['Kill agent', 'End the agent’s process at once.'],
  drop: ['Drop connection', 'Cut the line between host and agent.'],
  'forget-store': ['Delete agent store', 'The agent forgets every session. The host’s record stays.'],
  'arm-crash': ['Crash mid-turn', 'The agent is killed as soon as it says the first word of its next answer.'],
};

export function doing({ do: press, what }: Step): string {
  switch (press) {
    case 'send':
      return `Say “${what}”`;
    case 'allow':
      return 'Press Allow';
    case 'reject':
      return 'Press Reject';
    case 'create':
      return 'Create the session';
    case 'policy':
      return `Set the policy to ${what}`;
    case 'open':
      return 'Open it in the editor';
    case 'ask':
      return `Ask from the editor “${what}”`;
    default:
      return `Press ${FAULTS[press][0]}`;
  }
}

/** How long the wire may lag behind a prompt's own end before a status counts as different. */
const STATUS_MS = 3_000;

interface Actors {
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
  const press = computed(() => (inPast.value || blocked.value !== null ? null : (step.value?.do ?? null)));
  const wordsFor = (control: Press) => (press.value === control ? (step.value?.what ?? null) : null);

  function set(changed: readonly StepProgress[]): void {
    if (changed === progress.value) return;
    progress.value = changed;
    page.rememberPlace();
  }

  const mark = (index: number, as: StepProgress) => set(withSteps(choice.scenario.value, progress.value, { [index]: as }));

  /** The agent's status, after giving it a moment to become the wanted one. */
  async function status(wanted?: AgentStatus): Promise<AgentStatus> {
    const { machine } = host;
    if (wanted) await Promise.race([when(() => machine.value.agent === wanted), new Promise((resolve) => setTimeout(resolve, STATUS_MS))]);
    return machine.value.agent;
  }

  page.tell = (fact) => {
    const move = moves.now;
    facts = facts.then(async () => {
      if (move !== moves.now) return;
      const about = choice.scenario.value.steps.find((one, at) => at >= next.value && matches(one, fact));
      const is = await status(about?.expect?.status);
      if (move === moves.now) set(observe(choice.scenario.value, progress.value, fact, is));
    });
    return facts;
  };

  let known: string | null = null;
  page.ends.push(
    effect(() => {
      const { permission, prompt } = session.live.value;
      if (permission && permission.requestId !== known && prompt !== null)
        void page.tell({ kind: 'asked', what: prompt, report: newestReport(session.live.value) });
      known = permission?.requestId ?? null;
    }),
  );

  async function perform({ do: does, what = '', asks }: Step): Promise<void> {
    switch (does) {
      case 'send': {
        const turn = turns.say(what);
        await (asks ? Promise.race([turn, when(() => session.live.value.permission !== null)]) : turn);
        return;
      }
      case 'allow':
      case 'reject': {
        const open = session.live.value.permission;
        if (!open) throw new Error('No question is open. Run the step before this one.');
        await turns.answer(open.requestId, open.options.find((one) => one.kind.startsWith(does))?.optionId ?? null);
        return when(() => !sending.value);
      }
      case 'create':
        return turns.createSession();
      case 'policy':
        return navigation.choosePolicy(what as ResumePolicy);
      case 'open':
        return editor.open();
      case 'ask':
        return editor.ask(what);
      case 'arm-crash':
        return host.crashArmed.value ? page.tell({ kind: does }) : faults[does]();
      default:
        return faults[does]();
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
    words: computed(() => (sending.value ? null : wordsFor('send'))),
    asks: computed(() => wordsFor('ask')),

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
