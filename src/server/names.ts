/**
 * The ids of tool calls and messages as one client is told them. A client expects them to be unique within a session, but an agent may start
 * counting again in each process. So an id that an earlier turn has used is told with its turn's id appended, live and in a replay. All
 * others stay as they are.
 */
import type { PermissionRequested, SessionEvent, SessionUpdate } from '../engine/index.ts';
import { fieldsOf, stringOf } from '../engine/objects.ts';
import { classOf, cutOffBy, isOpenCall, isSameCall, messageIdOf, readToolCall, type KnownCall } from '../engine/protocol/updates.ts';

interface Use extends KnownCall {
  readonly name: string;
  status: string | undefined;
  isUpserted: boolean;
  /** Whether the client shows the tool call itself, and not only a permission request for it, or its terminal. */
  isShown: boolean;
}

/** Longer ids are told unchanged and not remembered, to bound the memory of a session. */
const MAX_ID = 256;

export type Names = ReturnType<typeof createNames>;

/** `limit`: how many tool calls, and how many messages, are remembered as told. */
export function createNames(limit: number) {
  const calls = new Map<string, Use>();
  const messages = new Map<string, Use>();
  /** Each is kept, since a new one would first pass over all that was forgotten before. */
  const oldest = new Map([calls, messages].map((uses) => [uses, uses.keys()]));
  let latestTurn: string | null = null;

  function useOf(uses: Map<string, Use>, id: string, turnId: string | null, isSame: (before: Use) => boolean): Use {
    const before = uses.get(id);
    if (before && isSame(before)) return before;
    const use = { turnId, name: before ? `${id}~${turnId}` : id, status: undefined, isUpserted: true, isShown: false };
    if (id === '' || id.length > MAX_ID) return use;
    uses.delete(id);
    // When another call takes the id of an open one, all that can still happen to the open one is that it is cut off.
    if (before?.isShown && isOpenCall(before.status)) uses.set(`${before.name}\0`, before);
    uses.set(id, use);
    while (uses.size > limit) uses.delete(oldest.get(uses)!.next().value as string);
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

  /** The name under which permission is asked for a tool call, which the client may not have been told of before. */
  function asked(toolCall: PermissionRequested['toolCall'], turnId: string | null): string {
    const id = stringOf(fieldsOf(toolCall)['toolCallId']);
    return useOf(calls, id, turnId, (before) => isOpenCall(before.status) || isOfTurn(before, turnId)).name;
  }

  /** Ends the calls that an event cuts off as failed; otherwise the client would show them as running for ever. */
  function cutOff(event: SessionEvent): SessionEvent[] {
    const isCutOff = cutOffBy(event);
    if (!isCutOff) return [];
    const cut = [...calls.values()].filter(isCutOff);
    for (const use of cut) use.status = 'failed';
    return cut.flatMap(({ isShown, name }): SessionEvent[] => {
      const payload = { sessionUpdate: 'tool_call_update', toolCallId: name, status: 'failed' } as const;
      return isShown ? [{ seq: event.seq, at: event.at, turnId: event.turnId, origin: 'agent', kind: 'update', payload }] : [];
    });
  }

  return {
    /**
     * The event as the client is told it. Before it come the ends of the tool calls that it cuts off, with the same number. Must be called
     * with all events, in order.
     */
    told: (event: SessionEvent): SessionEvent[] => [...cutOff(event), renamed(event)],
    /** The tool call of an open permission request, whose event was told before. */
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
        // What an agent says between turns can only belong to its last turn.
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

/** Whether a use belongs to the turn. What comes between turns belongs to what was before. */
const isOfTurn = (before: Use, turnId: string | null): boolean => turnId === null || before.turnId === turnId;

function withId<Told extends object>(told: Told, field: 'toolCallId' | 'terminalId' | 'messageId', id: string): Told {
  return stringOf(fieldsOf(told)[field]) === id ? told : { ...told, [field]: id };
}
