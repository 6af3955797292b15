/**
 * What a replay tells that the log does not hold: the rest of an interrupted turn, and what the user went on with in
 * another client. Everything here stands behind the last message that matched.
 */
import type { Comparison, Match, ReplayImport } from './match.ts';
import type { SessionUpdate } from '../types.ts';
import { foundIn, type Place } from './match-elsewhere.ts';
import { textOf, type LoggedMessage, type LoggedTurn, type LogReader, type Piece } from './match-log.ts';
import { isKept, type ReplayedMessage, type ReplayItem, type ReplayLog } from './match-replay.ts';
import { findRepeats } from './match-repeat.ts';
import { chunkText, isTelling, roleOf, squeeze, textAfter } from './match-text.ts';

export interface Tail {
  readonly items: ReplayImport[];
  readonly messages: number;
  /** Those of the messages that were said in another client. */
  readonly foreign: number;
}

/** A message behind the last one that is ours in order; `place` where it is ours in another. */
interface Said {
  readonly message: ReplayedMessage;
  readonly place: Place | null;
}

/** What stands behind the last message that is ours: it is imported where it surely is new. */
export function findTail(compared: Comparison, log: LogReader, replay: ReplayLog, rests: WeakMap<ReplayItem, ReplayItem>): Tail {
  const { messages, matches, places, logged } = compared;
  const { items } = replay;
  const last = matches.findLastIndex((match) => match !== null);
  // Nothing in common: whatever this is, it does not belong into this log.
  if (last < 0) return { items: [], messages: 0, foreign: 0 };
  const match = matches[last] as Match;
  const message = messages[last] as ReplayedMessage;
  const known = logged[match.logged] as LoggedMessage;
  const imported: ReplayImport[] = [];

  const goesOn = remainder(message, match, known, items, rests);
  // Up to the user's next words it is still the turn of the last message we have.
  const next = messages.findIndex(({ role }, i) => i > last && role === 'user');
  const end = goesOn && message.role === 'user' ? goesOn.item : (messages[next]?.from ?? items.length);
  const lastPiece = match.pieces.at(-1) as number;
  const turnId = known.pieces[lastPiece]?.turnId ?? null;
  const turn = log.turn(turnId);
  const isLastTurn = match.logged === logged.length - 1 || lastPiece < known.pieces.length - 1;
  /** An answer of ours, come in another place: to words from elsewhere, or to the same question asked before. */
  const isAnother = (place: Place | null | undefined): boolean =>
    !!place && (turnId === null || textBefore(place, logged) === replay.textOf(message));
  const others = messages.slice(last + 1, next < 0 ? undefined : next).filter((_, i) => isAnother(places[last + 1 + i]));
  let spoke = false;
  if (turn?.state === 'interrupted' && isLastTurn && match.how !== 'rendering') {
    const from =
      goesOn && message.role === 'agent'
        ? goesOn
        : { item: message.role === 'agent' ? lastChunk(message, items) + 1 : message.from, rest: null };
    for (let i = from.item; i < end; i++) {
      const item = i === from.item && from.rest ? from.rest : (items[i] as ReplayItem);
      if (!isKept(item) || !isNewInTurn(item.update, turn) || others.some(({ from, to }) => from <= i && i < to)) continue;
      imported.push({ ...item, turnId });
      spoke ||= roleOf(item.update) === 'agent';
    }
  }

  const rest = goesOn && message.role === 'user' ? replay.part(message, goesOn.item) : null;
  const foreign = proves(compared, last, log) ? foreignTurns(turnsBehind(compared, last, rest), compared, log) : [];
  const said = foreign.flat().filter(({ place }) => place === null).length;
  return {
    items: [...imported, ...foreignItems(foreign, items, ownToolCalls(logged, log))],
    messages: said + (spoke ? 1 : 0),
    foreign: said,
  };
}

/** What of those turns is to be stored. */
function foreignItems(
  turns: readonly (readonly Said[])[],
  items: readonly ReplayItem[],
  isOwnCall: (update: SessionUpdate) => boolean,
): ReplayImport[] {
  const toolCalls = new Set<string>();
  return turns.flatMap((turn) => {
    // Thoughts and tool calls are of the answer; where the question is all there is, of what the agent began.
    const answers = turn.filter(({ message }) => message.role === 'agent');
    const begins = (answers.length > 0 ? answers : turn).some(({ place }) => place === null);
    const isMixed = turn.some(({ place }) => place !== null);
    const isNew = ({ update }: ReplayItem, { message, place }: Said): boolean =>
      roleOf(update) === message.role ? place === null : begins && !(isMixed && isOwnCall(update));
    return turn.flatMap((one) => {
      const own = items
        .slice(one.message.from, one.message.to)
        .filter((item) => isKept(item) && isNew(item, one) && !isRepeatedToolCall(item.update, toolCalls));
      return own.map((item): ReplayImport => ({ ...item, turnId: null }));
    });
  });
}

/**
 * Whether so much before the tail is ours that what follows can be a going on of it. A word in common among others that
 * are not ours is none, nor is a single message behind which all that we have is missing.
 */
