/**
 * Removes the rows of deleted sessions, in small batches, so that no other session of the database waits for a long one. What a killed host
 * left is removed when the next host opens the database, or when a session of the same id is made (I12).
 */
import type { Limits } from '../limits.ts';
import type { SqlDatabase } from '../ports.ts';
import type { Config } from '../sessions/config.ts';
import { toOwner } from '../storage/rows.ts';
import type { DeletedSession, Store } from '../storage/store.ts';
import { delay } from '../waiting.ts';
import { forgetInSearch } from './search.ts';

type Places = Pick<Config, 'database' | 'preambleFiles'>;

interface Parts {
  readonly config: Places & Pick<Config, 'ownerAlive' | 'clock'> & { readonly limits: Pick<Limits, 'leaseMs'> };
  readonly store: Store;
  readonly self: string;
}

interface FinishOptions {
  /** Only sessions of this id, since another one is about to be made. */
  readonly sessionId?: string;
  /** Only the session that was hidden at this time. */
  readonly deletedAt?: number | undefined;
  readonly signal?: AbortSignal;
}

export async function finishDeletes(parts: Parts, { sessionId, deletedAt, signal }: FinishOptions = {}): Promise<void> {
  const { config, store } = parts;
  for (const deleted of await store.deletedSessions(sessionId)) {
    if (deletedAt === undefined ? await isBeingMade(parts, deleted) : deleted.deletedAt !== deletedAt) continue;
    // Looked up again: removing the ones before took a while, and this id may belong to another session by now.
    const [now] = await store.deletedSessions(deleted.sessionId);
    if (now?.deletedAt === deleted.deletedAt) await removeDeleted(deleted, config, signal);
  }
}

/** Whether it is a copy (`copy.ts`) in the making. Its lease has generation 0, and is renewed only while its host works on it. */
async function isBeingMade({ config, self }: Parts, { sessionId, lease }: DeletedSession): Promise<boolean> {
  const left = lease.expiresAt - config.clock();
  if (lease.generation > 0 || left <= 0 || left > config.limits.leaseMs) return false;
  const owner = toOwner(lease.owner);
  return lease.owner === self || (owner !== null && (await config.ownerAlive(owner, { sessionId })) !== false);
}

// ---------------------------------------------------------------- rows

/** Children first, since not every adapter has foreign keys switched on. `key` orders the rows of one session. */
const TABLES = [
  { table: 'workspace_files', key: 'path' },
  { table: 'acp_agent_sessions', key: 'agent_session_id' },
  { table: 'acp_turns', key: 'turn_id' },
  { table: 'acp_session_events', key: 'seq' },
] as const;

/** How long a batch should take: the number of rows follows it. */
const BATCH_MS = 20;
const FIRST_ROWS = 64;
const MOST_ROWS = 4_096;

const STILL_DELETED = 'session_id = ? AND deleted_at = ?';

/** Several hosts may remove the same session at once: each batch checks that it is still the deleted one. */
export async function removeDeleted(
  { sessionId, deletedAt }: Omit<DeletedSession, 'lease'>,
  { database: db, preambleFiles }: Places,
  signal?: AbortSignal,
): Promise<void> {
  await preambleFiles?.remove(sessionId, signal);
  await forgetInSearch(db, sessionId);
  let rows = FIRST_ROWS;
  for (const { table, key } of TABLES) {
    for (let left = true; left;) {
      if (signal?.aborted) return;
      const began = performance.now();
      left = (await removeSome(db, table, key, { sessionId, deletedAt }, rows)) === rows;
      const took = performance.now() - began;
      rows = Math.max(1, Math.min(MOST_ROWS, took > 2 * BATCH_MS ? rows >> 1 : took < BATCH_MS / 2 ? rows * 2 : rows));
      // Lets others write to the same file.
      if (left) await delay(took);
    }
  }
  await db.batch([
    {
      // A copy that was never shown has `latest_seq` 0: nobody knows its numbers.
      sql: `INSERT OR REPLACE INTO acp_deleted_sessions (session_id, latest_seq)
SELECT session_id, latest_seq + 1 FROM acp_sessions WHERE ${STILL_DELETED} AND latest_seq > 0`,
      params: [sessionId, deletedAt],
    },
    { sql: `DELETE FROM acp_sessions WHERE ${STILL_DELETED}`, params: [sessionId, deletedAt] },
  ]);
}

async function removeSome(
  db: SqlDatabase,
  table: string,
  key: string,
  { sessionId, deletedAt }: Omit<DeletedSession, 'lease'>,
  rows: number,
): Promise<number> {
  const [deleted] = await db.batch([
    {
      sql: `DELETE FROM ${table} WHERE session_id = ? AND EXISTS (SELECT 1 FROM acp_sessions WHERE ${STILL_DELETED})
AND ${key} IN (SELECT ${key} FROM ${table} WHERE session_id = ? ORDER BY ${key} LIMIT ?) RETURNING 1`,
      params: [sessionId, sessionId, deletedAt, sessionId, rows],
    },
  ]);
  return deleted?.rows.length ?? 0;
}
