/** What the terminal writes for a conversation: all items, or what is new. */
import type { Item, TextItem } from '../state/session.ts';
import { forTerminal } from '../state/words.ts';

/** Bright black, which the theme makes a readable grey: the terminal’s own “dim” loses too much contrast. */
const DIM = '\x1b[90m';
const OFF = '\x1b[0m';
const HEAD = { user: `\x1b[1m› ${OFF}`, agent: OFF, thought: DIM } as const;

export interface Drawn {
  readonly item: Item | null;
  readonly open: boolean;
}

export const NOTHING_DRAWN: Drawn = { item: null, open: false };

/** Not so in another past, or where an agent replaced what it had said. */
export function isStillSo(items: readonly Item[], { item: last }: Drawn): boolean {
  if (last === null) return true;
  const now = items.findLast(({ key }) => key === last.key);
  if (!now || !('pieces' in last)) return now !== undefined;
  const { pieces } = last;
  return (
    'pieces' in now && pieces.every((piece, at) => (at < pieces.length - 1 ? now.pieces[at] === piece : now.pieces[at]?.startsWith(piece)))
  );
}

/** Of what was told, only the last item can have grown. */
export function whatIsNew(items: readonly Item[], { item: last, open }: Drawn, columns: number) {
  let text = '';
  for (const item of items.slice(
    Math.max(
      0,
      items.findLastIndex(({ key }) => key === last?.key),
    ),
  )) {
    const seen = item.key === last?.key ? last : null;
    const begins = open ? '\r\n' : '';
    if ('pieces' in item) {
      const more = seen && 'pieces' in seen ? grownBy(seen.pieces, item.pieces) : item.pieces.join('');
      text += (seen ? '' : begins + HEAD[item.kind]) + forTerminal(more);
      open ||= !seen || more !== '';
    } else if (!seen) {
      text += begins + aside(words(item), columns);
      open = false;
    }
    last = item;
  }
  return { text, drawn: { item: last, open } };
}

function grownBy(before: readonly string[], now: readonly string[]): string {
  const at = before.length - 1;
  return now[at]!.slice(before[at]!.length) + now.slice(at + 1).join('');
}

/** Wrapped at words, unlike what streams in, which the terminal wraps. */
export function aside(text: string, columns: number): string {
  const fits = `.{1,${Math.max(4, columns - 1)}}`;
  const row = new RegExp(`${fits}(?: +|$)|${fits}`, 'gu');
  const rows = forTerminal(text)
    .split('\r\n')
    .flatMap((line) => line.match(row) ?? ['']);
  return `${DIM}${rows.map((one) => one.trimEnd()).join('\r\n')}${OFF}\r\n`;
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
