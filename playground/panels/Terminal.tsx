import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { createPace, every } from '../state/pace.ts';
import { Panel, Problem, submitOnEnter, type PartProps } from './controls.tsx';
import type * as TerminalModule from './terminal.ts';

const DRAW_MS = 100;

export type LoadTerminal = () => Promise<typeof TerminalModule>;

export function TerminalPanel({ pg, loadTerminal }: PartProps & { readonly loadTerminal: LoadTerminal }) {
  const holder = useRef<HTMLDivElement>(null);
  const line = useRef<HTMLFormElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let gone = false;
    let ends: readonly (() => void)[] = [];
    loadTerminal().then(
      (module) => {
        const box = holder.current;
        if (gone || !box) return;
        const view = module.openTerminal(box, pg);
        const themes = new MutationObserver(view.theme);
        themes.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
        const draw = createPace(
          async () => view.show(),
          every(DRAW_MS),
          () => setProblem('The terminal could not show what came. The conversation shows it; reload the page to try again.'),
        );
        const follow = effect(() => {
          // Read for their change alone.
          for (const each of [pg.view, pg.running, pg.notices.problem]) void each.value;
          draw.poke();
        });
        // A press anywhere leads to the line; one that selects, and its copying, is the browser's.
        box.addEventListener('click', () => view.hasSelection() || line.current?.querySelector('textarea')?.focus());
        ends = [() => themes.disconnect(), follow, draw.stop, view.dispose];
      },
      () => setProblem('The terminal could not load. The conversation shows the same; reload the page to try again.'),
    );
    return () => {
      gone = true;
      for (const end of ends) end();
    };
  }, [pg]);
  const { draft, unsent } = pg.turns;
  return (
    <Panel name="Terminal" pg={pg} aside={<span class="rp-dim">Enter sends, Ctrl-C cancels, Tab leaves</span>}>
      <Problem>{problem}</Problem>
      <div class="rp-terminal rp-code">
        <div class="rp-screen" ref={holder} />
        {unsent.value === null ? null : <p class="rp-dim">› {unsent.value}</p>}
        <form
          ref={line}
          onSubmit={(event) => {
            event.preventDefault();
            void pg.turns.sendDraft();
          }}
        >
          <span aria-hidden="true">›</span>
          <textarea
            aria-label="Terminal input"
            rows={1}
            spellcheck={false}
            readOnly={pg.inPast.value}
            value={draft.value}
            onInput={(event) => (draft.value = event.currentTarget.value)}
            onKeyDown={useHistory(pg)}
          />
        </form>
      </div>
    </Panel>
  );
}

/** Up and down walk through what was said, from the first line and from the last. */
function useHistory({ turns, view }: PartProps['pg']) {
  const { draft } = turns;
  /** What was being written, and which prompt stands in its place. */
  const walking = useRef<{ readonly kept: string; readonly at: number; readonly text: string } | null>(null);

  function walk(step: -1 | 1): void {
    const said = view.peek().items.flatMap((item) => (item.kind === 'user' ? [item.pieces.join('')] : []));
    // What was changed since is what is being written.
    const from = walking.current?.text === draft.value ? walking.current : { kept: draft.value, at: said.length };
    const at = from.at + step;
    if (at < 0 || at > said.length) return;
    draft.value = said[at] ?? from.kept;
    walking.current = { kept: from.kept, at, text: draft.value };
  }

  return (event: KeyboardEvent & { readonly currentTarget: HTMLTextAreaElement }): void => {
    const { value, selectionStart, selectionEnd } = event.currentTarget;
    if (event.key === 'ArrowUp' && !value.slice(0, selectionStart).includes('\n')) walk(-1);
    else if (event.key === 'ArrowDown' && !value.slice(selectionEnd).includes('\n')) walk(1);
    else if (event.key.toLowerCase() === 'c' && event.ctrlKey && selectionStart === selectionEnd) {
      draft.value = '';
      void turns.cancel();
    } else return submitOnEnter(event);
    event.preventDefault();
  };
}
