import { signal, type ReadonlySignal } from '@preact/signals';
import { useMemo, useState } from 'preact/hooks';
import { memo } from 'preact/compat';
import { filterFrames, wireRows, type Direction, type Frame, type FrameFilter, type WireRow } from '../state/frames.ts';
import { bytesWords, msWords } from '../state/words.ts';
import { Button } from './Button.tsx';
import { Empty, Panel } from './Panel.tsx';
import { stickToEnd } from './stick.ts';

/** The newest rows that are drawn; the filter looks at all frames that are kept. */
const ROWS = 120;
/** With more rows than this the list has its full height whatever it holds, and is laid out by itself. */
const FULL = 20;

/** Every JSON-RPC frame between host and agent. */
export function WirePanel(props: { readonly frames: ReadonlySignal<readonly Frame[]>; readonly onClear: () => void }) {
  const filter = useMemo(() => signal<FrameFilter>({ text: '', direction: 'both', updates: true }), []);
  const frames = props.frames.value;
  const matching = filterFrames(frames, filter.value);
  const rows = wireRows(matching, ROWS);
  const oldest = rows[0];
  const hidden = oldest ? matching.findIndex((frame) => frame === (oldest.kind === 'frame' ? oldest.frame : oldest.first)) : 0;
  return (
    <Panel
      name="Wire"
      aside={<span class="rp-dim">{matching.length === frames.length ? frames.length : `${matching.length} of ${frames.length}`}</span>}
    >
      <div class="rp-bar">
        <input
          class="rp-field"
          type="search"
          aria-label="Filter frames"
          placeholder="Filter"
          value={filter.value.text}
          onInput={(event) => (filter.value = { ...filter.value, text: event.currentTarget.value })}
        />
        <select
          class="rp-field"
          aria-label="Direction"
          value={filter.value.direction}
          onChange={(event) => (filter.value = { ...filter.value, direction: event.currentTarget.value as Direction | 'both' })}
        >
          <option value="both">both ways</option>
          <option value="to-agent">→ out</option>
          <option value="from-agent">← in</option>
        </select>
        <label class="rp-check">
          <input
            type="checkbox"
            checked={filter.value.updates}
            onChange={(event) => (filter.value = { ...filter.value, updates: event.currentTarget.checked })}
          />{' '}
          updates
        </label>
        <Button tone="quiet" onPress={props.onClear} disabled={frames.length === 0}>
          Clear
        </Button>
      </div>
      {rows.length === 0 ? (
        <Empty>
          {frames.length === 0 ? 'Nothing has crossed the wire since this page opened. Send a prompt.' : 'No frame matches the filter.'}
        </Empty>
      ) : (
        <div
          class="rp-frames rp-scroll"
          data-full={rows.length > FULL}
          tabIndex={0}
          role="group"
          aria-label="Frames, newest last"
          ref={(element) => stickToEnd(element)}
        >
          <ol>
            {hidden > 0 ? <li class="rp-dim rp-frame-more">{hidden} older ones match; narrow the filter to see them.</li> : null}
            {rows.map((row) => (row.kind === 'frame' ? <FrameRow key={row.key} frame={row.frame} /> : <RunRow key={row.key} row={row} />))}
          </ol>
        </div>
      )}
    </Panel>
  );
}

const FrameRow = memo(function FrameRow({ frame }: { readonly frame: Frame }) {
  const arrow = frame.direction === 'to-agent' ? '→' : '←';
  const words = frame.direction === 'to-agent' ? 'to the agent' : 'from the agent';
  const [open, setOpen] = useState(false);
  if (frame.kind === 'lifecycle') {
    return <li class="rp-frame rp-lifecycle">{frame.method}</li>;
  }
  return (
    <li class="rp-frame" data-kind={frame.kind}>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span aria-hidden="true" class="rp-arrow">
            {arrow}
          </span>
          <span class="rp-sr">
            {words}, {frame.kind}:{' '}
          </span>
          <code>{frame.method}</code>
          {frame.kind === 'error' ? (
            <span class="rp-bad"> error</span>
          ) : frame.kind === 'response' ? (
            <span class="rp-dim"> answer</span>
          ) : null}
          <span class="rp-summary">{frame.summary}</span>
          {frame.ms === undefined ? null : <span class="rp-dim rp-ms">{msWords(frame.ms)}</span>}
        </summary>
        <p class="rp-dim">
          {new Date(frame.at).toLocaleTimeString()} · process {frame.process} · {bytesWords(frame.size)}
          {frame.rpcId === undefined ? '' : ` · id ${String(frame.rpcId)}`}
        </p>
        {open ? <FrameBody frame={frame} /> : null}
      </details>
    </li>
  );
});

/** Many updates of one kind: how many, and the last of them in full. */
function RunRow({ row }: { readonly row: Extract<WireRow, { kind: 'run' }> }) {
  const [open, setOpen] = useState(false);
  const { last, count } = row;
  return (
    <li class="rp-frame" data-kind="run">
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span aria-hidden="true" class="rp-arrow">
            {last.direction === 'to-agent' ? '→' : '←'}
          </span>
          <span class="rp-sr">{last.direction === 'to-agent' ? 'to the agent' : 'from the agent'}: </span>
          <code>{last.method}</code>
          <strong>× {count}</strong>
          <span class="rp-summary">{last.summary}</span>
        </summary>
        {open ? (
          <>
            <p class="rp-dim">
              {count} in a row, {msWords(last.at - row.first.at)} from the first to the last. The last one:
            </p>
            <FrameBody frame={last} />
          </>
        ) : null}
      </details>
    </li>
  );
}

/** A frame can hold megabytes; this much of it is drawn. */
const BODY_CHARS = 20_000;

function FrameBody({ frame }: { readonly frame: Frame }) {
  const text = JSON.stringify(frame.message, null, 2);
  return (
    <pre tabIndex={0}>
      {text.length > BODY_CHARS ? `${text.slice(0, BODY_CHARS)}\n… ${bytesWords(text.length - BODY_CHARS)} more` : text}
    </pre>
  );
}
