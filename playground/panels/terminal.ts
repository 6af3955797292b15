/** What the terminal shows: the conversation once more, as xterm draws it. Loaded on its own. What an agent said passes `forTerminal` first. */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import type { Playground } from '../state/playground.ts';
import type { Problem } from '../state/words.ts';
import { aside, isStillSo, NOTHING_DRAWN, whatIsNew } from './terminal-items.ts';

/** Without a cursor. Queued behind earlier writes, which the terminal's own `reset` overtakes. */
const RESET = '\x1bc\x1b[?25l';

export function openTerminal(element: HTMLElement, { notices, running, view }: Playground) {
  const terminal = new Terminal({
    disableStdin: true,
    fontFamily: getComputedStyle(element).getPropertyValue('--sl-font-mono') || 'ui-monospace, monospace',
    fontSize: 13,
    scrollback: 2_000,
    // Nothing an agent prints may act.
    linkHandler: { activate: () => undefined },
    allowProposedApi: false,
    minimumContrastRatio: 4.5,
    theme: colours(element),
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  // Its own field takes no words: it is there for what is selected, and every key is the browser's.
  terminal.textarea!.tabIndex = -1;
  terminal.textarea!.ariaHidden = 'true';
  terminal.attachCustomKeyEventHandler(() => false);

  let shownSession: string | null = null;
  let drawn = NOTHING_DRAWN;
  let told: Problem | null = null;

  const resize = new ResizeObserver(() => {
    if (element.clientWidth === 0) return;
    const { cols } = terminal;
    fit.fit();
    // What is wrapped at words is wrapped for one width.
    if (terminal.cols === cols) return;
    shownSession = told = null;
    show();
  });
  resize.observe(element);
  fit.fit();

  /** Writes what is new; all of it in another session or past. */
  function show(): void {
    const { info, items } = view.peek();
    const session = info?.sessionId ?? '';
    if (session !== shownSession || !isStillSo(items, drawn)) {
      terminal.write(RESET);
      shownSession = session;
      drawn = NOTHING_DRAWN;
    }
    const { text, drawn: next } = whatIsNew(items, drawn, terminal.cols);
    terminal.write(text);
    drawn = next;
    // Told once the turn is over, when an unsent prompt is given back.
    const news = running.peek() ? told : notices.problem.peek();
    if (news && news !== told) {
      terminal.write((drawn.open ? '\r\n' : '') + aside(`⚠ ${news.message}`, terminal.cols));
      drawn = { ...drawn, open: false };
    }
    told = news;
  }

  return {
    show,
    hasSelection: () => terminal.hasSelection(),
    theme(): void {
      terminal.options.theme = colours(element);
    },
    dispose(): void {
      resize.disconnect();
      terminal.dispose();
    },
  };
}

function colours(element: HTMLElement): Record<string, string> {
  const style = getComputedStyle(element);
  const value = (name: string, fallback: string) => style.getPropertyValue(name).trim() || fallback;
  return {
    background: value('--sl-color-black', '#17181c'),
    foreground: value('--sl-color-white', '#ffffff'),
    brightBlack: value('--sl-color-gray-2', '#c0c2c7'),
    selectionBackground: value('--sl-color-accent-low', '#1f2d54'),
  };
}
