/**
 * Makes a session from a record: a fork or an import. Its rows are written in small batches. Until the last one the session counts as
 * deleted, so that what a killed host leaves of it is removed with the deletes (I12). A lease prevents that while its host lives.
 */
import { RehydrateError, sessionExists } from '../errors.ts';
import { SqlError, type Row, type SqlDatabase, type Statement } from '../ports.ts';
import { read, storageError } from '../storage/errors.ts';
import { endOfQuestion, insertEvent, insertRow, LAST_SEQ, type NewEvent } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';
import { inBackground } from '../waiting.ts';

/** The host that makes it. */
export interface Maker {
  /** The host as the owner of a lease, as JSON text. */
  readonly self: string;
  readonly clock: () => number;
  readonly leaseMs: number;
}

export interface HiddenSession {
  readonly sessionId: string;
  /** Those of its row that are copied. */
  readonly columns: Row;
  readonly maker: Maker;
  /** Writes the rows of other tables, events numbered after `before`, and returns how many events there must be. */
  readonly write: (before: number) => Promise<number>;
  /** Removes hidden rows of this id: all, or only those hidden at `deletedAt`. */
  readonly remove: (deletedAt?: number) => Promise<void>;
}

/** Makes the row, hidden; has the others written; shows it. When anything fails, nothing of it stays. Error: `session_exists`. */
export async function makeSession(db: SqlDatabase, { sessionId, columns, maker, write, remove }: HiddenSession): Promise<void> {
  const { self, clock, leaseMs } = maker;
  const now = clock();
  const row: Row = {
    ...columns,
    session_id: sessionId,
    latest_seq: 0,
    lease_owner: self,
    lease_generation: 0,
    lease_expires_at: now + leaseMs,
    created_at: now,
    updated_at: now,
    deleted_at: now,
  };
  let before: number;
  try {
    // A killed host may have left a half-removed session of this id.
    await remove();
    const made = await db.batch([
      insertRow('acp_sessions', row),
      { sql: `SELECT ${LAST_SEQ} AS last_seq FROM acp_sessions WHERE session_id = ?`, params: [sessionId] },
    ]);
    before = Number(made[1]?.rows[0]?.['last_seq']);
  } catch (error) {
    if (error instanceof SqlError && error.kind === 'constraint') throw sessionExists(sessionId);
    throw storageError(error, `Session "${sessionId}" could not be written`);
  }
  const hidden = [sessionId, now];
  const renew = () => {
    const sql = 'UPDATE acp_sessions SET lease_expires_at = ? WHERE session_id = ? AND deleted_at = ?';
    // A failure is ignored: if the storage does not work, writing the rows fails, too.
    db.batch([{ sql, params: [clock() + leaseMs, ...hidden] }]).catch(() => undefined);
  };
  const renewing = inBackground(setInterval(renew, Math.max(1, Math.floor(leaseMs / 3))));
  try {
    const events = await write(before);
    const [shown] = await db.batch([
      {
        // If an event is missing, this violates the CHECK on `latest_seq`.
        sql: `UPDATE acp_sessions SET deleted_at = NULL, lease_owner = NULL, lease_expires_at = NULL,
latest_seq = CASE WHEN (SELECT count(*) FROM acp_session_events WHERE session_id = ?) = ? THEN ? ELSE -1 END
WHERE session_id = ? AND deleted_at = ? RETURNING 1`,
        params: [sessionId, events, before + events, ...hidden],
        note: 'session made',
      },
    ]);
    if (shown?.rows.length === 1) return;
  } catch (error) {
    const isConstraint = error instanceof SqlError && error.kind === 'constraint';
    const wasRemoved = isConstraint && !(await isHidden(db, sessionId, now));
    await remove(now);
    if (wasRemoved) throw removedMeanwhile(sessionId);
    if (isConstraint)
      throw new RehydrateError(
        'invalid_argument',
        `Session "${sessionId}" cannot be made: its rows contradict each other (${error.message}). Nothing was written.`,
        { sessionId },
        { cause: error },
      );
    throw storageError(error, `Session "${sessionId}" could not be written whole, so nothing of it was`);
  } finally {
    clearInterval(renewing);
  }
  throw removedMeanwhile(sessionId);
}

async function isHidden(db: SqlDatabase, sessionId: string, deletedAt: number): Promise<boolean> {
  const rows = await read(db, 'SELECT 1 FROM acp_sessions WHERE session_id = ? AND deleted_at = ?', [sessionId, deletedAt]);
  return rows.length > 0;
}

const removedMeanwhile = (sessionId: string): RehydrateError =>
  new RehydrateError(
    'storage_unavailable',
    `Session "${sessionId}" was removed while it was being made: another program opened the database and took it for a left-over. Try again.`,
    { sessionId },
  );

/** Events that end the turn and the questions which are open at an event of the log. */
export async function endsOf(store: Store, sessionId: string, upTo: number, at: number, message: string): Promise<NewEvent[]> {
  const turnId = await store.openTurn(sessionId, upTo);
  const questions = await store.openQuestions(sessionId, upTo);
  const payload = { state: 'interrupted', error: { code: 'turn_outcome_unknown', message } } as const;
  return [
    ...questions.map((question) => endOfQuestion(question, at)),
    ...(turnId === null ? [] : [{ kind: 'turn_ended', turnId, at, origin: 'host', payload } as const]),
  ];
}

export const insertEnds = (sessionId: string, after: number, ends: readonly NewEvent[]): Statement[] =>
  ends.map((event, index) => insertEvent(sessionId, after + index + 1, event));
