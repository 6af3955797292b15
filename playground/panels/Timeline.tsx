import type { ReadonlySignal } from '@preact/signals';
import type { Moment } from '../state/timeline.ts';
import { Button } from './Button.tsx';
import { Empty, Panel } from './Panel.tsx';

/** The journal as a time machine. */
export function TimelinePanel(props: {
  readonly moments: ReadonlySignal<readonly Moment[]>;
  /** Position in `moments` while looking at the past; null now. */
  readonly at: ReadonlySignal<number | null>;
  readonly branch: ReadonlySignal<string | null>;
  readonly note: ReadonlySignal<string | null>;
  readonly onSeek: (index: number | null) => void;
  readonly onFork: () => void;
  readonly onNow: () => void;
}) {
  const moments = props.moments.value;
  const last = moments.length - 1;
  const at = props.at.value ?? last;
  const moment = moments[at];
  const past = props.at.value !== null;
  return (
    <Panel
      name="Timeline"
      aside={
        <span class="rp-dim">
          {props.branch.value
            ? /^\d+$/.test(props.branch.value)
              ? `fork ${props.branch.value}`
              : props.branch.value
            : past
              ? 'the past'
              : 'now'}
        </span>
      }
    >
      {moments.length === 0 ? (
        <Empty>Each commit becomes a moment you can go back to.</Empty>
      ) : (
        <>
          <input
            class="rp-range"
            type="range"
            aria-label="Moment"
            min={0}
            max={last}
            value={at}
            aria-valuetext={moment ? `${at + 1} of ${moments.length}: ${moment.label}` : undefined}
            onInput={(event) => {
              const index = Number(event.currentTarget.value);
              props.onSeek(index >= last ? null : index);
            }}
          />
          <p class="rp-moment">
            <span class="rp-dim">
              {at + 1} of {moments.length}
            </span>{' '}
            {moment?.label}
            {moment?.at ? <span class="rp-dim"> {new Date(moment.at).toLocaleTimeString()}</span> : null}
          </p>
        </>
      )}
      <div class="rp-row">
        <Button
          onPress={props.onFork}
          disabled={!past}
          why={past ? 'Go on from this moment in a copy. What came later stays where it is.' : 'Move the slider to a moment first.'}
        >
          Fork from here
        </Button>
        <Button onPress={props.onNow} disabled={!past && !props.branch.value}>
          Return to now
        </Button>
      </div>
      <p class="rp-dim rp-small" aria-live="polite">
        {props.note.value ?? (past ? 'Conversation, machine, tables and transcript show this moment.' : '')}
      </p>
    </Panel>
  );
}
