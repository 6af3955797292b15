/**
 * The two sides of a replay as lists that can be compared. The unit is a speech: all that one side said until the other spoke. Chunks
 * with one id are one message of it; agents cut finer than that in ways that do not survive a replay.
 */
import {
  blocksOf,
  chunksOf,
  classOf,
  contentKind,
  messageIdOf,
  messageText,
  readToolCall,
  replacesMessage,
  roleOf,
  textOf,
} from '../protocol/updates.ts';
import { RECORD_OPENING, type NewestFirst } from '../transcript/render.ts';
import type { SessionEvent, SessionUpdate, TurnState } from '../types.ts';

export type Side = 'user' | 'agent';
export type Meta = Readonly<Record<string, unknown>>;

export interface ReplayItem {
  readonly update: SessionUpdate;
  readonly meta?: Meta;
}

export const contentOf = (update: SessionUpdate): unknown => (update as { content?: unknown }).content;

const ABOVE_ASCII = /[\u0080-\uffff]/;

/**
 * White space goes altogether: a prompt of several blocks comes back joined by a line break, a space or nothing. Each accent
 * stands beside its letter (NFD): so a text decomposed in pieces is the text decomposed whole.
 */
export const squeeze = (text: string): string => (ABOVE_ASCII.test(text) ? text.normalize('NFD') : text).replace(/\s+/g, '');

/** The preamble's first words, which nobody else writes. */
export const OPENING = squeeze(RECORD_OPENING);

/** What a text is known by, squeezed: 53 bits that grow with it. An agent that cheats fools only itself. */
export interface GrowingKey {
  low: number;
  high: number;
}

export const startKey = (side: Side): GrowingKey => ({ low: side === 'user' ? 0x11c9dc5 : 0x2545f491, high: 0 });

export function grow(key: GrowingKey, words: string): number {
  const text = /[\u0080-\uffff]/.test(words) ? squeeze(words) : words;
  let { low, high } = key;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 32 || (code >= 9 && code <= 13)) continue;
    low = Math.imul(low ^ code, 0x01000193);
    high = (high + low) | 0;
  }
  [key.low, key.high] = [low, high];
  return (low >>> 0) * 0x200000 + (high >>> 11);
}

export const keyOf = (side: Side, words: string): number => grow(startKey(side), words);

/** Attachments are replayed as anything or nothing; they count only where no word stands beside them. */
function saidBy(words: string, others: () => readonly unknown[]): string {
  const kinds = /\S/.test(words) ? [] : others().map(contentKind);
  return kinds.length > 0 ? `[${kinds.join()}]` : words;
}

const isNoText = (content: unknown): boolean => textOf(content) === null;

export function addTo<K, T>(map: Map<K, T[]>, key: K, value: T): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

// ---------------------------------------------------------------- the replay

export interface Chunk extends ReplayItem {
  /** Null for what stands beside messages: thoughts, tool calls, plans, kinds we do not know. */
  readonly text: string | null;
  /** Of the message that it is a part of, or follows. */
  readonly id: string | null;
  /** What it goes on with after what we have of it, made once. */
  rest?: ReplayItem;
}

/** A speech of the replay, or one of several that came as one. */
export interface Speech {
  readonly side: Side;
  /** Of its first message. */
  readonly id: string | null;
  /** What came as it, and what stood beside it. */
  readonly items: readonly Chunk[];
  /** Without secrets and preamble; null for what was let go. */
  readonly text: string | null;
  readonly key: number;
  /** How many openings of the preamble stood in it. */
  readonly preambles: number;
}

export interface ReplayLogOptions {
  /** Takes secrets and the preamble out; tells how many openings of the preamble there were. */
  readonly clean: (side: Side, text: string) => { readonly text: string; readonly preambles: number };
  readonly isPreamble: (content: unknown) => boolean;
  /** Past this the oldest speeches are kept as keys only. */
  readonly maxChars: number;
}

export type ReplayLog = ReturnType<typeof createReplayLog>;

/** Joins updates to speeches as they come. */
export function createReplayLog({ clean, isPreamble, maxChars }: ReplayLogOptions) {
  const speeches: { readonly side: Side; items: Chunk[]; read: Speech | null; size: number }[] = [];
  let [kept, released] = [0, 0];

  const read = (side: Side, chunks: readonly Chunk[]): Speech => {
    const { id } = chunks[0]!;
    // The chunks of each message beside each other: an agent may stream two by turns.
    const items = chunks.every((chunk) => chunk.id === id) ? chunks : [...Map.groupBy(chunks, (chunk) => chunk.id).values()].flat();
    const { text, preambles } = clean(side, items.map((item) => item.text ?? '').join(''));
    const others = items.filter((item) => item.text === '').map(({ update }) => contentOf(update));
    const said = saidBy(text, () => others.filter((content) => isNoText(content) && !isPreamble(content)));
    return { side, id, items, text: said, key: keyOf(side, said), preambles: preambles + others.filter(isPreamble).length };
  };

  const take = (item: ReplayItem): void => {
    const role = roleOf(item.update, item.meta);
    const side = role === 'thought' ? null : role;
    let speech = speeches.at(-1);
    if (side && speech?.side !== side) speeches.push((speech = { side, items: [], read: null, size: 0 }));
    if (!speech) return;
    const text = side && (textOf(contentOf(item.update)) ?? '');
    speech.items.push({ ...item, text, id: side ? messageIdOf(item.update) : (speech.items.at(-1)?.id ?? null) });
    speech.read = null;
    const size = 128 + (text ?? JSON.stringify(item.update)).length;
    speech.size += size;
    for (kept += size; kept > maxChars && released < speeches.length - 1; released++) {
      const oldest = speeches[released]!;
      kept -= oldest.size;
      [oldest.read, oldest.items] = [{ ...read(oldest.side, oldest.items), items: [], text: null }, []];
    }
  };

  return {
    read,
    get length() {
      return speeches.length;
    },
    speeches: () => speeches.map((speech) => (speech.read ??= read(speech.side, speech.items))),
    /** A whole message comes as its blocks, in the place of what was said under its id. */
    push(item: ReplayItem): void {
      const speech = speeches.at(-1);
      if (replacesMessage(item.update) && speech?.side === roleOf(item.update, item.meta)) {
        speech.items = speech.items.filter(({ text, id }) => text === null || id === null || id !== messageIdOf(item.update));
        speech.read = null;
      }
      for (const update of chunksOf(item.update)) take(update === item.update ? item : { ...item, update });
    },
  };
}

