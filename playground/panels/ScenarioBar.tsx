import type { ReadonlySignal } from '@preact/signals';
import type { Scenario } from '../scenarios/types.ts';
import { stepWords } from '../state/scenario-runner.ts';
import type { StepProgress } from '../state/visits.ts';
import { Button } from './Button.tsx';

const MARK: Readonly<Record<StepProgress['state'], { readonly glyph: string; readonly word: string }>> = {
  waiting: { glyph: '○', word: 'not yet' },
  running: { glyph: '◐', word: 'running' },
  done: { glyph: '●', word: 'as expected' },
  differs: { glyph: '✕', word: 'not as expected' },
  skipped: { glyph: '–', word: 'skipped' },
};

/** What the scenario is about, its steps, and the buttons that run or skip the next one. */
export function ScenarioBar(props: {
  readonly scenario: ReadonlySignal<Scenario>;
  readonly progress: ReadonlySignal<readonly StepProgress[]>;
  readonly next: ReadonlySignal<number>;
  readonly busy: ReadonlySignal<boolean>;
  readonly blocked: ReadonlySignal<string | null>;
  readonly onRun: () => void;
  readonly onSkip: () => void;
  readonly onRestart: () => void;
}) {
  const scenario = props.scenario.value;
  const steps = scenario.steps;
  const next = props.next.value;
  const over = next >= steps.length;
  return (
    <div class="rp-scenario">
      <p class="rp-scenario-title">{scenario.title}</p>
      <p class="rp-watch">{scenario.watch}</p>
      {steps.length > 0 ? (
        <ol class="rp-steps" aria-label="Steps">
          {steps.map((step, index) => {
            const progress: StepProgress = props.progress.value[index] ?? { state: 'waiting', why: '' };
            const mark = MARK[progress.state];
            return (
              <li key={index} data-state={progress.state} aria-current={index === next ? 'step' : undefined}>
                <span aria-hidden="true" class="rp-glyph">
                  {mark.glyph}
                </span>
                <span>
                  <strong>{stepWords(step)}</strong> <span class="rp-step-note">{step.note}</span>
                  <span class="rp-sr">, {mark.word}</span>
                  {progress.why ? <span class="rp-step-why">{progress.why}</span> : null}
                </span>
              </li>
            );
          })}
        </ol>
      ) : null}
      {over && steps.length > 0 ? (
        <p class="rp-end" aria-live="polite">
          {scenario.end} The playground is yours now: go on, or break it.
        </p>
      ) : null}
      {props.blocked.value ? (
        <p class="rp-problem">
          <span aria-hidden="true">⚠ </span>
          {props.blocked.value}
        </p>
      ) : null}
      {steps.length > 0 ? (
        <div class="rp-row">
          <Button tone={over ? 'plain' : 'main'} onPress={props.onRun} disabled={over || props.busy.value || props.blocked.value !== null}>
            {over ? 'All steps done' : `Run step ${next + 1} of ${steps.length}`}
          </Button>
          <Button tone="quiet" onPress={props.onSkip} disabled={over || props.busy.value}>
            Skip step
          </Button>
          <Button tone="quiet" onPress={props.onRestart} disabled={props.busy.value || next === 0}>
            Start over
          </Button>
        </div>
      ) : null}
    </div>
  );
}
