/**
 * Deleted rows go in small batches, so that no other session of the database waits for a long one. What a killed delete left is removed by
 * the next host that opens the database, or the next session of the same id (I12).
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

export interface FinishOptions {
  /** Only this one, when another of the same id is about to be made. */
  readonly sessionId?: string;
  /** And only the one that was hidden then. */
  readonly deletedAt?: number | undefined;
  /** Stops between two batches. */
  readonly signal?: AbortSignal;
}

export async function finishDeletes(parts: Parts, { sessionId, deletedAt, signal }: FinishOptions = {}): Promise<void> {
  const { config, store } = parts;
  for (const each of await store.deletedSessions(sessionId)) {
    if (deletedAt === undefined ? await isBeingMade(parts, each) : each.deletedAt !== deletedAt) continue;
    // The one before took a while, and this one's id may be another session's by now.
    const [now] = await store.deletedSessions(each.sessionId);
    if (now?.deletedAt === each.deletedAt) await removeDeleted(each, config, signal);
  }
}

/** A copy (`copy.ts`), which has a lease that nobody took. That of a dead host, or of one that could not remove it, is not renewed. */
async function isBeingMade({ config, self }: Parts, { sessionId, lease }: DeletedSession): Promise<boolean> {
  const left = lease.expiresAt - config.clock();
  if (lease.generation > 0 || left <= 0 || left > config.limits.leaseMs) return false;
  const owner = toOwner(lease.owner);
  return lease.owner === self || (owner !== null && (await config.ownerAlive(owner, { sessionId })) !== false);
}

// ---------------------------------------------------------------- rows

/** Children first: not every binding has foreign keys switched on. `key` orders the rows of one session. */
const TABLES = [
  { table: 'workspace_files', key: 'path' },
  { table: 'acp_agent_sessions', key: 'agent_session_id' },
  { table: 'acp_turns', key: 'turn_id' },
  { table: 'acp_session_events', key: 'seq' },
] as const;

/** Batches grow and shrink to take about so long; a batch of one row may take longer. */
const BATCH_MS = 20;
const FIRST_ROWS = 64;
const MOST_ROWS = 4_096;

const STILL_IT = 'session_id = ? AND deleted_at = ?';

/** Several hosts may do it at once, since a deleted session never becomes anything else again. */
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
      // Others may wait for the same file.
      if (left) await delay(took);
    }
  }
  await db.batch([
    {
      // One that was never shown (`copy.ts`) has no number that anybody knows.
      sql: `INSERT OR REPLACE INTO acp_deleted_sessions (session_id, latest_seq)
SELECT session_id, latest_seq + 1 FROM acp_sessions WHERE ${STILL_IT} AND latest_seq > 0`,
      params: [sessionId, deletedAt],
    },
    { sql: `DELETE FROM acp_sessions WHERE ${STILL_IT}`, params: [sessionId, deletedAt] },
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
      sql: `DELETE FROM ${table} WHERE session_id = ? AND EXISTS (SELECT 1 FROM acp_sessions WHERE ${STILL_IT})
AND ${key} IN (SELECT ${key} FROM ${table} WHERE session_id = ? ORDER BY ${key} LIMIT ?) RETURNING 1`,
      params: [sessionId, sessionId, deletedAt, sessionId, rows],
    },
  ]);
  return deleted?.rows.length ?? 0;
}
