/**
 * The live side (DESIGN §6): once a prompt is sent nothing is dropped, except the prompt's own echo and a message that the replay still
 * owed us: one with its id, or, until something live was said, the next one by its text. A question of the user's is one by its text at any
 * time, and so is then its answer.
 *
 * All are known only when the message is whole, so chunks that may still become one are held back, and given out unchanged and in order at
 * the first chunk that differs, or when the turn ends.
 */
import { blocksOf, classOf, messageIdOf, messageText, readToolCall, textOf } from '../protocol/updates.ts';
import type { ContentBlock, SessionUpdate } from '../types.ts';
import { OPENING, sideOf, squeeze, type LoggedSpeech, type ReplayItem, type Side } from './match-messages.ts';

export interface LiveFilterOptions {
  /** As sent, and the preamble in front of it. */
  readonly prompt: readonly ContentBlock[];
  readonly preamble?: readonly ContentBlock[] | null;
  /** Of the `ReplayResult`: what the replay still owed. */
  readonly next?: readonly (Pick<LoggedSpeech, 'side' | 'text' | 'messageId' | 'isCertain'> & Partial<Pick<LoggedSpeech, 'messages'>>)[];
  readonly nextToolCalls?: ReadonlySet<string>;
  /** Whether the log has more: then it is asked for (`asks`) at the first words of the user's that are none of these. */
  readonly hasMore?: boolean;
  /** Replaces known secrets: an echo may come with them, or without. */
  readonly redact?: (text: string) => string;
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
}

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

