/**
 * The live side (DESIGN §6): once a prompt is sent nothing is dropped, except the prompt's own echo, and a message
 * that is exactly the next one the replay still owed us.
 *
 * Both are known only when the message is whole, so chunks that may still become one are held back. They are given out
 * unchanged and in order at the first chunk that differs, and at the latest when the turn ends.
 */
import type { ContentBlock, SessionUpdate } from '../types.ts';
import type { ReplayItem } from './match-replay.ts';
import { chunkText, roleOf, squeeze, type Role } from './match-text.ts';

export interface LiveFilterOptions {
  /** The running prompt as it was sent, and the preamble in front of it. */
  readonly prompt: readonly ContentBlock[];
  readonly preamble?: readonly ContentBlock[] | null;
  /** Of the `ReplayResult`: what the replay still owed. */
  readonly next?: readonly { readonly role: Role; readonly text: string }[];
  readonly nextToolCalls?: ReadonlySet<string>;
  /** Replaces known secrets: an echo may come with them, or without. */
  readonly redact?: (text: string) => string;
}

export interface LiveFilter {
  /** Takes an update of the running turn; gives what is to be stored now. */
  push(update: SessionUpdate, meta?: Readonly<Record<string, unknown>>): readonly ReplayItem[];
  /** The turn is over: gives what was still held back. */
  end(): readonly ReplayItem[];
}

export function createLiveFilter(options: LiveFilterOptions): LiveFilter {
  const echoes = echoTexts(options);
  const attachments = new Set([...(options.preamble ?? []), ...options.prompt].filter((block) => block.type !== 'text').map((block) => JSON.stringify(block)));
  const owed = [...(options.next ?? [])];
  /** What is held back, and the role whose message it may become. */
  let held: ReplayItem[] = [];
  let role: Role | null = null;
  let said = '';
  let attached = false;
  /** Set by the first thing that is surely live: from then on the replay is over. */
  let live = owed.length === 0;

  const owes = (speaker: Role): boolean => !live && owed[0]?.role === speaker;
  const candidates = (): string[] => [...(role === 'user' ? echoes : []), ...(role !== null && owes(role) ? [owed[0]?.text ?? ''] : [])];
  const take = (): ReplayItem[] => {
    const items = held;
    held = [];
    role = null;
    said = '';
    attached = false;
    return items;
  };
  const surelyLive = (...items: readonly ReplayItem[]): readonly ReplayItem[] => {
    live = true;
    return [...take(), ...items];
  };

  /** The held message is whole: it is dropped, or given out. */
  const settle = (): readonly ReplayItem[] => {
    if (role === null) return [];
    if (owes(role) && owed[0]?.text === said) {
      owed.shift();
      take();
      return [];
    }
    if (role === 'user' && (echoes.includes(said) || (said === '' && attached))) {
      // The agent has begun to answer this prompt: what it says from here on is live.
      live = true;
      take();
      return [];
    }
    return surelyLive();
  };

  const chunk = (item: ReplayItem, speaker: Role): readonly ReplayItem[] => {
    // Nearly all there is: an answer, with nothing owed and nothing held.
    if (live && role === null && speaker === 'agent') return [item];
    const before = role !== null && role !== speaker ? settle() : [];
    role = speaker;
    const { text, kind } = chunkText(item.update);
    if (kind !== '') {
      if (speaker !== 'user' || !attachments.has(JSON.stringify((item.update as { content?: unknown }).content))) return [...before, ...surelyLive(item)];
      attached = true;
      held.push(item);
      return before;
    }
    const grown = said + squeeze(text);
    if (candidates().some((candidate) => candidate.startsWith(grown))) {
      said = grown;
      held.push(item);
      return before;
    }
    // What was held may be whole, and this the beginning of another message of the same role. Of the agent's only
    // another id says so; without one it is the rest of a live answer that begins like the owed one.
    const another = speaker === 'user' || messageIdOf(held.at(-1)) !== messageIdOf(item);
    if (another && said !== '') {
      if (candidates().includes(said)) return [...before, ...settle(), ...chunk(item, speaker)];
      // The held one was not the owed message, only live words that begin like it; this may be, come late into them.
      if (speaker === 'agent' && candidates().some((candidate) => candidate.startsWith(squeeze(text)))) return [...before, ...take(), ...chunk(item, speaker)];
    }
    return [...before, ...surelyLive(item)];
  };

  const other = (item: ReplayItem): readonly ReplayItem[] => {
    const { update } = item;
    const isCall = update.sessionUpdate === 'tool_call' || update.sessionUpdate === 'tool_call_update';
    if (!isCall && update.sessionUpdate !== 'agent_thought_chunk') return [...(role === null ? take() : settle()), item];
    const before = role === 'user' ? settle() : [];
    // Tool calls and thoughts belong to the answer they stand in, owed or live; which one, its words will tell.
    if (owes('agent') && (!isCall || options.nextToolCalls?.has(update.toolCallId))) {
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
      // A held answer may be the live one, word for word: to lose it is worse than to store it twice.
      return role === 'user' ? settle() : take();
    },
  };
}

const messageIdOf = (item: ReplayItem | undefined): unknown => (item?.update as { messageId?: unknown } | undefined)?.messageId;

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
