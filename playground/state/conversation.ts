/**
 * A session's events folded into what a person reads. Incremental: each event costs what it carries,
 * so a stream of ten thousand chunks stays cheap. Text is kept in pieces of bounded size, and only
 * the last piece of an item ever changes.
 */
import { describeExit } from '../../src/engine/ports.ts';
import type { SessionEvent } from '../../src/engine/types.ts';
import { label } from './shown-text.ts';
import { TIER_WORDS, turnEndWords } from './words.ts';

export interface TextItem {
  readonly kind: 'user' | 'agent' | 'thought';
  readonly key: string;
  readonly imported: boolean;
  readonly pieces: readonly string[];
}

/** One of the answers an agent offers. `kind` is the protocol's, or whatever the agent made of it. */
export interface Answer {
  readonly optionId: string;
  readonly name: string;
  readonly kind: string;
}

export type Item =
  | TextItem
  | { readonly kind: 'tool'; readonly key: string; readonly title: string; readonly status: string; readonly text: string }
  | { readonly kind: 'plan'; readonly key: string; readonly entries: readonly { readonly text: string; readonly status: string }[] }
  | {
      readonly kind: 'permission';
      readonly key: string;
      readonly requestId: string;
      readonly title: string;
      readonly options: readonly Answer[];
      readonly answer: string | null;
    }
  | { readonly kind: 'notice'; readonly key: string; readonly tone: 'calm' | 'warn'; readonly text: string; readonly tier?: string };

/** A piece of text grows to about this many characters before the next one begins. */
export const PIECE_CHARS = 2_000;
/** How far behind that a white space is looked for. */
const SEEK_CHARS = 200;
/** The most items that are kept; the log has the rest. */
export const ITEM_LIMIT = 2_000;
/** The excerpt of a tool's output that is shown. */
const TOOL_CHARS = 1_200;

/** How many of a plan's entries, and of a question's answers, are shown. */
const PLAN_ENTRIES = 50;
const ANSWERS = 20;
/** Where the plan of the turn is noted. */
const PLAN = 'plan';

type Json = Readonly<Record<string, unknown>>;
const record = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});

export class Conversation {
  #items: Item[] = [];
  #dropped = 0;
  #lastSeq = 0;
  #turnOpen = false;
  /** Position of tool and permission items by their id. */
  readonly #places = new Map<string, string>();

  get items(): readonly Item[] {
    return this.#items;
  }
  /** Items that left at the front because there were too many. */
  get dropped(): number {
    return this.#dropped;
  }
  get lastSeq(): number {
    return this.#lastSeq;
  }
  get turnOpen(): boolean {
    return this.#turnOpen;
  }

  /** The permission request that still waits for an answer, if any. */
  openPermission(): Extract<Item, { kind: 'permission' }> | null {
    if (!this.#turnOpen) return null;
    for (let i = this.#items.length - 1; i >= 0; i--) {
      const item = this.#items[i]!;
      if (item.kind === 'permission' && item.answer === null) return item;
    }
    return null;
  }

  /** Adds one event. An event it has already seen changes nothing. */
  add(event: SessionEvent): void {
    if (event.seq <= this.#lastSeq) return;
    this.#lastSeq = event.seq;
    const key = `e${event.seq}`;
    switch (event.kind) {
      case 'turn_started':
        this.#turnOpen = true;
        this.#places.delete(PLAN);
        break;
      case 'update':
        this.#update(key, event.payload as unknown as Json, event.origin === 'import');
        break;
      case 'permission_requested':
        this.#places.set(`permission ${event.payload.requestId}`, key);
        this.#push({
          kind: 'permission',
          key,
          requestId: event.payload.requestId,
          title: label(event.payload.toolCall.title, 'Something the agent wants to do'),
          options: answersOf(event.payload.options),
          answer: null,
        });
        break;
      case 'permission_resolved':
        this.#change(`permission ${event.payload.requestId}`, (item) =>
          item.kind === 'permission' ? { ...item, answer: answerWords(item.options, event.payload) } : item,
        );
        break;
      case 'turn_ended': {
        this.#turnOpen = false;
        const words = turnEndWords(event.payload);
        if (words) this.#push({ kind: 'notice', key, tone: event.payload.state === 'cancelled' ? 'calm' : 'warn', text: words });
        break;
      }
      case 'resumed':
        if (event.payload.tier !== 'live') {
          this.#push({ kind: 'notice', key, tone: 'calm', text: TIER_WORDS[event.payload.tier], tier: event.payload.tier });
        }
        break;
      case 'agent_exited':
        this.#push({
          kind: 'notice',
          key,
          tone: event.payload.kind === 'ended' ? 'calm' : 'warn',
          text: `The agent ${describeExit(event.payload)}.`,
        });
        break;
    }
  }

  #update(key: string, update: Json, imported: boolean): void {
    switch (update['sessionUpdate']) {
      case 'user_message_chunk':
        return this.#text('user', key, blockText(record(update['content'])), imported);
      case 'agent_message_chunk':
        return this.#text('agent', key, blockText(record(update['content'])), imported);
      case 'agent_thought_chunk':
        return this.#text('thought', key, blockText(record(update['content'])), imported);
      case 'tool_call':
      case 'tool_call_update':
        return this.#tool(key, update);
      case 'plan':
        return this.#plan(key, planEntries(update['entries']));
      default:
        // Modes, commands, usage and kinds we do not know are in the database and on the wire; they are not conversation.
        return;
    }
  }

  #text(kind: 'user' | 'agent' | 'thought', key: string, text: string, imported: boolean): void {
    const last = this.#items.at(-1);
    if (last && last.kind === kind && last.imported === imported) {
      this.#items[this.#items.length - 1] = { ...last, pieces: appendText(last.pieces, text) };
    } else if (text !== '') {
      this.#push({ kind, key, imported, pieces: appendText([], text) });
    }
  }

  /** A plan replaces the one before it in the same turn. */
  #plan(key: string, entries: Extract<Item, { kind: 'plan' }>['entries']): void {
    if (this.#places.has(PLAN)) {
      this.#change(PLAN, (item) => (item.kind === 'plan' ? { ...item, entries } : item));
      return;
    }
    this.#places.set(PLAN, key);
    this.#push({ kind: 'plan', key, entries });
  }

  #tool(key: string, update: Json): void {
    const place = `tool ${String(update['toolCallId'])}`;
    const text = toolText(update);
    if (!this.#places.has(place)) {
      this.#places.set(place, key);
      this.#push({
        kind: 'tool',
        key,
        title: label(update['title'], 'Tool'),
        status: label(update['status'], 'pending', 40),
        text,
      });
      return;
    }
    this.#change(place, (item) =>
      item.kind === 'tool'
        ? {
            ...item,
            title: label(update['title'], item.title),
            status: label(update['status'], item.status, 40),
            text: text || item.text,
          }
        : item,
    );
  }

  #push(item: Item): void {
    this.#items.push(item);
    if (this.#items.length > ITEM_LIMIT * 1.25) {
      const extra = this.#items.length - ITEM_LIMIT;
      this.#items = this.#items.slice(extra);
      this.#dropped += extra;
    }
  }

  #change(place: string, change: (item: Item) => Item): void {
    const key = this.#places.get(place);
    if (key === undefined) return;
    const index = this.#items.findLastIndex((item) => item.key === key);
    if (index >= 0) this.#items[index] = change(this.#items[index]!);
  }
}

