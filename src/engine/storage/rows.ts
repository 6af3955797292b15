/** Reads rows into the shapes of the library. JSON columns are parsed here and nowhere else. */
import { RehydrateError } from '../errors.ts';
import { fieldsOf, isObject } from '../objects.ts';
import { readCommands, readConfigOptions, readModes } from '../protocol/reported-state.ts';
import type { LeaseOwner, Row, SqlValue } from '../ports.ts';
import type {
  PermissionRequested,
  ResumeReport,
  SessionEvent,
  SessionInfo,
  SessionState,
  StopReason,
  TurnError,
  TurnState,
} from '../types.ts';

export interface StoredSession {
  readonly info: Omit<SessionInfo, 'state' | 'metadata' | 'openPermissions'>;
  readonly lease: StoredLease;
  readonly metadata: unknown;
  /** The column `wishes`: modes and options as the user last asked for them. */
  readonly requested: unknown;
  /** What it was forked, adopted or imported from. */
  readonly origin: unknown;
}

const text = (value: SqlValue | undefined): string | null => (typeof value === 'string' ? value : null);

export const rowName = {
  session: (row: Row) => `The row of session "${String(row['session_id'])}" in acp_sessions`,
  event: (row: Row, sessionId: string) => `Event ${String(row['seq'])} of session "${sessionId}" in acp_session_events`,
  turn: (row: Row) => `Turn "${String(row['turn_id'])}" in acp_turns`,
};

/** A JSON column; null when it is empty. `where` names the row for the error, `isShape` says which JSON may be in the column. */
export function readJson<T>(row: Row, column: string, where: () => string, isShape: (value: unknown) => boolean = () => true): T | null {
  const stored = row[column];
  if (typeof stored !== 'string') return null;
  let value: unknown;
  try {
    value = JSON.parse(stored);
    if (!isShape(value)) throw new SyntaxError('it is JSON of another shape');
  } catch (error) {
    throw new RehydrateError(
      'database_corrupt',
      `${where()} cannot be read: its column ${column} does not hold what it should (${(error as Error).message}). Nothing was changed. Restore a backup, or repair that value.`,
      { column },
      { cause: error },
    );
  }
  return value as T;
}

const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');
const isServers = (value: unknown): boolean =>
  Array.isArray(value) && value.every((server) => typeof fieldsOf(server)['name'] === 'string');

/** With `onDamaged`, a column that cannot be read is reported to it and counts as empty; without, it is an error. */
export function toSession(row: Row, onDamaged?: (column: string) => void): StoredSession {
  const json = <T>(column: string, isShape?: (value: unknown) => boolean): T | null => {
    try {
      return readJson<T>(row, column, () => rowName.session(row), isShape);
    } catch (error) {
      if (!onDamaged) throw error;
      onDamaged(column);
      return null;
    }
  };
  return {
    info: {
      sessionId: String(row['session_id']),
      agent: String(row['agent']),
      agentSessionId: text(row['agent_session_id']),
      cwd: String(row['cwd']),
      additionalDirectories: json<string[]>('additional_directories', isStrings) ?? [],
      mcpServers: json<SessionInfo['mcpServers']>('mcp_servers', isServers) ?? [],
      envNames: json<string[]>('env_names', isStrings) ?? [],
      agentCapabilities: json('capabilities'),
      agentInfo: json('agent_info'),
      modes: readModes(json('modes')),
      configOptions: readConfigOptions(json('config_options')),
      commands: readCommands(json('commands')),
      // The user's own comes before the agent's.
      title: text(row['title_set']) ?? text(row['title']),
      usage: json('usage'),
      firstSeq: Number(row['first_seq']),
      latestSeq: Number(row['last_seq']),
      createdAt: Number(row['created_at']),
      updatedAt: Number(row['updated_at']),
    },
    lease: toLease(row),
    metadata: json('metadata'),
    requested: json('wishes'),
    origin: json('origin'),
  };
}

export type StoredLease = ReturnType<typeof toLease>;

export function toLease(row: Row) {
  return {
    /** The stored JSON, which is compared as text. Null when nobody holds the lease. */
    owner: text(row['lease_owner']),
    generation: Number(row['lease_generation']),
    expiresAt: Number(row['lease_expires_at'] ?? 0),
  };
}

/** Null when nobody holds the lease, and when the stored text cannot be read. */
export function toOwner(stored: string | null): LeaseOwner | null {
  if (stored === null) return null;
  try {
    const owner: unknown = JSON.parse(stored);
    return isObject(owner) ? (owner as unknown as LeaseOwner) : null;
  } catch {
    return null;
  }
}

export function withState(stored: StoredSession, state: SessionState, openPermissions: readonly PermissionRequested[] = []): SessionInfo {
  return { ...stored.info, metadata: (stored.metadata as SessionInfo['metadata']) ?? null, openPermissions, state };
}

export function toEvent(row: Row, sessionId: string): SessionEvent {
  const where = () => rowName.event(row, sessionId);
  const meta = readJson<Record<string, unknown>>(row, 'meta', where);
  const event = {
    seq: Number(row['seq']),
    turnId: text(row['turn_id']),
    at: Number(row['at']),
    kind: String(row['kind']),
    origin: String(row['origin']),
    payload: readJson(row, 'payload', where, isObject),
  };
  return (meta ? { ...event, meta } : event) as SessionEvent;
}

export type StoredTurn = ReturnType<typeof toTurn>;

export function toTurn(row: Row) {
  const where = () => rowName.turn(row);
  return {
    turnId: String(row['turn_id']),
    sessionId: String(row['session_id']),
    idempotencyKey: text(row['idempotency_key']),
    contentHash: String(row['content_hash']),
    state: String(row['state']) as TurnState,
    stopReason: text(row['stop_reason']) as StopReason | null,
    error: readJson<TurnError>(row, 'error', where),
    report: readJson<ResumeReport>(row, 'report', where, isObject) as ResumeReport,
    lastSeq: row['last_seq'] === null || row['last_seq'] === undefined ? null : Number(row['last_seq']),
  };
}
