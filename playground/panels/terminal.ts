/** The terminal: a second view of the conversation, in which one can type. Loaded on its own. What an agent said passes `forTerminal` first. */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { withoutControls } from '../../src/engine/safe-text.ts';
import type { Playground } from '../state/playground.ts';
import type { Problem } from '../state/words.ts';
import { EMPTY_LINE, NEW_LINE, pressKey, type Line } from './line-editor.ts';
import { cropLayout, layOut } from './line-layout.ts';
import { aside, isStillSo, NOTHING_DRAWN, PROMPT, whatIsNew } from './terminal-items.ts';

const CONTINUED = '  ';
const INDENT = 2;
/** Only this much around the cursor is laid out. */
const WINDOW = 4_096;

const BRACKET_PASTES = '\x1b[?2004h';
/** Queued behind earlier writes, which the terminal's own `reset` overtakes. */
const RESET = '\x1bc';
const HISTORY = 200;

export function openTerminal(element: HTMLElement, { notices, running, turns, view }: Playground) {
  const { draft, unsent } = turns;
  const terminal = new Terminal({
    convertEol: false,
    cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
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
  terminal.textarea?.setAttribute('aria-label', 'Terminal input');
  terminal.write(BRACKET_PASTES);

  let line: Line = EMPTY_LINE;
  const written = createDrawnLine(terminal);
  let shownSession: string | null = '';
  let drawn = NOTHING_DRAWN;
  let history: string[] = [];
  let told: Problem | null = null;

  const lineOf = (text: string): Line => ({ ...EMPTY_LINE, text, cursor: text.length });
  /** What is on its way, else what is being written; nothing while a turn runs. */
  const atEnd = (): Line | null => {
    const sent = unsent.peek();
    if (sent !== null) return lineOf(sent);
    return running.peek() ? null : line;
  };
  const follow = () => {
    const text = draft.peek();
    if (text !== line.text) line = lineOf(text);
  };
  const redraw = () => {
    const now = atEnd();
    if (written.shown() && now) written.draw(now);
  };
  const write = (to: Line) => {
    line = to;
    draft.value = to.text;
    redraw();
  };
  const press = (key: string): void => {
    const result = pressKey(line, key, history);
    switch (result.do) {
      case 'edit':
        write(result.line);
        break;
      case 'submit':
        if (line.text.trim() !== '') void turns.sendDraft();
        follow();
        break;
      case 'cancel':
        write(EMPTY_LINE);
        void turns.cancel();
        break;
      case 'clear-screen':
        written.hide();
        terminal.clear();
        written.draw(atEnd() ?? line);
        break;
    }
  };

  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key === 'Enter' && event.shiftKey) {
      event.preventDefault();
      if (event.type === 'keydown') press(NEW_LINE);
      return false;
    }
    // Left to the browser: its paste comes as one piece.
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'v') return false;
    // Left to the page: the terminal is no trap.
    return event.key !== 'Tab' && event.key !== 'Escape';
  });
  terminal.onData((data) => {
    // Fast typing puts several keys into one event; a paste is one piece.
    for (const key of data.startsWith('\x1b') ? [data] : data) press(key);
  });

  const resize = new ResizeObserver(() => {
    if (element.clientWidth === 0) return;
    const { cols } = terminal;
    const shown = written.shown();
    written.hide();
    fit.fit();
    // The rows are ours, and not the terminal's to wrap.
    if (terminal.cols !== cols) {
      shownSession = told = null;
      show();
    } else if (shown) written.draw(atEnd() ?? line);
  });
  resize.observe(element);
  fit.fit();

  /** Writes what is new; all of it in another session or past. */
  function show(): void {
    const { info, items } = view.peek();
    const session = info?.sessionId ?? '';
    const problem = notices.problem.peek();
    if (session !== shownSession || !isStillSo(items, drawn)) {
      terminal.write(RESET + BRACKET_PASTES);
      written.forget();
      shownSession = session;
      drawn = NOTHING_DRAWN;
      history = [];
    }
    follow();
    const { text, said, drawn: next } = whatIsNew(items, drawn, terminal.cols);
    if (said.length > 0) history = [...history, ...said].slice(-HISTORY);
    const add = (more: string) => {
      if (more === '') return;
      written.hide();
      terminal.write(more);
    };
    add(text);
    drawn = next;
    // Told once the turn is over, when an unsent prompt is given back.
    const news = running.peek() ? told : problem;
    if (news && news !== told) {
      add((drawn.open ? '\r\n' : '') + aside(`⚠ ${news.message}`, terminal.cols));
      drawn = { ...drawn, open: false };
    }
    told = news;
    const now = atEnd();
    if (!now) return written.hide();
    if (!written.shown() && drawn.open) terminal.write('\r\n');
    drawn = { ...drawn, open: drawn.open && written.shown() };
    written.draw(now);
  }

  return {
    show,
    theme(): void {
      terminal.options.theme = colours(element);
    },
    dispose(): void {
      resize.disconnect();
      terminal.dispose();
    },
  };
}

/** The line being written, at the end of the terminal. */
function createDrawnLine(terminal: Terminal) {
  /** The row of the cursor; null while the line is not shown. */
  let at: number | null = null;
  const erased = () => `${at ? `\x1b[${at}A` : ''}\r\x1b[J`;
  return {
    shown: () => at !== null,

    draw(line: Line): void {
      const { cols, rows: height } = terminal;
      const from = Math.max(0, line.cursor - WINDOW / 2);
      // The prompt box can hold whatever was pasted there.
      const before = withoutControls(line.text.slice(from, line.cursor), 'page').toWellFormed();
      const after = withoutControls(line.text.slice(line.cursor, from + WINDOW), 'page').toWellFormed();
      // A full last column would wrap by itself.
      const { rows, cursor } = cropLayout(layOut(before + after, before.length, cols - INDENT - 1), Math.max(1, height - 1));
      const up = rows.length - 1 - cursor.row;
      terminal.write(
        `${erased()}${rows.map((row, index) => (index === 0 ? PROMPT : CONTINUED) + row).join('\r\n')}${up > 0 ? `\x1b[${up}A` : ''}\r\x1b[${INDENT + cursor.column}C`,
      );
      at = cursor.row;
    },

    hide(): void {
      if (at !== null) terminal.write(erased());
      at = null;
    },

    /** The terminal was cleared. */
    forget: () => void (at = null),
  };
}

function colours(element: HTMLElement): Record<string, string> {
  const style = getComputedStyle(element);
  const value = (name: string, fallback: string) => style.getPropertyValue(name).trim() || fallback;
  const text = value('--sl-color-white', '#ffffff');
  const ground = value('--sl-color-black', '#17181c');
  return {
    background: ground,
    foreground: text,
    brightBlack: value('--sl-color-gray-2', '#c0c2c7'),
    cursor: text,
    cursorAccent: ground,
    selectionBackground: value('--sl-color-accent-low', '#1f2d54'),
  };
}
