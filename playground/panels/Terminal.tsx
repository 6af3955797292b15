import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { createPace, every } from '../state/pace.ts';
import { Panel, Problem, type PartProps } from './controls.tsx';
import type * as TerminalModule from './terminal.ts';

const DRAW_MS = 100;

export type LoadTerminal = () => Promise<typeof TerminalModule>;

export function TerminalPanel({ pg, loadTerminal }: PartProps & { readonly loadTerminal: LoadTerminal }) {
  const holder = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let gone = false;
    let ends: readonly (() => void)[] = [];
    loadTerminal().then(
      (module) => {
        if (gone || !holder.current) return;
        const view = module.openTerminal(holder.current, pg);
        const themes = new MutationObserver(view.theme);
        themes.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
        const draw = createPace(
          async () => view.show(),
          every(DRAW_MS),
          () => setProblem('The terminal could not show what came. The conversation shows it; reload the page to try again.'),
        );
        const follow = effect(() => {
          // Read for their change alone.
          for (const each of [pg.view, pg.running, pg.turns.draft, pg.turns.unsent, pg.notices.problem]) void each.value;
          draw.poke();
        });
        ends = [() => themes.disconnect(), follow, draw.stop, view.dispose];
      },
      () => setProblem('The terminal could not load. The conversation shows the same; reload the page to try again.'),
    );
    return () => {
      gone = true;
      for (const end of ends) end();
    };
  }, [pg]);
  return (
    <Panel name="Terminal" pg={pg} aside={<span class="rp-dim">Enter sends, Ctrl-C cancels, Tab leaves</span>}>
      <Problem>{problem}</Problem>
      <div class="rp-terminal" ref={holder} />
    </Panel>
  );
}
