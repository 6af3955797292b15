/**
 * The session that is shown, read from the log as it is committed. Messages and tool calls come from the engine's own fold; permission
 * requests, plans, turn ends and resumes are added here.
 */
import { computed, signal } from '@preact/signals';
import {
  createHost,
  describeExit,
  EMPTY_VIEW as NOTHING,
  foldEvents,
  RehydrateError,
  type Host,
  type ResumeReport,
  type SessionEvent,
  type SessionInfo,
  type SqlDatabase,
  type View,
  type ViewMessage,
  type ViewToolCall,
} from '../../src/engine/index.ts';
import { fieldsOf } from '../../src/engine/objects.ts';
import { classOf, isOpenCall, noticeText, planEntries, toolOutput, type Role } from '../../src/engine/protocol/updates.ts';
import { logPages } from '../../src/engine/storage/log-pages.ts';
import { TOLD_MACHINE, toldMachine, type Machine } from './machine.ts';
import { createPace, drawn } from './pace.ts';
import { label, turnEndWords, verdictWords, type FailedResume, type StoredReport } from './words.ts';

export interface TextItem {
  readonly kind: Role;
  readonly key: string;
  readonly imported: boolean;
  /** The text in pieces of bounded size. As text arrives, only the last one changes, so that only it is laid out again. */
  readonly pieces: readonly string[];
}

/** `kind` is the agent's, and may be none of the protocol's. */
export interface Answer {
  readonly optionId: string;
  readonly name: string;
  readonly kind: string;
}

export interface Permission {
  readonly kind: 'permission';
  readonly key: string;
  readonly requestId: string;
  readonly title: string;
  readonly options: readonly Answer[];
  readonly answer: string | null;
}

export type Item =
  | TextItem
  | Permission
  | { readonly kind: 'tool'; readonly key: string; readonly title: string; readonly status: string; readonly text: string }
  | { readonly kind: 'plan'; readonly key: string; readonly entries: readonly { readonly text: string; readonly status: string }[] }
  | { readonly kind: 'notice'; readonly key: string; readonly tone: 'calm' | 'warn'; readonly text: string; readonly tier?: string };

export interface SessionView {
  readonly info: SessionInfo | null;
  readonly items: readonly Item[];
  /** How many items are no longer shown. The log still has them. */
  readonly dropped: number;
  readonly turnOpen: boolean;
  readonly permission: Permission | null;
  readonly prompt: string | null;
  readonly reports: readonly StoredReport[];
  readonly machine: Machine;
  readonly lastSeq: number;
}

/** A piece has about this many characters. */
export const PIECE_CHARS = 2_000;
/** How many more characters are searched for white space to cut at. */
const SEEK_CHARS = 200;
const ITEM_LIMIT = 2_000;
const TOOL_CHARS = 1_200;
const PLAN_ENTRIES = 50;
const ANSWERS = 20;

/** An item with its place in the log. */
interface Told {
  readonly seq: number;
  item: Item;
}

export class Conversation {
  #view: View = NOTHING;
  #told: Told[] = [];
  #reports: readonly StoredReport[] = [];
  #machine = TOLD_MACHINE;
  #plan: Told | null = null;
  #made = new Map<number, { readonly of: ViewMessage | ViewToolCall; readonly item: Item }>();

  get lastSeq(): number {
    return this.#view.seq;
  }

  add(events: readonly SessionEvent[]): void {
    const fresh = events.filter(({ seq }) => seq > this.lastSeq);
    for (const event of fresh) {
      this.#tell(event);
      this.#machine = toldMachine(this.#machine, event);
    }
    this.#view = foldEvents(fresh, this.#view);
  }

