/**
 * The schema, as a list of migrations. `PRAGMA user_version` is the number of those that a database has; the others run as one batch. A
 * released migration never changes.
 */
import { SqlError, type SqlDatabase } from '../ports.ts';
import { RehydrateError } from '../errors.ts';
import { told } from './errors.ts';

interface Migration {
  readonly summary: string;
  readonly statements: readonly string[];
}

export const MIGRATIONS: readonly Migration[] = [
  {
    summary: 'sessions, their events and turns, the agent sessions behind them, and virtual files',
    statements: [
      `CREATE TABLE acp_sessions (
  session_id TEXT PRIMARY KEY,            -- public and stable
  agent TEXT NOT NULL,                    -- the agent's name only
  agent_session_id TEXT,                  -- the agent's own id; replaced when a successor has answered
  cwd TEXT NOT NULL,
  additional_directories TEXT NOT NULL,   -- JSON array of paths
  mcp_servers TEXT NOT NULL,              -- JSON array, without the values of env and headers
  env_names TEXT NOT NULL,                -- JSON array of names; values are never stored
  capabilities TEXT,                      -- JSON, as the agent last advertised them
  agent_info TEXT,                        -- JSON, ACP Implementation
  modes TEXT,                             -- JSON, ACP SessionModeState, last known
  config_options TEXT,                    -- JSON, ACP SessionConfigOption[], last known
  commands TEXT,                          -- JSON, ACP AvailableCommand[], last known
  title TEXT,
  usage TEXT,                             -- JSON, the last usage_update
  latest_seq INTEGER NOT NULL CHECK (latest_seq >= 0),  -- the last seq as of updated_at, or later; a stale writer violates this check
  lease_owner TEXT,                       -- JSON LeaseOwner; null when nobody holds the session
  lease_generation INTEGER NOT NULL,      -- counts takings; fences stale writers
  lease_expires_at INTEGER,               -- ms since the epoch
  created_at INTEGER NOT NULL,            -- ms since the epoch
  updated_at INTEGER NOT NULL             -- ms since the epoch
) STRICT`,
      `CREATE INDEX acp_sessions_by_update ON acp_sessions (updated_at DESC, session_id)`,
      `CREATE TABLE acp_session_events (
  session_id TEXT NOT NULL REFERENCES acp_sessions (session_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL CHECK (seq > 0),   -- 1, 2, 3, … without gaps
  turn_id TEXT,                           -- null between turns
  at INTEGER NOT NULL,                    -- ms since the epoch
  kind TEXT NOT NULL,                     -- turn_started, update, permission_requested, …
  origin TEXT NOT NULL CHECK (origin IN ('host', 'agent', 'import')),
  payload TEXT NOT NULL,                  -- JSON; for an update the ACP params.update
  meta TEXT,                              -- JSON; the ACP params._meta
  PRIMARY KEY (session_id, seq)
) STRICT, WITHOUT ROWID`,
      `CREATE TABLE acp_turns (
  turn_id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES acp_sessions (session_id) ON DELETE CASCADE,
  idempotency_key TEXT,
  content_hash TEXT NOT NULL,             -- SHA-256 of the prompt's content blocks, hexadecimal
  state TEXT NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'cancelled', 'interrupted')),
  stop_reason TEXT,
  error TEXT,                             -- JSON TurnError
  report TEXT NOT NULL,                   -- JSON ResumeReport, as the prompt returned it
  first_seq INTEGER NOT NULL,
  last_seq INTEGER
) STRICT`,
      `CREATE UNIQUE INDEX acp_turns_by_key ON acp_turns (session_id, idempotency_key) WHERE idempotency_key IS NOT NULL`,
      `CREATE INDEX acp_turns_by_session ON acp_turns (session_id, first_seq)`,
      `CREATE INDEX acp_turns_running ON acp_turns (session_id) WHERE state = 'running'`,
      `CREATE TABLE acp_agent_sessions (
  session_id TEXT NOT NULL REFERENCES acp_sessions (session_id) ON DELETE CASCADE,
  agent_session_id TEXT NOT NULL,
  began_seq INTEGER NOT NULL,             -- the event that began it; matching a replay starts after it
  preamble TEXT,                          -- what was put in front of its first prompt, so that a replay is recognised
  at INTEGER NOT NULL,
  PRIMARY KEY (session_id, agent_session_id)
) STRICT, WITHOUT ROWID`,
      `CREATE TABLE workspace_files (
  session_id TEXT NOT NULL REFERENCES acp_sessions (session_id) ON DELETE CASCADE,
  path TEXT NOT NULL,                     -- absolute, normalised
  content TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (session_id, path)
) STRICT, WITHOUT ROWID`,
    ],
  },
  {
    summary: 'what a session has from its user: a title, metadata, settings asked for; what it was made from; deleting in small batches',
    // No `--` comments here: SQLite puts these texts into that of the table, where one would comment out the rest.
    statements: [
      `ALTER TABLE acp_sessions ADD COLUMN title_set TEXT /* the user's own title; it goes before the agent's */`,
      `ALTER TABLE acp_sessions ADD COLUMN metadata TEXT /* JSON object, the user's own */`,
      `ALTER TABLE acp_sessions ADD COLUMN wishes TEXT /* JSON: modes and options as the user last asked for them */`,
      `ALTER TABLE acp_sessions ADD COLUMN origin TEXT /* JSON: what it was forked, adopted or imported from */`,
      `ALTER TABLE acp_sessions ADD COLUMN deleted_at INTEGER /* ms since the epoch; it is gone, and its rows go in small batches */`,
      `CREATE INDEX acp_sessions_deleted ON acp_sessions (session_id) WHERE deleted_at IS NOT NULL`,
    ],
  },
  {
    summary:
      'ids of deleted sessions: one that is made under such an id numbers its events after theirs; turns that were answered, to be counted',
    statements: [
      `CREATE TABLE acp_deleted_sessions (
  session_id TEXT PRIMARY KEY,
  latest_seq INTEGER NOT NULL             -- the deletion's own number, after that of the last event
) STRICT, WITHOUT ROWID`,
      `CREATE INDEX acp_turns_answered ON acp_turns (session_id, first_seq) WHERE state IN ('completed', 'cancelled')`,
    ],
  },
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Errors: `database_too_new` (nothing is changed), `database_corrupt`, `storage_full`. */
export async function migrate(db: SqlDatabase): Promise<void> {
  for (;;) {
    const version = await schemaVersion(db);
    if (version > SCHEMA_VERSION) {
      throw new RehydrateError(
        'database_too_new',
        `The database has schema version ${version}; this release knows versions up to ${SCHEMA_VERSION}. Nothing was changed. Update acp-rehydrate, or use another database.`,
        { version, known: SCHEMA_VERSION },
      );
    }
    if (version !== 0) await checkOurs(db, version);
    if (version === SCHEMA_VERSION) return;
    if (version === 0 && (await sessionsTable(db)) !== null) {
      // Another process may have created them meanwhile.
      if ((await schemaVersion(db)) > 0) continue;
      return checkOurs(db, version);
    }
    const statements = MIGRATIONS.slice(version).flatMap((migration) => migration.statements);
    try {
      await db.batch([...statements.map((sql) => ({ sql, note: 'schema' })), { sql: `PRAGMA user_version = ${SCHEMA_VERSION}` }]);
    } catch (error) {
      // Another process may have migrated meanwhile. Then the whole batch has failed.
      if (error instanceof SqlError && error.kind === 'other' && (await schemaVersion(db)) > version) continue;
      throw told(error, 'The database could not be brought to the current schema');
    }
  }
}

/** Throws when the tables are another program's. */
async function checkOurs(db: SqlDatabase, version: number): Promise<void> {
  if (version > 0 && (await sessionsTable(db))?.includes('lease_generation')) return;
  throw new RehydrateError(
    'invalid_argument',
    `The database is another program's: its user_version is ${version}, and its tables are not those of acp-rehydrate. Nothing was changed. Use another file.`,
    { version },
  );
}

/** The SQL of the table of sessions; null if there is no such table. */
async function sessionsTable(db: SqlDatabase): Promise<string | null> {
  const [row] = await db.query(`SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'acp_sessions'`);
  return row ? String(row['sql']) : null;
}

async function schemaVersion(db: SqlDatabase): Promise<number> {
  try {
    const [row] = await db.query('PRAGMA user_version');
    return Number(row?.['user_version'] ?? 0);
  } catch (error) {
    throw told(error, 'The database could not be read');
  }
}
