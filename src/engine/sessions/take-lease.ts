/** Taking a session: the lease, and the end of what its last owner left running (I5, I9, I12). */
import { SqlError, type Statement } from '../ports.ts';
import type { TurnEnded } from '../types.ts';
import { storageError } from '../storage/errors.ts';
import { endTurn, insertEvent, LAST_SEQ, type Fence, type NewEvent } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';
import { busy, interruptedBy, leaseVerdict, notFound, type LeaseOptions } from './lease.ts';

export interface TakenLease {
  readonly fence: Fence;
  readonly latestSeq: number;
}

/**
 * Takes the session and ends what its last owner left running as `interrupted` (I5, I12).
 * Errors: `session_not_found`, `session_busy` naming the owner.
 */
export async function takeLease(options: LeaseOptions, sessionId: string): Promise<TakenLease> {
  const { db, store, self, clock } = options;
  for (let attempt = 0; ; attempt++) {
    const stored = await store.session(sessionId);
    if (!stored) throw notFound(sessionId);
    const verdict = await leaseVerdict(options, stored.lease);
    if (verdict === 'held') throw busy(sessionId, stored.lease);
    const at = clock();
    const generation = stored.lease.generation + 1;
    const left = await leftBehind(store, sessionId, at, stored.lease.owner === self);
    const base = stored.info.latestSeq;
    const statements: Statement[] = [
      {
        sql: `UPDATE acp_sessions
SET lease_owner = ?, lease_generation = ?, lease_expires_at = ?,
    latest_seq = CASE WHEN lease_generation = ? AND lease_owner IS ? AND ${LAST_SEQ} = ? THEN ? ELSE -1 END
WHERE session_id = ?`,
        params: [
          self,
          generation,
          at + options.leaseMs,
          stored.lease.generation,
          stored.lease.owner,
          sessionId,
          base,
          base + left.events.length,
          sessionId,
        ],
      },
      ...left.events.map((event, index) => insertEvent(sessionId, base + index + 1, event)),
      ...left.turns.map((turn) => endTurn(turn.turnId, turn.end, base + left.events.length)),
    ];
    try {
      await db.batch(statements);
    } catch (error) {
      // Somebody wrote between our look and our batch: look again. That cannot go on for ever,
      // since each time somebody else got on.
      if (error instanceof SqlError && error.kind === 'constraint' && attempt < 20) continue;
      // The answer may be lost although the batch was written.
      const now = await store.session(sessionId).catch((unread: unknown) => {
        options.later(sessionId);
        throw unread;
      });
      if (now?.lease.owner !== self || now.lease.generation !== generation)
        throw storageError(error, `Session "${sessionId}" could not be taken`);
    }
    return { fence: { sessionId, owner: self, generation }, latestSeq: base + left.events.length };
  }
}

const UNWRITTEN = { kind: 'host_failed', words: 'the host could not write its end when it came' };

async function leftBehind(store: Store, sessionId: string, now: number, ours: boolean) {
  const running = await store.runningTurns(sessionId);
  const events: NewEvent[] = [];
  const turns: { turnId: string; end: TurnEnded }[] = [];
  for (const turn of running) {
    for (const requestId of await store.openPermissions(sessionId, turn.firstSeq - 1)) {
      events.push({
        kind: 'permission_resolved',
        turnId: turn.turnId,
        at: now,
        origin: 'host',
        payload: { requestId, optionId: null, by: 'end' },
      });
    }
    const end = interruptedBy(ours ? UNWRITTEN : { kind: 'host_died', words: 'the host that ran it died' }, turn.turnId);
    events.push({ kind: 'turn_ended', turnId: turn.turnId, at: now, origin: 'host', payload: end });
    turns.push({ turnId: turn.turnId, end });
  }
  return { events, turns };
}
