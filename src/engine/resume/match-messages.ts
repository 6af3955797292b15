/**
 * The two sides of a replay as lists of speeches: all that one side said until the other spoke. Agents cut finer than that in ways that do
 * not survive a replay, and what parted two messages need not come again.
 */
import { chunksOf, classOf, isConversation, messageIdOf, messageText, readToolCall, replacesMessage, roleOf } from '../protocol/updates.ts';
import { RECORD_CLOSING, RECORD_OPENING, type NewestFirst } from '../transcript/render.ts';
import type { SessionEvent, SessionUpdate, TurnState } from '../types.ts';

export type Side = 'user' | 'agent';

export interface ReplayItem {
  readonly update: SessionUpdate;
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** Null for thoughts, and for what stands beside messages. */
export function sideOf(update: SessionUpdate, meta: ReplayItem['meta']): Side | null {
  const role = roleOf(update, meta);
  return role === 'thought' ? null : role;
}

const ABOVE_ASCII = /[\u0080-\uffff]/;

/**
 * White space goes, since a prompt of several blocks comes back joined by a line break, a space or nothing. Accents stand apart (NFD), so a
 * text decomposed in pieces is the text decomposed whole.
 */
export const squeeze = (text: string): string => (ABOVE_ASCII.test(text) ? text.normalize('NFD') : text).replace(/\s+/g, '');

/** 53 bits for a text of one side, squeezed, which can grow with it. An agent that cheats fools only itself. */
export const keyOf = (side: Side, words: string): number => grow((side === 'user' ? 0x11c9dc5 : 0x2545f491) * 0x200000, words);

export function grow(key: number, words: string): number {
  const text = ABOVE_ASCII.test(words) ? squeeze(words) : words;
  let [low, high] = [(key / 0x200000) | 0, key % 0x200000];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 32 || (code >= 9 && code <= 13)) continue;
    low = Math.imul(low ^ code, 0x01000193);
    high = (high + (low >>> 11)) & 0x1fffff;
  }
  return (low >>> 0) * 0x200000 + high;
}

/** The preamble's first words, which nobody else writes. */
export const OPENING = squeeze(RECORD_OPENING);
const CLOSING = squeeze(RECORD_CLOSING);

/** What an update beside messages is known by. A tool call never comes again under its id, anything else not in its turn. */
function nameOf({ update, meta }: ReplayItem, turnId: string | null): string {
  const isCall = /^tool_call/.test(classOf(update, meta));
  return isCall ? readToolCall(update).id : `${turnId} ${roleOf(update, meta) ?? JSON.stringify(update)}`;
}

// ---------------------------------------------------------------- a speech

export interface Chunk extends ReplayItem {
  /** The update as it came: a whole message of several blocks is several chunks. */
  readonly source: SessionUpdate;
  /** Null for what stands beside messages. */
  readonly text: string | null;
  /** Of its message, or the one it follows. */
  readonly id: string | null;
  /** The part that is new, made once. */
  rest?: Chunk;
}

export interface Speech {
  readonly side: Side;
  /** Of its first message. */
  readonly id: string | null;
  /** With what stood beside it; message by message, as an agent may stream two by turns. */
  readonly items: readonly Chunk[];
  /** Without secrets and preamble; null where only the key is kept. */
  readonly text: string | null;
  readonly key: number;
  /** The keys of its messages, where there are several. */
  readonly parts: readonly number[];
  /** What they say, on the user's side: turns that nothing answered stand before the next. */
  readonly messages: readonly string[];
  /** How many openings of the preamble stood in it. */
  readonly preambles: number;
}

export interface ReadOptions {
  /** Runs over whole messages of both sides, so that other chunks hide nothing. */
  readonly redact: (text: string) => string;
  /** How much text of each side is kept. Older speeches are kept as keys: matched, but not imported. */
  readonly maxChars: number;
}

function readSpeech(side: Side, chunks: readonly Chunk[], redact: ReadOptions['redact'], hasPreamble: boolean) {
  const id = chunks[0]?.id ?? null;
  const messages = chunks.every((chunk) => chunk.id === id) ? [chunks] : [...Map.groupBy(chunks, (chunk) => chunk.id).values()];
  const items = messages.length === 1 ? chunks : messages.flat();
  const words = messages.map((message) => redact(textsOf(message)));
  const said = words.join('');
  const { own, preambles } = hasPreamble && side === 'user' ? withoutPreambles(said) : { own: said, preambles: 0 };
  // Attachments are replayed as anything or nothing, so they count only without words.
  const attached = (): string => items.map(({ text, update }) => (text === '' ? messageText(update, 'name') : '')).join('');
  const text = /\S/.test(own) ? own : attached() || own;
  const several = messages.length > 1 ? words.filter((one) => /\S/.test(one)) : [];
  const parts = several.map((one) => keyOf(side, one));
  return { side, id, items, text, key: keyOf(side, text), parts, messages: side === 'user' ? several : [], preambles };
}

