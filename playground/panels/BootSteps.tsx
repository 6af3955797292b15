import type { ReadonlySignal } from '@preact/signals';
import type { BootStep } from '../state/boot.ts';
import { msWords } from '../state/words.ts';

const MARK = { waiting: '○', loading: '◐', ready: '●', absent: '–', failed: '✕', lost: '✕' } as const;
const WORD = { waiting: 'waiting', loading: 'loading', ready: 'ready', absent: 'not here', failed: 'failed', lost: 'gone' } as const;

/** The page's start in named steps. It stays as one quiet line, so that nothing below it moves. */
export function BootSteps(props: { readonly steps: ReadonlySignal<readonly BootStep[]> }) {
  const steps = props.steps.value;
  const failed = steps.filter((step) => step.state === 'failed' || step.state === 'lost');
  return (
    <div class="rp-boot">
      <ul aria-label="Parts of the page">
        {steps.map((step) => (
          <li key={step.name} data-state={step.state} title={step.ms === null ? step.note : msWords(step.ms)}>
            <span aria-hidden="true">{MARK[step.state]}</span> {step.name} <span class="rp-sr">{WORD[step.state]}</span>
          </li>
        ))}
      </ul>
      {failed.map((step) => (
        <p key={step.name} class="rp-problem" role="alert">
          <span aria-hidden="true">⚠ </span>
          {step.state === 'lost' ? `${step.name} is gone` : `${step.name} could not load`}: {step.note}
        </p>
      ))}
    </div>
  );
}
