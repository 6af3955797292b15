/**
 * The two sides of a replay, in speeches that can be compared: all that one side said until the other spoke. Chunks with one id are
 * one message of it; agents cut finer than that in ways that do not survive a replay.
 */
import { classOf, contentKind, messageIdOf, readToolCall, roleOf, textOf } from '../protocol/updates.ts';
import { RECORD_OPENING, type NewestFirst } from '../transcript/render.ts';
import type { SessionEvent, SessionUpdate, TurnState } from '../types.ts';

export type Side = 'user' | 'agent';
export type Meta = Readonly<Record<string, unknown>>;

export interface ReplayItem {
  readonly update: SessionUpdate;
  readonly meta?: Meta;
}

export const contentOf = (update: SessionUpdate): unknown => (update as { content?: unknown }).content;

/**
 * White space goes altogether: a prompt of several blocks comes back joined by a line break, a space or nothing. Each accent
 * stands beside its letter (NFD): so a text decomposed in pieces is the text decomposed whole.
 */
export const squeeze = (text: string): string => (/[\u0080-\uffff]/.test(text) ? text.normalize('NFD') : text).replace(/\s+/g, '');

/** The preamble's first words, which nobody else writes. */
export const OPENING = squeeze(RECORD_OPENING);

/** Shorter texts are in many others by chance. An accent is no character of its own. */
export const isTelling = (squeezed: string): boolean => squeezed.slice(0, 48).normalize('NFC').length >= 12;

/** Makes the key of a text as it grows: equal keys are equal words. Long texts are hashed; an agent that cheats fools only itself. */
export function growingKey(side: Side): (words: string) => string {
  let [short, length, a, b] = ['', 0, 0x811c9dc5, 0x9e3779b9];
  return (words) => {
    length += words.length;
    if (length <= 64) short += words;
    for (let i = 0; i < words.length; i++) {
      a = Math.imul(a ^ words.charCodeAt(i), 0x01000193);
      b = Math.imul(b ^ words.charCodeAt(i), 0x85ebca6b) + 0x9e37;
    }
    return length <= 64 ? `${side} ${short}` : `${side}#${length}#${a}#${b}`;
  };
}

export const keyOf = (side: Side, words: string): string => growingKey(side)(words);

/** Attachments are replayed as anything or nothing; they count only where no word stands beside them. */
const wordFor = (contents: readonly unknown[]): string => (contents.length > 0 ? `[${contents.map(contentKind).join()}]` : '');

export function addTo<K, T>(map: Map<K, T[]>, key: K, value: T): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

// ---------------------------------------------------------------- the replay

export interface Chunk extends ReplayItem {
  /** Its text, squeezed; null for what stands beside messages: thoughts, tool calls, plans, kinds we do not know. */
  readonly words: string | null;
  /** Of the message that it is a part of, or follows. */
  readonly id: string | null;
}

export interface Speech {
  readonly side: Side;
  items: Chunk[];
  /** What it says without secrets and preamble, and how many openings of the preamble stood in it. No text once it was let go. */
  read: { readonly text: string | null; readonly key: string; readonly preambles: number } | null;
  /** What its messages said before one of them came back, by id. */
  before: Map<string | null, string> | null;
  size: number;
}

export interface ReplayLogOptions {
  /** Takes secrets and the preamble out; tells how many openings of the preamble there were. */
  readonly clean: (side: Side, words: string) => { readonly text: string; readonly preambles: number };
  readonly isPreamble: (content: unknown) => boolean;
  /** Past this the oldest speeches are kept as keys only. */
  readonly maxChars: number;
}

export type ReplayLog = ReturnType<typeof createReplayLog>;

