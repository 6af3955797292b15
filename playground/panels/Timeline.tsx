import { useId } from 'preact/hooks';
import { MARKS, type Moment } from '../state/timeline.ts';
import { Button, Empty, Panel, type PartProps } from './controls.tsx';
import { branchWords } from './Talk.tsx';

const MARKS_SHOWN = 60;

export function TimelinePanel({ pg }: PartProps) {
  const moments = pg.timeline.moments.value;
  const last = moments.length - 1;
  const at = pg.timeline.at.value ?? last;
  const moment = moments[at];
  const past = pg.timeline.at.value !== null;
  const seek = (index: number) => void pg.branches.seek(index >= last ? null : index);
  const here = pg.databases.branch.value;
  return (
    <Panel name="Timeline" pg={pg}>
      {moments.length === 0 ? (
        <Empty>Each commit becomes a moment you can go back to.</Empty>
      ) : (
        <>
          <Story moments={moments} at={at} onSeek={seek} />
          <input
            class="rp-range"
            type="range"
            aria-label="Moment"
            min={0}
            max={last}
            value={at}
            aria-valuetext={moment ? `${at + 1} of ${moments.length}: ${moment.label}` : undefined}
            onInput={(event) => seek(Number(event.currentTarget.value))}
          />
          <p>
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
          onPress={pg.branches.fork}
          disabled={!past}
          why={past ? 'Go on from this moment in a copy. What came later stays where it is.' : 'Go to a moment first.'}
        >
          Fork from here
        </Button>
        <Button onPress={pg.branches.returnToNow} disabled={!past && here === null}>
          Return to now
        </Button>
      </div>
      <Branches pg={pg} />
    </Panel>
  );
}

function Story(props: { readonly moments: readonly Moment[]; readonly at: number; readonly onSeek: (index: number) => void }) {
  const marks = props.moments.flatMap(({ mark, label }, index) => (mark === null ? [] : [{ mark, label, index }])).slice(-MARKS_SHOWN);
  const group = useId();
  return (
    <div class="rp-marks" role="radiogroup" aria-label="What happened">
      {marks.map(({ mark, label, index }) => (
        <label key={index} data-mark={mark} data-later={index > props.at} title={label}>
          <input type="radio" name={group} checked={index === props.at} onChange={() => props.onSeek(index)} />
          <span aria-hidden="true">{MARKS[mark]}</span> {mark}
        </label>
      ))}
    </div>
  );
}

function Branches({ pg }: PartProps) {
  const here = pg.databases.branch.value;
  const { branches } = pg.visits;
  if (branches.length === 0) return null;
  const under = (parent: string | null) =>
    branches.filter((branch) => branch.parent === parent || (parent === null && !branches.some(({ name }) => name === branch.parent)));
  const branch = (name: string | null) => (
    <li key={name ?? ''}>
      <button type="button" class="rp-tab" aria-pressed={name === here} onClick={() => void pg.branches.go(name)}>
        {name === null ? 'main line' : branchWords(name)}
      </button>
      {under(name).length > 0 ? <ul>{under(name).map((one) => branch(one.name))}</ul> : null}
    </li>
  );
  return (
    <ul class="rp-branches" aria-label="Branches">
      {branch(null)}
    </ul>
  );
}
