/**
 * A session's events as what a person reads. Messages and tool calls are the engine's own fold of the log; what is said beside
 * them, questions, plans, ends and resumes, is added here. Text is kept in pieces of bounded size, of which only the last changes.
 */
import { EMPTY_VIEW as NOTHING, foldEvents, type View, type ViewMessage, type ViewToolCall } from '../../src/engine/fold-events.ts';
import { describeExit } from '../../src/engine/ports.ts';
import { classOf, fieldsOf, noticeText, planEntries, toolOutput, type Role } from '../../src/engine/protocol/updates.ts';
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

export type Permission = Extract<Item, { kind: 'permission' }>;

/** How a session became live, as the log has it. */
export interface StoredReport {
  readonly seq: number;
  readonly at: number;
  readonly report: ResumeReport;
}

/** A piece of text grows to about this many characters before the next one begins. */
export const PIECE_CHARS = 2_000;
/** How far after that a white space is looked for. */
const SEEK_CHARS = 200;
/** The most items that are shown; the log has the rest. */
export const ITEM_LIMIT = 2_000;
/** The excerpt of a tool's output that is shown. */
const TOOL_CHARS = 1_200;
/** How many of a plan's entries, and of a question's answers, are shown. */
const PLAN_ENTRIES = 50;
const ANSWERS = 20;

const WITHDRAWN = 'withdrawn: the turn ended first';

/** What stands beside messages and tool calls, where its event put it. */
interface Told {
  readonly seq: number;
  item: Item;
}

export class Conversation {
  #view: View = NOTHING;
  #told: Told[] = [];
  #reports: readonly StoredReport[] = [];
  /** The plan of the turn that runs. */
  #plan: Told | null = null;
  /** The items of messages and tool calls, by what they were made of. */
  #made = new Map<number, { readonly of: ViewMessage | ViewToolCall; readonly item: Item }>();

  get lastSeq(): number {
    return this.#view.seq;
  }
  get turnOpen(): boolean {
    return this.#view.running !== null;
  }
  get reports(): readonly StoredReport[] {
    return this.#reports;
  }