/** Joins updates to speeches as they come. What comes back under an id is dropped. */
export function createReplayLog({ clean, isPreamble, maxChars }: ReplayLogOptions) {
  const speeches: Speech[] = [];
  /** Messages with ids; `said`: how much of one was said again, since it came back. */
  const named = new Map<string, { readonly speech: Speech; said: number | null }>();
  /** The message that is coming in. */
  let current: { readonly side: Side; readonly id: string | null; readonly isAgain: boolean } | null = null;
  let [kept, released] = [0, 0];

  const add = (speech: Speech, item: Chunk): void => {
    const size = 128 + (item.words === null ? JSON.stringify(item.update).length : item.words.length);
    speech.items.push(item);
    speech.size += size;
    if (item.words !== null) speech.read = null;
    for (kept += size; kept > maxChars && released < speeches.length - 1; released++) {
      const oldest = speeches[released]!;
      kept -= oldest.size;
      [oldest.read, oldest.items, oldest.before] = [{ ...read(oldest), text: null }, [], null];
    }
  };

  /** Whether a chunk says again what its message said before. Two messages of one speech may come by turns. */
  const isAgain = (side: Side, id: string, words: string): boolean => {
    const message = named.get(`${side} ${id}`);
    if (!message) return false;
    const { speech } = message;
    const isBack = current?.id !== id || current.side !== side;
    if (isBack && (current?.isAgain || current?.side !== side || speech !== speeches.at(-1))) message.said = 0;
    // Of what was let go nobody knows any more.
    if (message.said === null || speech.items.length === 0) return message.said !== null;
    if (!speech.before?.has(id)) speech.before = new Map([...byId(speech.items)].map(([one, list]) => [one, wordsOf(list)]));
    const before = speech.before.get(id)!;
    message.said = before.startsWith(words, message.said) ? (message.said + words.length) % Math.max(1, before.length) : null;
    return message.said !== null;
  };

  const read = (speech: Speech): NonNullable<Speech['read']> => {
    if (speech.read) return speech.read;
    if (speech.items.some(({ id }) => id !== speech.items[0]!.id)) speech.items = [...byId(speech.items).values()].flat();
    const { text, preambles } = clean(speech.side, wordsOf(speech.items));
    const others = speech.items.filter(({ words }) => words === '').map(({ update }) => contentOf(update));
    const attached = others.filter((content) => textOf(content) === null && !isPreamble(content));
    const said = text || wordFor(attached);
    return (speech.read = { text: said, key: keyOf(speech.side, said), preambles: preambles + others.filter(isPreamble).length });
  };

  return {
    speeches: speeches as readonly Speech[],
    read,
    push(item: ReplayItem): void {
      const side = roleOf(item.update, item.meta);
      let speech = speeches.at(-1);
      if (side === null || side === 'thought') {
        // What stands beside words that are said again is said again, too.
        if (speech && !current?.isAgain) add(speech, { ...item, words: null, id: speech.items.at(-1)?.id ?? null });
        return;
      }
      const id = messageIdOf(item.update);
      const words = squeeze(textOf(contentOf(item.update)) ?? '');
      current = { side, id, isAgain: id !== null && isAgain(side, id, words) };
      if (current.isAgain) return;
      const message = id === null ? undefined : named.get(`${side} ${id}`);
      if (message) speech = message.speech;
      else if (speech?.side !== side) speeches.push((speech = { side, items: [], read: null, before: null, size: 0 }));
      if (id !== null && !message) named.set(`${side} ${id}`, { speech, said: null });
      add(speech, { ...item, words, id });
    },
  };
}

const byId = (items: readonly Chunk[]): Map<string | null, Chunk[]> => {
  const messages = new Map<string | null, Chunk[]>();
  for (const item of items) addTo(messages, item.id, item);
  return messages;
};

const wordsOf = (items: readonly Chunk[]): string => items.map(({ words }) => words ?? '').join('');

// ---------------------------------------------------------------- the log

/** What one turn says in a speech under one id. */
export interface Piece {
  readonly turnId: string | null;
  readonly messageId: string | null;
  readonly key: string;
  /** Whether the agent must know it: it ended the turn, or told it itself. Of a turn cut off, and of words between turns, nobody knows. */
  readonly isCertain: boolean;
}

export interface LoggedSpeech {
  readonly side: Side;
  /** Oldest first. */
  readonly pieces: readonly Piece[];
  readonly isCertain: boolean;
  /** Null where so much was read that only keys are kept. */
  readonly text: string | null;
  readonly key: string;
  readonly endsInSpace: boolean;
  /** The lowest seq of it. */
  readonly seq: number;
}

/** What is known of a turn by reading its events backwards. */
export interface LoggedTurn {
  state: TurnState;
  readonly toolCalls: Set<string>;
  hasThoughts: boolean;
  /** What is neither text nor a tool call (plans, kinds we do not know), as JSON. */
  readonly others: Set<string>;
}

export interface LogOptions {
  /** The event with which this agent session began. */
  readonly fromSeq: number;
  readonly redact: (text: string) => string;
  /** Past this older speeches are kept as keys only. */
  readonly maxChars: number;
}

type UpdateEvent = Extract<SessionEvent, { kind: 'update' }>;

export type LogReader = ReturnType<typeof readLog>;

