/**
 * Turns a session's events into what a person looks at: messages, tool calls, the plan, the mode, open questions, and whether a turn is
 * running. It is pure and incremental: pass the view again with the events since, and what did not change stays the same object.
 */
import type { AvailableCommand, SessionConfigOption } from '@agentclientprotocol/sdk';
import { fieldsOf } from './objects.ts';
import {
  blocksOf,
  classOf,
  continuesMessage,
  cutOffBy,
  isSameCall,
  mergeToolCalls,
  pieceOf,
  planEntries,
  readToolCall,
  replacesMessage,
  textOf,
  type MessagePiece,
  type PlanEntry,
  type Role,
  type ToolCallReport,
} from './protocol/updates.ts';
import { checkIsEvent, checkIsIterable } from './check-events.ts';
import { readState } from './protocol/reported-state.ts';
import type { ContentBlock, PermissionRequested, ResumeReport, SessionEvent, TurnEnded } from './types.ts';

/** One message, as far as it has come. */
export interface ViewMessage {
  /** The event that began it. Messages and tool calls in the order of `seq` are the conversation. */
  readonly seq: number;
  readonly role: Role;
  /** Whether it was said here, or imported. */
  readonly origin: SessionEvent['origin'];
  readonly turnId: string | null;
  readonly messageId: string | null;
  /** Its text. A block that is not text is shown by its kind, in brackets. */
  readonly text: string;
  /** Its blocks, with adjacent texts joined. */
  readonly content: readonly ContentBlock[];
}

/** One tool call, as far as it is known. If it was open when its agent or turn ended, it counts as failed until more is said of it. */
export interface ViewToolCall extends ToolCallReport {
  readonly seq: number;
  readonly turnId: string | null;
  /** Whether it is known from `tool_call_update`s alone, as in ACP v2. */
  readonly isUpserted: boolean;
}

export interface View {
  /** The last event that is in the view. */
  readonly seq: number;
  readonly messages: readonly ViewMessage[];
  readonly toolCalls: readonly ViewToolCall[];
  readonly plan: readonly PlanEntry[];
  /** The mode's id, once the agent or the user has named one. */
  readonly mode: string | null;
  readonly configOptions: readonly SessionConfigOption[] | null;
  readonly commands: readonly AvailableCommand[] | null;
  readonly title: string | null;
  readonly usage: Readonly<Record<string, unknown>> | null;
  readonly openPermissions: readonly PermissionRequested[];
  /** The turn that runs, or null. */
  readonly running: string | null;
  /** How the last turn ended. */
  readonly lastTurn: (TurnEnded & { readonly turnId: string | null }) | null;
  /** How the session last became live. */
  readonly lastReport: ResumeReport | null;
}

export const EMPTY_VIEW: View = Object.freeze({
  seq: 0,
  messages: [],
  toolCalls: [],
  plan: [],
  mode: null,
  configOptions: null,
  commands: null,
  title: null,
  usage: null,
  openPermissions: [],
  running: null,
  lastTurn: null,
  lastReport: null,
});

type Growing = { -readonly [Key in keyof View]: View[Key] };

/**
 * Adds events to a view, or makes a view of them. Events that the view has already are skipped, so a repeated page does no harm.
 *
 * @example
 * let view = foldEvents(await host.history(sessionId));
 * for await (const event of host.events(sessionId, { after: view.seq })) view = foldEvents([event], view);
 */
export function foldEvents(events: Iterable<SessionEvent>, view: View = EMPTY_VIEW): View {
  const next: Growing = { ...view };
  const messages = copyOnWrite(view.messages);
  const toolCalls = copyOnWrite(view.toolCalls);
  checkIsIterable('foldEvents', events, Symbol.iterator);
  for (const event of events) {
    checkIsEvent('foldEvents', event);
    if (event.seq <= next.seq) continue;
    next.seq = event.seq;
    const isCutOff = cutOffBy(event);
    if (isCutOff)
      for (const [index, call] of toolCalls.now.entries()) if (isCutOff(call)) toolCalls.copy()[index] = { ...call, status: 'failed' };
    switch (event.kind) {
      case 'turn_started':
        next.running = event.turnId;
        break;
      case 'turn_ended':
        next.running = null;
        next.lastTurn = { ...event.payload, turnId: event.turnId };
        next.openPermissions = [];
        break;
      case 'permission_requested':
        next.openPermissions = [...next.openPermissions, event.payload];
        break;
      case 'permission_resolved':
        next.openPermissions = next.openPermissions.filter(({ requestId }) => requestId !== event.payload.requestId);
        break;
      case 'resumed':
        next.lastReport = event.payload;
        break;
      case 'update':
        foldUpdate(event, next, messages, toolCalls);
    }
  }
  if (next.seq === view.seq) return view;
  return { ...next, messages: messages.now, toolCalls: toolCalls.now };
}

