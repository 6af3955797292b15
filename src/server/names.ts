/**
 * The ids of tool calls and messages as one client is told them. We join several sessions of an agent's under one id, and an agent may
 * begin to count anew in each process; to the client, ids are unique within its session. So one that an earlier turn used is told with
 * its turn's id behind it, in a replay as when it happened. All others stay the agent's.
 */
import type { PermissionRequested, SessionEvent, SessionUpdate } from '../engine/index.ts';
import { classOf, fieldsOf, isOpenCall, messageIdOf, stringOf } from '../engine/protocol/updates.ts';

interface Use {
  readonly turnId: string | null;
  readonly name: string;
  /** Of a tool call: it ended, or its agent's process did. */
  isOver: boolean;
  /** Of a tool call: it was told without a `tool_call`, as in v2. */
  isUpserted: boolean;
  /** Of a tool call: the client shows it, and not only a question about it. */
  isShown: boolean;
}

/** A longer one is told as it is: what is kept of a session is little. */
const MAX_ID = 256;

export type Names = ReturnType<typeof createNames>;

/** `limit`: of so many tool calls, and of so many messages, is known that they were told. */
export function createNames(limit: number) {
  const calls = new Map<string, Use>();
  const messages = new Map<string, Use>();

  /** The id's use in this turn. What comes between turns belongs to what was before. */
  function used(uses: Map<string, Use>, id: string, turnId: string | null, isUpserted = false): string {
    const before = uses.get(id);
    if (before && (before.turnId === turnId || turnId === null)) return before.name;
    if (id === '' || id.length > MAX_ID) return id;
    const name = before ? `${id}~${turnId}` : id;
    uses.delete(id);
    uses.set(id, { turnId, name, isOver: false, isUpserted, isShown: false });
    if (uses.size > limit) uses.delete(uses.keys().next().value as string);
    return name;
  }

  function callOf(update: SessionUpdate, turnId: string | null): string {
    const { toolCallId, status } = fieldsOf(update);
    const id = stringOf(toolCallId);
    const before = calls.get(id);
    const isUpserted = classOf(update) === 'tool_call_update';
    const goesOn = isUpserted && before && !(before.isUpserted && before.isOver);
    const name = goesOn ? before.name : used(calls, id, turnId, isUpserted);
    const use = calls.get(id);
    if (use) {
      use.isShown = true;
      use.isOver ||= !isOpenCall(status);
    }
    return name;
  }

  /** A permission may be asked for a call that was not told before; one that goes on asks under its own name. */
  function asked(toolCall: PermissionRequested['toolCall'], turnId: string | null): string {
    const id = stringOf(fieldsOf(toolCall)['toolCallId']);
    const before = calls.get(id);
    return before && !before.isOver ? before.name : used(calls, id, turnId, true);
  }

  /** Calls that can end no more: nobody will say it, and a client would show them as running for ever. */
  function cutOff(event: SessionEvent, isCut: (use: Use) => boolean): SessionEvent[] {
    const cut = [...calls.values()].filter((use) => !use.isOver && isCut(use));
    for (const use of cut) use.isOver = true;
    return cut.flatMap(({ isShown, name }): SessionEvent[] => {
      const payload = { sessionUpdate: 'tool_call_update', toolCallId: name, status: 'failed' } as const;
      return isShown ? [{ seq: event.seq, at: event.at, turnId: event.turnId, origin: 'agent', kind: 'update', payload }] : [];
    });
  }

  return {
    /**
     * The event as the client is told it, and before it the end of tool calls that it cuts off, under its number. Call it with the events
     * in their order.
     */
    told(event: SessionEvent): SessionEvent[] {
      switch (event.kind) {
        case 'agent_exited':
        case 'resumed':
          return [...cutOff(event, () => true), event];
        case 'turn_ended':
          return [...(event.payload.state === 'completed' ? [] : cutOff(event, ({ turnId }) => turnId === event.turnId)), event];
        default:
          return [renamed(event)];
      }
    },
    /** A tool call of a request that is open, whose event was told. */
    current(toolCall: PermissionRequested['toolCall']): PermissionRequested['toolCall'] {
      const id = stringOf(fieldsOf(toolCall)['toolCallId']);
      return withId(toolCall, 'toolCallId', calls.get(id)?.name ?? id);
    },
  };

  function renamed(event: SessionEvent): SessionEvent {
    const { turnId } = event;
    switch (event.kind) {
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
        return id === null ? update : withId(update, 'messageId', used(messages, id, turnId));
      }
      case 'tool_call':
      case 'tool_call_update':
        return withId(update, 'toolCallId', callOf(update, turnId));
      default:
        return update;
    }
  }
}

function withId<Told extends object>(told: Told, field: 'toolCallId' | 'messageId', id: string): Told {
  return stringOf(fieldsOf(told)[field]) === id ? told : { ...told, [field]: id };
}
