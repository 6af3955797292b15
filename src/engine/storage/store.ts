/** The queries of the engine. Their failures are errors of the library. */
import { sessionExists } from '../errors.ts';
import { SqlError, type Row, type SqlDatabase, type SqlValue, type Statement } from '../ports.ts';
import { kindsOf } from '../protocol/updates.ts';
import type { ContentBlock, SessionEvent } from '../types.ts';
import { read, storageError } from './errors.ts';
import { firstSeq, lastSeq, LAST_SEQ, type OpenQuestion, type QuestionKind } from './statements.ts';
import { readJson, toEvent, toLease, toSession, toTurn, type StoredLease, type StoredSession, type StoredTurn } from './rows.ts';

export interface HistoryRange {
  /** Exclusive. */
  readonly after?: number;
  /** Exclusive. */
  readonly before?: number;
  readonly limit?: number;
}

const PAGE = 256;
const SPOKEN = kindsOf('user', 'agent')
  .map((kind) => `'${kind}'`)
  .join(', ');
/** Read from the log, since the row's own number lags while an agent streams. */
const LOG_ENDS = `${firstSeq('acp_sessions.session_id')} AS first_seq, ${LAST_SEQ} AS last_seq`;
const SESSIONS = `SELECT *, ${LOG_ENDS} FROM acp_sessions WHERE deleted_at IS NULL`;
const PROGRESS = `SELECT session_id, lease_owner, lease_generation, lease_expires_at, ${LOG_ENDS} FROM acp_sessions WHERE deleted_at IS NULL`;
/** At the end of a batch it gives the row that was just written, without a further query that could fail. */
export const sessionStatement = (sessionId: string): Statement => ({ sql: `${SESSIONS} AND session_id = ?`, params: [sessionId] });

/** All agent sessions of an agent, also those that a session had before. Its parameter is the agent's name. */
const OF_AGENT = `SELECT a.session_id, a.agent_session_id FROM acp_agent_sessions AS a JOIN acp_sessions AS s ON s.session_id = a.session_id
WHERE s.deleted_at IS NULL AND s.agent = ?`;
const EVENT_COLUMNS = 'seq, turn_id, at, kind, origin, payload, meta';

export type SessionProgress = ReturnType<typeof toProgress>;
const toProgress = (row: Row) => ({
  sessionId: String(row['session_id']),
  firstSeq: Number(row['first_seq']),
  latestSeq: Number(row['last_seq']),
  lease: toLease(row),
});

/** A hidden session, whose rows are to be removed. `deletedAt` tells it from one that gets its id later. */
export interface DeletedSession {
  readonly sessionId: string;
  readonly deletedAt: number;
  readonly lease: StoredLease;
}

export type Store = ReturnType<typeof createStore>;
export type StoredAgentSession = NonNullable<Awaited<ReturnType<Store['agentSession']>>>;

