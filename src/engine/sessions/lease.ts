/**
 * Who may write a session (I9). A lease is a row's owner and generation; `take-lease.ts` counts the
 * generation up, so that whoever held it before can write no more.
 */
import type { LeaseOwner, OwnerAlive, SqlDatabase, Statement } from '../ports.ts';
import { RehydrateError } from '../errors.ts';
import type { TurnEnded } from '../types.ts';
import type { StoredLease } from '../storage/rows.ts';
import { LAST_SEQ, type Fence } from '../storage/statements.ts';
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
  /** Nobody knows whether this host holds the lease: it is to be let go, when the storage works. */
  readonly later: (sessionId: string) => void;
}

/** Asks about the owner and judges. */
export async function leaseVerdict(options: LeaseOptions, lease: StoredLease): Promise<LeaseVerdict> {
  const owner = lease.owner === options.self ? null : ownerOf(lease);
  const alive = owner === null ? (lease.owner === null ? null : 'unknown') : await options.ownerAlive(owner);
  return judgeLease(lease, options.self, alive, options.clock());
}

/** Null when nobody holds it, and when what is stored names nobody. */
function ownerOf(lease: StoredLease): LeaseOwner | null {
  if (lease.owner === null) return null;
  try {
    const owner: unknown = JSON.parse(lease.owner);
    return typeof owner === 'object' && owner !== null ? (owner as LeaseOwner) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
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

export function notFound(sessionId: string): RehydrateError {
  return new RehydrateError(
    'session_not_found',
    `There is no session "${sessionId}" in this database. List the sessions, or create it first.`,
    { sessionId },
  );
}

export function busy(sessionId: string, lease: StoredLease): RehydrateError {
  const owner = ownerOf(lease);
  const who = owner === null ? 'another host' : `${owner.kind}${owner.pid ? ` ${owner.pid}` : ''} (host ${owner.hostId})`;
  return new RehydrateError(
    'session_busy',
    `Session "${sessionId}" is live in ${who}. It can be read here; to prompt it, let that host sleep or end it first.`,
    { sessionId, owner, expiresAt: lease.expiresAt },
  );
}
