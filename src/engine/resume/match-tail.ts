/**
 * What a replay tells that the log does not hold: the rest of an interrupted turn, and what the user went on with in
 * another client. Everything here stands behind the last message that matched.
 */
import type { SessionUpdate } from '../types.ts';
import type { Match, ReplayImport } from './match.ts';
import type { LoggedMessage, LoggedTurn, LogReader } from './match-log.ts';
import { isKept, type ReplayedMessage, type ReplayItem } from './match-replay.ts';
import { chunkText, offsetAfter, roleOf, squeeze } from './match-text.ts';

export interface Tail {
  readonly items: ReplayImport[];
  readonly messages: number;
}

/** What stands behind the last message that is ours: it is imported where it surely is new. */
export function findTail(messages: readonly ReplayedMessage[], matches: readonly (Match | null)[], logged: readonly LoggedMessage[], log: LogReader, items: readonly ReplayItem[], rests: WeakMap<ReplayItem, ReplayItem>): Tail {
  const last = matches.findLastIndex((match) => match !== null);
  // Nothing in common: whatever this is, it does not belong into this log.
  if (last < 0) return { items: [], messages: 0 };
  const match = matches[last] as Match;
  const message = messages[last] as ReplayedMessage;
  const known = logged[match.logged] as LoggedMessage;
  const imported: ReplayImport[] = [];
  let count = 0;

  const goesOn = remainder(message, match, known, items, rests);
  const foreign = foreignStart(messages, last, goesOn);
  const end = foreign.at;

  // Up to the user's next words it is still the turn of the last message we have.
  const turnId = known.pieces[match.lastPiece]?.turnId ?? null;
  const turn = log.turn(turnId);
  const isLastTurn = match.logged === logged.length - 1 || match.lastPiece < known.pieces.length - 1;
  if (turn?.state === 'interrupted' && isLastTurn && match.how !== 'rendering') {
    const from = goesOn && message.role === 'agent' ? goesOn : { item: message.role === 'agent' ? lastChunk(message, items) + 1 : message.from, rest: null };
    let spoke = false;
    for (let i = from.item; i < Math.min(end, items.length); i++) {
      const item = i === from.item && from.rest ? from.rest : (items[i] as ReplayItem);
      if (!isKept(item) || !isNewInTurn(item.update, turn)) continue;
      imported.push({ ...item, turnId });
      spoke ||= roleOf(item.update) === 'agent';
    }
    if (spoke) count++;
  }

  const toolCalls = new Set<string>();
  for (let i = end; i < items.length; i++) {
    const item = items[i] as ReplayItem;
    if (!isKept(item) || isRepeatedToolCall(item.update, toolCalls)) continue;
    imported.push({ ...item, turnId: null });
  }
  if (end < items.length) count += messages.length - foreign.message + (goesOn && message.role === 'user' ? 1 : 0);
  return { items: imported, messages: count };
}

interface Remainder {
  /** The item in which it begins. */
  readonly item: number;
  /** That item with only its new part; null when all of it is new. */
  readonly rest: ReplayItem | null;
}

/** Where a message goes on behind what we have of it; null when it does not. */
function remainder(message: ReplayedMessage, match: Match, known: LoggedMessage, items: readonly ReplayItem[], rests: WeakMap<ReplayItem, ReplayItem>): Remainder | null {
  if (match.how !== 'extends') return null;
  const raw = known.pieces.map((piece) => piece.text).join('');
  let left = squeeze(raw).length;
  for (let i = message.from; i < message.to; i++) {
    const item = items[i] as ReplayItem;
    if (roleOf(item.update) !== message.role) continue;
    const content = (item.update as { content?: object }).content;
    const { text } = chunkText(item.update);
    const size = squeeze(text).length;
    if (size <= left) {
      left -= size;
      if (left === 0) return { item: i + 1, rest: null };
      continue;
    }
    // A word of the user's that only begins like ours is another one; only whole chunks of theirs are new.
    if (message.role === 'user') return null;
    let words = text.slice(offsetAfter(text, left));
    if (/\s$/.test(raw)) words = words.trimStart();
    const rest = rests.get(item) ?? { ...item, update: { ...item.update, content: { ...content, type: 'text', text: words } } as SessionUpdate };
    rests.set(item, rest);
    return { item: i, rest };
  }
  return null;
}

/** Where the user's words begin that we do not have: the item, and the message it belongs to. */
function foreignStart(messages: readonly ReplayedMessage[], last: number, goesOn: Remainder | null): { at: number; message: number } {
  if (goesOn && (messages[last] as ReplayedMessage).role === 'user') return { at: goesOn.item, message: last + 1 };
  let next = last + 1;
  for (;;) {
    while (next < messages.length && (messages[next] as ReplayedMessage).role !== 'user') next++;
    const repeated = repeatedFrom(messages, next);
    if (repeated === 0) break;
    next += repeated;
  }
  const at = messages[next]?.from ?? Number.POSITIVE_INFINITY;
  return { at, message: next };
}

/** How many messages from `next` on say again what came just before them, or what the replay began with. */
function repeatedFrom(messages: readonly ReplayedMessage[], next: number): number {
  const same = (a: number, b: number): boolean => {
    const [one, other] = [messages[a] as ReplayedMessage, messages[b] as ReplayedMessage];
    // Two ids are two messages, whatever they say.
    return one.key === other.key && (one.messageId === null || other.messageId === null || one.messageId === other.messageId);
  };
  const left = messages.length - next;
  for (let size = Math.min(next, left); size >= 2; size--) {
    if (!same(next - size, next)) continue;
    let i = 1;
    while (i < size && same(next - size + i, next + i)) i++;
    if (i === size) return size;
  }
  // A second replay that broke off.
  let i = 0;
  while (i < Math.min(left, next) && same(i, next + i)) i++;
  return i >= 2 && i === left ? left : 0;
}

function lastChunk(message: ReplayedMessage, items: readonly ReplayItem[]): number {
  for (let i = message.to - 1; i >= message.from; i--) if (roleOf((items[i] as ReplayItem).update) === message.role) return i;
  return message.from;
}

/** Whether an update of an interrupted turn says anything its log does not hold. */
function isNewInTurn(update: SessionUpdate, turn: LoggedTurn): boolean {
  switch (update.sessionUpdate) {
    case 'user_message_chunk':
      return false;
    case 'agent_thought_chunk':
      return !turn.thoughts;
    case 'tool_call':
    case 'tool_call_update':
      return !turn.toolCalls.has(update.toolCallId) || (update.status !== undefined && update.status !== null && update.status !== turn.toolCalls.get(update.toolCallId));
    case 'agent_message_chunk':
      return true;
    default:
      return !turn.others.has(JSON.stringify(update));
  }
}

function isRepeatedToolCall(update: SessionUpdate, seen: Set<string>): boolean {
  if (update.sessionUpdate !== 'tool_call') return false;
  const said = JSON.stringify(update);
  if (seen.has(said)) return true;
  seen.add(said);
  return false;
}