  /** `nobody`: no host holds the session, so an open turn was interrupted although the log does not say so yet. */
  view(info: SessionInfo | null = null, nobody = false): SessionView {
    const { messages, toolCalls, running } = this.#view;
    const turnOpen = running !== null && !nobody;
    const told = this.#items();
    const items = running !== null && nobody ? [...told.map((item) => cutOff(answered(item, WITHDRAWN))), ABANDONED] : told;
    const open = turnOpen ? items.findLast((item): item is Permission => item.kind === 'permission' && item.answer === null) : undefined;
    const prompt = items.findLast((item): item is TextItem => item.kind === 'user');
    return {
      info,
      items,
      dropped: Math.max(0, messages.length + toolCalls.length + this.#told.length - ITEM_LIMIT),
      turnOpen,
      permission: open ?? null,
      prompt: prompt?.pieces.join('') ?? null,
      reports: this.#reports,
      machine: this.#machine,
      lastSeq: this.lastSeq,
    };
  }

  #items(): readonly Item[] {
    const said = [...this.#view.messages, ...this.#view.toolCalls].sort((a, b) => a.seq - b.seq).slice(-ITEM_LIMIT);
    const before = this.#made;
    this.#made = new Map();
    const made = said.map((of): Told => {
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
        // A plan replaces the one before it in its turn.
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
      case 'permission_resolved': {
        const { requestId, optionId, by } = event.payload;
        for (const told of this.#told)
          if (told.item.kind === 'permission' && told.item.requestId === requestId)
            // The last resolution counts: an answer that was cancelled while it was being stored did not.
            told.item = answered({ ...told.item, answer: null }, optionId ?? (by === 'end' ? WITHDRAWN : 'cancelled'));
        break;
      }
      case 'turn_ended': {
        // Nobody can answer the turn's open permission requests any more.
        for (const told of this.#told) told.item = answered(told.item, WITHDRAWN);
        const words = turnEndWords(event.payload);
        if (words) notice(event.payload.state === 'cancelled' ? 'calm' : 'warn', words);
        break;
      }
      case 'resumed': {
        const told: StoredReport = { seq, at: event.at, report: event.payload };
        this.#reports = [...this.#reports, told];
        tell({ kind: 'notice', key, tone: 'calm', text: verdictWords(told), tier: told.report.tier });
        break;
      }
      case 'agent_exited':
        notice(event.payload.kind === 'ended' ? 'calm' : 'warn', `The agent ${describeExit(event.payload)}.`);
    }
  }
}

export const EMPTY_VIEW = new Conversation().view();

const WITHDRAWN = 'withdrawn: the turn ended first';
const ABANDONED: Item = { kind: 'notice', key: 'abandoned', tone: 'warn', text: turnEndWords({ state: 'interrupted' })! };

const cutOff = (item: Item): Item => (item.kind === 'tool' && isOpenCall(item.status) ? { ...item, status: 'failed' } : item);

function answered(item: Item, answer: string): Item {
  if (item.kind !== 'permission' || item.answer !== null) return item;
  return { ...item, answer: item.options.find(({ optionId }) => optionId === answer)?.name ?? answer };
}

function textItem({ seq, role, text, origin }: ViewMessage, before?: Item): TextItem {
  const shown = before && 'pieces' in before ? before.pieces : [];
  // Start again if the agent replaced what it had said.
  const pieces = text.startsWith(shown.join('')) ? shown : [];
  const known = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return { kind: role, key: `e${seq}`, imported: origin === 'import', pieces: appendText(pieces, text.slice(known)) };
}

export const piecesOf = (text: string): readonly string[] => appendText([], text);

/** Appends to the last piece and starts new ones as it grows. Text that the last piece had already stays in it. */
function appendText(pieces: readonly string[], text: string): readonly string[] {
  const all = pieces.slice(0, -1);
  let from = Math.max(PIECE_CHARS, pieces.at(-1)?.length ?? 0);
  let rest = (pieces.at(-1) ?? '') + text;
  while (rest.length > PIECE_CHARS + SEEK_CHARS) {
    const space = rest.slice(from, PIECE_CHARS + SEEK_CHARS).search(/\s/);
    const cut = space >= 0 ? from + space + 1 : safeCut(rest, PIECE_CHARS + SEEK_CHARS);
    all.push(rest.slice(0, cut));
    rest = rest.slice(cut);
    from = PIECE_CHARS;
  }
  return rest === '' ? all : [...all, rest];
}

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

const answersOf = (value: unknown): readonly Answer[] =>
  (Array.isArray(value) ? value.map(fieldsOf) : [])
    .slice(0, ANSWERS)
    .flatMap(({ optionId, name, kind }): Answer[] =>
      typeof optionId === 'string'
        ? [{ optionId, name: label(name, label(optionId, 'Unnamed', 60), 60), kind: typeof kind === 'string' ? kind : '' }]
        : [],
    );

export const hasPromptAfter = ({ items }: SessionView, seq: number): boolean =>
  items.some(({ kind, key }) => kind === 'user' && Number(key.slice(1)) > seq);

export const newestReport = ({ reports }: SessionView): ResumeReport | null => reports.at(-1)?.report ?? null;

export function lastReply({ items }: SessionView): string {
  const from = items.findLastIndex(({ kind }) => kind === 'user');
  return items
    .slice(from + 1)
    .flatMap((item) => (item.kind === 'agent' ? item.pieces : []))
    .join('');
}

// ---- reading it from the database

/** A host without agents, for reading while the real host sleeps, other tabs' sessions, and the past. */
export const openReader = (database: SqlDatabase): Promise<Host> => createHost({ database, agents: {} });

const infoOf = (reader: Host, sessionId: string): Promise<SessionInfo | null> =>
  reader.get(sessionId).catch((error: unknown) => {
    if (RehydrateError.is(error) && error.code === 'session_not_found') return null;
    throw error;
  });

export async function catchUp(reader: Host, sessionId: string, conversation: Conversation, past = false): Promise<SessionView> {
  const info = await infoOf(reader, sessionId);
  if (!info) return EMPTY_VIEW;
  const since = { after: conversation.lastSeq, before: info.latestSeq + 1 };
  for await (const page of logPages((range) => reader.history(sessionId, range), since)) conversation.add(page);
  return conversation.view(info, !past && info.state === 'asleep');
}

/** The pause between two reads, so that the page has time for its own work. */
const FOLLOW_MS = 60;
const LOOK_AGAIN_MS = 1_000;

interface SessionOptions {
  readonly reader: () => Host | null;
  readonly schedule: (run: () => void) => void;
  /** Whether an agent of this tab works on the session, or is about to. */
  readonly busyHere: () => boolean;
  readonly onShown: (sessionId: string) => void;
  readonly onError: (error: unknown) => void;
}

export function createShownSession({ reader: readerNow, schedule, busyHere, onShown, onError }: SessionOptions) {
  /** Null when the next prompt will create a session. */
  const id = signal<string | null>(null);
  /** The id of the session being created, so that faults can be injected into its agent before the session is shown. */
  const creating = signal<string | null>(null);
  const list = signal<readonly SessionInfo[]>([]);
  const live = signal(EMPTY_VIEW);
  /** Whether the newest prompt found the session live, which no event records. */
  const foundLive = signal(false);
  /** Failed resumes, which leave no event. */
  const failures = signal<readonly FailedResume[]>([]);
  const elsewhere = computed(() => live.value.info?.state === 'busy' && !busyHere());
  /** Replaced by a new object for every session and database, so that a read in progress can tell that it is out of date. */
  let conversation = new Conversation();
  let looking: ReturnType<typeof setTimeout> | undefined;
  const following = createPace(follow, drawn(schedule, FOLLOW_MS), onError);

  async function follow(): Promise<void> {
    const sessionId = id.value;
    const reader = readerNow();
    if (!reader) return;
    // The list changes only with turns, so it is read when none is open.
    if (!live.value.turnOpen) list.value = (await reader.list({ limit: 50 })).sessions;
    if (sessionId === null) return;
    const mine = conversation;
    const view = await catchUp(reader, sessionId, mine);
    if (conversation !== mine || id.value !== sessionId) return;
    if (view.reports.length !== live.value.reports.length) foundLive.value = false;
    live.value = view;
    // Check again later: no commit tells when another tab releases the session.
    clearTimeout(looking);
    if (elsewhere.value) looking = setTimeout(following.poke, LOOK_AGAIN_MS);
    onShown(sessionId);
  }

  const forget = (): void => {
    conversation = new Conversation();
  };

  return {
    id,
    creating,
    list,
    live,
    foundLive,
    failures,
    elsewhere,
    forget,
    poke: following.poke,
    settle: following.now,
    current: () => id.peek() ?? creating.peek(),

    choose(sessionId: string | null, failed: readonly FailedResume[]): void {
      id.value = sessionId;
      foundLive.value = false;
      failures.value = failed;
      live.value = EMPTY_VIEW;
      forget();
    },

    async has(sessionId: string): Promise<boolean> {
      const reader = readerNow();
      return reader !== null && (await infoOf(reader, sessionId)) !== null;
    },

    stop(): void {
      clearTimeout(looking);
      following.stop();
    },
  };
}
