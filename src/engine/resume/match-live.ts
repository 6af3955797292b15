/**
 * The live side (DESIGN §6): once a prompt is sent nothing is dropped, except the prompt's own echo and a message that the replay still
 * owed us: one with its id, or, until something live was said, the next one by its text. A question of the user's is one by its text at any
 * time, and so is then its answer.
 *
 * All are known only when the message is whole, so chunks that may still become one are held back, and given out unchanged and in order at
 * the first chunk that differs, or when the turn ends.
 *
 * What the replay adds to the log is imported: a turn of another client's, and the rest of an answer that was cut off. Nobody knows their
 * words, so what follows such a question is held back until words of the user's or a silence part it from the live answer; what nothing
 * parts from it is live.
 */
import { fieldsOf } from '../objects.ts';
import { blocksOf, chunksOf, classOf, messageIdOf, messageText, readToolCall, textOf } from '../protocol/updates.ts';
import type { ContentBlock, SessionUpdate } from '../types.ts';
import { OPENING, sideOf, squeeze, textAfter, type LoggedSpeech, type ReplayItem, type Side } from './match-messages.ts';

type Owing = Pick<LoggedSpeech, 'side' | 'text' | 'messageId' | 'isCertain'> &
  Partial<Pick<LoggedSpeech, 'messages' | 'turnId' | 'isCutOff'>>;

export interface LiveFilterOptions {
  /** As sent, and the preamble in front of it. */
  readonly prompt: readonly ContentBlock[];
  readonly preamble?: readonly ContentBlock[] | null;
  /** Of the `ReplayResult`: what the replay still owed. */
  readonly next?: readonly Owing[];
  readonly nextToolCalls?: ReadonlySet<string>;
  /** Whether a replay was heard before the prompt was sent. */
  readonly isReplay?: boolean;
  /** Whether the log has more: then it is asked for (`asks`) at the first words of the user's that are none of these. */
  readonly hasMore?: boolean;
  /** Replaces known secrets: an echo may come with them, or without. */
  readonly redact?: (text: string) => string;
  /** When the agent was heard last, and how long a silence parts a replay from what is live. */
  readonly heardAt?: () => number;
  readonly quietMs?: number;
}

/** Of the running turn, unless it says otherwise. */
export interface StoredItem extends ReplayItem {
  readonly turnId?: string | null;
  readonly origin?: 'import';
}

export type LiveFilter = ReturnType<typeof createLiveFilter>;

/** What coming words may be: an echo, or a message that a late replay may still bring. */
interface Expected {
  readonly side: Side;
  /** Squeezed. */
  readonly text: string;
  readonly messageId: string | null;
  /** An echo is; of the answer to a turn that was cut off there may be any part. */
  readonly isCertain: boolean;
  /** Where what follows this text is new: the turn it completes; null for one of another client's. */
  readonly goesTo?: string | null | undefined;
  /** The speech it is, or is a message of. */
  readonly of?: Owing;
}

/** In words that the log does not have. */
const unknown = (side: Side, goesTo: string | null): Expected => ({ side, text: '', messageId: null, isCertain: false, goesTo });

/** More chunks are no answer in a replay: they are live. */
const MAX_HELD = 256;

/** Known by its text alone, and half an answer: the live one may begin like it. */
const isDoubtful = (one: Expected, id: string | null): boolean =>
  one.side === 'agent' && !one.isCertain && (id === null || one.messageId !== id);

/** A message that is held back. */
interface Held {
  readonly side: Side;
  readonly id: string | null;
  /** What it may still become, and how much of that came. */
  readonly maybe: readonly Expected[];
  readonly length: number;
  /** Its last words, up to the preamble's opening once that came. */
  readonly ending: string;
}

/** The whole log, which tells words of the user's that nothing else tells. */
type WholeLog =
  | { readonly kind: 'unasked' }
  /** These wait for it. */
  | { readonly kind: 'asked'; readonly waiting: ReplayItem[] }
  /** It was told, or nobody is to be asked. */
  | { readonly kind: 'settled' };

