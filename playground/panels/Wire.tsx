import { useState } from 'preact/hooks';
import { filterFrames, wireRows, type Frame } from '../state/frames.ts';
import { beginningOf, bytesWords, count as counted, msWords } from '../state/words.ts';
import { Button, Empty, memo, Panel, type PartProps } from './controls.tsx';
import { Newest } from './Newest.tsx';

/** The filter looks at all frames that are kept. */
const ROWS = 120;

export function WirePanel({ pg }: PartProps) {
  const text = pg.stage.frames;
  const frames = pg.frames.value;
  const matching = filterFrames(frames, text.value);
  const rows = wireRows(matching, ROWS);
  const oldest = rows[0];
  const hidden = oldest ? matching.indexOf(oldest.first) : 0;
  return (
    <Panel
      name="Wire"
      pg={pg}
      aside={
        <span class="rp-dim">
          {matching.length === frames.length ? '' : `${matching.length} of `}
          {counted(frames.length, 'frame')}
        </span>
      }
    >
      <div class="rp-filter">
        <input
          class="rp-field"
          type="search"
          aria-label="Filter frames"
          placeholder="Filter"
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
        <Button tone="quiet" onPress={pg.host.clearFrames} disabled={frames.length === 0}>
          Clear
        </Button>
      </div>
      {rows.length === 0 ? (
        <Empty>
          {frames.length === 0 ? 'Nothing has crossed the wire since this page opened. Send a prompt.' : 'No frame matches the filter.'}
        </Empty>
      ) : (
        <Newest rowsGo class="rp-frames rp-scroll" role="group" aria-label="Frames, newest last">
          <ol>
            {hidden > 0 ? <li class="rp-dim">{hidden} older ones match; narrow the filter to see them.</li> : null}
            {rows.map(({ key, first, last, count }) => (
              <Row key={key} frame={last} first={first} count={count} />
            ))}
          </ol>
        </Newest>
      )}
    </Panel>
  );
}

const Row = memo(function Row({ frame, first, count }: { readonly frame: Frame; readonly first: Frame; readonly count: number }) {
  const [open, setOpen] = useState(false);
  if (frame.kind === 'lifecycle') return <li class="rp-frame rp-lifecycle">{frame.method}</li>;
  const out = frame.direction === 'to-agent';
  return (
    <li class="rp-frame" data-kind={count > 1 ? 'run' : frame.kind}>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span aria-hidden="true" class="rp-arrow">
            {out ? '→' : '←'}
          </span>
          <span class="rp-sr">
            {out ? 'to the agent' : 'from the agent'}, {frame.kind}:{' '}
          </span>
          <code>{frame.method}</code>
          {count > 1 ? <strong>× {count}</strong> : null}
          {frame.kind === 'error' ? (
            <span class="rp-bad"> error</span>
          ) : frame.kind === 'response' ? (
            <span class="rp-dim"> answer</span>
          ) : null}
          <span class="rp-summary">{frame.summary}</span>
          {frame.ms === undefined ? null : <span class="rp-dim rp-ms">{msWords(frame.ms)}</span>}
        </summary>
        {open ? (
          <>
            <p class="rp-dim">
              {count > 1
                ? `${count} in a row, ${msWords(frame.at - first.at)} from the first to the last. The last one:`
                : `${new Date(frame.at).toLocaleTimeString()} · process ${frame.process} · ${bytesWords(frame.size)}${frame.rpcId === undefined ? '' : ` · id ${String(frame.rpcId)}`}`}
            </p>
            <pre tabIndex={0}>{beginningOf(JSON.stringify(frame.message, null, 2))}</pre>
          </>
        ) : null}
      </details>
    </li>
  );
});
