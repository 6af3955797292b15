/**
 * Everything else, one press away: the labels and their order never change. The panels stand side by side in one window, so
 * that each can be reached and read at any time, and one of them is seen.
 */
import { useSignalEffect } from '@preact/signals';
import type { FunctionComponent } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { DOCK, type DockPanel } from '../scenarios/types.ts';
import { DatabasePanel } from './Database.tsx';
import { EditorPanel } from './Editor.tsx';
import { ReportPanel } from './Report.tsx';
import { TerminalPanel, type LoadTerminal } from './Terminal.tsx';
import { TimelinePanel } from './Timeline.tsx';
import { TranscriptPanel } from './Transcript.tsx';
import { WirePanel } from './Wire.tsx';
import type { PartProps } from './controls.tsx';

export type DockProps = PartProps & { readonly loadTerminal: LoadTerminal };

export function Dock({ pg, loadTerminal }: DockProps) {
  const { stage } = pg;
  const open = stage.dock.value;
  const tabs = useRef<HTMLElement>(null);
  const window = useRef<HTMLDivElement>(null);
  const reveal = () => {
    const head = tabs.current;
    const box = window.current;
    const at = stage.dock.peek() === null ? -1 : DOCK.indexOf(stage.dock.peek()!);
    const tab = head?.children[at] as HTMLElement | undefined;
    if (!head || !box || !tab) return;
    box.scrollLeft = at * box.clientWidth;
    head.scrollLeft = tab.offsetLeft + (tab.offsetWidth - head.clientWidth) / 2;
  };
  useSignalEffect(() => {
    void stage.dock.value;
    void stage.large.value;
    requestAnimationFrame(reveal);
  });
  useEffect(() => {
    const sizes = new ResizeObserver(reveal);
    sizes.observe(window.current!);
    // From anywhere, as in an editor.
    const pressed = (event: KeyboardEvent) => {
      if (!event.ctrlKey || event.key !== '`') return;
      event.preventDefault();
      stage.show('Terminal');
      window.current?.querySelector<HTMLElement>('.rp-terminal form textarea')?.focus();
    };
    addEventListener('keydown', pressed);
    return () => {
      sizes.disconnect();
      removeEventListener('keydown', pressed);
    };
  }, [stage]);
  return (
    <div class="rp-dock" data-open={open !== null}>
      <nav class="rp-dock-head" aria-label="Panels" ref={tabs}>
        {DOCK.map((panel) => (
          <button
            key={panel}
            type="button"
            class="rp-dock-tab"
            aria-current={panel === open}
            aria-keyshortcuts={panel === 'Terminal' ? 'Control+`' : undefined}
            title={panel === 'Terminal' ? 'Ctrl-` opens it from anywhere' : undefined}
            onClick={() => stage.choose(panel)}
          >
            {panel}
          </button>
        ))}
        <button
          type="button"
          class="rp-button rp-quiet"
          aria-pressed={stage.large.value}
          disabled={open === null}
          onClick={() => (stage.large.value = !stage.large.value)}
        >
          Larger
        </button>
      </nav>
      <div
        class="rp-dock-window"
        ref={window}
        onFocusIn={({ currentTarget, target }) => {
          // Tab walks on into the next panel.
          const at = [...currentTarget.children].findIndex((panel) => panel.contains(target as Element));
          const focused = DOCK[at];
          if (focused && stage.dock.peek() !== null) stage.dock.value = focused;
        }}
      >
        {DOCK.map((panel) => (
          <Docked key={panel} pg={pg} panel={panel} loadTerminal={loadTerminal} />
        ))}
      </div>
    </div>
  );
}

const PANELS: Readonly<Record<DockPanel, FunctionComponent<DockProps>>> = {
  Terminal: TerminalPanel,
  Wire: WirePanel,
  Database: DatabasePanel,
  Transcript: TranscriptPanel,
  'Resume report': ReportPanel,
  Timeline: TimelinePanel,
  Editor: EditorPanel,
};

export function Docked({ panel, ...props }: DockProps & { readonly panel: DockPanel }) {
  const Shown = PANELS[panel];
  return <Shown {...props} />;
}
