/**
 * The live side (DESIGN §6): once a prompt is sent nothing is dropped, except the prompt's own echo, and a message
 * that is exactly the next one the replay still owed us, or one that it owed us by its id.
 *
 * Both are known only when the message is whole, so chunks that may still become one are held back. They are given out
 * unchanged and in order at the first chunk that differs, and at the latest when the turn ends.
 */
import type { ContentBlock, SessionUpdate } from '../types.ts';
import type { ReplayItem } from './match-replay.ts';
import { chunkText, messageIdOf, roleOf, squeeze, type Role } from './match-text.ts';

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
  readonly role: Role;
  /** Without white space. */
  readonly text: string;
  /** The id it has in the log; null without one. A message with this id and this text is it, wherever it comes. */
  readonly messageId: string | null;
  /** Whether its text alone tells, in its place and as long as nothing live was said. */
  readonly byText: boolean;
}

export interface LiveFilter {
  /** Takes an update of the running turn; gives what is to be stored now. */
  push(update: SessionUpdate, meta?: Readonly<Record<string, unknown>>): readonly ReplayItem[];
  /** The turn is over: gives what was still held back. */
  end(): readonly ReplayItem[];
}

/** So many characters of a preamble, without white space, tell it: its opening sentence, which nobody else writes. */
const OPENING_CHARS = 48;

export function createLiveFilter(options: LiveFilterOptions): LiveFilter {
  const echoes = echoTexts(options);
  const opening = options.preamble
    ?.map((block) => (block.type === 'text' ? squeeze(block.text) : ''))
    .find((words) => words !== '')
    ?.slice(0, OPENING_CHARS);
  /** Echoes of the record, however the agent joined or wrapped its blocks: stored, they would stand in the next record again. */
  const isRecord = (speaker: Role, words: string): boolean => speaker === 'user' && opening !== undefined && words.includes(opening);
  const attachments = new Set(
    [...(options.preamble ?? []), ...options.prompt].filter((block) => block.type !== 'text').map((block) => JSON.stringify(block)),
  );
  let owed = [...(options.next ?? [])];
  const ids = new Set(owed.flatMap(({ messageId }) => messageId ?? []));
  /** What is held back, and the role and id of the message that it may become. */
  let held: ReplayItem[] = [];
  let role: Role | null = null;
  let id: string | null = null;
  let said = '';
  let attached = false;
  /** Set by the first thing that is surely live: from then on text alone proves nothing. */
  let live = !owed.some(({ byText }) => byText);
  /** Whether anything live was given out. */
  let spoke = false;

  /** The owed message that words of this role and id may be. */
  const owedTo = (speaker: Role, messageId: string | null): OwedMessage | undefined => {
    const known = messageId === null ? undefined : owed.find((one) => one.messageId === messageId && one.role === speaker);
    const next = live ? undefined : owed.find((one) => one.byText);
    return known ?? (next?.role === speaker ? next : undefined);
  };
  const candidates = (speaker: Role): string[] => {
    const one = owedTo(speaker, id);
    return [...(speaker === 'user' ? echoes : []), ...(one ? [one.text] : [])];
  };
  const take = (): ReplayItem[] => {
    const items = held;
    held = [];
    role = null;
    id = null;
    said = '';
    attached = false;
    return items;
  };
  const surelyLive = (...items: readonly ReplayItem[]): readonly ReplayItem[] => {
    live = spoke = true;
    return [...take(), ...items];
  };

  /** The held message is whole: it is dropped, or given out. */
  const settle = (): readonly ReplayItem[] => {
    if (role === null) return [];
    const one = owedTo(role, id);
    if (one && one.text === said) {
      // What is owed by its text comes in order, what has an id wherever it comes.
      owed = one.messageId !== null && one.messageId === id ? owed.filter((each) => each !== one) : owed.slice(owed.indexOf(one) + 1);
      take();
      return [];
    }
    if (role === 'user' && (echoes.includes(said) || isRecord(role, said) || (said === '' && attached))) {
      // The agent has begun to answer this prompt: what it says from here on is live.
      live = true;
      take();
      return [];
    }
    return surelyLive();
  };

  const chunk = (item: ReplayItem, speaker: Role): readonly ReplayItem[] => {
    const messageId = messageIdOf(item.update);
    // Nearly all there is: an answer, with nothing owed and nothing held.
    if (live && role === null && speaker === 'agent' && (messageId === null || !ids.has(messageId))) {
      spoke = true;
      return [item];
    }
    const before = role !== null && role !== speaker ? settle() : [];
    if (role === null) id = messageId;
    role = speaker;
    const { text, kind } = chunkText(item.update);
    if (kind !== '') {
      if (speaker !== 'user' || !attachments.has(JSON.stringify((item.update as { content?: unknown }).content)))
        return [...before, ...surelyLive(item)];
      attached = true;
      held.push(item);
      return before;
    }
    const grown = said + squeeze(text);
    if (candidates(speaker).some((candidate) => candidate.startsWith(grown)) || isRecord(speaker, grown)) {
      said = grown;
      held.push(item);
      return before;
    }
    // What was held may be whole, and this the beginning of another message of the same role. Of the agent's only
    // another id says so; without one it is the rest of a live answer that begins like the owed one.
    const another = said !== '' && (speaker === 'user' || messageId !== id);
    if (another && (candidates(speaker).includes(said) || (speaker === 'agent' && messageId !== null && ids.has(messageId))))
      return [...before, ...settle(), ...chunk(item, speaker)];
    return [...before, ...surelyLive(item)];
  };

  const other = (item: ReplayItem): readonly ReplayItem[] => {
    const { update } = item;
    const isCall = update.sessionUpdate === 'tool_call' || update.sessionUpdate === 'tool_call_update';
    if (!isCall && update.sessionUpdate !== 'agent_thought_chunk') return [...(role === null ? take() : settle()), item];
    const before = role === 'user' ? settle() : [];
    // Tool calls and thoughts belong to the answer they stand in, owed or live; which one, its words will tell.
    if (owedTo('agent', id) && (!isCall || options.nextToolCalls?.has(update.toolCallId))) {
      held.push(item);
      return before;
    }
    return [...before, ...settle(), ...surelyLive(item)];
  };

  return {
    push(update, meta) {
      const item: ReplayItem = meta ? { update, meta } : { update };
      const speaker = roleOf(update);
      return speaker === null ? other(item) : chunk(item, speaker);
    },
    end() {
      // A held answer may be the only live one, word for word: to lose it is worse than to store it twice.
      return role === 'user' || spoke ? settle() : take();
    },
  };
}

/** What an echo may say: the prompt, with or without the preamble, or one block of them; as sent or as stored. */
function echoTexts({ prompt, preamble, redact }: LiveFilterOptions): string[] {
  const forms = [(text: string) => text, ...(redact ? [redact] : [])];
  const all = forms.flatMap((form) => {
    const texts = (blocks: readonly ContentBlock[]) => blocks.map((block) => (block.type === 'text' ? squeeze(form(block.text)) : ''));
    const [before, own] = [texts(preamble ?? []), texts(prompt)];
    return [own.join(''), [...before, ...own].join(''), ...before, ...own];
  });
  return [...new Set(all)].filter((text) => text !== '');
}