interface CopyOnWrite<T> {
  readonly now: readonly T[];
  /** The copy that may be changed; made once. */
  copy(): T[];
}

function copyOnWrite<T>(list: readonly T[]): CopyOnWrite<T> {
  let copied: T[] | null = null;
  return {
    get now() {
      return copied ?? list;
    },
    copy: () => (copied ??= [...list]),
  };
}

function foldUpdate(
  event: SessionEvent & { readonly kind: 'update' },
  next: Growing,
  messages: CopyOnWrite<ViewMessage>,
  toolCalls: CopyOnWrite<ViewToolCall>,
): void {
  const { payload, meta } = event;
  switch (classOf(payload, meta)) {
    case 'message':
      return foldChunk(event, messages, toolCalls.now.at(-1)?.seq ?? 0);
    case 'tool_call':
    case 'tool_call_update': {
      const report = readToolCall(payload);
      const index = toolCalls.now.findLastIndex(({ id }) => id === report.id);
      const before = toolCalls.now[index];
      const isUpserted = classOf(payload, meta) === 'tool_call_update';
      if (before && isSameCall(before, payload, event.turnId))
        toolCalls.copy()[index] = { ...before, ...mergeToolCalls(before, report), isUpserted: isUpserted && before.isUpserted };
      else toolCalls.copy().push({ ...report, seq: event.seq, turnId: event.turnId, isUpserted });
      return;
    }
    case 'plan':
      next.plan = planEntries(payload);
      return;
    case 'state': {
      const { modes, activity: _activity, ...said } = readState(fieldsOf(payload)) ?? {};
      Object.assign(next, said, modes?.currentModeId ? { mode: modes.currentModeId } : {});
      return;
    }
    case 'notice':
    case 'compaction':
    case 'unknown':
  }
}

/** How many messages are searched for the one that a chunk continues. An id that comes back after more messages begins a new one. */
const NEAR_MESSAGES = 64;

function foldChunk(event: SessionEvent & { readonly kind: 'update' }, messages: CopyOnWrite<ViewMessage>, lastToolCall: number): void {
  const { payload, seq } = event;
  const piece = pieceOf(event) as MessagePiece;
  const { now } = messages;
  let place = -1;
  for (let index = now.length - 1; index >= Math.max(0, now.length - NEAR_MESSAGES); index -= 1) {
    const message = now[index] as ViewMessage;
    if (message.turnId !== piece.turnId) break;
    if (!continuesMessage(message, piece, index < now.length - 1 || message.seq < lastToolCall)) continue;
    place = index;
    break;
  }
  const known = now[place];
  let message: ViewMessage = known ?? { seq, ...piece, text: '', content: [] };
  if (replacesMessage(payload)) message = { ...message, text: '', content: [] };
  for (const block of blocksOf(payload) as readonly ContentBlock[]) {
    const isFirst = message.content.length === 0;
    const newBlock = !isFirst && (event.origin === 'host' || textOf(block) === null);
    message = {
      ...message,
      text: message.text + (newBlock ? '\n' : '') + textOf(block, 'name'),
      content: isFirst ? [block] : withBlock(message.content, block, newBlock),
    };
  }
  if (known) messages.copy()[place] = message;
  else messages.copy().push(message);
}

function withBlock(content: readonly ContentBlock[], block: ContentBlock, newBlock: boolean): readonly ContentBlock[] {
  const last = content.at(-1);
  const before = textOf(last);
  const added = textOf(block);
  if (newBlock || before === null || added === null) return [...content, block];
  return [...content.slice(0, -1), { ...last, text: before + added } as ContentBlock];
}