function textsOf(message: readonly Chunk[]): string {
  let texts = '';
  for (const { text } of message) texts += text ?? '';
  return texts;
}

/** Agents replay the preamble before the user's words, after them, or wrapped. */
function withoutPreambles(said: string): { own: string; preambles: number } {
  const [before = '', ...records] = squeeze(said).split(OPENING);
  if (records.length === 0) return { own: said, preambles: 0 };
  const after = records.map((record) => record.split(CLOSING).slice(1).join(CLOSING));
  return { own: before + after.join(''), preambles: records.length };
}

// ---------------------------------------------------------------- the replay

export type ReplayLog = ReturnType<typeof createReplayLog>;

export function createReplayLog({ redact, maxChars, hasPreamble }: ReadOptions & { readonly hasPreamble: boolean }) {
  /** `released`: one whose items are let go. */
  const speeches: { readonly side: Side; items: Chunk[]; size: number; released?: Speech }[] = [];
  let kept = 0;
  let releasedTo = 0;
  const read = (side: Side, chunks: readonly Chunk[]): Speech => readSpeech(side, chunks, redact, hasPreamble);

  /** An embedded record is known by its opening, too. */
  const wordsOf = (update: SessionUpdate): string => {
    const words = messageText(update);
    const isRecord = hasPreamble && words === '' && squeeze(JSON.stringify(update)).includes(`"text":"${OPENING}`);
    return isRecord ? RECORD_OPENING + RECORD_CLOSING : words;
  };

  const take = (item: ReplayItem, source: SessionUpdate): void => {
    const side = sideOf(item.update, item.meta);
    let speech = speeches.at(-1);
    if (side && speech?.side !== side) speeches.push((speech = { side, items: [], size: 0 }));
    if (!speech) return;
    const text = side && wordsOf(item.update);
    speech.items.push({ ...item, source, text, id: side ? messageIdOf(item.update) : (speech.items.at(-1)?.id ?? null) });
    const size = 128 + (text ?? JSON.stringify(item.update)).length;
    speech.size += size;
    for (kept += size; kept > maxChars && releasedTo < speeches.length - 1; releasedTo++) {
      const oldest = speeches[releasedTo]!;
      kept -= oldest.size;
      oldest.released = { ...read(oldest.side, oldest.items), items: [], text: null, messages: [] };
      oldest.items = [];
    }
  };

  return {
    read,
    /** Read in pieces, so that others can run meanwhile. */
    async speeches(breathe: () => Promise<void>): Promise<Speech[]> {
      const came = speeches.map((one) => ({ ...one, items: [...one.items] }));
      const all: Speech[] = [];
      for (const { side, items, released } of came) {
        all.push(released ?? read(side, items));
        await breathe();
      }
      return all;
    },
    /** A whole message replaces what was said under its id. */
    push(item: ReplayItem): void {
      const speech = speeches.at(-1);
      if (replacesMessage(item.update) && speech?.side === roleOf(item.update, item.meta))
        speech.items = speech.items.filter(({ text, id }) => text === null || id === null || id !== messageIdOf(item.update));
      for (const update of chunksOf(item.update)) take(update === item.update ? item : { ...item, update }, item.update);
    },
  };
}

// ---------------------------------------------------------------- the log

export interface LoggedSpeech extends Speech {
  /** Whether the agent must know it: it ended the turn, or told it itself. */
  readonly isCertain: boolean;
  /** Of its newest words. A turn that nothing ended counts as cut off: none runs while a replay comes. */
  readonly turnId: string | null;
  readonly isCutOff: boolean;
  readonly messageId: string | null;
  /** Of its first chunk. */
  readonly seq: number;
}

type UpdateEvent = Extract<SessionEvent, { kind: 'update' }>;

export type LogReader = ReturnType<typeof readLog>;