/** Only `deletedSessions` sees deleted sessions. */
export function createStore(db: SqlDatabase) {
  const query = (sql: string, params: readonly SqlValue[]) => read(db, sql, params);

  return {
    async session(sessionId: string): Promise<StoredSession | null> {
      const [row] = await query(`${SESSIONS} AND session_id = ?`, [sessionId]);
      return row ? toSession(row) : null;
    },

    /** The most recently changed first, from `after` on. */
    async sessions(
      after: { updatedAt: number; sessionId: string } | null,
      limit: number,
      { agent, cwds }: { readonly agent?: string | undefined; readonly cwds?: readonly string[] | undefined } = {},
    ): Promise<StoredSession[]> {
      const rows = await query(
        `${SESSIONS}${agent === undefined ? '' : ' AND agent = ?'}${cwds === undefined ? '' : ' AND cwd IN (SELECT value FROM json_each(?))'}
${after ? 'AND (updated_at < ? OR (updated_at = ? AND session_id > ?))' : ''} ORDER BY updated_at DESC, session_id LIMIT ?`,
        [
          ...(agent === undefined ? [] : [agent]),
          ...(cwds === undefined ? [] : [JSON.stringify(cwds)]),
          ...(after ? [after.updatedAt, after.updatedAt, after.sessionId] : []),
          limit,
        ],
      );
      return rows.map((row) => {
        // A damaged row must not make the others unreadable.
        const damaged: string[] = [];
        const stored = toSession(row, (column) => damaged.push(column));
        return damaged.length > 0 ? { ...stored, info: { ...stored.info, damaged } } : stored;
      });
    },

    async directories(): Promise<string[]> {
      const rows = await query('SELECT DISTINCT cwd FROM acp_sessions WHERE deleted_at IS NULL', []);
      return rows.map((row) => String(row['cwd']));
    },

    /** The mark of each session. It differs once the session has changed. */
    async changes(): Promise<{ readonly sessionId: string; readonly mark: string }[]> {
      const rows = await query(
        `SELECT session_id, created_at, updated_at, title_set, metadata, cwd, ${LAST_SEQ} FROM acp_sessions WHERE deleted_at IS NULL`,
        [],
      );
      return rows.map(({ session_id: id, ...rest }) => ({ sessionId: String(id), mark: JSON.stringify(Object.values(rest)) }));
    },

    /**
     * Takes an agent's session into the record, unless it is there already, and returns the id that it has there. Of two calls at the same
     * time, in any hosts, only one makes the session. Error: `session_exists`.
     */
    async adopt(session: {
      readonly sessionId: string;
      readonly agent: string;
      readonly agentSessionId: string;
      readonly cwd: string;
      readonly title: string | null;
      readonly mcpServers: readonly unknown[];
      readonly now: number;
    }): Promise<string> {
      const { sessionId, agent, agentSessionId, cwd, title, mcpServers, now } = session;
      const known = { sql: `${OF_AGENT} AND a.agent_session_id = ?`, params: [agent, agentSessionId] };
      try {
        const results = await db.batch([
          {
            sql: `INSERT INTO acp_sessions (session_id, agent, agent_session_id, cwd, title, additional_directories, mcp_servers, env_names, latest_seq, lease_generation, created_at, updated_at, origin)
SELECT ?, ?, ?, ?, ?, '[]', ?, '[]', 0, 0, ?, ?, ? WHERE NOT EXISTS (${known.sql})`,
            params: [
              sessionId,
              agent,
              agentSessionId,
              cwd,
              title,
              JSON.stringify(mcpServers),
              now,
              now,
              JSON.stringify({ kind: 'adopt', agentSessionId }),
              ...known.params,
            ],
          },
          {
            sql: `INSERT INTO acp_agent_sessions (session_id, agent_session_id, began_seq, at)
SELECT session_id, agent_session_id, 0, ? FROM acp_sessions WHERE session_id = ? AND agent = ? AND agent_session_id = ? AND NOT EXISTS (${known.sql})`,
            params: [now, sessionId, agent, agentSessionId, ...known.params],
          },
          known,
        ]);
        return String(results.at(-1)?.rows[0]?.['session_id']);
      } catch (error) {
        if (error instanceof SqlError && error.kind === 'constraint') throw sessionExists(sessionId);
        throw storageError(error, `Session "${sessionId}" could not be written`);
      }
    },

    async sessionsOfAgent(agent: string, agentSessionIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
      const rows = await query(`${OF_AGENT} AND a.agent_session_id IN (SELECT value FROM json_each(?))`, [
        agent,
        JSON.stringify(agentSessionIds),
      ]);
      return new Map(rows.map((row) => [String(row['agent_session_id']), String(row['session_id'])]));
    },

    /** Oldest first. */
    async events(sessionId: string, { after = 0, before = Number.MAX_SAFE_INTEGER, limit = -1 }: HistoryRange): Promise<SessionEvent[]> {
      const rows = await query(
        `SELECT ${EVENT_COLUMNS} FROM acp_session_events WHERE session_id = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?`,
        [sessionId, after, before, limit],
      );
      return rows.map((row) => toEvent(row, sessionId));
    },

    /** Newest first. */
    async *eventsBackwards(sessionId: string, before = Number.MAX_SAFE_INTEGER): AsyncGenerator<SessionEvent[]> {
      for (let edge = before; ;) {
        const rows = await query(
          `SELECT ${EVENT_COLUMNS} FROM acp_session_events WHERE session_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
          [sessionId, edge, PAGE],
        );
        const last = rows.at(-1);
        if (!last) return;
        edge = Number(last['seq']);
        yield rows.map((row) => toEvent(row, sessionId));
      }
    },

    /** The highest number of any session of this id, deleted ones included. */
    async lastSeqOf(sessionId: string): Promise<number> {
      const [row] = await query(`SELECT ${lastSeq('asked.id')} AS last_seq FROM (SELECT ? AS id) AS asked`, [sessionId]);
      return Number(row?.['last_seq']);
    },

    async turnByKey(sessionId: string, key: string): Promise<StoredTurn | null> {
      const [row] = await query('SELECT * FROM acp_turns WHERE session_id = ? AND idempotency_key = ?', [sessionId, key]);
      return row ? toTurn(row) : null;
    },

    async runningTurns(sessionId: string): Promise<StoredTurn[]> {
      // The `+` keeps SQLite from sorting by an index on which it would read every turn of the session.
      const rows = await query(`SELECT * FROM acp_turns WHERE session_id = ? AND state = 'running' ORDER BY +first_seq`, [sessionId]);
      return rows.map(toTurn);
    },

    async progress(sessionId: string): Promise<SessionProgress | null> {
      const [row] = await query(`${PROGRESS} AND session_id = ?`, [sessionId]);
      return row ? toProgress(row) : null;
    },

    async sessionsWithRunningTurns(): Promise<SessionProgress[]> {
      const rows = await query(`${PROGRESS} AND session_id IN (SELECT session_id FROM acp_turns WHERE state = 'running')`, []);
      return rows.map(toProgress);
    },

    /** Those of one id, or all. */
    async deletedSessions(sessionId?: string): Promise<DeletedSession[]> {
      const rows = await query(
        `SELECT session_id, deleted_at, lease_owner, lease_generation, lease_expires_at FROM acp_sessions WHERE deleted_at IS NOT NULL${sessionId === undefined ? '' : ' AND session_id = ?'}`,
        sessionId === undefined ? [] : [sessionId],
      );
      return rows.map((row) => ({ sessionId: String(row['session_id']), deletedAt: Number(row['deleted_at']), lease: toLease(row) }));
    },

    async agentSession(sessionId: string, agentSessionId: string) {
      const [row] = await query('SELECT began_seq, preamble FROM acp_agent_sessions WHERE session_id = ? AND agent_session_id = ?', [
        sessionId,
        agentSessionId,
      ]);
      if (!row) return null;
      const where = () => `The row of agent session "${agentSessionId}" of session "${sessionId}" in acp_agent_sessions`;
      return { beganSeq: Number(row['began_seq']), preamble: readJson<ContentBlock[]>(row, 'preamble', where, Array.isArray) };
    },

    /** Whether the log has a message of the user's or the agent's. */
    async hasMessages(sessionId: string, before = Number.MAX_SAFE_INTEGER): Promise<boolean> {
      const [row] = await query(
        `SELECT 1 AS yes FROM acp_session_events WHERE session_id = ? AND seq < ? AND kind = 'update'
AND CASE WHEN json_valid(payload) THEN json_extract(payload, '$.sessionUpdate') IN (${SPOKEN}) END LIMIT 1`,
        [sessionId, before],
      );
      return row !== undefined;
    },

    /** How many turns with `after < seq < before` were answered. */
    async completedTurns(sessionId: string, after: number, before: number): Promise<number> {
      const [row] = await query(
        `SELECT count(*) AS turns FROM acp_turns WHERE session_id = ? AND first_seq > ? AND first_seq < ? AND state IN ('completed', 'cancelled')`,
        [sessionId, after, before],
      );
      return Number(row?.['turns'] ?? 0);
    },

    /** The turn that was running at an event. */
    async openTurn(sessionId: string, upTo: number): Promise<string | null> {
      const [row] = await query(
        `SELECT kind, turn_id FROM acp_session_events WHERE session_id = ? AND seq <= ? AND kind IN ('turn_started', 'turn_ended') ORDER BY seq DESC LIMIT 1`,
        [sessionId, upTo],
      );
      return row?.['kind'] === 'turn_started' && row['turn_id'] !== null ? String(row['turn_id']) : null;
    },

    /** What the agent had asked at an event, since it was last started, without an answer yet. */
    async openQuestions(sessionId: string, upTo = Number.MAX_SAFE_INTEGER): Promise<OpenQuestion[]> {
      const [began] = await query(
        `SELECT seq FROM acp_session_events WHERE session_id = ? AND seq <= ? AND kind = 'resumed' ORDER BY seq DESC LIMIT 1`,
        [sessionId, upTo],
      );
      const rows = await query(
        `SELECT asked, id, max(turn_id) AS turn_id FROM (SELECT substr(kind, 1, instr(kind, '_') - 1) AS asked, kind, turn_id, CASE WHEN json_valid(payload) THEN json_extract(payload, '$.requestId') END AS id
  FROM acp_session_events WHERE session_id = ? AND seq > ? AND seq <= ? AND kind IN ('permission_requested', 'permission_resolved', 'elicitation_requested', 'elicitation_resolved'))
WHERE id IS NOT NULL GROUP BY asked, id HAVING sum(kind LIKE '%resolved') = 0`,
        [sessionId, Number(began?.['seq'] ?? 0), upTo],
      );
      return rows.map(({ asked, id, turn_id: turnId }) => ({
        kind: String(asked) as QuestionKind,
        requestId: String(id),
        turnId: turnId === null ? null : String(turnId),
      }));
    },
  };
}
