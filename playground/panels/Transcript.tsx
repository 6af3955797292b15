import { effect, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { createPace, every } from '../state/pace.ts';
import { bytesWords, errorWords } from '../state/words.ts';
import { Empty, Panel, Tabs, type PartProps } from './controls.tsx';

/** Rendering costs as much as the budget holds. */
const RENDER_MS = 500;

const size = (text: string): number => new TextEncoder().encode(text).length;

export function TranscriptPanel({ pg }: PartProps) {
  const which = useSignal<'transcript' | 'preamble'>('transcript');
  const rendered = useSignal({ transcript: '', preamble: '' });
  useEffect(() => {
    const render = async () => {
      const reader = pg.reader();
      const sessionId = pg.view.peek().info?.sessionId;
      if (!reader || sessionId === undefined) return void (rendered.value = { transcript: '', preamble: '' });
      const blocks = await reader.previewPreamble(sessionId);
      const preamble = blocks.length === 0 ? '' : JSON.stringify(blocks, null, 2);
      rendered.value = { transcript: await reader.transcript(sessionId), preamble };
    };
    const pace = createPace(render, every(RENDER_MS), (error) => {
      pg.notices.note.value = `The transcript could not be rendered: ${errorWords(error)}`;
    });
    const stop = effect(() => {
      // Read for their change alone.
      void pg.session.id.value;
      void pg.inPast.value;
      if (!pg.view.value.turnOpen || pg.inPast.value) pace.poke();
    });
    return () => {
      stop();
      pace.stop();
    };
  }, [pg, rendered]);
  const text = rendered.value[which.value];
  return (
    <Panel name="Transcript" pg={pg} aside={text === '' ? null : <span class="rp-dim">{bytesWords(size(text))}</span>}>
      <Tabs
        label="What to show"
        shown={which.value}
        tabs={[
          ['transcript', 'As a record'],
          ['preamble', 'As it would be sent'],
        ]}
        onChoose={(name) => (which.value = name)}
      />
      {text === '' ? (
        <Empty>The transcript that an agent would get if it lost the session. It is empty before the first prompt.</Empty>
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
