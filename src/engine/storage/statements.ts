/** The statements the engine writes with. Times and ids are bound, so that a batch can be replayed. */
import type { Row, SqlValue, Statement } from '../ports.ts';
import type { Fields } from '../objects.ts';
import type { ContentBlock, SessionEvent, SessionUpdate } from '../types.ts';

// ---------------------------------------------------------------- events that have no number yet

export type NewEvent = SessionEvent extends infer E ? (E extends SessionEvent ? Omit<E, 'seq'> : never) : never;

export interface UpdateWithMeta {
  readonly update: SessionUpdate;
  readonly meta?: Fields | undefined;
}

/** An update on its way into the log. By default it is the agent's. */
export interface LoggedUpdate extends UpdateWithMeta {
  readonly turnId?: string | null;
  readonly origin?: SessionEvent['origin'];
}

/** `turn` is that of updates which name none themselves; by default they are between turns. */
export function updateEvents(updates: readonly LoggedUpdate[], at: number, turn: string | null = null): NewEvent[] {
  return updates.map(({ update: payload, meta, turnId = turn, origin = 'agent' }): NewEvent => {
    const event = { kind: 'update', turnId, at, origin, payload } as const;
    return meta ? { ...event, meta } : event;
  });
}

/** What an agent asks of a person. */
export type QuestionKind = 'permission' | 'elicitation';
export interface OpenQuestion {
  readonly kind: QuestionKind;
  readonly requestId: string;
  readonly turnId: string | null;
}

/** The event that ends a question which nobody can answer any more. */
export function endOfQuestion({ kind, requestId, turnId }: OpenQuestion, at: number): NewEvent {
  return kind === 'permission'
    ? { kind: 'permission_resolved', turnId, at, origin: 'host', payload: { requestId, optionId: null, by: 'end' } }
    : { kind: 'elicitation_resolved', turnId, at, origin: 'host', payload: { requestId, answer: null, by: 'end' } };
}

// ---------------------------------------------------------------- numbers and fences

/** The lease that a batch needs: without it nothing of the batch is written. */
export interface Fence {
  readonly sessionId: string;
  readonly owner: string;
  readonly generation: number;
}

/**
 * The numbers of a log's last and first event, as SQL; `id` is SQL, too. They are read from the log itself, by one seek in its key. A log
 * that is empty goes on after the numbers of a deleted session of the same id, so that no number of an id ever names two events.
 */
export const lastSeq = (id: string): string =>
  `coalesce((SELECT max(seq) FROM acp_session_events AS log WHERE log.session_id = ${id}), ${deletedSeq(id)}, 0)`;
export const firstSeq = (id: string): string =>
  `coalesce((SELECT min(seq) FROM acp_session_events AS log WHERE log.session_id = ${id}), ${deletedSeq(id)} + 1, 1)`;
const deletedSeq = (id: string): string => `(SELECT latest_seq FROM acp_deleted_sessions AS gone WHERE gone.session_id = ${id})`;

/** The same for the current row of a statement on `acp_sessions`. */
export const LAST_SEQ = lastSeq('acp_sessions.session_id');

/**
 * Begins a batch that writes the session's row: renews the lease and sets `latest_seq`. When the lease is lost, or the log does not end at
 * `base`, it violates the CHECK on `latest_seq`, so that a stale writer's batch rolls back whole. A null `updatedAt` leaves that column
 * alone, since moving the session in the column's index costs as much as an event.
 */
export function fenceAndTouch(fence: Fence, base: number, count: number, expiresAt: number, updatedAt: number | null): Statement {
  return {
    sql: `UPDATE acp_sessions
SET latest_seq = CASE WHEN lease_owner IS ? AND lease_generation = ? AND ${LAST_SEQ} = ? THEN ? ELSE -1 END,
    lease_expires_at = ?${updatedAt === null ? '' : ', updated_at = ?'}
WHERE session_id = ? RETURNING latest_seq`,
    params: [fence.owner, fence.generation, base, base + count, expiresAt, ...(updatedAt === null ? [] : [updatedAt]), fence.sessionId],
  };
}

