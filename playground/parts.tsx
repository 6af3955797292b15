/** The parts that the page and the small playgrounds share, with the state they show. */
import { computed } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { Conversation } from './panels/Conversation.tsx';
import { beat, MachinePanel, type Keeping } from './panels/Machine.tsx';
import { Notices } from './panels/Notices.tsx';
import { PromptForm } from './panels/Prompt.tsx';
import { ScenarioBar } from './panels/ScenarioBar.tsx';
import type { Playground } from './state/playground.ts';

export interface PartProps {
  readonly pg: Playground;
}

/** A turn runs, here or in another tab, or the prompt that begins one is on its way. */
export const runningIn = (pg: Playground) => computed(() => pg.turns.sending.value || pg.session.live.value.turnOpen);

export function Steps({ pg }: PartProps) {
  return (
    <ScenarioBar
      scenario={pg.choice.scenario}
      progress={pg.runner.progress}
      next={pg.runner.next}
      busy={pg.runner.busy}
      blocked={pg.runner.blocked}
      onRun={() => void pg.runner.runNext()}
      onSkip={() => pg.runner.skipNext()}
      onRestart={() => void pg.notices.attempt(() => pg.navigation.startOver())}
    />
  );
}

export function Picture({ pg }: PartProps) {
  const shown = useMemo(
    () => ({
      keeping: computed((): Keeping => (pg.databases.unopened.value ? 'closed' : pg.databases.durable.value ? 'durable' : 'volatile')),
      events: computed(() => pg.view.value.info?.latestSeq ?? 0),
      pulse: computed(() => beat(pg.host.frames.value.at(-1)?.at)),
      flash: computed(() => beat(pg.session.commits.value === 0 ? undefined : Date.now())),
    }),
    [pg],
  );
  return (
    <MachinePanel
      machine={pg.machine}
      sessionId={pg.session.id}
      keeping={shown.keeping}
      events={shown.events}
      flash={shown.flash}
      pulse={shown.pulse}
    />
  );
}

/** The conversation and where one types. `above` and `below` are what the page puts around it. */
export function Talk(props: PartProps & { readonly hint: string; readonly above?: ComponentChildren; readonly below?: ComponentChildren }) {
  const { pg } = props;
  const shown = useMemo(
    () => ({
      running: runningIn(pg),
      permission: computed(() => (pg.inPast.value ? null : pg.session.live.value.permission)),
      problem: computed(() => pg.notices.problem.value?.text ?? null),
      waiting: computed(() => {
        if (!pg.ready.value) return pg.turns.sending.value ? 'The prompt is sent as soon as the database is open.' : null;
        return pg.turns.unsent.value === null
          ? null
          : 'The prompt is stored, and sent, when the agent is ready for it. Cancel turn stops that.';
      }),
      unsent: computed(() => (pg.inPast.value ? null : pg.turns.unsent.value)),
      hint: computed(() => (pg.ready.value && !pg.moves.going.value ? props.hint : 'The session is being opened.')),
    }),
    [pg, props.hint],
  );
  return (
    <section class="rp-panel rp-talk" aria-label="Talk">
      {props.above}
      <Conversation view={pg.view} unsent={shown.unsent} hint={shown.hint} />
      <Notices pg={pg} />
      <PromptForm
        draft={pg.turns.draft}
        running={shown.running}
        past={pg.inPast}
        permission={shown.permission}
        problem={shown.problem}
        waiting={shown.waiting}
        onSend={() => void pg.turns.sendDraft()}
        onCancel={() => void pg.turns.cancel()}
        onAnswer={(requestId, optionId) => void pg.turns.answer(requestId, optionId)}
      />
      {props.below}
    </section>
  );
}
