/** The agent's side of a replay: updates as they come, joined to messages, repeats left out. */
import { FIXED_LIMITS } from '../limits.ts';
import type { SessionUpdate } from '../types.ts';
import { chunkText, halved, isTelling, keyOf, messageIdOf, type Role, roleOf, squeeze } from './match-text.ts';

export interface ReplayItem {
  readonly update: SessionUpdate;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

/** One message of the replay: the items from `from` up to, and not including, `to` that are chunks of its role. */
export interface ReplayedMessage {
  readonly role: Role;
  readonly from: number;
  readonly to: number;
  readonly key: string;
  /** The key it has when it was said twice in a row. */
  readonly onceKey: string | null;
  readonly messageId: string | null;
  /** Whether it is the user's first, which may hold the preamble. */
  readonly first: boolean;
}

/** Where ids do not say it, only so many places of one message are tried as the end of another. */
const MAX_CUTS = 64;

export interface ReplayLog {
  readonly items: readonly ReplayItem[];
  push(item: ReplayItem): void;
  /** All messages so far, the growing one included. */
  messages(): readonly ReplayedMessage[];
  /** The text of a message, secrets and preamble taken out, without white space. */
  textOf(message: ReplayedMessage): string;
  /**
   * The message as the several it is, or null. Where the other side's words between them are missing, two messages come
   * as one: it is cut where what stands before the cut is `known`, and only there.
   */
  split(message: ReplayedMessage, known: (key: string) => boolean): ReplayedMessage[] | null;
  /** The message from an item of it on. */
  part(message: ReplayedMessage, from: number): ReplayedMessage;
  readonly count: number;
}

function sizeOf({ update }: ReplayItem): number {
  const { text, kind } = chunkText(update);
  return 128 + (roleOf(update) !== null && kind === '' ? text.length : JSON.stringify(update).length);
}

const idAt = (item: ReplayItem | undefined): string | null => messageIdOf(item?.update);

/** Stands for an item that was reduced to its message's key: still matched, but no longer compared in part nor imported. */
const RELEASED = { update: { sessionUpdate: 'released' } as unknown as SessionUpdate };

/** False for an item that was reduced. */
export const isKept = (item: ReplayItem | undefined): item is ReplayItem => item !== undefined && item !== RELEASED;

interface SeenId {
  /** Null once it was reduced: then all that comes under the id counts as a repeat. */
  said: string | null;
  /** How much of `said` has come again, while it comes again. */
  repeated: number;
  /** All of it came again at once. */
  twice: boolean;
}

export function createReplayLog(
  clean: (role: Role, text: string, first: boolean) => string,
  maxKept = FIXED_LIMITS.replayChars,
): ReplayLog {
  const items: ReplayItem[] = [];
  const done: ReplayedMessage[] = [];
  const ids = new Map<string, SeenId>();
  /** The id whose chunks are coming in now; thoughts are counted apart, since they may stand inside a message. */
  const current = { message: null as string | null, thought: null as string | null };
  let kept = 0;
  let released = 0;
  let open: { role: Role; from: number; messageId: string | null } | null = null;
  let users = 0;
  /** Of the messages long enough to tell: how many came twice at once, and how many did not. */
  const telling = { twice: 0, once: 0 };

  /**
   * Whether a message that was just said is said again. Of a long one that is certain; a short one may be a word said
   * twice (“ha”, “ha”), unless this agent sends every message twice.
   */
  const isSaidAgain = (seen: SeenId, said: string): boolean => {
    if (seen.said !== said) return false;
    const long = isTelling(squeeze(said));
    if (!long && (telling.twice === 0 || telling.once > 0 || seen.twice)) return false;
    if (long && !seen.twice) telling.twice++;
    seen.twice = true;
    return true;
  };

  const countOnce = (before: SeenId | undefined): void => {
    if (before && !before.twice && before.said !== null && isTelling(squeeze(before.said))) telling.once++;
  };

  /** Whether the chunk repeats what a message with this id said before. */
  const isRepeat = (update: SessionUpdate): boolean => {
    const stream = roleOf(update) === null ? 'thought' : 'message';
    const id = idAt({ update });
    if (id === null) {
      current[stream] = null;
      return false;
    }
    const name = `${update.sessionUpdate} ${id}`;
    const { text, kind } = chunkText(update);
    const said = kind === '' ? text : JSON.stringify((update as { content?: unknown }).content);
    const seen = ids.get(name);
    if (!seen) {
      countOnce(ids.get(current[stream] ?? ''));
      ids.set(name, { said, repeated: 0, twice: false });
      current[stream] = name;
      return false;
    }
    if (seen.said === null) return true;
    if (current[stream] !== name && seen.said.startsWith(said, seen.repeated)) {
      seen.repeated = (seen.repeated + said.length) % Math.max(1, seen.said.length);
      // What came before is over: its own words after this are a repeat, too, and no more of it.
      current[stream] = null;
      return true;
    }
    if (current[stream] === name && isSaidAgain(seen, said)) return true;
    // More of it, perhaps after something else came in between.
    seen.said += said;
    current[stream] = name;
    return false;
  };

  /** Reduces the oldest whole messages to their keys. */
  const release = (): void => {
    for (const message of done) {
      if (kept <= maxKept / 2) return;
      for (; released < message.to; released++) {
        const item = items[released] as ReplayItem;
        const id = idAt(item);
        const seen = id === null ? undefined : ids.get(`${item.update.sessionUpdate} ${id}`);
        if (seen) seen.said = null;
        kept -= sizeOf(item);
        items[released] = RELEASED;
      }
    }
  };

  const measure = (role: Role, from: number, to: number, messageId: string | null, first: boolean): ReplayedMessage => {
    const { text, kinds } = gather(role, from, to);
    const squeezed = clean(role, text, first);
    const once = halved(squeezed);
    return {
      role,
      from,
      to,
      key: keyOf(role, squeezed, kinds),
      onceKey: once === null ? null : keyOf(role, once, kinds),
      messageId,
      first,
    };
  };

  /** Items at which another message may begin: at a new id, or at any chunk where there are no ids. */
  const cuts = (message: ReplayedMessage): number[] => {
    const all: number[] = [];
    const byId: number[] = [];
    let before: string | null = null;
    for (let i = message.from; i < message.to; i++) {
      if (roleOf((items[i] as ReplayItem).update) !== message.role) continue;
      const id = idAt(items[i]);
      if (i > message.from) {
        all.push(i);
        if (id !== null && before !== null && id !== before) byId.push(i);
      }
      before = id;
    }
    return byId.length > 0 ? byId : all.slice(0, MAX_CUTS);
  };

  const gather = (role: Role, from: number, to: number): { text: string; kinds: string[] } => {
    let text = '';
    const kinds: string[] = [];
    for (let i = from; i < to; i++) {
      const { update } = items[i] as ReplayItem;
      if (roleOf(update) !== role) continue;
      const chunk = chunkText(update);
      text += chunk.text;
      if (chunk.kind !== '') kinds.push(chunk.kind);
    }
    return { text, kinds };
  };

  const close = (): void => {
    if (!open) return;
    done.push(measure(open.role, open.from, items.length, open.messageId, open.role === 'user' && users++ === 0));
    open = null;
  };

  return {
    items,
    push(item) {
      const role = roleOf(item.update);
      const isChunk = role !== null || item.update.sessionUpdate === 'agent_thought_chunk';
      if (isChunk && isRepeat(item.update)) return;
      if (role !== null && open?.role !== role) {
        close();
        open = { role, from: items.length, messageId: idAt(item) };
      }
      items.push(item);
      kept += sizeOf(item);
      if (kept > maxKept) release();
    },
    messages: () =>
      open ? [...done, measure(open.role, open.from, items.length, open.messageId, open.role === 'user' && users === 0)] : done,
    textOf: ({ role, from, to, first }) => clean(role, gather(role, from, to).text, first),
    split(message, known) {
      const parts: ReplayedMessage[] = [];
      let { from } = message;
      for (const cut of cuts(message)) {
        const part = measure(message.role, from, cut, idAt(items[from]), message.first && parts.length === 0);
        if (!known(part.key)) continue;
        parts.push(part);
        from = cut;
        const rest = measure(message.role, from, message.to, idAt(items[from]), false);
        if (known(rest.key)) return [...parts, rest];
      }
      return parts.length === 0 ? null : [...parts, measure(message.role, from, message.to, idAt(items[from]), false)];
    },
    part: (message, from) => measure(message.role, from, message.to, idAt(items[from]), false),
    get count() {
      return done.length + (open ? 1 : 0);
    },
  };
}
