/** Updates on their way into the log. */
import type { NewEvent } from '../storage/statements.ts';
import type { SessionUpdate } from '../types.ts';

export interface UpdateWithMeta {
  readonly update: SessionUpdate;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
}

/** An update as it goes into the log: unless it says otherwise between turns, and said by the agent. */
export interface LoggedUpdate extends UpdateWithMeta {
  readonly turnId?: string | null;
  readonly origin?: 'host' | 'agent' | 'import';
}

export const inTurn = (turnId: string | null, items: readonly UpdateWithMeta[]): LoggedUpdate[] =>
  items.map((item) => ({ ...item, turnId }));

export function updateEvents(items: readonly LoggedUpdate[], at: number): NewEvent[] {
  return items.map(({ update: payload, meta, turnId = null, origin = 'agent' }): NewEvent => {
    const event = { kind: 'update', turnId, at, origin, payload } as const;
    return meta ? { ...event, meta } : event;
  });
}
