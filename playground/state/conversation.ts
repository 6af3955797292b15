/**
 * A session's events folded into what a person reads. Incremental: each event costs what it carries, so a stream of ten
 * thousand chunks stays cheap. Text is kept in pieces of bounded size, and only the last piece of an item ever changes.
 */
import { describeExit } from '../../src/engine/ports.ts';
import {
  classOf,
  fieldsOf,
  messageIdOf,
  messageText,
  noticeText,
  planEntries,
  readToolCall,
  roleOf,
  toolOutput,
  type Role,
  type ToolCallReport,
} from '../../src/engine/protocol/updates.ts';
import type { ResumeReport, SessionEvent, SessionInfo } from '../../src/engine/types.ts';
import { label, TIER_WORDS, turnEndWords } from './words.ts';

export interface TextItem {
  readonly kind: Role;
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

type Permission = Extract<Item, { kind: 'permission' }>;

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

const WITHDRAWN = 'withdrawn: the turn ended first';

export class Conversation {
  #items: Item[] = [];
  #dropped = 0;
  #lastSeq = 0;
  #turnOpen = false;
  /** The message that the last item is, where the agent numbers them. */
  #messageId: string | null = null;
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
  openPermission(): Permission | null {
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
        this.#update(key, event.payload, event.meta, event.origin === 'import');
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
        // Whatever the log says of them, nobody can answer them any more.
        this.#items = this.#items.map(withdrawn);
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

  #update(key: string, update: unknown, meta: unknown, imported: boolean): void {
    switch (classOf(update, meta)) {
      case 'message':
        return this.#text(roleOf(update, meta)!, key, messageText(update, 'describe'), imported, messageIdOf(update));
      case 'tool_call':
      case 'tool_call_update':
        return this.#tool(key, readToolCall(update));
      case 'plan':
        return this.#plan(
          key,
          planEntries(update)
            .slice(0, PLAN_ENTRIES)
            .map((entry) => ({ text: label(entry.text, ''), status: label(entry.status, '', 40) })),
        );
      case 'notice':
        return this.#push({
          kind: 'notice',
          key,
          tone: 'calm',
          text: label(noticeText(update, meta), 'The agent has a notice without words.', TOOL_CHARS),
        });
      default:
        // Modes, commands, usage and kinds we do not know are in the database and on the wire; they are not conversation.
        return;
    }
  }

  /** Another message begins where the role or the agent's id for it changes. */
  #text(kind: Role, key: string, text: string, imported: boolean, messageId: string | null): void {
    const last = this.#items.at(-1);
    const same = messageId === null || this.#messageId === null || messageId === this.#messageId;
    if (last && last.kind === kind && last.imported === imported && same) {
      this.#items[this.#items.length - 1] = { ...last, pieces: appendText(last.pieces, text) };
    } else if (text !== '') {
      this.#push({ kind, key, imported, pieces: appendText([], text) });
    } else return;
    this.#messageId = messageId;
  }

  /** A plan replaces the one before it in the same turn. */
  #plan(key: string, entries: Extract<Item, { kind: 'plan' }>['entries']): void {
    if (this.#places.has(PLAN)) return this.#change(PLAN, (item) => (item.kind === 'plan' ? { ...item, entries } : item));
    this.#places.set(PLAN, key);
    this.#push({ kind: 'plan', key, entries });
  }

  #tool(key: string, report: ToolCallReport): void {
    const place = `tool ${report.id}`;
    if (this.#places.has(place)) return this.#change(place, (item) => (item.kind === 'tool' ? toolItem(item.key, report, item) : item));
    this.#places.set(place, key);
    this.#push(toolItem(key, report));
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

/** What a report leaves out is as it was before. */
function toolItem(key: string, report: ToolCallReport, before?: Extract<Item, { kind: 'tool' }>): Item {
  const text = toolOutput(report).join('\n') || (before?.text ?? '');
  return {
    kind: 'tool',
    key,
    title: label(report.title, before?.title ?? 'Tool'),
    status: label(report.status, before?.status ?? 'pending', 40),
    text: text.length > TOOL_CHARS ? `${text.slice(0, TOOL_CHARS)}…` : text,
  };
}

function withdrawn(item: Item): Item {
  return item.kind === 'permission' && item.answer === null ? { ...item, answer: WITHDRAWN } : item;
}

/** Whatever the agent offered that can be answered with. */
function answersOf(value: unknown): readonly Answer[] {
  const options = Array.isArray(value) ? value.map(fieldsOf) : [];
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
  if (resolved.optionId === null) return resolved.by === 'end' ? WITHDRAWN : 'cancelled';
  const option = options.find((one) => one.optionId === resolved.optionId);
  return option?.name ?? resolved.optionId;
}

// ------------------------------------------------------------- what the panels show of a session

/** A session, now or at a moment of its past. */
export interface SessionView {
  readonly info: SessionInfo | null;
  readonly items: readonly Item[];
  /** Items that no longer fit the page; they are in the log. */
  readonly dropped: number;
  readonly turnOpen: boolean;
  readonly permission: Permission | null;
  readonly report: ResumeReport | null;
  readonly lastSeq: number;
}

export const EMPTY_VIEW: SessionView = Object.freeze({
  info: null,
  items: [],
  dropped: 0,
  turnOpen: false,
  permission: null,
  report: null,
  lastSeq: 0,
});

/** The whole view of a finished list of events. */
export function viewOf(events: readonly SessionEvent[], info: SessionInfo | null): SessionView {
  const conversation = new Conversation();
  let report: ResumeReport | null = null;
  for (const event of events) {
    conversation.add(event);
    if (event.kind === 'resumed') report = event.payload;
  }
  return snapshot(conversation, info, report);
}

/** `nobody`: no host holds the session. A turn nobody runs any more was interrupted, though that is not written down yet. */
export function snapshot(conversation: Conversation, info: SessionInfo | null, report: ResumeReport | null, nobody = false): SessionView {
  const abandoned = conversation.turnOpen && nobody;
  return {
    info,
    // A new array each time: the panels compare by identity.
    items: abandoned ? [...conversation.items.map(withdrawn), ABANDONED] : [...conversation.items],
    dropped: conversation.dropped,
    turnOpen: conversation.turnOpen && !abandoned,
    permission: abandoned ? null : conversation.openPermission(),
    report,
    lastSeq: conversation.lastSeq,
  };
}

const ABANDONED: Item = { kind: 'notice', key: 'abandoned', tone: 'warn', text: turnEndWords({ state: 'interrupted' })! };

/** The prompt is in the log: one of the user's after this event. */
export function hasPromptAfter(view: SessionView, seq: number): boolean {
  return view.items.some(({ kind, key }) => kind === 'user' && Number(key.slice(1)) > seq);
}