  /** The newest items, in the order of their events. */
  get items(): readonly Item[] {
    const said = [...this.#view.messages, ...this.#view.toolCalls].sort((a, b) => a.seq - b.seq).slice(-ITEM_LIMIT);
    const before = this.#made;
    this.#made = new Map();
    const made = said.map((of) => {
      const known = before.get(of.seq);
      const item = known?.of === of ? known.item : 'role' in of ? textItem(of, known?.item) : toolItem(of);
      this.#made.set(of.seq, { of, item });
      return { seq: of.seq, item };
    });
    return [...made, ...this.#told]
      .sort((a, b) => a.seq - b.seq)
      .slice(-ITEM_LIMIT)
      .map(({ item }) => item)
      .filter((item) => !('pieces' in item) || item.pieces.length > 0);
  }

  /** Items that are not shown, because there are too many. */
  get dropped(): number {
    const { messages, toolCalls } = this.#view;
    return Math.max(0, messages.length + toolCalls.length + this.#told.length - ITEM_LIMIT);
  }

  /** The permission request that still waits for an answer, if any. */
  openPermission(): Permission | null {
    const open = this.turnOpen ? this.#told.findLast(({ item }) => item.kind === 'permission' && item.answer === null) : undefined;
    return open ? (open.item as Permission) : null;
  }

  /** Adds events. One that it has already seen changes nothing. */
  add(events: readonly SessionEvent[]): void {
    const fresh = events.filter(({ seq }) => seq > this.#view.seq);
    for (const event of fresh) this.#tell(event);
    this.#view = foldEvents(fresh, this.#view);
  }

  #tell(event: SessionEvent): void {
    const { seq } = event;
    const key = `e${seq}`;
    const tell = (item: Item): Told => {
      const told = { seq, item };
      this.#told.push(told);
      if (this.#told.length > 2 * ITEM_LIMIT) this.#told = this.#told.slice(-ITEM_LIMIT);
      return told;
    };
    const notice = (tone: 'calm' | 'warn', text: string) => tell({ kind: 'notice', key, tone, text });
    switch (event.kind) {
      case 'turn_started':
        this.#plan = null;
        break;
      case 'update': {
        const { payload, meta } = event;
        const is = classOf(payload, meta);
        if (is === 'notice') notice('calm', label(noticeText(payload, meta), 'The agent has a notice without words.', TOOL_CHARS));
        if (is !== 'plan') break;
        // A plan replaces the one before it in the same turn.
        const plan: Item = { kind: 'plan', key: this.#plan?.item.key ?? key, entries: entriesOf(payload) };
        if (this.#plan) this.#plan.item = plan;
        else this.#plan = tell(plan);
        break;
      }
      case 'permission_requested': {
        const { requestId, toolCall, options } = event.payload;
        const title = label(toolCall.title, 'Something the agent wants to do');
        tell({ kind: 'permission', key, requestId, title, options: answersOf(options), answer: null });
        break;
      }
      case 'permission_resolved':
        this.#answer((item) => item.requestId === event.payload.requestId, event.payload);
        break;
      case 'turn_ended': {
        // Whatever the log says of them, nobody can answer them any more.
        this.#answer(() => true, { optionId: null, by: 'end' });
        const words = turnEndWords(event.payload);
        if (words) notice(event.payload.state === 'cancelled' ? 'calm' : 'warn', words);
        break;
      }
      case 'resumed': {
        const { payload: report, at } = event;
        this.#reports = [...this.#reports, { seq, at, report }];
        tell({ kind: 'notice', key, tone: 'calm', text: TIER_WORDS[report.tier], tier: report.tier });
        break;
      }
      case 'agent_exited':
        notice(event.payload.kind === 'ended' ? 'calm' : 'warn', `The agent ${describeExit(event.payload)}.`);
    }
  }

  #answer(which: (item: Permission) => boolean, resolved: { optionId: string | null; by: string }): void {
    for (const told of this.#told) {
      const { item } = told;
      if (item.kind === 'permission' && item.answer === null && which(item))
        told.item = { ...item, answer: answerWords(item.options, resolved) };
    }
  }
}

function textItem({ seq, role, text, origin }: ViewMessage, before?: Item): TextItem {
  const shown = before && 'pieces' in before ? before.pieces : [];
  // What was said can be replaced by its agent.
  const pieces = text.startsWith(shown.join('')) ? shown : [];
  const known = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return { kind: role, key: `e${seq}`, imported: origin === 'import', pieces: appendText(pieces, text.slice(known)) };
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

function toolItem(call: ViewToolCall): Item {
  const text = toolOutput(call).join('\n');
  return {
    kind: 'tool',
    key: `e${call.seq}`,
    title: label(call.title, 'Tool'),
    status: label(call.status, 'pending', 40),
    text: text.length > TOOL_CHARS ? `${text.slice(0, TOOL_CHARS)}…` : text,
  };
}

const entriesOf = (update: unknown) =>
  planEntries(update)
    .slice(0, PLAN_ENTRIES)
    .map(({ text, status }) => ({ text: label(text, ''), status: label(status, '', 40) }));

/** Whatever the agent offered that can be answered with. */
function answersOf(value: unknown): readonly Answer[] {
  const options = Array.isArray(value) ? value.map(fieldsOf) : [];
  return options
    .slice(0, ANSWERS)
    .flatMap(({ optionId, name, kind }): Answer[] =>
      typeof optionId === 'string'
        ? [{ optionId, name: label(name, label(optionId, 'Unnamed', 60), 60), kind: typeof kind === 'string' ? kind : '' }]
        : [],
    );
}

function answerWords(options: readonly Answer[], { optionId, by }: { optionId: string | null; by: string }): string {
  if (optionId === null) return by === 'end' ? WITHDRAWN : 'cancelled';
  return options.find((one) => one.optionId === optionId)?.name ?? optionId;
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
  /** The newest prompt. */
  readonly prompt: string | null;
  /** How it became live, each time. */
  readonly reports: readonly StoredReport[];
  readonly report: ResumeReport | null;
  readonly lastSeq: number;
}

/** `nobody`: no host holds the session. A turn nobody runs any more was interrupted, though that is not written down yet. */
export function snapshot(conversation: Conversation, info: SessionInfo | null, nobody = false): SessionView {
  const abandoned = conversation.turnOpen && nobody;
  const { items, reports } = conversation;
  const prompt = items.findLast((item): item is TextItem => item.kind === 'user');
  return {
    info,
    items: abandoned ? [...items.map(withdrawn), ABANDONED] : items,
    dropped: conversation.dropped,
    turnOpen: conversation.turnOpen && !abandoned,
    permission: abandoned ? null : conversation.openPermission(),
    prompt: prompt ? prompt.pieces.join('') : null,
    reports,
    report: reports.at(-1)?.report ?? null,
    lastSeq: conversation.lastSeq,
  };
}

export const EMPTY_VIEW: SessionView = Object.freeze(snapshot(new Conversation(), null));

const withdrawn = (item: Item): Item => (item.kind === 'permission' && item.answer === null ? { ...item, answer: WITHDRAWN } : item);

const ABANDONED: Item = { kind: 'notice', key: 'abandoned', tone: 'warn', text: turnEndWords({ state: 'interrupted' })! };

/** The prompt is in the log: one of the user's after this event. */
export function hasPromptAfter(view: SessionView, seq: number): boolean {
  return view.items.some(({ kind, key }) => kind === 'user' && Number(key.slice(1)) > seq);
}

/** What the agent said since the last prompt. */
export function lastReply(view: SessionView): string {
  const from = view.items.findLastIndex((item) => item.kind === 'user');
  return view.items
    .slice(from + 1)
    .flatMap((item) => (item.kind === 'agent' ? item.pieces : []))
    .join('');
}
