/** Small playgrounds in prose: one scenario, and the parts that it is about. */
import { useSignal } from '@preact/signals';
import { Conversation } from '../panels/Conversation.tsx';
import { Docked, type DockProps } from '../panels/Dock.tsx';
import { Steps } from '../panels/Lesson.tsx';
import { MachinePanel, Processes } from '../panels/Machine.tsx';
import { BootSteps } from '../panels/Start.tsx';
import { Bar, Talk } from '../panels/Talk.tsx';

type EmbedProps = DockProps & { readonly more: string };

export function Embed({ pg, more, loadTerminal }: EmbedProps) {
  const { dock } = pg.stage;
  // An absent part is no news in the middle of a page.
  const steps = pg.boot.steps.value.filter((step) => step.state !== 'absent');
  return (
    <div class="rp rp-embed">
      <BootSteps steps={steps} />
      <Steps pg={pg} />
      <MachinePanel pg={pg} />
      <Talk pg={pg} />
      <Bar pg={pg} />
      {dock.value === null ? null : <Docked pg={pg} panel={dock.value} loadTerminal={loadTerminal} />}
      <p>
        <a href={more}>Open this in the playground</a>, with all panels and a way back in time.
      </p>
    </div>
  );
}

/** For a frame that does not grow. */
export function CompactEmbed({ pg, more }: EmbedProps) {
  const hint = useSignal('Run the first step.');
  const failed = pg.boot.steps.value.filter((step) => step.state === 'failed');
  return (
    <div class="rp rp-compact">
      <Steps pg={pg} />
      {failed.length > 0 ? <BootSteps steps={failed} /> : <Conversation view={pg.view} unsent={pg.turns.unsent} hint={hint} />}
      <div class="rp-line">
        <span>
          Agent{' '}
          <strong role="status" aria-label="Agent status">
            {pg.machine.value.agent}
          </strong>
        </span>
        <Processes processes={pg.machine.value.processes} />
        <a href={more}>Open in the playground</a>
      </div>
    </div>
  );
}
