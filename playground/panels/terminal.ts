/**
 * The terminal: a second view of the conversation in which one can also type. Loaded on its own, so
 * that the page does not wait for it. Everything an agent said passes `forTerminal` first.
 */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import type { Item, TextItem } from '../state/conversation.ts';
import { EMPTY_LINE, pressKey, type Line } from '../state/line-editor.ts';
import { forTerminal } from '../state/shown-text.ts';

const PROMPT = '\x1b[1m› \x1b[0m';
/** Bright black, which the theme makes a readable grey: the terminal’s own “dim” loses too much contrast. */
const DIM = '\x1b[90m';
const OFF = '\x1b[0m';

export interface TerminalView {
  /** Shows what is new since the last call; a changed past (another session) draws everything again. */
  show(session: string, items: readonly Item[], running: boolean): void;
  theme(): void;
  dispose(): void;
}

export interface TerminalActions {
  readonly onSubmit: (text: string) => void;
  readonly onCancel: () => void;
}

export function openTerminal(element: HTMLElement, actions: TerminalActions): TerminalView {
  const terminal = new Terminal({
    convertEol: false,
    cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
    fontFamily: getComputedStyle(element).getPropertyValue('--sl-font-mono') || 'ui-monospace, monospace',
    fontSize: 13,
    scrollback: 2_000,
    // No links, no title, no clipboard: nothing an agent prints may act.
    linkHandler: { activate: () => undefined },
    allowProposedApi: false,
    minimumContrastRatio: 4.5,
    theme: colours(element),
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  terminal.textarea?.setAttribute('aria-label', 'Terminal input');
  // Tab and Escape belong to the page: the terminal is never a trap.
  terminal.attachCustomKeyEventHandler((event) => event.key !== 'Tab' && event.key !== 'Escape');

  let line: Line = EMPTY_LINE;
  let editing = false;
  let shownSession = '';
  let drawn: Drawn = { items: 0, pieces: 0, chars: 0, key: '' };
  const history: string[] = [];

  const drawLine = (): void => {
    const back = line.text.length - line.cursor;
    // One row: longer lines show their end.
    const room = Math.max(8, terminal.cols - 4);
    const start = Math.max(0, line.cursor - room);
    terminal.write(`\r\x1b[K${PROMPT}${line.text.slice(start, start + room)}`);
    const over = Math.min(back, Math.max(0, start + room - line.cursor));
    if (over > 0) terminal.write(`\x1b[${over}D`);
  };
  const openLine = (): void => {
    if (editing) return;
    editing = true;
    drawLine();
  };
  const hideLine = (): void => {
    if (!editing) return;
    editing = false;
    terminal.write('\r\x1b[K');
  };

  terminal.onData((data) => {
    // One event can hold several keys when typed fast; a paste is one piece.
    const keys = data.startsWith('\x1b') || data.length > 32 ? [data] : [...data];
    for (const key of keys) {
      const result = pressKey(line, key, history);
      switch (result.do) {
        case 'edit':
          line = result.line;
          if (editing) drawLine();
          break;
        case 'submit':
          if (!editing) break;
          line = EMPTY_LINE;
          if (result.text.trim() === '') {
            drawLine();
            break;
          }
          history.push(result.text);
          hideLine();
          actions.onSubmit(result.text);
          break;
        case 'cancel':
          line = EMPTY_LINE;
          if (editing) drawLine();
          actions.onCancel();
          break;
        case 'clear-screen':
          terminal.clear();
          break;
      }
    }
  });

  const resize = new ResizeObserver(() => {
    if (element.clientWidth > 0) fit.fit();
  });
  resize.observe(element);
  fit.fit();

  return {
    show(session, items, running) {
      if (session !== shownSession || items.length < drawn.items) {
        terminal.reset();
        editing = false;
        shownSession = session;
        drawn = { items: 0, pieces: 0, chars: 0, key: '' };
      }
      const { text, next } = whatIsNew(items, drawn);
      if (text !== '') {
        hideLine();
        terminal.write(text);
      }
      drawn = next;
      if (running) hideLine();
      else {
        if (text !== '' || !editing) {
          if (drawn.open) terminal.write('\r\n');
          drawn = { ...drawn, open: false };
        }
        openLine();
      }
    },
    theme() {
      terminal.options.theme = colours(element);
    },
    dispose() {
      resize.disconnect();
      terminal.dispose();
    },
  };
}

/** How far the conversation has been drawn. */
interface Drawn {
  readonly items: number;
  readonly key: string;
  readonly pieces: number;
  readonly chars: number;
  /** The last line has no line end yet. */
  readonly open?: boolean;
}

/** The text to write for what came since. Only the last item can have grown. */
function whatIsNew(items: readonly Item[], drawn: Drawn): { text: string; next: Drawn } {
  let text = '';
  let next = drawn;
  const from = Math.max(0, drawn.items - 1);
  for (let i = from; i < items.length; i++) {
    const item = items[i]!;
    const seen = item.key === next.key ? next : null;
    if (isText(item)) {
      const start = seen ?? { pieces: 0, chars: 0 };
      if (!seen) text += (next.open ? '\r\n' : '') + HEAD[item.kind];
      item.pieces.forEach((piece, at) => {
        if (at < start.pieces - 1) return;
        text += forTerminal(at === start.pieces - 1 ? piece.slice(start.chars) : piece);
      });
      next = { items: i + 1, key: item.key, pieces: item.pieces.length, chars: item.pieces.at(-1)?.length ?? 0, open: true };
    } else {
      if (!seen) text += `${next.open ? '\r\n' : ''}${DIM}${forTerminal(words(item))}${OFF}\r\n`;
      next = { items: i + 1, key: item.key, pieces: 0, chars: 0, open: false };
    }
  }
  return { text, next };
}

const HEAD = { user: `${PROMPT}`, agent: '', thought: DIM } as const;

function isText(item: Item): item is TextItem {
  return item.kind === 'user' || item.kind === 'agent' || item.kind === 'thought';
}

function words(item: Exclude<Item, TextItem>): string {
  switch (item.kind) {
    case 'tool':
      return `[tool] ${item.title}`;
    case 'plan':
      return item.entries.map((entry) => `[plan] ${entry.text}`).join('\n');
    case 'permission':
      return `[asks] ${item.title}`;
    case 'notice':
      return `${item.tier ? `${item.tier}: ` : ''}${item.text}`;
  }
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
