import type { Unopened } from '../state/database.ts';
import type { BootStep } from '../state/pace.ts';
import { Button, Problem, useHandedFocus, type PartProps } from './controls.tsx';

const SAID = {
  loading: ['◐', 'loading'],
  ready: ['●', 'ready'],
  absent: ['–', 'not here'],
  failed: ['✕', 'failed'],
  lost: ['✕', 'gone'],
} as const;

export function BootSteps({ steps }: { readonly steps: readonly BootStep[] }) {
  const failed = steps.filter((step) => step.state === 'failed' || step.state === 'lost');
  return (
    <div class="rp-boot">
      <ul aria-label="Parts of the page">
        {steps.map((step) => (
          <li key={step.name} data-state={step.state} title={step.note}>
            <span aria-hidden="true">{SAID[step.state][0]}</span> {step.name} <span class="rp-sr">{SAID[step.state][1]}</span>
          </li>
        ))}
      </ul>
      {failed.map((step) => (
        <Problem key={step.name}>
          {step.state === 'lost' ? `${step.name} is gone` : `${step.name} could not load`}: {step.note}
        </Problem>
      ))}
    </div>
  );
}

export function UnopenedNotice({ pg, unopened }: PartProps & { readonly unopened: Unopened }) {
  return (
    <div class="rp-unopened" role="alert" ref={useHandedFocus()}>
      <p>
        <strong>Your sessions are in this browser, and its storage could not be opened.</strong>
      </p>
      <p>{unopened.why}</p>
      <p>
        Nothing was deleted or begun anew. Close other tabs of this site and try again; or go on with an empty database that lasts as long
        as this page.
      </p>
      <div class="rp-row">
        <Button tone="main" onPress={() => unopened.answer('again')}>
          Try again
        </Button>
        {unopened.damaged ? <Button onPress={pg.branches.salvage}>Save what can be read</Button> : null}
        <Button onPress={() => unopened.answer('memory')}>Go on in memory</Button>
      </div>
    </div>
  );
}
