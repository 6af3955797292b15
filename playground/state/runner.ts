/** “Run step” does what a person would do; what comes of it ticks the step. */
import { computed, signal } from '@preact/signals';
import type { ResumePolicy } from '../../src/engine/types.ts';
import type { Press, Step } from '../scenarios/types.ts';
import type { Editor } from './editor.ts';
import { WAITING } from './lesson.ts';
import type { Navigation } from './navigation.ts';
import { when } from './pace.ts';
import type { Page } from './page.ts';
import type { Faults, Turns } from './turns.ts';
import { errorWords } from './words.ts';

interface Actors {
  readonly turns: Turns;
  readonly faults: Faults;
  readonly editor: Editor;
  readonly navigation: Navigation;
}

export function createRunner(page: Page, { turns, faults, editor, navigation }: Actors) {
  const { agents, chosen, choice, host, inPast, lesson, moves, notices, ready, sending, session } = page;
  const { mark, next, progress, step, tell } = lesson;
  const running = signal(false);
  const blocked = computed(() =>
    ready.value && choice.scenario.value.agent === 'own' && chosen.value?.where !== 'bridge'
      ? `This lesson is for an agent of your own: ${agents.bridge.value.kind === 'connected' ? 'choose it as the Agent, under Advanced' : 'connect a bridge to it first'}.`
      : null,
  );
  /** What a person would press for the next step. */
  const press = computed(() => (inPast.value || blocked.value !== null ? null : (step.value?.do ?? null)));
  const wordsFor = (control: Press) => (press.value === control ? (step.value?.what ?? null) : null);

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
        return host.crashArmed.value ? tell({ kind: does }) : faults[does]();
      default:
        return faults[does]();
    }
  }

  async function runNext(): Promise<void> {
    const index = next.value;
    const scenario = choice.scenario.value;
    const now = step.value;
    if (!now || running.value || blocked.value) return;
    let move = moves.now;
    running.value = true;
    notices.link.value = null;
    try {
      // The page may still start, or go to the place.
      await page.opened;
      await when(() => !moves.going.value);
      if (choice.scenario.value !== scenario) return;
      move = moves.now;
      mark(index, { state: 'running', why: '' });
      await perform(now);
      await lesson.settle();
    } catch (error) {
      if (move === moves.now) mark(index, { state: 'failed', why: errorWords(error) });
    } finally {
      running.value = false;
    }
    // Nothing that happened was what the step is about.
    if (move === moves.now && progress.value[index]?.state === 'running') mark(index, WAITING);
  }

  return {
    running,
    blocked,
    press,
    runNext,
    /** The next step waits for one that runs, for another turn, for the present. */
    busy: computed(() => {
      const waitsForTurn = ['send', 'create'].includes(press.value ?? '');
      return running.value || inPast.value || (sending.value && waitsForTurn);
    }),
    words: computed(() => (sending.value ? null : wordsFor('send'))),
    asks: computed(() => wordsFor('ask')),

    skipNext: () => mark(next.value, { state: 'skipped', why: '' }),

    /** Runs the steps a link asks for. Only for agents in the tab: a link sends nothing to a bridge. */
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
