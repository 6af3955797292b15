/** Rows to shapes and back. JSON columns are parsed here and nowhere else. */
import { readCommands, readConfigOptions, readModes } from '../protocol/v1.ts';
import type { Row, SqlValue } from '../ports.ts';
import type { ResumeReport, SessionEvent, SessionInfo, SessionState, StopReason, TurnError, TurnState } from '../types.ts';

/** A session as stored: the public shape without its derived state, and what only the host sees. */
export interface StoredSession {
  readonly info: Omit<SessionInfo, 'state'>;
  readonly lease: StoredLease;
}

export interface StoredLease {
  /** The JSON text as stored, so that it can be compared exactly. Null when free. */
  readonly owner: string | null;
  readonly generation: number;
  readonly expiresAt: number;
}

export interface StoredTurn {
  readonly turnId: string;
  readonly sessionId: string;
  readonly idempotencyKey: string | null;
  readonly contentHash: string;
  readonly state: TurnState;
  readonly stopReason: StopReason | null;
  readonly error: TurnError | null;
  readonly report: ResumeReport;
  readonly firstSeq: number;
  readonly lastSeq: number | null;
}

/** The agent session a durable session stands on, and where in the log it began. */
export interface StoredAgentSession {
  readonly agentSessionId: string;
  readonly beganSeq: number;
  readonly preamble: string | null;
}

const json = <T>(value: SqlValue | undefined): T | null => (typeof value === 'string' ? (JSON.parse(value) as T) : null);
const text = (value: SqlValue | undefined): string | null => (typeof value === 'string' ? value : null);

export function toSession(row: Row): StoredSession {
  return {
    info: {
      sessionId: String(row['session_id']),
      agent: String(row['agent']),
      agentSessionId: text(row['agent_session_id']),
      cwd: String(row['cwd']),
      additionalDirectories: json<string[]>(row['additional_directories']) ?? [],
      mcpServers: json<SessionInfo['mcpServers']>(row['mcp_servers']) ?? [],
      envNames: json<string[]>(row['env_names']) ?? [],
      agentCapabilities: json(row['capabilities']),
      agentInfo: json(row['agent_info']),
      modes: readModes(json(row['modes'])),
      configOptions: readConfigOptions(json(row['config_options'])),
      commands: readCommands(json(row['commands'])),
      title: text(row['title']),
      usage: json(row['usage']),
      latestSeq: Number(row['last_seq'] ?? 0),
      createdAt: Number(row['created_at']),
      updatedAt: Number(row['updated_at']),
    },
    lease: {
      owner: text(row['lease_owner']),
      generation: Number(row['lease_generation']),
      expiresAt: Number(row['lease_expires_at'] ?? 0),
    },
  };
}

export function withState(stored: StoredSession, state: SessionState): SessionInfo {
  return { ...stored.info, state };
}

export function toEvent(row: Row): SessionEvent {
  const meta = json<Record<string, unknown>>(row['meta']);
  return {
    seq: Number(row['seq']),
    turnId: text(row['turn_id']),
    at: Number(row['at']),
    kind: String(row['kind']),
    origin: String(row['origin']),
    payload: json(row['payload']),
    ...(meta ? { meta } : {}),
  } as SessionEvent;
}

export function toTurn(row: Row): StoredTurn {
  return {
    turnId: String(row['turn_id']),
    sessionId: String(row['session_id']),
    idempotencyKey: text(row['idempotency_key']),
    contentHash: String(row['content_hash']),
    state: String(row['state']) as TurnState,
    stopReason: text(row['stop_reason']) as StopReason | null,
    error: json<TurnError>(row['error']),
    report: json<ResumeReport>(row['report']) as ResumeReport,
    firstSeq: Number(row['first_seq']),
    lastSeq: row['last_seq'] === null || row['last_seq'] === undefined ? null : Number(row['last_seq']),
  };
}
