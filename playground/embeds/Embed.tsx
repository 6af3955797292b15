import { computed } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { Conversation } from '../panels/Conversation.tsx';
import { beat, MachinePanel } from '../panels/Machine.tsx';
import { Notices } from '../panels/Notices.tsx';
import { PromptForm } from '../panels/Prompt.tsx';
import { ReportPanel } from '../panels/Report.tsx';
import { ScenarioBar } from '../panels/ScenarioBar.tsx';
import { BootSteps } from '../panels/BootSteps.tsx';
import type { Playground } from '../state/store.ts';

/** One scenario between two paragraphs: its steps, the machine, the conversation and the report. */
export function Embed({ pg, more }: { readonly pg: Playground; readonly more: string }) {
  const derived = useMemo(
    () => ({
      running: computed(() => pg.sending.value || pg.view.value.turnOpen),
      permission: computed(() => pg.live.value.permission),
      problem: computed(() => pg.problem.value?.text ?? null),
      waiting: computed(() => null),
      events: computed(() => pg.view.value.info?.latestSeq ?? 0),
      pulse: computed(() => beat(pg.keeper.frames.value.at(-1)?.at)),
      flash: computed(() => beat(pg.commits.value === 0 ? undefined : Date.now())),
    }),
    [pg],
  );
  return (
    <div class="rp rp-embed">
      <BootSteps steps={pg.boot.steps} />
      <ScenarioBar
        scenario={pg.scenario}
        progress={pg.play.progress}
        next={pg.play.next}
        busy={pg.play.busy}
        blocked={pg.play.blocked}
        onRun={() => void pg.play.runNext()}
        onSkip={() => pg.play.skipNext()}
        onRestart={() => void pg.startOver()}
      />
      <MachinePanel machine={pg.machine} sessionId={pg.sessionId} events={derived.events} flash={derived.flash} pulse={derived.pulse} />
      <section class="rp-panel rp-talk" aria-label="Talk">
        <Conversation view={pg.view} hint="Run the first step, or type a prompt of your own." />
        <Notices pg={pg} />
        <PromptForm
          draft={pg.draft}
          running={derived.running}
          past={pg.inPast}
          permission={derived.permission}
          problem={derived.problem}
          waiting={derived.waiting}
          onSend={() => void pg.sendDraft()}
          onCancel={() => void pg.cancel()}
          onAnswer={(requestId, optionId) => void pg.answer(requestId, optionId)}
        />
      </section>
      <ReportPanel report={pg.shownReport} />
      <p class="rp-more">
        <a href={more}>Open this in the playground</a>, with the wire, the database and a way back in time.
      </p>
    </div>
  );
}
