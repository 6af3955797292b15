/** `delete`: the record goes, once nothing of the session lives. */
import { fenceAndTouch } from '../storage/statements.ts';
import { storageError } from '../storage/errors.ts';
import type { Hub } from './hub.ts';
import { busy, type LeaseOptions } from './lease.ts';
import { takeLease } from './take-lease.ts';
import type { Config } from './options.ts';
import { letGo } from './waking.ts';

const TABLES = ['workspace_files', 'acp_agent_sessions', 'acp_turns', 'acp_session_events', 'acp_sessions'];

/** Call it inside `slots.serially`. Errors: `session_not_found`, `session_busy`, `storage_full` and the like; then the record is as it was. */
export async function deleteSession(
  sessionId: string,
  { config, hub, lease }: { readonly config: Config; readonly hub: Hub; readonly lease: LeaseOptions },
): Promise<void> {
  const { database, clock, limits } = config;
  const taken = await takeLease(lease, sessionId);
  try {
    await config.preamble.files?.remove(sessionId);
    await database.batch([
      // Whoever took the session over meanwhile keeps it (I9).
      fenceAndTouch(taken.fence, taken.latestSeq, 0, clock() + limits.leaseMs, null),
      // Children first: not every binding has foreign keys switched on.
      ...TABLES.map((table) => ({ sql: `DELETE FROM ${table} WHERE session_id = ?`, params: [sessionId], note: 'session_deleted' })),
    ]);
  } catch (error) {
    const stored = await lease.store.session(sessionId).catch(() => undefined);
    // Null: the answer was lost, and the record is gone.
    if (stored !== null) {
      if (stored && stored.lease.generation !== taken.fence.generation) throw busy(sessionId, stored.lease);
      await letGo(lease, taken.fence);
      throw storageError(error, `Session "${sessionId}" could not be deleted`);
    }
  }
  hub.end(sessionId);
}