/** Reads the log newest first, only as far as it is needed. */
export function readLog(events: NewestFirst, { fromSeq, redact, maxChars }: LogOptions) {
  const speeches: LoggedSpeech[] = [];
  const turns = new Map<string | null, LoggedTurn>();
  const toolCalls = new Set<string>();
  /** What a replay added to a turn, newest first: it stands where its turn ends. */
  const added = new Map<string | null, UpdateEvent[]>();
  const pages = Symbol.asyncIterator in events ? events[Symbol.asyncIterator]() : events[Symbol.iterator]();
  let [isWhole, isCompacted, kept] = [false, false, 0];
  /** The speech that is still growing at its older end, newest first. */
  let open: { readonly side: Side; readonly chunks: UpdateEvent[]; compacts: boolean } | null = null;

  const turn = (turnId: string | null): LoggedTurn => {
    let known = turns.get(turnId);
    // Nothing ended it, so it was cut off: a turn that runs is not replayed into.
    if (!known) turns.set(turnId, (known = { state: 'interrupted', toolCalls: new Set(), hasThoughts: false, others: new Set() }));
    return known;
  };

  const close = (): void => {
    if (!open) return;
    const { side, chunks, compacts } = open;
    open = null;
    const byId = new Map<string, UpdateEvent[]>();
    for (const chunk of chunks.reverse()) addTo(byId, `${chunk.turnId} ${chunk.origin === 'import'} ${messageIdOf(chunk.payload)}`, chunk);
    const contents = [...byId.values()].map((list) => list.map(({ payload }) => contentOf(payload)));
    const raws = contents.map((list) => redact(list.map((content) => textOf(content) ?? '').join('')));
    const words = raws.map(squeeze);
    const text = words.join('') || wordFor(contents.flat().filter((content) => textOf(content) === null));
    const key = keyOf(side, text);
    const pieces = [...byId.values()].map(([first], i): Piece => {
      const { turnId, origin, payload } = first!;
      const { state } = turn(turnId);
      const isKnown = turnId === null ? origin === 'import' : state === 'completed' || state === 'cancelled';
      return {
        turnId,
        messageId: messageIdOf(payload),
        key: byId.size === 1 ? key : keyOf(side, words[i]!),
        isCertain: isKnown && !isCompacted,
      };
    });
    kept += text.length;
    speeches.push({
      side,
      pieces,
      isCertain: pieces.some(({ isCertain }) => isCertain),
      text: kept > maxChars ? null : text,
      key,
      endsInSpace: /\s$/.test(raws.at(-1)!),
      seq: chunks.reduce((lowest, { seq }) => Math.min(lowest, seq), Infinity),
    });
    isCompacted ||= compacts || (side === 'user' && text.startsWith('/compact'));
  };

  const note = (event: UpdateEvent): void => {
    const { payload, meta, turnId } = event;
    const role = roleOf(payload, meta);
    const is = classOf(payload, meta);
    if (role === 'user' || role === 'agent') {
      if (open && open.side !== role) close();
      open ??= { side: role, chunks: [], compacts: false };
      open.chunks.push(event);
    } else if (role === 'thought') turn(turnId).hasThoughts = true;
    else if (is === 'tool_call' || is === 'tool_call_update') {
      const { id } = readToolCall(payload);
      toolCalls.add(id);
      turn(turnId).toolCalls.add(id);
    } else if (is === 'compaction') {
      if (open) open.compacts = true;
      else isCompacted = true;
    } else if (is !== 'state') turn(turnId).others.add(JSON.stringify(payload));
  };

  const take = (event: SessionEvent): void => {
    const { turnId } = event;
    if (event.kind === 'update' && event.origin === 'import' && turnId !== null) return addTo(added, turnId, event);
    for (const one of added.get(turnId) ?? []) note(one);
    added.delete(turnId);
    if (event.kind === 'turn_ended') turn(turnId).state = event.payload.state;
    if (event.kind === 'update') note(event);
  };

  return {
    /** Newest first, as far as was read. */
    speeches: speeches as readonly LoggedSpeech[],
    turn,
    hasToolCall: (id: string): boolean => toolCalls.has(id),
    /** Whether all of it was read. */
    isWhole: (): boolean => isWhole,
    /** Whether the agent shortened its memory. What is older than that it need not know. */
    isCompacted: (): boolean => isCompacted,
    /** Reads on until there are so many speeches, or no more. */
    async readUntil(count: number, breathe: () => Promise<void>): Promise<void> {
      while (!isWhole && speeches.length < count) {
        await breathe();
        const next = await pages.next();
        const page = next.done ? [] : [next.value as SessionEvent | readonly SessionEvent[]].flat();
        for (const event of page) if (event.seq >= fromSeq) take(event);
        isWhole = next.done === true || page.some(({ seq }) => seq < fromSeq);
        if (!isWhole) continue;
        close();
        if (!next.done) await pages.return?.();
      }
    },
  };
}
