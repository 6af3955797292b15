/** The session as an editor has it, which speaks ACP to the host. */
import { signal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { Button, Draft, Panel, useKeptFocus, type PartProps } from './controls.tsx';
import { Conversation } from './Conversation.tsx';

const HINT = 'An editor that opens this session shows here what it gets over ACP. It reads nothing else of the page or its database.';

export function EditorPanel({ pg }: PartProps) {
  const { editor, runner } = pg;
  const fixed = useMemo(() => ({ unsent: signal(null), hint: signal(HINT) }), []);
  const form = useKeptFocus<HTMLFormElement>('.rp-field');
  const here = editor.here.value;
  const opened = editor.opened.value;
  const prompting = editor.prompting.value;
  const draft = editor.draft.value;
  const locked = !pg.ready.value || pg.inPast.value || pg.session.id.value === null;
  const state = prompting ? 'waits for the agent' : here ? 'has the session open' : 'not connected';
  return (
    <Panel name="Editor" pg={pg} aside={<span class="rp-dim">{state}</span>}>
      <div class="rp-editor">
        <Conversation label="What the editor shows" view={editor.view} {...fixed} />
        <form
          class="rp-filter"
          ref={form}
          onSubmit={(event) => {
            event.preventDefault();
            if (!locked && !prompting) void editor.ask(draft);
          }}
        >
          {opened ? (
            <>
              <Draft text={editor.draft} words={prompting ? null : runner.asks.value}>
                <input
                  class="rp-field"
                  aria-label="Words typed in the editor"
                  value={draft}
                  onInput={(event) => (editor.draft.value = event.currentTarget.value)}
                />
              </Draft>
              <Button disabled={locked || pg.running.value || draft.trim() === ''} next={runner.press.value === 'ask' && draft !== ''}>
                Ask from the editor
              </Button>
            </>
          ) : (
            <Button
              onPress={editor.open}
              disabled={locked}
              next={runner.press.value === 'open'}
              why={locked ? 'There is no session yet: send a prompt first.' : 'A second client opens this session.'}
            >
              Open it in the editor
            </Button>
          )}
        </form>
      </div>
    </Panel>
  );
}