// Constants, since databases find a prepared statement by its text.
const INTO_LOG = 'INSERT INTO acp_session_events (session_id, seq, turn_id, at, kind, origin, payload, meta) VALUES';
const INSERT_EVENT = `${INTO_LOG} (?, ?, ?, ?, ?, ?, ?, ?)`;
const FENCED_INSERT = `${INTO_LOG} (?, CASE WHEN (SELECT lease_owner IS ? AND lease_generation = ? FROM acp_sessions WHERE session_id = ?) THEN ? ELSE -1 END, ?, ?, ?, ?, ?, ?)`;

export const insertEvent = (sessionId: string, seq: number, event: NewEvent): Statement => {
  const { turnId, at, kind, origin, payload, meta } = event;
  return { sql: INSERT_EVENT, params: [sessionId, seq, turnId, at, kind, origin, json(payload), json(meta)], note: noteOf(event) };
};

/**
 * Begins a batch that only adds events. When the lease is lost it violates the CHECK on `seq`; when the log has the number already, the
 * primary key. The session's row is only read, which saves a write for each batch.
 */
export function fenceAndInsert({ sessionId, owner, generation }: Fence, seq: number, event: NewEvent): Statement {
  const { turnId, at, kind, origin, payload, meta } = event;
  return {
    sql: FENCED_INSERT,
    params: [sessionId, owner, generation, sessionId, seq, turnId, at, kind, origin, json(payload), json(meta)],
    note: noteOf(event),
  };
}

const json = (value: object | undefined): string | null => (value ? JSON.stringify(value) : null);

/** What a journal keeps: the event's kind; `agent_died` for an end that was not asked for. */
const noteOf = (event: NewEvent): string => (event.kind === 'agent_exited' && event.payload.kind !== 'ended' ? 'agent_died' : event.kind);

export const insertRow = (table: string, row: Row): Statement => ({
  sql: `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${Object.keys(row)
    .map(() => '?')
    .join(', ')})`,
  params: Object.values(row),
});

// ---------------------------------------------------------------- other rows

/** Columns of a session's row: what the agent last said about itself, and what the user gave. */
export interface LastKnown {
  capabilities?: unknown;
  agent_info?: unknown;
  modes?: unknown;
  config_options?: unknown;
  commands?: unknown;
  title?: string | null;
  usage?: unknown;
  title_set?: string | null;
  metadata?: unknown;
  wishes?: unknown;
}

const TEXT_COLUMNS: readonly string[] = ['title', 'title_set'];

export function updateLastKnown(sessionId: string, values: LastKnown): Statement | null {
  const columns = Object.entries(values).filter(([, value]) => value !== undefined);
  if (columns.length === 0) return null;
  return {
    sql: `UPDATE acp_sessions SET ${columns.map(([name]) => `${name} = ?`).join(', ')} WHERE session_id = ?`,
    params: [
      ...columns.map(([name, value]): SqlValue =>
        TEXT_COLUMNS.includes(name) || value === null ? (value as string | null) : JSON.stringify(value),
      ),
      sessionId,
    ],
  };
}

export function endTurn(turnId: string, end: { state: string; stopReason?: string; error?: unknown }, lastSeq: number): Statement {
  return {
    sql: `UPDATE acp_turns SET state = ?, stop_reason = ?, error = ?, last_seq = ? WHERE turn_id = ? AND state = 'running'`,
    params: [end.state, end.stopReason ?? null, end.error === undefined ? null : JSON.stringify(end.error), lastSeq, turnId],
  };
}

/** Makes it the session's stored agent session. Only one that was just created, or has answered a turn, may become that (I4). */
export function adoptAgentSession(
  sessionId: string,
  agentSessionId: string,
  beganSeq: number,
  preamble: readonly ContentBlock[] | null,
  now: number,
): Statement[] {
  return [
    { sql: `UPDATE acp_sessions SET agent_session_id = ? WHERE session_id = ?`, params: [agentSessionId, sessionId] },
    {
      sql: `INSERT INTO acp_agent_sessions (session_id, agent_session_id, began_seq, preamble, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (session_id, agent_session_id) DO UPDATE SET began_seq = excluded.began_seq, preamble = excluded.preamble, at = excluded.at`,
      params: [sessionId, agentSessionId, beganSeq, preamble && JSON.stringify(preamble), now],
    },
  ];
}
