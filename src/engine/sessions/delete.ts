/**
 * `delete`: the record goes. First, in one small batch, nobody sees the session any more; then its rows go in small
 * batches, so that no other session of the database waits for a long one. What a killed delete left is removed by the
 * next host that opens the database, or the next session of the same id (I12).
 */
import type { PreambleFiles, SqlDatabase } from '../ports.ts';
import { forgetInSearch } from '../records/search.ts';
import { storageError } from '../storage/errors.ts';
import { fenceAndTouch } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';
import { busy, letGo, takeLease, type LeaseOptions } from './lease.ts';

export interface DeleteParts {
  readonly store: Store;
  readonly lease: LeaseOptions;
  readonly preambleFiles: PreambleFiles | undefined;
  /** The session is there no more: whoever follows it is done. */
  readonly gone: (sessionId: string) => void;
}

/**
 * Call it when nothing of the session lives here. Errors: `session_not_found`, `session_busy`; `storage_full` and the like, and then
 * either the record is as it was, or it is gone for everybody and the error says that some of it is still on the disk.
 */
export async function deleteSession(sessionId: string, parts: DeleteParts): Promise<void> {
  const { store, lease } = parts;
  const taken = await takeLease(lease, sessionId);
  try {
    await lease.db.batch([
      // Whoever took the session over meanwhile keeps it (I9).
      fenceAndTouch(taken.fence, taken.latestSeq, 0, lease.clock() + lease.leaseMs, null),
      { sql: 'UPDATE acp_sessions SET deleted_at = ? WHERE session_id = ?', params: [lease.clock(), sessionId], note: 'session deleted' },
    ]);
  } catch (error) {
    const stored = await store.session(sessionId).catch(() => undefined);
    // Null: the answer was lost, and nobody sees it any more.
    if (stored !== null) {
      if (stored && stored.lease.generation !== taken.fence.generation) throw busy(sessionId, stored.lease);
      await letGo(lease, taken.fence);
      throw storageError(error, `Session "${sessionId}" could not be deleted`);
    }
  }
  parts.gone(sessionId);
  try {
    await removeDeleted(sessionId, parts);
  } catch (error) {
    const left = await store.deletedSessions(sessionId).catch(() => null);
    // The answer was lost, or another host finished it.
    if (left?.length === 0) return;
    throw storageError(error, `Session "${sessionId}" was deleted, but some of it is still on the disk; the next host removes it`);
  }
}

export interface FinishOptions {
  /** Only this one: a session of the same id is about to be made. */
  readonly sessionId?: string;
  /** Stops between two batches. */
  readonly signal?: AbortSignal;
}

/** Finishes what killed deletes left. */
export async function finishDeletes(
  parts: Pick<DeleteParts, 'store' | 'lease' | 'preambleFiles'>,
  { sessionId, signal }: FinishOptions = {},
): Promise<void> {
  for (const each of await parts.store.deletedSessions(sessionId)) await removeDeleted(each, parts, signal);
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

/** Several may do it at once: what is deleted is never anything else again. */
async function removeDeleted(sessionId: string, parts: Pick<DeleteParts, 'lease' | 'preambleFiles'>, signal?: AbortSignal): Promise<void> {
  await parts.preambleFiles?.remove(sessionId);
  await forgetInSearch(parts.lease.db, sessionId);
  const { db } = parts.lease;
  let rows = FIRST_ROWS;
  for (const { table, key } of TABLES) {
    for (let left = true; left;) {
      if (signal?.aborted) return;
      const began = performance.now();
      left = (await removeSome(db, table, key, sessionId, rows)) === rows;
      const took = performance.now() - began;
      rows = Math.max(1, Math.min(MOST_ROWS, took > 2 * BATCH_MS ? rows >> 1 : took < BATCH_MS / 2 ? rows * 2 : rows));
      // As long again for those who wait for the same file.
      if (left) await new Promise((resolve) => setTimeout(resolve, took));
    }
  }
  await db.batch([{ sql: 'DELETE FROM acp_sessions WHERE session_id = ? AND deleted_at IS NOT NULL', params: [sessionId] }]);
}

async function removeSome(db: SqlDatabase, table: string, key: string, sessionId: string, rows: number): Promise<number> {
  const [deleted] = await db.batch([
    {
      sql: `DELETE FROM ${table} WHERE session_id = ? AND EXISTS (SELECT 1 FROM acp_sessions WHERE session_id = ? AND deleted_at IS NOT NULL)
AND ${key} IN (SELECT ${key} FROM ${table} WHERE session_id = ? ORDER BY ${key} LIMIT ?) RETURNING 1`,
      params: [sessionId, sessionId, sessionId, rows],
    },
  ]);
  return deleted?.rows.length ?? 0;
}
