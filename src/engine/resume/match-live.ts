/**
 * The live side (DESIGN §6): once a prompt is sent nothing is dropped, except the prompt's own echo, and a message that is exactly
 * the next one the replay still owed us, or one that it owed us by its id.
 *
 * Both are known only when the message is whole, so chunks that may still become one are held back. They are given out unchanged
 * and in order at the first chunk that differs, and at the latest when the turn ends.
 */
import { classOf, messageIdOf, readToolCall, roleOf, textOf } from '../protocol/updates.ts';
import type { ContentBlock, SessionUpdate } from '../types.ts';
import { OPENING, squeeze, type Meta, type ReplayItem, type Side } from './match-messages.ts';

export interface LiveFilterOptions {
  /** The running prompt as it was sent, and the preamble in front of it. */
  readonly prompt: readonly ContentBlock[];
  readonly preamble?: readonly ContentBlock[] | null;
  /** Of the `ReplayResult`: what the replay still owed. */
  readonly next?: readonly OwedMessage[];
  readonly nextToolCalls?: ReadonlySet<string>;
  /** Replaces known secrets: an echo may come with them, or without. */
  readonly redact?: (text: string) => string;
}

/** A message of the log that a late replay may still bring. */
export interface OwedMessage {
  readonly role: Side;
  /** Without white space. */
  readonly text: string;
  /** The id it has in the log; null without one. A message with this id and this text is it, wherever it comes. */
  readonly messageId: string | null;
  /** Whether its text alone tells, in its place and as long as nothing live was said. */
  readonly byText: boolean;
}

export interface LiveFilter {
  /** Takes an update of the running turn; gives what is to be stored now. */
  push(update: SessionUpdate, meta?: Meta): readonly ReplayItem[];
  /** The turn is over: gives what was still held back. */
  end(): readonly ReplayItem[];
}

/** A message that is held back. */
interface Held {
  readonly side: Side;
  readonly id: string | null;
  /** What it may still become. */
  texts: readonly string[];
  /** How much of it came. */
  length: number;
  /** The last that came of it, to see the preamble's opening by. */
  ending: string;
  isRecord: boolean;
  hasAttachment: boolean;
}

