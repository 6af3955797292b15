/**
 * The log's side of a replay: messages of one agent session, read from the newest back, only as far as
 * they are needed.
 *
 * A message here is everything one side said until the other side spoke. Agents cut finer than that in
 * ways that do not survive a replay: tool calls between two texts may be missing or elsewhere, ids may be new.
 */
import type { SessionEvent, SessionUpdate, TurnState } from '../types.ts';
import type { NewestFirst } from '../transcript/render.ts';
import { chunkText, keyOf, messageIdOf, roleOf, squeeze, type Role } from './match-text.ts';

/** What one turn (or one foreign message) adds to a message. */
export interface Piece {
  readonly turnId: string | null;
  readonly text: string;
  readonly kinds: readonly string[];
  /** The id all of its chunks came with; null without one, or with several. */
  readonly messageId: string | null;
}

export interface LoggedMessage {
  readonly role: Role;
  /** Oldest first. More than one where a turn got no answer and the next one followed. */
  readonly pieces: readonly Piece[];
  /** The lowest seq of it. */
  readonly seq: number;
}

/** What is known of a turn by reading its events backwards. */
export interface LoggedTurn {
  state: TurnState;
  /** Tool calls by id, with the last status reported. */
  readonly toolCalls: Map<string, string | null>;
  thoughts: boolean;
  /** What is neither text nor a tool call (plans, kinds we do not know), as JSON. */
  readonly others: Set<string>;
}

export interface LogReader {
  /** Newest first, as far as was read. */
  readonly messages: readonly LoggedMessage[];
  /** Whether all of them are there. */
  readonly whole: boolean;
  /** Reads on until there are so many messages, or no more. */
  readUntil(count: number): Promise<void>;
  /** A turn; null gives what stands between turns, imported conversation above all, which may always go on. */
  turn(turnId: string | null): LoggedTurn | null;
  /** Whether the agent must know the message: it ended the turn. Of a turn cut off or failed, nobody knows. */
  isCertain(message: LoggedMessage): boolean;
  isCertainPiece(piece: Piece): boolean;
}

export function readLog(events: NewestFirst, options: { readonly fromSeq: number; readonly redact: (text: string) => string }): LogReader {
  const messages: LoggedMessage[] = [];
  const turns = new Map<string | null, LoggedTurn>();
  const pages = Symbol.asyncIterator in events ? events[Symbol.asyncIterator]() : events[Symbol.iterator]();
  let whole = false;
  /** The message that is still growing at its older end, newest piece first. */
  let open: {
    role: Role;
    pieces: { turnId: string | null; texts: string[]; kinds: string[]; ids: Set<string | null> }[];
    seq: number;
  } | null = null;

  const turnOf = (turnId: string | null): LoggedTurn => {
    let turn = turns.get(turnId);
    // Nothing ended it, so it was cut off: a turn that runs is not replayed into.
    if (!turn) turns.set(turnId, (turn = { state: 'interrupted', toolCalls: new Map(), thoughts: false, others: new Set() }));
    return turn;
  };
  const close = (): void => {
    if (!open) return;
    const pieces = open.pieces.reverse().map(({ turnId, texts, kinds, ids }): Piece => ({
      turnId,
      text: options.redact(texts.reverse().join('')),
      kinds: kinds.reverse(),
      messageId: ids.size === 1 ? ([...ids][0] as string | null) : null,
    }));
    messages.push({ role: open.role, pieces, seq: open.seq });
    open = null;
  };
  const take = (event: SessionEvent): void => {
    if (event.kind === 'turn_ended' && event.turnId !== null) turnOf(event.turnId).state = event.payload.state;
    if (event.kind !== 'update') return;
    const turn = turnOf(event.turnId);
    const role = roleOf(event.payload);
    if (role === null) return noteOther(turn, event.payload);
    if (open && open.role !== role) close();
    open ??= { role, pieces: [], seq: event.seq };
    open.seq = event.seq;
    let piece = open.pieces.at(-1);
    if (!piece || piece.turnId !== event.turnId) open.pieces.push((piece = { turnId: event.turnId, texts: [], kinds: [], ids: new Set() }));
    piece.ids.add(messageIdOf(event.payload));
    const { text, kind } = chunkText(event.payload);
    if (kind === '') piece.texts.push(text);
    else piece.kinds.push(kind);
  };
  const noteOther = (turn: LoggedTurn, payload: SessionUpdate): void => {
    switch (payload.sessionUpdate) {
      case 'agent_thought_chunk':
        turn.thoughts = true;
        return;
      case 'tool_call':
      case 'tool_call_update':
        if ((turn.toolCalls.get(payload.toolCallId) ?? null) === null) turn.toolCalls.set(payload.toolCallId, payload.status ?? null);
        return;
      default:
        turn.others.add(JSON.stringify(payload));
    }
  };

  const isCertainPiece = ({ turnId }: Piece): boolean => {
    if (turnId === null) return true;
    const state = turns.get(turnId)?.state;
    return state === 'completed' || state === 'cancelled';
  };

  return {
    messages,
    get whole() {
      return whole;
    },
    async readUntil(count) {
      while (!whole && messages.length < count) {
        const next = await pages.next();
        if (next.done) {
          close();
          whole = true;
          return;
        }
        const page = next.value as SessionEvent | readonly SessionEvent[];
        for (const event of Array.isArray(page) ? (page as readonly SessionEvent[]) : [page as SessionEvent]) {
          if (event.seq < options.fromSeq) {
            close();
            whole = true;
            await pages.return?.();
            return;
          }
          take(event);
        }
      }
    },
    turn: (turnId) => turns.get(turnId) ?? null,
    isCertain: (message) => message.pieces.some(isCertainPiece),
    isCertainPiece,
  };
}

/** One way an agent may hold a message of several pieces, and the pieces it then holds. */
export interface Variant {
  readonly key: string;
  readonly pieces: readonly number[];
}

/** More unanswered turns in a row than this are only compared whole, and one by one. */
const MAX_PIECES = 8;

/**
 * Every way an agent may hold the message: whole, without the turns that may never have reached it, or only some in a
 * row of several turns that it left unanswered.
 */
export function variantsOf(message: LoggedMessage, isCertainPiece: (piece: Piece) => boolean): Variant[] {
  const { role, pieces } = message;
  const [only] = pieces;
  if (pieces.length === 1 && only) return [{ key: keyOf(role, squeeze(only.text), only.kinds), pieces: [0] }];
  const all = pieces.map((_, i) => i);
  const choices = [all];
  if (pieces.length > 1) {
    choices.push(all.filter((i) => isCertainPiece(pieces[i] as Piece)));
    const longest = pieces.length <= MAX_PIECES ? pieces.length - 1 : 1;
    for (let size = longest; size >= 1; size--) for (let i = 0; i + size <= pieces.length; i++) choices.push(all.slice(i, i + size));
  }
  const seen = new Set<string>();
  return choices.flatMap((choice) => {
    const chosen = choice.map((i) => pieces[i] as Piece);
    if (chosen.length === 0) return [];
    const key = keyOf(
      role,
      squeeze(chosen.map((piece) => piece.text).join('')),
      chosen.flatMap((piece) => piece.kinds),
    );
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ key, pieces: choice }];
  });
}

export function textOf(message: LoggedMessage): string {
  return squeeze(message.pieces.map((piece) => piece.text).join(''));
}