function proves({ messages, matches, places, logged }: Comparison, last: number, log: LogReader): boolean {
  const ours = messages.slice(0, last + 1).filter((_, i) => matches[i] || places[i]).length;
  const isPair = matches.some(
    (match, i) => match?.how === 'exact' && matches[i + 1]?.how === 'exact' && matches[i + 1]?.logged === match.logged + 1,
  );
  if (!isPair && ours * 2 <= last) return false;
  const found = foundIn(matches, places);
  return found.size > 1 || !logged.some((message, i) => i > (matches[last] as Match).logged && log.isCertain(message) && !found.has(i));
}

/** The turns behind the last message that is ours in order, without what is sent again. `rest`: what that message goes on with. */
function turnsBehind({ messages, matches, places, leftovers }: Comparison, last: number, rest: ReplayedMessage | null): Said[][] {
  const repeated = findRepeats(
    messages,
    messages.map((_, i) => Boolean(matches[i] ?? places[i])),
  );
  const turns: Said[][] = rest ? [[{ message: rest, place: leftovers.take(rest.key) }]] : [];
  let turn = turns[0] ?? null;
  let isFresh = turn?.[0]?.place === null;
  for (let i = last + 1; i < messages.length; i++) {
    const message = messages[i] as ReplayedMessage;
    if (message.role === 'user') {
      const again = repeated(i, isFresh);
      if (again > 0) {
        i += again - 1;
        turn = null;
        continue;
      }
      if (!turn || turn.at(-1)?.message.role === 'agent') turns.push((turn = []));
    }
    const place = places[i] ?? null;
    if (turn && place === null) isFresh = true;
    turn?.push({ message, place });
  }
  return turns;
}

/** Those turns with something that is not ours; in them, `place` is null for what is to be imported. */
function foreignTurns(turns: readonly (readonly Said[])[], { messages, matches, places, logged }: Comparison, log: LogReader): Said[][] {
  const last = matches.findLastIndex((match) => match !== null);
  const isCapped = matches.slice(0, last + 1).every((match, i) => match?.how === 'exact' && match.logged === logged.length - 1 - last + i);
  /** “continue” and “ok”, which a capped replay left out with all that is older, prove nothing beside foreign words. */
  const isChance = ({ message, place }: Said): boolean =>
    place !== null &&
    isCapped &&
    !isTelling(message.key.slice(message.key.indexOf(':') + 1)) &&
    piecesOf(place, logged).every((piece) => log.isCertainPiece(piece));
  const foreign = turns
    .filter((turn) => turn.some(({ place }) => place === null))
    .map((turn) =>
      turn.every((one) => one.place === null || isChance(one)) ? turn.map(({ message }) => ({ message, place: null })) : [...turn],
    );
  // One question, not answered, in the place of one that is ours and did not come: it is that one, in other words.
  const missing = (matches[last]?.logged ?? -1) + 1;
  const [lone] = foreign;
  const isLone = lone?.length === 1 && foreign.length === 1 && lone[0]?.message === messages[last + 1] && messages.length === last + 2;
  if (isLone && logged[missing]?.role === 'user' && log.isCertain(logged[missing]) && !foundIn(matches, places).has(missing)) return [];
  return foreign;
}

const textBefore = ({ logged: at }: Place, logged: readonly LoggedMessage[]): string | null =>
  at > 0 ? textOf(logged[at - 1] as LoggedMessage) : null;

const piecesOf = ({ logged: at, pieces }: Place, logged: readonly LoggedMessage[]): Piece[] =>
  pieces.map((piece) => (logged[at] as LoggedMessage).pieces[piece] as Piece);

/** Whether a tool call is one that the log has. */
function ownToolCalls(logged: readonly LoggedMessage[], log: LogReader): (update: SessionUpdate) => boolean {
  let own: Set<string> | null = null;
  return (update) => {
    if (update.sessionUpdate !== 'tool_call' && update.sessionUpdate !== 'tool_call_update') return false;
    own ??= new Set(logged.flatMap(({ pieces }) => pieces.flatMap(({ turnId }) => [...(log.turn(turnId)?.toolCalls.keys() ?? [])])));
    return own.has(update.toolCallId);
  };
}

interface Remainder {
  /** The item in which it begins. */
  readonly item: number;
  /** That item with only its new part; null when all of it is new. */
  readonly rest: ReplayItem | null;
}

/** Where a message goes on behind what we have of it; null when it does not. */
function remainder(
  message: ReplayedMessage,
  match: Match,
  known: LoggedMessage,
  items: readonly ReplayItem[],
  rests: WeakMap<ReplayItem, ReplayItem>,
): Remainder | null {
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
    let words = textAfter(text, left);
    if (/\s$/.test(raw)) words = words.trimStart();
    const rest = rests.get(item) ?? {
      ...item,
      update: { ...item.update, content: { ...content, type: 'text', text: words } } as SessionUpdate,
    };
    rests.set(item, rest);
    return { item: i, rest };
  }
  return null;
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
      return (
        !turn.toolCalls.has(update.toolCallId) ||
        (update.status !== undefined && update.status !== null && update.status !== turn.toolCalls.get(update.toolCallId))
      );
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