export function createLiveFilter({ prompt, preamble, hasMore, redact = (text) => text, ...options }: LiveFilterOptions) {
  const sent = [...(preamble ?? []), ...prompt];
  const words = sent.map((block) => textOf(block) ?? '');
  /** What an echo may say: the prompt, with or without the preamble, or one block; as sent or as stored. */
  const echoes = [words.slice(sent.length - prompt.length).join(''), words.join(''), ...words]
    .flatMap((text) => [squeeze(text), squeeze(redact(text))])
    .flatMap((text): Expected[] => (text === '' ? [] : [{ side: 'user', text, messageId: null, isCertain: true }]));
  const blocks = new Set(sent.map((block) => JSON.stringify(block)));
  const owing = ({ next = [], nextToolCalls }: Pick<LiveFilterOptions, 'next' | 'nextToolCalls'>) => ({
    nextToolCalls,
    // Several messages of the user's may come as one, or some of them.
    owed: next.flatMap((of) => (of.text ? [of.text, ...(of.messages ?? [])].map((text) => ({ ...of, of, text: squeeze(text) })) : [])),
    ids: new Set(next.flatMap(({ messageId }) => messageId ?? [])),
  });
  let { owed, ids, nextToolCalls } = owing(options);
  const [first] = owed;
  /** The answer to an owed question that came: live words may stand between the two. */
  let awaited: Expected | null = null;
  let wasReplay = false;
  let log: WholeLog = { kind: hasMore ? 'unasked' : 'settled' };
  let held: Held | null = null;
  /** What is held back, and what is given out. */
  let [items, out]: [ReplayItem[], readonly ReplayItem[]] = [[], []];
  /** Set by the first thing that is surely live: from then on text tells only an owed question, and its answer. */
  let live = false;
  /** Whether anything live was given out. */
  let spoke = false;

  /**
   * What words of this side and id may be, the likeliest first. The running prompt's text is its echo, unless its id says otherwise: else
   * the answer would be taken for an old one. By text messages are owed in order, but one of the user's may come without those before it.
   * Of a turn that was cut off text tells the question, and what is said between it and the next.
   */
  const mayBe = (side: Side, id: string | null): readonly Expected[] => {
    const known = owed.filter((one) => id !== null && one.messageId === id && one.side === side);
    const told = owed.filter((one) => one.side === 'user' || one.isCertain || one === awaited);
    const isNext = (one: Expected): boolean => one.side === side && (side === 'user' || one === awaited || (!live && one === told[0]));
    return [...known, ...(side === 'user' ? echoes : []), ...told.filter(isNext)];
  };
  const giveOut = (...more: readonly ReplayItem[]): void => {
    out = [...out, ...items, ...more];
    [items, held] = [[], null];
  };
  const surelyLive = (...more: readonly ReplayItem[]): void => {
    live = spoke = true;
    giveOut(...more);
  };

  const settle = (next?: Side): void => {
    if (!held) return;
    const { id, maybe, length, ending } = held;
    const isNext = next === 'user';
    const one = maybe.find(({ text }) => text.length === length) ?? maybe.find((each) => isNext && isDoubtful(each, id));
    if (one ? isDoubtful(one, id) && !isNext : ending !== OPENING) return surelyLive();
    const at = owed.findIndex((each) => each === one);
    if (at >= 0) {
      const { of, messageId, text } = owed[at]!;
      const isWhole = squeeze(of.text ?? '') === text;
      // Owed by text comes in order, by id anywhere.
      owed = id !== null && messageId === id ? owed.toSpliced(at, 1) : owed.slice(at + 1).filter((each) => each.of !== of || !isWhole);
      wasReplay = true;
    }
    // What follows an owed question answers it; after an echo it is live.
    if (held.side === 'user') live = at < 0;
    awaited = at >= 0 && held.side === 'user' && owed[0]?.side === 'agent' ? owed[0] : one === awaited ? null : awaited;
    [items, held] = [[], null];
  };

  const chunk = (item: ReplayItem, side: Side): void => {
    const id = messageIdOf(item.update);
    // Nearly all there is: an answer, with nothing owed or held.
    if (!held && side === 'agent' && !awaited && (live || owed.length === 0) && (id === null || !ids.has(id))) return surelyLive(item);
    if (held?.side !== side) settle(side);
    const text = squeeze(messageText(item.update));
    const attached = blocksOf(item.update).filter((block) => textOf(block) === null);
    const areOurs = attached.every((block) => side === 'user' && blocks.has(JSON.stringify(block)));
    const isEmpty = side === 'user' && messageText(item.update) === '';
    if ((isEmpty || attached.length > 0) && text === '' && areOurs) return void (live ||= attached.length > 0);
    const before: Held = held ?? { side, id, maybe: mayBe(side, id), length: 0, ending: '' };
    const maybe = before.maybe.filter((one) => one.text.startsWith(text, before.length));
    // An echo of the record, however its blocks were joined or wrapped: stored, it would stand in the next record again.
    const said = side === 'user' && preamble ? before.ending + text : '';
    const ending = said.includes(OPENING) ? OPENING : said.slice(-OPENING.length);
    if (areOurs && (maybe.length > 0 || ending === OPENING)) {
      items.push(item);
      held = { ...before, maybe, length: before.length + text.length, ending };
      return;
    }
    // What was held may be over, and this the next message of the same side: of the agent's, if its id differs or an owed question was
    // before it; else the first one owed is the beginning of a live answer.
    const whole = before.maybe.find((one) => one.text.length === before.length);
    if (side === 'user' && log.kind === 'unasked' && !whole) {
      log = { kind: 'asked', waiting: [...items, item] };
      [items, held] = [[], null];
      return;
    }
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
    if (held?.side === 'user' || !belongs) settle();
    if (!belongs) return giveOut(item);
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

  return {
    /** Gives what is to be stored now. */
    push(update: SessionUpdate, meta?: ReplayItem['meta']): readonly ReplayItem[] {
      out = [];
      take(meta ? { update, meta } : { update });
      return out;
    },
    /** Whether only the whole log, which `know` takes, can tell what came last. */
    get asks() {
      return log.kind === 'asked';
    },
    /** What a replay of the whole log would bring; gives what of the waiting is to be stored. */
    know(whole: Pick<LiveFilterOptions, 'next' | 'nextToolCalls'>): readonly ReplayItem[] {
      ({ owed, ids, nextToolCalls } = owing(whole));
      out = [];
      released().forEach(take);
      return out;
    },
    /** Whether a replay was still under way in this turn. */
    get wasReplay() {
      return wasReplay;
    },
    /** Gives what was still held back. */
    end(): readonly ReplayItem[] {
      // A held answer may be the live one, word for word: losing it is worse than storing it twice. After its own question it is the old one.
      out = [];
      const isOld = awaited?.isCertain && held?.maybe.includes(awaited) && awaited.text.length === held.length;
      if (held?.side === 'user' || spoke || isOld) settle();
      giveOut(...released());
      return out;
    },
  };
}
