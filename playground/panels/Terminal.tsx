import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { createPace, every } from '../state/pace.ts';
import { Panel, Problem, type PartProps } from './controls.tsx';
import type * as TerminalModule from './terminal.ts';
import type { TerminalView } from './terminal.ts';

/** How often the terminal is drawn at most. */
const DRAW_MS = 100;

export type LoadTerminal = () => Promise<typeof TerminalModule>;

export function TerminalPanel({ pg, loadTerminal }: PartProps & { readonly loadTerminal: LoadTerminal }) {
  const holder = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let view: TerminalView | undefined;
    let gone = false;
    let stop: (() => void) | undefined;
    const themes = new MutationObserver(() => view?.theme());
    themes.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    loadTerminal().then(
      (module) => {
        if (gone || !holder.current) return;
        view = module.openTerminal(holder.current, {
          draft: pg.turns.draft,
          unsent: pg.turns.unsent,
          running: pg.running,
          submit: () => void pg.turns.sendDraft(),
          cancel: () => void pg.turns.cancel(),
        });
        const draw = createPace(
          async () => {
            const now = pg.view.peek();
            view?.show(now.info?.sessionId ?? '', now.items, pg.notices.problem.peek());
          },
          every(DRAW_MS),
          () => setProblem('The terminal could not show what came. The conversation shows it; reload the page to try again.'),
        );
        const follow = effect(() => {
          // Read for their change alone.
          for (const each of [pg.view, pg.running, pg.turns.draft, pg.turns.unsent, pg.notices.problem]) void each.value;
          draw.poke();
        });
        stop = () => {
          follow();
          draw.stop();
        };
      },
      () => setProblem('The terminal could not load. The conversation shows the same; reload the page to try again.'),
    );
    return () => {
      gone = true;
      themes.disconnect();
      stop?.();
      view?.dispose();
    };
  }, [pg]);
  return (
    <Panel name="Terminal" pg={pg} aside={<span class="rp-dim">Enter sends, Ctrl-C cancels, Tab leaves</span>}>
      <Problem>{problem}</Problem>
      <div class="rp-terminal" ref={holder} />
    </Panel>
  );
}