export function createLiveFilter({
  prompt,
  preamble,
  hasMore,
  isReplay = false,
  redact = (text) => text,
  heardAt = () => 0,
  quietMs = 1,
  ...options
}: LiveFilterOptions) {
  const sent = [...(preamble ?? []), ...prompt];
  const words = sent.map((block) => textOf(block) ?? '');
  /** What an echo may say: the prompt, with or without the preamble, or one block; as sent or as stored. */
  const echoes = [words.slice(sent.length - prompt.length).join(''), words.join(''), ...words]
    .flatMap((text) => [squeeze(text), squeeze(redact(text))])
    .flatMap((text): Expected[] => (text === '' ? [] : [{ side: 'user', text, messageId: null, isCertain: true }]));
  const asked = squeeze(words.slice(sent.length - prompt.length).join(''));
  const blocks = new Set(sent.map((block) => JSON.stringify(block)));
  const owing = ({ next = [], nextToolCalls }: Pick<LiveFilterOptions, 'next' | 'nextToolCalls'>) => ({
    nextToolCalls,
    // Several messages may come as one, or some of them.
    owed: next.flatMap((of): Expected[] => {
      const goesTo = of.side === 'agent' && of.isCutOff ? of.turnId : undefined;
      return of.text ? [of.text, ...(of.messages ?? [])].map((text) => ({ ...of, of, text: squeeze(text), goesTo })) : [];
    }),
    ids: new Set(next.flatMap(({ messageId }) => messageId ?? [])),
  });
  let { owed, ids, nextToolCalls } = owing(options);
  const [first] = owed;
  /** A question of another client's. */
  const elsewhere = unknown('user', null);
  /** The answer to a question of the replay that came: live words may stand between the two. */
  let awaited: Expected | null = first?.side === 'agent' && first.isCertain ? first : null;
  /** Whether it may go on with what is new. */
  let isOpen = false;
  /** Whether what was heard last was surely the replay: then unknown words of the user's are, too. */
  let [isReplaying, wasReplay] = [isReplay, false];
  let log: WholeLog = { kind: hasMore ? 'unasked' : 'settled' };
  let held: Held | null = null;
  /** What is held back, and what is given out. */
  let [items, out]: [ReplayItem[], readonly StoredItem[]] = [[], []];
  let saidAt = heardAt();
  /** Whether anything live was given out, and the id of its last message. */
  let [spoke, liveId]: [boolean, string | null] = [false, null];

  /**
   * What words of this side and id may be, the likeliest first. The running prompt's text is its echo, unless its id says otherwise: else
   * the answer would be taken for an old one. By text messages are owed in order, but one of the user's may come without those before it.
   * Of a turn that was cut off text tells the question, and what is said between it and the next.
   */
  const mayBe = (side: Side, id: string | null): readonly Expected[] => {
    const known = owed.filter((one) => id !== null && one.messageId === id && one.side === side);
    if (side === 'agent') return awaited ? [...known, awaited, ...owed.filter(({ of }) => of === awaited?.of)] : known;
    return [...known, ...echoes, ...owed.filter((one) => one.side === side), ...(isReplaying ? [elsewhere] : [])];
  };
  const fits = (one: Expected, text: string, from: number): boolean =>
    one.text.startsWith(text, from) || one === elsewhere || (one === awaited && isOpen && text.startsWith(one.text.slice(from)));
  const giveOut = (...more: readonly ReplayItem[]): void => {
    out = [...out, ...items, ...more];
    [items, held] = [[], null];
  };
  const surelyLive = (...more: readonly ReplayItem[]): void => {
    [isReplaying, spoke] = [false, true];
    if (awaited?.text === '' || awaited === first) awaited = null;
    giveOut(...more);
    liveId = messageIdOf(out.at(-1)?.update);
  };
  const hold = (item: ReplayItem, as: Held): void => {
    items.push(item);
    held = as;
    if (items.length <= MAX_HELD || !isOpen) return;
    isOpen = false;
    surelyLive();
  };

  /** What is held, without what the log has of it. */
  const newIn = ({ text, goesTo = null }: Expected): StoredItem[] => {
    let had = text.length;
    return items.flatMap(({ update, meta }): StoredItem[] => {
      const said = sideOf(update, meta) ? messageText(update) : '';
      const before = had;
      had = Math.max(0, before - squeeze(said).length);
      if (before > 0 ? had > 0 || squeeze(said).length <= before : nextToolCalls?.has(readToolCall(update).id)) return [];
      const [chunk] = chunksOf(update) as readonly (SessionUpdate & { readonly content: unknown })[];
      const rest = { ...chunk, content: { ...fieldsOf(chunk?.content), text: textAfter(said, before) } } as SessionUpdate;
      return [{ update: before > 0 ? rest : update, ...(meta ? { meta } : {}), turnId: goesTo, origin: 'import' }];
    });
  };

  /** `isReplay`: words of the user's, or a silence, show that it is no live answer. */
  const settle = (isReplay = false): void => {
    if (!held) return;
    const { side, id, maybe, length, ending } = held;
    const isOne = (each: Expected): boolean => each === elsewhere || (isReplay && (each === awaited || isDoubtful(each, id)));
    const one = maybe.find(({ text }) => text.length === length) ?? maybe.find(isOne);
    // The prompt in other words is none of another client's.
    const isPrompt = one === elsewhere && squeeze(items.map(({ update }) => messageText(update)).join('')).includes(asked);
    if (one ? isPrompt || (isDoubtful(one, id) && !isReplay) : ending !== OPENING) return surelyLive();
    const at = owed.findIndex((each) => each === one);
    const of = owed[at]?.of;
    const isWhole = squeeze(of?.text ?? '') === one?.text;
    const after = owed.slice(at + 1).filter((each) => each.of !== of || !isWhole);
    // Questions owed by text come in order, what has an id anywhere.
    if (of) owed = side === 'agent' || (id !== null && one?.messageId === id) ? owed.toSpliced(at, 1) : after;
    const isOld = at >= 0 || one?.goesTo !== undefined;
    wasReplay ||= isOld;
    if (one?.goesTo !== undefined) out = [...out, ...newIn(one)];
    [items, held] = [[], null];
    isReplaying = isOld;
    const next = after.find((each) => side === 'agent' || each.of !== of);
    if (side === 'agent') awaited = next && next.of === of ? next : one === awaited || of === awaited?.of ? null : awaited;
    else if (isOld) {
      // What follows a question of the replay answers it, be it in words that the log does not have.
      const goesTo = of ? (!next && of.isCutOff ? of.turnId : undefined) : null;
      awaited = of && next?.side === 'agent' ? next : goesTo === undefined ? null : unknown('agent', goesTo);
    } else if (awaited?.text === '') awaited = null;
    isOpen = isOld && awaited?.goesTo !== undefined;
  };

  const chunk = (item: ReplayItem, side: Side): void => {
    const id = messageIdOf(item.update);
    // Nearly all there is: an answer, with nothing owed or held.
    if (!held && side === 'agent' && !awaited && (id === null || !ids.has(id))) return surelyLive(item);
    const isMore = side === 'agent' && id !== null && id === liveId;
    if (held?.side !== side || isMore) settle(side === 'user' || isMore);
    if (isMore) return surelyLive(item);
    const text = squeeze(messageText(item.update));
    const attached = blocksOf(item.update).filter((block) => textOf(block) === null);
    const areOurs = attached.every((block) => blocks.has(JSON.stringify(block)));
    if (side === 'user' && text === '' && areOurs) return void (isReplaying &&= attached.length === 0);
    const before: Held = held ?? { side, id, maybe: mayBe(side, id), length: 0, ending: '' };
    const maybe = before.maybe.filter((one) => fits(one, text, before.length) && (areOurs || !echoes.includes(one)));
    // An echo of the record, however its blocks were joined or wrapped: stored, it would stand in the next record again.
    const said = side === 'user' && preamble ? before.ending + text : '';
    const ending = said.includes(OPENING) ? OPENING : said.slice(-OPENING.length);
    const goesOn: Held = { ...before, maybe, length: before.length + text.length, ending };
    if (maybe.some((one) => one !== elsewhere) || (areOurs && ending === OPENING)) return hold(item, goesOn);
    // What was held may be over, and this the next message of the same side: of the agent's, if its id differs or an owed question was
    // before it; else the first one owed is the beginning of a live answer.
    const whole = before.maybe.find((one) => one.text.length === before.length && one !== elsewhere);
    if (side === 'user' && log.kind === 'unasked' && !whole) {
      log = { kind: 'asked', waiting: [...items, item] };
      [items, held] = [[], null];
      return;
    }
    if (maybe.length > 0 && !whole && (!held || id === before.id)) return hold(item, goesOn);
    if (!held || (side === 'agent' && id === before.id && (!whole || whole === first || isDoubtful(whole, id)))) return surelyLive(item);
    settle();
    chunk(item, side);
  };

  const other = (item: ReplayItem): void => {
    const is = classOf(item.update, item.meta);
    const isCall = is === 'tool_call' || is === 'tool_call_update';
    // Tool calls and thoughts belong to the answer they stand in, which its words will tell; of a thought nobody knows it once something
    // live was said.
    const belongs = isCall || (is === 'message' && !spoke);
    if (held?.side === 'user') settle();
    if (awaited && isOpen && (held || awaited.text === ''))
      return hold(item, held ?? { side: 'agent', id: null, maybe: [awaited], length: 0, ending: '' });
    if (!belongs) {
      settle();
      return giveOut(item);
    }
    if (mayBe('agent', held?.id ?? null).length > 0 && (!isCall || nextToolCalls?.has(readToolCall(item.update).id)))
      return void items.push(item);
    settle();
    surelyLive(item);
  };

  const take = (item: ReplayItem): void => {
    const side = sideOf(item.update, item.meta);
    if (log.kind === 'asked') log.waiting.push(item);
    else if (side) chunk(item, side);
    else other(item);
  };

  /** What waited for the whole log, which is not asked again. */
  const released = (): readonly ReplayItem[] => {
    const waiting = log.kind === 'asked' ? log.waiting : [];
    log = { kind: 'settled' };
    return waiting;
  };

  /** What an agent says after a silence was not replayed with what it said before. */
  const hearSilence = (): void => {
    const since = saidAt;
    saidAt = heardAt();
    const mayBeNew = ({ goesTo, text }: Expected): boolean => goesTo !== undefined && held!.length >= text.length;
    if (saidAt - since < quietMs || !(isOpen || held?.maybe.includes(elsewhere))) return;
    if (held?.maybe.some(mayBeNew)) settle(true);
    isOpen = false;
    if (awaited?.text === '') awaited = null;
  };

  return {
    /** Gives what is to be stored now. */
    push(update: SessionUpdate, meta?: ReplayItem['meta']): readonly StoredItem[] {
      out = [];
      hearSilence();
      take(meta ? { update, meta } : { update });
      return out;
    },
    /** Whether only the whole log, which `know` takes, can tell what came last. */
    get asks() {
      return log.kind === 'asked';
    },
    /** What a replay of the whole log would bring; gives what of the waiting is to be stored. */
    know(whole: Pick<LiveFilterOptions, 'next' | 'nextToolCalls'>): readonly StoredItem[] {
      ({ owed, ids, nextToolCalls } = owing(whole));
      // While the log was read the agent was not heard.
      saidAt = Infinity;
      out = [];
      released().forEach(take);
      return out;
    },
    /** Whether a replay was still under way in this turn. */
    get wasReplay() {
      return wasReplay;
    },
    /** Gives what was still held back. */
    end(): readonly StoredItem[] {
      // A held answer may be the live one, word for word: losing it is worse than storing it twice. After its own question it is the old one.
      out = [];
      const isOld = awaited?.isCertain && awaited !== first && held?.maybe.includes(awaited) && awaited.text.length === held.length;
      if (held?.side === 'user' || spoke || isOld) settle();
      giveOut(...released());
      return out;
    },
  };
}