/**
 * Pieces are blocks of their own on the page, so that a growing answer lays out its last piece alone.
 * A full piece ends after the next white space, or where it must.
 */
function appendText(pieces: readonly string[], text: string): readonly string[] {
  const closed = pieces.slice(0, -1);
  let last = pieces.at(-1) ?? '';
  for (let rest = text; rest !== '';) {
    const room = PIECE_CHARS - last.length;
    if (rest.length <= room) return [...closed, last + rest];
    const space = rest.slice(Math.max(0, room), Math.max(0, room) + SEEK_CHARS).search(/\s/);
    const cut = space >= 0 ? Math.max(0, room) + space + 1 : room > 0 ? safeCut(rest, room) : 0;
    if (cut === 0 && last.length < PIECE_CHARS + SEEK_CHARS) {
      // No place to cut yet: the next chunk may bring one.
      const head = safeCut(rest, Math.min(rest.length, SEEK_CHARS));
      last += rest.slice(0, head);
      rest = rest.slice(head);
      continue;
    }
    closed.push(last + rest.slice(0, cut));
    last = '';
    rest = rest.slice(cut);
  }
  return last === '' ? closed : [...closed, last];
}

/** Never cuts between the halves of a surrogate pair. */
function safeCut(text: string, at: number): number {
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code <= 0xdbff && at > 1 ? at - 1 : at;
}

/** A content block as text; what is not text is named. */
export function blockText(block: Json): string {
  switch (block['type']) {
    case 'text':
      return String(block['text'] ?? '');
    case 'resource_link':
      return `[${String(block['name'] ?? block['uri'])}]`;
    case 'resource':
      return `[${String(record(block['resource'])['uri'] ?? 'resource')}]`;
    default:
      return `[${String(block['type'] ?? 'content')}]`;
  }
}

function toolText(update: Json): string {
  if (!Array.isArray(update['content'])) return '';
  const parts = update['content'].map(record).map((part) => {
    if (part['type'] === 'content') return blockText(record(part['content']));
    if (part['type'] === 'diff') return `changed ${String(part['path'])}`;
    return `[${String(part['type'])}]`;
  });
  const text = parts.join('\n');
  return text.length > TOOL_CHARS ? `${text.slice(0, TOOL_CHARS)}…` : text;
}

function planEntries(value: unknown): Extract<Item, { kind: 'plan' }>['entries'] {
  const entries = Array.isArray(value) ? value.map(record) : [];
  return entries.slice(0, PLAN_ENTRIES).map((entry) => ({ text: label(entry['content'], ''), status: label(entry['status'], '', 40) }));
}

/** Whatever the agent offered that can be answered with. */
function answersOf(value: unknown): readonly Answer[] {
  const options = Array.isArray(value) ? value.map(record) : [];
  return options.slice(0, ANSWERS).flatMap((option): Answer[] => {
    const { optionId } = option;
    if (typeof optionId !== 'string') return [];
    return [
      {
        optionId,
        name: label(option['name'], label(optionId, 'Unnamed', 60), 60),
        kind: typeof option['kind'] === 'string' ? option['kind'] : '',
      },
    ];
  });
}

function answerWords(options: readonly Answer[], resolved: { optionId: string | null; by: string }): string {
  if (resolved.optionId === null) return resolved.by === 'end' ? 'withdrawn: the turn ended first' : 'cancelled';
  const option = options.find((one) => one.optionId === resolved.optionId);
  return option?.name ?? resolved.optionId;
}
