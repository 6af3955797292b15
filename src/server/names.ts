/**
 * The ids of tool calls and messages as one client is told them. To it they are unique within a session, but an agent may count anew in
 * each process: an id that an earlier turn used is told with its turn's id after it, live and in a replay. All others stay the agent's.
 */
import type { PermissionRequested, SessionEvent, SessionUpdate } from '../engine/index.ts';
import { fieldsOf, stringOf } from '../engine/objects.ts';
import { classOf, cutOffBy, isOpenCall, isSameCall, messageIdOf, readToolCall, type KnownCall } from '../engine/protocol/updates.ts';

interface Use extends KnownCall {
  readonly name: string;
  status: string | undefined;
  isUpserted: boolean;
  /** The client shows the tool call, and not only a question about it, or its terminal. */
  isShown: boolean;
}

/** A longer id is told as it is, since little is kept of a session. */
const MAX_ID = 256;

export type Names = ReturnType<typeof createNames>;

/** `limit`: how many tool calls, and how many messages, are remembered as told. */
export function createNames(limit: number) {
  const calls = new Map<string, Use>();
  const messages = new Map<string, Use>();
  let latestTurn: string | null = null;

  function useOf(uses: Map<string, Use>, id: string, turnId: string | null, isSame: (before: Use) => boolean): Use {
    const before = uses.get(id);
    if (before && isSame(before)) return before;
    const use = { turnId, name: before ? `${id}~${turnId}` : id, status: undefined, isUpserted: true, isShown: false };
    if (id === '' || id.length > MAX_ID) return use;
    uses.delete(id);
    // An open call whose id another takes can only be cut off from now on.
    if (before?.isShown && isOpenCall(before.status)) uses.set(`${before.name}\0`, before);
    uses.set(id, use);
    while (uses.size > limit) uses.delete(uses.keys().next().value as string);
    return use;
  }

  function callOf(update: SessionUpdate, turnId: string | null): SessionUpdate {
    const { id, status, terminal } = readToolCall(update);
    const use = useOf(calls, id, turnId, (before) => isSameCall(before, update, turnId));
    if (classOf(update) === 'tool_call') use.isUpserted = false;
    if (!terminal) use.isShown = true;
    if (!terminal || !use.isShown) use.status = status ?? use.status;
    if (use.name === id) return update;
    const { content } = fieldsOf(update);
    const shown = {
      ...update,
      ...(content === undefined ? {} : { content: Array.isArray(content) ? content.map(ofTerminal) : ofTerminal(content) }),
    };
    return withId(shown as SessionUpdate, terminal ? 'terminalId' : 'toolCallId', use.name);
  }

  /** Content that shows a terminal of the agent's own. */
  function ofTerminal(part: unknown): unknown {
    const { type, terminalId } = fieldsOf(part);
    const name = type === 'terminal' ? calls.get(stringOf(terminalId))?.name : undefined;
    return name === undefined ? part : { ...fieldsOf(part), terminalId: name };
  }

  /** A permission may be asked for a call that was not told before; one that goes on asks under its own name. */
  function asked(toolCall: PermissionRequested['toolCall'], turnId: string | null): string {
    const id = stringOf(fieldsOf(toolCall)['toolCallId']);
    return useOf(calls, id, turnId, (before) => isOpenCall(before.status) || isOfTurn(before, turnId)).name;
  }

  /** Calls that are cut off have failed to the client, which would show them as running for ever. */
  function cutOff(event: SessionEvent): SessionEvent[] {
    const isCutOff = cutOffBy(event);
    const cut = isCutOff ? [...calls.values()].filter(isCutOff) : [];
    for (const use of cut) use.status = 'failed';
    return cut.flatMap(({ isShown, name }): SessionEvent[] => {
      const payload = { sessionUpdate: 'tool_call_update', toolCallId: name, status: 'failed' } as const;
      return isShown ? [{ seq: event.seq, at: event.at, turnId: event.turnId, origin: 'agent', kind: 'update', payload }] : [];
    });
  }

  return {
    /**
     * The event as the client is told it, after the ends of the tool calls that it cuts off, which have its number. Takes events in their
     * order.
     */
    told: (event: SessionEvent): SessionEvent[] => [...cutOff(event), renamed(event)],
    /** A tool call of a request that is open, whose event was told. */
    current(toolCall: PermissionRequested['toolCall']): PermissionRequested['toolCall'] {
      const id = stringOf(fieldsOf(toolCall)['toolCallId']);
      return withId(toolCall, 'toolCallId', calls.get(id)?.name ?? id);
    },
  };

  function renamed(event: SessionEvent): SessionEvent {
    const { turnId } = event;
    switch (event.kind) {
      case 'turn_started':
        latestTurn = turnId;
        return event;
      case 'permission_requested': {
        const { toolCall } = event.payload;
        return { ...event, payload: { ...event.payload, toolCall: withId(toolCall, 'toolCallId', asked(toolCall, turnId)) } };
      }
      case 'update': {
        const payload = named(event.payload, turnId);
        return payload === event.payload ? event : { ...event, payload };
      }
      default:
        return event;
    }
  }

  function named(update: SessionUpdate, turnId: string | null): SessionUpdate {
    switch (classOf(update)) {
      case 'message': {
        const id = messageIdOf(update);
        if (id === null) return update;
        // Between turns an agent may go on with its last turn, and with no other.
        const turn = turnId ?? latestTurn;
        return withId(update, 'messageId', useOf(messages, id, turn, (before) => isOfTurn(before, turn)).name);
      }
      case 'tool_call':
      case 'tool_call_update':
        return callOf(update, turnId);
      default:
        return update;
    }
  }
}

/** What comes between turns belongs to what was before. */
const isOfTurn = (before: Use, turnId: string | null): boolean => turnId === null || before.turnId === turnId;

function withId<Told extends object>(told: Told, field: 'toolCallId' | 'terminalId' | 'messageId', id: string): Told {
  return stringOf(fieldsOf(told)[field]) === id ? told : { ...told, [field]: id };
}
