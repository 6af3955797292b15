/**
 * The two sides of a replay as lists that can be compared. The unit is a speech: all that one side said until the other spoke, and not a
 * message (`continuesMessage`): agents cut finer than that in ways that do not survive a replay, and what parted two messages need not come
 * again. Only chunks with one id are one message of it for certain.
 */
import { chunksOf, classOf, isConversation, messageIdOf, messageText, readToolCall, replacesMessage, roleOf } from '../protocol/updates.ts';
import { RECORD_CLOSING, RECORD_OPENING, type NewestFirst } from '../transcript/render.ts';
import type { SessionEvent, SessionUpdate, TurnState } from '../types.ts';

export type Side = 'user' | 'agent';

export interface ReplayItem {
  readonly update: SessionUpdate;
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** Whose words they are; null for thoughts, and for what stands beside messages. */
export function sideOf(update: SessionUpdate, meta: ReplayItem['meta']): Side | null {
  const role = roleOf(update, meta);
  return role === 'thought' ? null : role;
}

const ABOVE_ASCII = /[\u0080-\uffff]/;

/**
 * White space goes altogether: a prompt of several blocks comes back joined by a line break, a space or nothing. Each accent
 * stands beside its letter (NFD): so a text decomposed in pieces is the text decomposed whole.
 */
export const squeeze = (text: string): string => (ABOVE_ASCII.test(text) ? text.normalize('NFD') : text).replace(/\s+/g, '');

/** What a text of one side is known by, squeezed: 53 bits, which can grow with it. An agent that cheats fools only itself. */
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

/** The preamble's first words, which nobody else writes, and its last. */
export const OPENING = squeeze(RECORD_OPENING);
const CLOSING = squeeze(RECORD_CLOSING);

/** What an update beside messages is known by. A tool call never comes again under an id that the log has, anything else not in its turn. */
function nameOf({ update, meta }: ReplayItem, turnId: string | null): string {
  const isCall = /^tool_call/.test(classOf(update, meta));
  return isCall ? readToolCall(update).id : `${turnId} ${roleOf(update, meta) ?? JSON.stringify(update)}`;
}

// ---------------------------------------------------------------- a speech

export interface Chunk extends ReplayItem {
  /** Null for what stands beside messages: thoughts, tool calls, plans, kinds we do not know. */
  readonly text: string | null;
  /** Of the message that it is a part of, or follows. */
  readonly id: string | null;
  /** What it goes on with after what we have of it, made once. */
  rest?: ReplayItem;
}

/** A speech, or one of several that came as one. */
export interface Speech {
  readonly side: Side;
  /** Of its first message. */
  readonly id: string | null;
  /** What came as it, and what stood beside it; message by message, as an agent may stream two by turns. */
  readonly items: readonly Chunk[];
  /** Without secrets and preamble; null where only the key is kept. */
  readonly text: string | null;
  readonly key: number;
  /** What its messages are known by, where there are several. */
  readonly parts: readonly number[];
  /** How many openings of the preamble stood in it. */
  readonly preambles: number;
}

export interface ReadOptions {
  /** Replaces known secrets. Runs over whole messages of both sides, so that other chunks hide nothing. */
  readonly redact: (text: string) => string;
  /** How much text of each side is kept. Past that the oldest speeches are kept as keys: still matched, but not imported. */
  readonly maxChars: number;
}

export function readSpeech(side: Side, chunks: readonly Chunk[], redact: ReadOptions['redact'], hasPreamble: boolean) {
  const id = chunks[0]?.id ?? null;
  const messages = chunks.every((chunk) => chunk.id === id) ? [chunks] : [...Map.groupBy(chunks, (chunk) => chunk.id).values()];
  const items = messages.length === 1 ? chunks : messages.flat();
  const words = messages.map((message) => redact(message.map(({ text }) => text ?? '').join('')));
  const said = words.join('');
  // Agents replay the preamble before the user's words, after them, or wrapped: its opening and closing say where it stands.
  const [before, ...records] = hasPreamble && side === 'user' ? squeeze(said).split(OPENING) : [said];
  const own = records.length === 0 ? said : before + records.map((record) => record.split(CLOSING).slice(1).join(CLOSING)).join('');
  // Attachments are replayed as anything or nothing; they count only where no word stands beside them.
  const attached = (): string => items.map(({ text, update }) => (text === '' ? messageText(update, 'name') : '')).join('');
  const text = /\S/.test(own) ? own : attached() || own;
  const parts = messages.length > 1 ? words.filter((one) => /\S/.test(one)).map((one) => keyOf(side, one)) : [];
  return { side, id, items, text, key: keyOf(side, text), parts, preambles: records.length };
}

// ---------------------------------------------------------------- the replay

export type ReplayLog = ReturnType<typeof createReplayLog>;

/** Joins updates to speeches as they come. */
export function createReplayLog({ redact, maxChars, hasPreamble }: ReadOptions & { readonly hasPreamble: boolean }) {
  /** `released`: what is left of one whose items are let go. */
  const speeches: { readonly side: Side; items: Chunk[]; size: number; released?: Speech }[] = [];
  let [kept, releasedTo] = [0, 0];
  const read = (side: Side, chunks: readonly Chunk[]): Speech => readSpeech(side, chunks, redact, hasPreamble);

  /** An embedded record says what it is by its opening and closing, too. */
  const wordsOf = (update: SessionUpdate): string => {
    const words = messageText(update);
    const isRecord = hasPreamble && words === '' && squeeze(JSON.stringify(update)).includes(`"text":"${OPENING}`);
    return isRecord ? RECORD_OPENING + RECORD_CLOSING : words;
  };

  const take = (item: ReplayItem): void => {
    const side = sideOf(item.update, item.meta);
    let speech = speeches.at(-1);
    if (side && speech?.side !== side) speeches.push((speech = { side, items: [], size: 0 }));
    if (!speech) return;
    const text = side && wordsOf(item.update);
    speech.items.push({ ...item, text, id: side ? messageIdOf(item.update) : (speech.items.at(-1)?.id ?? null) });
    const size = 128 + (text ?? JSON.stringify(item.update)).length;
    speech.size += size;
    for (kept += size; kept > maxChars && releasedTo < speeches.length - 1; releasedTo++) {
      const oldest = speeches[releasedTo]!;
      kept -= oldest.size;
      oldest.released = { ...read(oldest.side, oldest.items), items: [], text: null };
      oldest.items = [];
    }
  };

  return {
    read,
    /** As far as they came now; read in pieces, so that others can run meanwhile. */
    async speeches(breathe: () => Promise<void>): Promise<Speech[]> {
      const came = speeches.map((one) => ({ ...one, items: [...one.items] }));
      const all: Speech[] = [];
      for (const { side, items, released } of came) {
        all.push(released ?? read(side, items));
        await breathe();
      }
      return all;
    },
    /** A whole message comes as its blocks, in the place of what was said under its id. */
    push(item: ReplayItem): void {
      const speech = speeches.at(-1);
      if (replacesMessage(item.update) && speech?.side === roleOf(item.update, item.meta))
        speech.items = speech.items.filter(({ text, id }) => text === null || id === null || id !== messageIdOf(item.update));
      for (const update of chunksOf(item.update)) take(update === item.update ? item : { ...item, update });
    },
  };
}

// ---------------------------------------------------------------- the log

export interface LoggedSpeech extends Speech {
  /** Whether the agent must know it: it ended the turn, or told it itself. Of a turn cut off, and of words between turns, nobody knows. */
  readonly isCertain: boolean;
  /** Of its newest words: their turn, and whether that was cut off, if only by nothing that ended it: one that runs is not replayed into. */
  readonly turnId: string | null;
  readonly isCutOff: boolean;
  /** Where it is one message. */
  readonly messageId: string | null;
  /** Of its first chunk. */
  readonly seq: number;
}

type UpdateEvent = Extract<SessionEvent, { kind: 'update' }>;

export type LogReader = ReturnType<typeof readLog>;

/** Reads the log newest first, from the event `fromSeq` on, and only as far as it is needed. */
export function readLog(events: NewestFirst, { redact, maxChars, fromSeq }: ReadOptions & { readonly fromSeq: number }) {
  const speeches: LoggedSpeech[] = [];
  const states = new Map<string | null, TurnState>();
  /** What stands beside messages, by `nameOf`. */
  const names = new Set<string>();
  /** What is not part of a conversation, as JSON. */
  const beside = new Set<string>();
  /** What a replay added to a turn, newest first: it stands where its turn ends. */
  const added = new Map<string | null, UpdateEvent[]>();
  /** `compactedAt`: where the agent shortened its memory. What is older it need not know. */
  let [isWhole, compactedAt, kept] = [false, -1, 0];
  /** The speech that is still growing at its older end, newest first; without what a whole message replaced. */
  let open: { readonly side: Side; readonly events: UpdateEvent[]; readonly chunks: Chunk[] } | null = null;
  const replaced = new Set<string>();

  const close = (): void => {
    if (!open) return;
    const { side, events, chunks } = open;
    const [newest, oldest] = [events[0]!, events.at(-1)!];
    open = null;
    const speech = readSpeech(side, chunks.reverse(), redact, false);
    kept += speech.text.length;
    const isKnown = ({ turnId, origin }: UpdateEvent): boolean =>
      turnId === null ? origin === 'import' : /^(completed|cancelled)$/.test(states.get(turnId) ?? '');
    speeches.push({
      ...{ ...speech, items: [], text: kept > maxChars ? null : speech.text },
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
    const late = added.get(turnId) ?? [];
    if (kind === 'update' && event.origin === 'import' && turnId !== null) return void added.set(turnId, late).get(turnId)!.push(event);
    added.delete(turnId);
    if (kind === 'turn_ended') states.set(turnId, event.payload.state);
    for (const one of kind === 'update' ? [...late, event] : late) {
      const { payload: update, meta, origin, seq } = one;
      const [side, is] = [sideOf(update, meta), classOf(update, meta)];
      if (side) {
        if (open?.side !== side) close();
        open ??= { side, events: [], chunks: [] };
        // What a turn says under one id is one message, and what was added to it later another.
        const id = `${turnId} ${origin} ${messageIdOf(update)}`;
        open.events.push(one);
        if (!replaced.has(id)) open.chunks.push({ update, text: messageText(update), id });
        if (replacesMessage(update)) replaced.add(id);
      } else if (is !== 'state') {
        if (is === 'compaction') compactedAt = Math.max(compactedAt, seq);
        else names.add(nameOf({ update, meta }, turnId));
        if (!isConversation(update, meta)) beside.add(JSON.stringify(update));
      }
    }
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
    /** Newest first, as far as was read. */
    speeches: speeches as readonly LoggedSpeech[],
    /** The ids of its tool calls are among them. */
    names: names as ReadonlySet<string>,
    beside: beside as ReadonlySet<string>,
    /** Whether an update says anything that its turn does not hold. */
    isNew: (item: ReplayItem, turnId: string | null): boolean =>
      sideOf(item.update, item.meta) !== null || !names.has(nameOf(item, turnId)),
    /** Whether all of it was read, and whether the agent shortened its memory in that. */
    isWhole: (): boolean => isWhole,
    isCompacted: (): boolean => compactedAt >= 0,
    /** Reads on until there are so many speeches, or no more. */
    async readUntil(count: number, breathe: () => Promise<void>): Promise<void> {
      while (!isWhole && speeches.length < count) {
        await breathe();
        isWhole = (await pages.next()).done === true;
      }
      if (isWhole) close();
    },
  };
}
