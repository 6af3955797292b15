/**
 * A session that is made from a record: a fork, an import. Its rows come in small batches, and until the last of them it counts as one that
 * is being deleted, so what a killed host left of it goes with the deletes (I12). A lease keeps others from that while its host lives.
 */
import { RehydrateError, sessionExists } from '../errors.ts';
import { SqlError, type SqlDatabase, type SqlValue, type Statement } from '../ports.ts';
import { read, storageError } from '../storage/errors.ts';
import { endOfQuestion, insertEvent, insertRow, LAST_SEQ, type NewEvent } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';
import { inBackground } from '../waiting.ts';

export type Columns = Readonly<Record<string, SqlValue>>;

/** The host that makes it. */
export interface Maker {
  /** As in the leases that it holds. */
  readonly self: string;
  readonly clock: () => number;
  readonly leaseMs: number;
}

export interface HiddenSession {
  readonly sessionId: string;
  /** Of its row, without its id and its times. */
  readonly columns: Columns;
  readonly maker: Maker;
  /** Writes its rows, with events numbered after `before`, and tells how many events there must be. */
  readonly write: (before: number) => Promise<number>;
  /** Removes what is hidden, all or only what was hidden then. */
  readonly remove: (deletedAt?: number) => Promise<void>;
}

/** Makes the row, hidden, has the others written, and shows it; when anything fails, nothing stays. Error: `session_exists`. */
export async function makeSession(db: SqlDatabase, { sessionId, columns, maker, write, remove }: HiddenSession): Promise<void> {
  const { self, clock, leaseMs } = maker;
  const now = clock();
  const row: Columns = {
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
    // A delete of the same id may have been killed.
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
    // What takes that long to store may fail, too, and then says so itself.
    db.batch([{ sql, params: [clock() + leaseMs, ...hidden] }]).catch(() => undefined);
  };
  const renewing = inBackground(setInterval(renew, Math.max(1, Math.floor(leaseMs / 3))));
  try {
    const events = await write(before);
    const [shown] = await db.batch([
      {
        // A row too few violates the CHECK on `latest_seq`.
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

/** Ends what is open at this event of the log, so that nobody sees it as running or unanswered. */
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