/** Reads no further than is needed. */
export function readLog(events: NewestFirst, { redact, maxChars, fromSeq }: ReadOptions & { readonly fromSeq: number }) {
  const speeches: LoggedSpeech[] = [];
  const states = new Map<string | null, TurnState>();
  const names = new Set<string>();
  /** As JSON: what is not part of a conversation. */
  const beside = new Set<string>();
  /** What a replay added to a turn, newest first: it stands where its turn ends. */
  const added = new Map<string | null, UpdateEvent[]>();
  /** `compactedAt`: the agent need not know what is older. */
  let compactedAt = -1;
  let isWhole = false;
  let kept = 0;
  /** The speech that still grows at its older end, newest first; without what a whole message replaced. */
  let open: { readonly side: Side; readonly events: UpdateEvent[]; readonly chunks: Chunk[] } | null = null;
  const replaced = new Set<string>();

  const close = (): void => {
    if (!open) return;
    const { side, events, chunks } = open;
    const newest = events[0]!;
    const oldest = events.at(-1)!;
    open = null;
    const speech = readSpeech(side, chunks.reverse(), redact, false);
    kept += speech.text.length;
    const isKept = kept <= maxChars;
    const isKnown = ({ turnId, origin }: UpdateEvent): boolean =>
      turnId === null ? origin === 'import' : /^(completed|cancelled)$/.test(states.get(turnId) ?? '');
    speeches.push({
      ...speech,
      items: [],
      text: isKept ? speech.text : null,
      messages: isKept ? speech.messages : [],
      isCertain: newest.seq > compactedAt && events.some(isKnown),
      isCutOff: (states.get(newest.turnId) ?? 'interrupted') === 'interrupted',
      turnId: newest.turnId,
      messageId: chunks.every(({ id }) => id === speech.id) ? messageIdOf(oldest.payload) : null,
      seq: oldest.seq,
    });
    if (side === 'user' && /^\/compact\b/.test(speech.text)) compactedAt = Math.max(compactedAt, newest.seq);
  };

  const take = (event: SessionEvent): void => {
    const { turnId, kind } = event;
    const late = added.get(turnId);
    if (kind === 'update' && event.origin === 'import' && turnId !== null) {
      if (late) late.push(event);
      else added.set(turnId, [event]);
      return;
    }
    if (kind === 'turn_ended') states.set(turnId, event.payload.state);
    if (late) {
      added.delete(turnId);
      late.forEach(takeUpdate);
    }
    if (kind === 'update') takeUpdate(event);
  };

  const takeUpdate = (event: UpdateEvent): void => {
    const { payload: update, meta, origin, seq, turnId } = event;
    const side = sideOf(update, meta);
    if (side) {
      if (open?.side !== side) close();
      open ??= { side, events: [], chunks: [] };
      // What was added to a message later is another.
      const id = `${turnId} ${origin} ${messageIdOf(update)}`;
      open.events.push(event);
      if (!replaced.has(id)) open.chunks.push({ update, source: update, text: messageText(update), id });
      if (replacesMessage(update)) replaced.add(id);
      return;
    }
    const is = classOf(update, meta);
    if (is === 'state') return;
    if (is === 'compaction') compactedAt = Math.max(compactedAt, seq);
    else names.add(nameOf({ update, meta }, turnId));
    if (!isConversation(update, meta)) beside.add(JSON.stringify(update));
  };

  const pages = (async function* () {
    for await (const page of events) {
      for (const event of [page].flat()) {
        if (event.seq < fromSeq) return;
        take(event);
      }
      yield;
    }
  })();

  return {
    /** As far as was read, newest first. */
    speeches: speeches as readonly LoggedSpeech[],
    /** The ids of its tool calls are among them. */
    names: names as ReadonlySet<string>,
    beside: beside as ReadonlySet<string>,
    /** Whether its turn lacks it. */
    isNew: (item: ReplayItem, turnId: string | null): boolean =>
      sideOf(item.update, item.meta) !== null || !names.has(nameOf(item, turnId)),
    /** Whether all was read; whether the agent shortened its memory in that. */
    isWhole: (): boolean => isWhole,
    isCompacted: (): boolean => compactedAt >= 0,
    /** Until there are so many speeches, or no more. */
    async readUntil(count: number, breathe: () => Promise<void>): Promise<void> {
      while (!isWhole && speeches.length < count) {
        await breathe();
        isWhole = (await pages.next()).done === true;
      }
      if (isWhole) close();
    },
  };
}