// ---------------------------------------------------------------- the log

/** What one turn says in a speech under one id. */
export interface Piece {
  readonly turnId: string | null;
  readonly messageId: string | null;
  readonly key: number;
}

export interface LoggedSpeech {
  readonly side: Side;
  /** Oldest first. */
  readonly pieces: readonly Piece[];
  /** Whether the agent must know it: it ended the turn, or told it itself. Of a turn cut off, and of words between turns, nobody knows. */
  readonly isCertain: boolean;
  /** Null where so much was read that only keys are kept. */
  readonly text: string | null;
  readonly key: number;
  /** The lowest seq of it. */
  readonly seq: number;
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
  const states = new Map<string | null, TurnState>();
  /** What a turn holds beside messages: `thought`, plans and unknown kinds as JSON. */
  const beside = new Map<string | null, Set<string>>();
  const toolCalls = new Set<string>();
  /** What a replay added to a turn, newest first: it stands where its turn ends. */
  const added = new Map<string | null, UpdateEvent[]>();
  const pages = Symbol.asyncIterator in events ? events[Symbol.asyncIterator]() : events[Symbol.iterator]();
  let [isWhole, isCompacted, kept] = [false, false, 0];
  /** The speech that is still growing at its older end, newest first. */
  let open: { readonly side: Side; readonly chunks: UpdateEvent[]; compacts: boolean } | null = null;

  const close = (): void => {
    if (!open) return;
    const { side, chunks, compacts } = open;
    open = null;
    const messages = messagesOf(chunks.reverse());
    const raws = messages.map((list) => redact(list.map(({ payload }) => wordsOf(payload)).join('')));
    const text = saidBy(raws.join(''), () => chunks.flatMap(({ payload }) => blocksOf(payload)).filter(isNoText));
    const key = keyOf(side, text);
    kept += text.length;
    speeches.push({
      side,
      pieces: messages.map(([first], i) => ({
        turnId: first!.turnId,
        messageId: messageIdOf(first!.payload),
        key: messages.length === 1 ? key : keyOf(side, raws[i]!),
      })),
      isCertain:
        !isCompacted &&
        messages.some(([first]) =>
          first!.turnId === null ? first!.origin === 'import' : /^(completed|cancelled)$/.test(states.get(first!.turnId) ?? ''),
        ),
      text: kept > maxChars ? null : text,
      key,
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
    } else if (is === 'tool_call' || is === 'tool_call_update') toolCalls.add(readToolCall(payload).id);
    else if (is === 'compaction') {
      if (open) open.compacts = true;
      else isCompacted = true;
    } else if (is !== 'state') beside.set(turnId, (beside.get(turnId) ?? new Set()).add(role ?? JSON.stringify(payload)));
  };

  const take = (event: SessionEvent): void => {
    const { turnId } = event;
    if (event.kind === 'update' && event.origin === 'import' && turnId !== null) return addTo(added, turnId, event);
    for (const one of added.get(turnId) ?? []) note(one);
    added.delete(turnId);
    if (event.kind === 'turn_ended') states.set(turnId, event.payload.state);
    if (event.kind === 'update') note(event);
  };

  return {
    /** Newest first, as far as was read. */
    speeches: speeches as readonly LoggedSpeech[],
    toolCalls: toolCalls as ReadonlySet<string>,
    /** Whether a turn was cut off: nothing ended it, since a turn that runs is not replayed into. */
    isCutOff: (turnId: string | null): boolean => (states.get(turnId) ?? 'interrupted') === 'interrupted',
    /** Whether an update says anything that its turn does not hold. A tool call never comes under an id that the log has. */
    isNew({ update, meta }: ReplayItem, turnId: string | null): boolean {
      const [is, role] = [classOf(update, meta), roleOf(update, meta)];
      if (role === 'user' || role === 'agent') return true;
      if (is === 'tool_call' || is === 'tool_call_update') return !toolCalls.has(readToolCall(update).id);
      return !beside.get(turnId)?.has(role ?? JSON.stringify(update));
    },
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

const wordsOf = (update: SessionUpdate): string => (replacesMessage(update) ? messageText(update) : (textOf(contentOf(update)) ?? ''));

/** The chunks of one speech as messages: what a turn says under one id, from where it was told whole, and what was added to it later. */
function messagesOf(chunks: readonly UpdateEvent[]): (readonly UpdateEvent[])[] {
  if (chunks.length === 1) return [chunks];
  const messages = Map.groupBy(chunks, (one) => `${one.turnId} ${one.origin === 'import'} ${messageIdOf(one.payload)}`);
  return [...messages.values()].map((list) =>
    list.slice(
      Math.max(
        0,
        list.findLastIndex(({ payload }) => replacesMessage(payload)),
      ),
    ),
  );
}
