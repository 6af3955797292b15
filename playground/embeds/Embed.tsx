import { useComputed } from '@preact/signals';
import { BootSteps } from '../panels/BootSteps.tsx';
import { ReportPanel } from '../panels/Report.tsx';
import { Picture, Steps, Talk, type PartProps } from '../parts.tsx';

/** One scenario between two paragraphs: its steps, the machine, the conversation and the report. */
export function Embed({ pg, more }: PartProps & { readonly more: string }) {
  // A part that need not be here is no news in the middle of a page.
  const steps = useComputed(() => pg.boot.steps.value.filter((step) => step.state !== 'absent'));
  return (
    <div class="rp rp-embed">
      <BootSteps steps={steps} />
      <Steps pg={pg} />
      <Picture pg={pg} />
      <Talk pg={pg} hint="Run the first step, or type a prompt of your own." />
      <ReportPanel report={pg.report} />
      <p class="rp-more">
        <a href={more}>Open this in the playground</a>, with the wire, the database and a way back in time.
      </p>
    </div>
  );
}
