import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Playground } from '../state/playground.ts';
import { bytesWords, errorWords } from '../state/words.ts';
import { Empty, Panel } from './Panel.tsx';

const size = (text: string): number => new TextEncoder().encode(text).length;

/** The record as an agent would read it, and the preamble as it would be sent. */
export function TranscriptPanel({ pg }: { readonly pg: Playground }) {
  const which = useSignal<'transcript' | 'preamble'>('transcript');
  useEffect(
    () => pg.session.followTranscript((error) => (pg.notices.note.value = `The transcript could not be rendered: ${errorWords(error)}`)),
    [pg],
  );
  const view = pg.timeline.past.value ? pg.timeline.past.value.transcript : pg.session.transcript.value;
  const text = view?.[which.value] ?? '';
  return (
    <Panel name="Transcript" pg={pg} aside={text === '' ? null : <span class="rp-dim">{bytesWords(size(text))}</span>}>
      <div class="rp-tabs" role="group" aria-label="What to show">
        <button type="button" class="rp-tab" aria-pressed={which.value === 'transcript'} onClick={() => (which.value = 'transcript')}>
          As a record
        </button>
        <button type="button" class="rp-tab" aria-pressed={which.value === 'preamble'} onClick={() => (which.value = 'preamble')}>
          As it would be sent
        </button>
      </div>
      {text === '' ? (
        <Empty>What an agent that lost the session would be given in its place. It has nothing to tell before the first prompt.</Empty>
      ) : (
        <pre
          class="rp-scroll rp-transcript"
          tabIndex={0}
          aria-label={which.value === 'transcript' ? 'Record of the conversation' : 'Preamble blocks'}
        >
          {text}
        </pre>
      )}
    </Panel>
  );
}
