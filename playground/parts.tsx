/** The parts that the page and the small playgrounds share, with the state they show. */
import { computed } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { Conversation } from './panels/Conversation.tsx';
import { beat, MachinePanel, type Keeping } from './panels/Machine.tsx';
import { Notices } from './panels/Notices.tsx';
import { PromptForm } from './panels/Prompt.tsx';
import { ScenarioBar } from './panels/ScenarioBar.tsx';
import type { Playground } from './state/store.ts';

export interface PartProps {
  readonly pg: Playground;
}

/** A turn runs, or the prompt that begins one is on its way. */
export const runningIn = (pg: Playground) => computed(() => pg.sending.value || pg.view.value.turnOpen);

export function Steps({ pg }: PartProps) {
  return (
    <ScenarioBar
      scenario={pg.scenario}
      progress={pg.play.progress}
      next={pg.play.next}
      busy={pg.play.busy}
      blocked={pg.play.blocked}
      onRun={() => void pg.play.runNext()}
      onSkip={() => pg.play.skipNext()}
      onRestart={() => void pg.attempt(() => pg.places.startOver())}
    />
  );
}

export function Picture({ pg }: PartProps) {
  const shown = useMemo(
    () => ({
      keeping: computed((): Keeping => (pg.shelf.unopened.value ? 'closed' : pg.shelf.durable.value ? 'durable' : 'volatile')),
      events: computed(() => pg.view.value.info?.latestSeq ?? 0),
      pulse: computed(() => beat(pg.keeper.frames.value.at(-1)?.at)),
      flash: computed(() => beat(pg.commits.value === 0 ? undefined : Date.now())),
    }),
    [pg],
  );
  return (
    <MachinePanel
      machine={pg.machine}
      sessionId={pg.sessionId}
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
      permission: computed(() => (pg.inPast.value ? null : pg.live.value.permission)),
      problem: computed(() => pg.problem.value?.text ?? null),
      waiting: computed(() => (pg.sending.value && !pg.ready.value ? 'The prompt is sent as soon as the database is open.' : null)),
    }),
    [pg],
  );
  return (
    <section class="rp-panel rp-talk" aria-label="Talk">
      {props.above}
      <Conversation view={pg.view} hint={props.hint} />
      <Notices pg={pg} />
      <PromptForm
        draft={pg.draft}
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
