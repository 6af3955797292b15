/**
 * Who may write a session (I9). A lease is a row's owner and generation; taking it counts the
 * generation up, so that whoever held it before can write no more.
 */
import { SqlError, type LeaseOwner, type OwnerAlive, type SqlDatabase, type Statement } from '../ports.ts';
import { RehydrateError } from '../errors.ts';
import type { TurnEnded } from '../types.ts';
import type { StoredLease } from '../storage/rows.ts';
import { storageError } from '../storage/errors.ts';
import { endTurn, insertEvent, LAST_SEQ, type Fence, type NewEvent } from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';

/** What may be done with a lease as it is. */
export type LeaseVerdict = 'ours' | 'free' | 'held';

/** The decision, apart from asking. `alive` is null when nobody holds it. */
export function judgeLease(lease: StoredLease, self: string, alive: boolean | 'unknown' | null, now: number): LeaseVerdict {
  if (lease.owner === null) return 'free';
  if (lease.owner === self) return 'ours';
  if (alive === false) return 'free';
  if (alive === 'unknown' && lease.expiresAt <= now) return 'free';
  return 'held';
}

export interface LeaseOptions {
  readonly db: SqlDatabase;
  readonly store: Store;
  /** This host's owner record as JSON text. */
  readonly self: string;
  readonly ownerAlive: OwnerAlive;
  readonly clock: () => number;
  readonly leaseMs: number;
}

export interface TakenLease {
  readonly fence: Fence;
  readonly latestSeq: number;
}

/** Asks about the owner and judges. */
export async function leaseVerdict(options: LeaseOptions, lease: StoredLease): Promise<LeaseVerdict> {
  const alive = lease.owner === null || lease.owner === options.self ? null : await options.ownerAlive(JSON.parse(lease.owner) as LeaseOwner);
  return judgeLease(lease, options.self, alive, options.clock());
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
    const now = clock();
    const generation = stored.lease.generation + 1;
    const left = await leftBehind(store, sessionId, now, stored.lease.owner === self);
    const base = stored.info.latestSeq;
    const statements: Statement[] = [
      {
        sql: `UPDATE acp_sessions
SET lease_owner = ?, lease_generation = ?, lease_expires_at = ?,
    latest_seq = CASE WHEN lease_generation = ? AND lease_owner IS ? AND ${LAST_SEQ} = ? THEN ? ELSE -1 END
WHERE session_id = ?`,
        params: [self, generation, now + options.leaseMs, stored.lease.generation, stored.lease.owner, sessionId, base, base + left.events.length, sessionId],
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
      throw storageError(error, `Session "${sessionId}" could not be taken`);
    }
    return { fence: { sessionId, owner: self, generation }, latestSeq: base + left.events.length };
  }
}

/** Lets go, so that the next host need not ask whether we are alive. Harmless when the lease is gone already. */
export function releaseStatement(fence: Fence): Statement {
  return {
    sql: `UPDATE acp_sessions SET lease_owner = NULL, lease_expires_at = NULL, latest_seq = ${LAST_SEQ} WHERE session_id = ? AND lease_owner IS ? AND lease_generation = ?`,
    params: [fence.sessionId, fence.sessionId, fence.owner, fence.generation],
  };
}

/** The end of a turn whose host or agent died: nobody knows what became of it (I5). */
export function interruptedBy(cause: Readonly<Record<string, unknown>>, turnId: string): TurnEnded & { state: 'interrupted' } {
  return {
    state: 'interrupted',
    error: {
      code: 'turn_outcome_unknown',
      message: `The outcome of turn ${turnId} is unknown: ${String(cause['words'])}. It was not sent again. Prompt again with a new idempotency key, or none, if it should be.`,
      data: { turnId, cause },
    },
  };
}

const UNWRITTEN = { kind: 'host_failed', words: 'the host could not write its end when it came' };

async function leftBehind(store: Store, sessionId: string, now: number, ours: boolean) {
  const running = await store.runningTurns(sessionId);
  const events: NewEvent[] = [];
  const turns: { turnId: string; end: TurnEnded }[] = [];
  for (const turn of running) {
    for (const requestId of await store.openPermissions(sessionId, turn.firstSeq - 1)) {
      events.push({ kind: 'permission_resolved', turnId: turn.turnId, at: now, origin: 'host', payload: { requestId, optionId: null, by: 'end' } });
    }
    const end = interruptedBy(ours ? UNWRITTEN : { kind: 'host_died', words: 'the host that ran it died' }, turn.turnId);
    events.push({ kind: 'turn_ended', turnId: turn.turnId, at: now, origin: 'host', payload: end });
    turns.push({ turnId: turn.turnId, end });
  }
  return { events, turns };
}

export function notFound(sessionId: string): RehydrateError {
  return new RehydrateError('session_not_found', `There is no session "${sessionId}" in this database. List the sessions, or create it first.`, { sessionId });
}

export function busy(sessionId: string, lease: StoredLease): RehydrateError {
  const owner = lease.owner === null ? null : (JSON.parse(lease.owner) as LeaseOwner);
  const who = owner === null ? 'another host' : `${owner.kind}${owner.pid ? ` ${owner.pid}` : ''} (host ${owner.hostId})`;
  return new RehydrateError(
    'session_busy',
    `Session "${sessionId}" is live in ${who}. It can be read here; to prompt it, let that host sleep or end it first.`,
    { sessionId, owner, expiresAt: lease.expiresAt },
  );
}