export function createLiveFilter(options: LiveFilterOptions): LiveFilter {
  const { prompt, preamble } = options;
  const echoes = echoTexts(options);
  const attachments = new Set([...(preamble ?? []), ...prompt].filter(({ type }) => type !== 'text').map((block) => JSON.stringify(block)));
  let owed = [...(options.next ?? [])];
  const ids = new Set(owed.flatMap(({ messageId }) => messageId ?? []));
  let items: ReplayItem[] = [];
  let held: Held | null = null;
  /** Set by the first thing that is surely live: from then on text alone proves nothing. */
  let live = !owed.some(({ byText }) => byText);
  /** Whether anything live was given out. */
  let spoke = false;

  /** The owed message that words of this side and id may be. */
  const owedTo = (side: Side, id: string | null): OwedMessage | undefined => {
    const known = id === null ? undefined : owed.find((one) => one.messageId === id && one.role === side);
    const next = live ? undefined : owed.find((one) => one.byText);
    return known ?? (next?.role === side ? next : undefined);
  };
  const giveOut = (...more: readonly ReplayItem[]): readonly ReplayItem[] => {
    const all = [...items, ...more];
    [items, held] = [[], null];
    return all;
  };
  const surelyLive = (...more: readonly ReplayItem[]): readonly ReplayItem[] => {
    live = spoke = true;
    return giveOut(...more);
  };
  const isWhole = ({ texts, length }: Held): boolean => texts.some((text) => text.length === length);

  /** The held message is whole: it is dropped, or given out. */
  const settle = (): readonly ReplayItem[] => {
    if (!held) return [];
    const { side, id, length, texts, isRecord, hasAttachment } = held;
    const one = owedTo(side, id);
    if (one && one.text.length === length && texts.includes(one.text)) {
      // What is owed by its text comes in order, what has an id wherever it comes.
      owed = one.messageId !== null && one.messageId === id ? owed.filter((each) => each !== one) : owed.slice(owed.indexOf(one) + 1);
      giveOut();
      return [];
    }
    if (side === 'user' && (isWhole(held) || isRecord || (length === 0 && hasAttachment))) {
      // The agent has begun to answer this prompt: what it says from here on is live.
      live = true;
      giveOut();
      return [];
    }
    return surelyLive();
  };

  const chunk = (item: ReplayItem, side: Side): readonly ReplayItem[] => {
    const id = messageIdOf(item.update);
    // Nearly all there is: an answer, with nothing owed and nothing held.
    if (live && !held && side === 'agent' && (id === null || !ids.has(id))) {
      spoke = true;
      return [item];
    }
    const before = held && held.side !== side ? settle() : [];
    if (!held) {
      const one = owedTo(side, id);
      const texts = [...(side === 'user' ? echoes : []), ...(one ? [one.text] : [])];
      held = { side, id, texts, length: 0, ending: '', isRecord: false, hasAttachment: false };
    }
    const { content } = item.update as { content?: unknown };
    const text = textOf(content);
    if (text === null) {
      if (side !== 'user' || !attachments.has(JSON.stringify(content))) return [...before, ...surelyLive(item)];
      held.hasAttachment = true;
      items.push(item);
      return before;
    }
    const said = squeeze(text);
    const left = held.texts.filter((one) => one.startsWith(said, held!.length));
    // An echo of the record, however the agent joined or wrapped its blocks: stored, it would stand in the next record again.
    const ending = side === 'user' && preamble ? held.ending + said : '';
    const isRecord = held.isRecord || ending.includes(OPENING);
    if (left.length > 0 || isRecord) {
      Object.assign(held, { texts: left, length: held.length + said.length, ending: ending.slice(-OPENING.length), isRecord });
      items.push(item);
      return before;
    }
    // What was held may be whole, and this the beginning of another message of the same side. Of the agent's only another id
    // says so; without one it is the rest of a live answer that begins like the owed one.
    const isAnother = held.length > 0 && (side === 'user' || id !== held.id) && (isWhole(held) || (id !== null && ids.has(id)));
    return [...before, ...(isAnother ? [...settle(), ...chunk(item, side)] : surelyLive(item))];
  };

  const other = (item: ReplayItem): readonly ReplayItem[] => {
    const is = classOf(item.update, item.meta);
    const isCall = is === 'tool_call' || is === 'tool_call_update';
    if (!isCall && is !== 'message') return [...(held ? settle() : giveOut()), item];
    const before = held?.side === 'user' ? settle() : [];
    // Tool calls and thoughts belong to the answer they stand in, owed or live; which one, its words will tell.
    if (owedTo('agent', held?.id ?? null) && (!isCall || options.nextToolCalls?.has(readToolCall(item.update).id))) {
      items.push(item);
      return before;
    }
    return [...before, ...settle(), ...surelyLive(item)];
  };

  return {
    push(update, meta) {
      const item: ReplayItem = meta ? { update, meta } : { update };
      const role = roleOf(update, meta);
      return role === 'user' || role === 'agent' ? chunk(item, role) : other(item);
    },
    end() {
      // A held answer may be the only live one, word for word: to lose it is worse than to store it twice.
      return held?.side === 'user' || spoke ? settle() : giveOut();
    },
  };
}

/** What an echo may say: the prompt, with or without the preamble, or one block of them; as sent or as stored. */
function echoTexts({ prompt, preamble, redact }: LiveFilterOptions): string[] {
  const forms = [(text: string) => text, ...(redact ? [redact] : [])];
  const all = forms.flatMap((form) => {
    const texts = (blocks: readonly ContentBlock[]) => blocks.map((block) => squeeze(form(textOf(block) ?? '')));
    const [before, own] = [texts(preamble ?? []), texts(prompt)];
    return [own.join(''), [...before, ...own].join(''), ...before, ...own];
  });
  return [...new Set(all)].filter((text) => text !== '');
}
