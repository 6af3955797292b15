/**
 * Who may write a session (I9): how a lease is judged, taken and let go, and how what its last owner left running is
 * ended (I5, I12). A lease is a row's owner and generation; whoever takes it counts the generation up, so that whoever
 * held it before can write no more.
 */
import { inBackground } from '../background-timer.ts';
import { SqlError, type LeaseOwner, type OwnerAlive, type SqlDatabase, type Statement } from '../ports.ts';
import { RehydrateError, sessionNotFound } from '../errors.ts';
import type { TurnEnded } from '../types.ts';
import { storageError } from '../storage/errors.ts';
import type { StoredLease, StoredSession } from '../storage/rows.ts';
import {
  endOfQuestion,
  endTurn,
  fenceAndTouch,
  insertEvent,
  LAST_SEQ,
  updateLastKnown,
  type Fence,
  type LastKnown,
  type NewEvent,
} from '../storage/statements.ts';
import type { Store } from '../storage/store.ts';

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
  /** Something was written that was not published. */
  readonly invalidate: (sessionId: string) => void;
}

// ---------------------------------------------------------------- judging

/** What may be done with a lease as it is. `abandoned` is free too, and its owner left without letting go. */
export type LeaseVerdict = 'ours' | 'free' | 'abandoned' | 'held';

/** The decision, apart from asking. */
export function judgeLease(lease: StoredLease, self: string, alive: boolean | 'unknown', now: number): LeaseVerdict {
  if (lease.owner === null) return 'free';
  if (lease.owner === self) return 'ours';
  return alive === false || (alive === 'unknown' && lease.expiresAt <= now) ? 'abandoned' : 'held';
}

/** Asks about the owner and judges. */
async function leaseVerdict({ self, ownerAlive, clock }: LeaseOptions, lease: StoredLease): Promise<LeaseVerdict> {
  const owner = lease.owner === self ? null : ownerOf(lease);
  return judgeLease(lease, self, owner === null ? 'unknown' : await ownerAlive(owner), clock());
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

// ---------------------------------------------------------------- taking

export interface TakenLease {
  readonly fence: Fence;
  readonly latestSeq: number;
}

/**
 * Takes the session and ends what its last owner left running as `interrupted` (I5, I12).
 * Errors: `session_not_found`, `session_busy` naming the owner.
 */
export function takeLease(options: LeaseOptions, sessionId: string): Promise<TakenLease> {
  return changeOwner(options, sessionId, options.self);
}

/** The same, and nobody has the session afterwards: what a dead owner left running is ended, in one batch. */
export async function endLeftBehind(options: LeaseOptions, sessionId: string): Promise<void> {
  await changeOwner(options, sessionId, null);
}

async function changeOwner(options: LeaseOptions, sessionId: string, to: string | null): Promise<TakenLease> {
  const { db, store, self, clock } = options;
  for (let attempt = 0; ; attempt++) {
    const stored = await store.session(sessionId);
    if (!stored) throw sessionNotFound(sessionId);
    if ((await leaseVerdict(options, stored.lease)) === 'held') throw busy(sessionId, await shortened(options, stored));
    const at = clock();
    const generation = stored.lease.generation + 1;
    const left = await leftBehind(store, stored, at, stored.lease.owner === self);
    const base = stored.info.latestSeq;
    const statements: Statement[] = [
      {
        sql: `UPDATE acp_sessions
SET lease_owner = ?, lease_generation = ?, lease_expires_at = ?,
    latest_seq = CASE WHEN lease_generation = ? AND lease_owner IS ? AND ${LAST_SEQ} = ? THEN ? ELSE -1 END
WHERE session_id = ?`,
        params: [
          to,
          generation,
          to === null ? null : at + options.leaseMs,
          stored.lease.generation,
          stored.lease.owner,
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
      if (now?.lease.owner !== to || now.lease.generation !== generation)
        throw storageError(error, `Session "${sessionId}" could not be taken`);
    }
    if (left.events.length > 0) options.invalidate(sessionId);
    return { fence: { sessionId, owner: self, generation }, latestSeq: base + left.events.length };
  }
}

/**
 * A lease that runs longer than any host gives one is from a clock that was ahead, and would keep everybody out until
 * then. It counts from now on; its owner, if it lives, renews it in time.
 */
async function shortened({ db, clock, leaseMs }: LeaseOptions, { info, lease }: StoredSession): Promise<StoredLease> {
  const expiresAt = clock() + leaseMs;
  if (lease.expiresAt <= expiresAt) return lease;
  const { sessionId } = info;
  await db.batch([
    {
      sql: 'UPDATE acp_sessions SET lease_expires_at = ? WHERE session_id = ? AND lease_owner IS ? AND lease_generation = ? AND lease_expires_at = ?',
      params: [expiresAt, sessionId, lease.owner, lease.generation, lease.expiresAt],
    },
  ]);
  return { ...lease, expiresAt };
}

const UNWRITTEN = { kind: 'host_failed', words: 'the host could not write its end when it came' };

async function leftBehind(store: Store, { info: { sessionId }, lease }: StoredSession, now: number, ours: boolean) {
  const running = await store.runningTurns(sessionId);
  // Whoever lets a session go has answered what was asked, outside of a turn, too.
  const questions = lease.owner === null && running.length === 0 ? [] : await store.openQuestions(sessionId);
  const turns = running.map(({ turnId }) => ({
    turnId,
    end: interruptedBy(ours ? UNWRITTEN : { kind: 'host_died', words: 'the host that ran it died' }, turnId),
  }));
  const events: NewEvent[] = [
    ...questions.map((question) => endOfQuestion(question, now)),
    ...turns.map(({ turnId, end }) => ({ kind: 'turn_ended', turnId, at: now, origin: 'host', payload: end }) as const),
  ];
  return { events, turns };
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

/**
 * The failure under its own code, where it has one (`storage_full`, say), with `data.turnId` as the sign that the prompt
 * was sent; else `turn_outcome_unknown`. Either way the record says, or will, that the turn was interrupted.
 */
export function failedAfterSending(error: unknown, turnId: string): RehydrateError {
  const words = `the host failed: ${error instanceof Error ? error.message : String(error)}`;
  const data = { turnId, cause: { kind: 'host_failed', words } };
  if (RehydrateError.is(error)) {
    return new RehydrateError(
      error.code,
      `${error.message} The prompt of turn ${turnId} had been sent: what became of it is unknown.`,
      { ...error.data, ...data },
      { cause: error },
    );
  }
  return new RehydrateError('turn_outcome_unknown', interruptedBy(data.cause, turnId).error?.message ?? words, data, { cause: error });
}

// ---------------------------------------------------------------- letting go

/** Lets go, so that the next host need not ask whether we are alive. Harmless when the lease is gone already. */
export function releaseStatement(fence: Fence): Statement {
  return {
    sql: `UPDATE acp_sessions SET lease_owner = NULL, lease_expires_at = NULL, latest_seq = ${LAST_SEQ} WHERE session_id = ? AND lease_owner IS ? AND lease_generation = ?`,
    params: [fence.sessionId, fence.owner, fence.generation],
  };
}

export interface AsleepWork {
  readonly events: readonly NewEvent[];
  readonly lastKnown?: LastKnown;
  readonly also: () => readonly Statement[];
}

/** Writes into the record of a session that is live nowhere, and leaves it so. Errors: those of `takeLease`. */
export async function writeAsleep(options: LeaseOptions, sessionId: string, { events, lastKnown = {}, also }: AsleepWork): Promise<void> {
  const { db, clock, leaseMs } = options;
  const { fence, latestSeq } = await takeLease(options, sessionId);
  const columns = updateLastKnown(sessionId, lastKnown);
  try {
    await db.batch([
      fenceAndTouch(fence, latestSeq, events.length, clock() + leaseMs, clock()),
      ...events.map((event, index) => insertEvent(sessionId, latestSeq + index + 1, event)),
      ...(columns ? [columns] : []),
      ...also(),
      releaseStatement(fence),
    ]);
  } catch (error) {
    await letGo(options, fence);
    throw storageError(error, `Session "${sessionId}" could not be written`);
  }
  options.invalidate(sessionId);
}

/** Lets the lease go after a failure; later, where even that cannot be written now. */
export async function letGo(options: LeaseOptions, fence: Fence): Promise<void> {
  try {
    await options.db.batch([releaseStatement(fence)]);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    options.later(fence.sessionId);
  }
}

// ---------------------------------------------------------------- cleaning up

/**
 * Ends what a dead owner left running, if one did, so that no turn shows as running to anyone who looks (I12): `cleaned`
 * then. Where it cannot be written now everything stands as it is, and the next look tries again.
 */
export async function cleanUp(options: LeaseOptions, sessionId: string, lease: StoredLease): Promise<LeaseVerdict | 'cleaned'> {
  const verdict = await leaseVerdict(options, lease);
  if (verdict !== 'abandoned') return verdict;
  try {
    await endLeftBehind(options, sessionId);
    return 'cleaned';
  } catch (error) {
    // Somebody else took it meanwhile, it is deleted, or the record cannot be read or written: the caller only looks.
    if (!RehydrateError.is(error) && !(error instanceof SqlError)) throw error;
    return RehydrateError.is(error) && error.code === 'session_busy' ? 'held' : verdict;
  }
}

/** The same for every session of the database that shows a running turn. */
export async function cleanUpAll(options: LeaseOptions): Promise<void> {
  const left = await options.store.sessionsWithRunningTurns();
  await Promise.all(left.map(({ sessionId, lease }) => cleanUp(options, sessionId, lease)));
}

/**
 * Sessions whose end could not be written: a turn stands as running, or the lease as held, though nothing lives. It is tried again until
 * the storage works, so that nobody has to wait for this host to sleep (I9, I12). `cleanUp` may find nothing to do; it rejects when the
 * storage still does not work.
 */
export function createLeaseCleanup(cleanUp: (sessionId: string) => Promise<void>, everyMs: number) {
  const open = new Map<string, ReturnType<typeof setTimeout>>();
  let ended = false;

  /** True when there is nothing left to do here. */
  const attempt = (sessionId: string): Promise<boolean> =>
    cleanUp(sessionId).then(
      () => true,
      // Another host has it, or it was deleted: then it is settled. Everything else may pass.
      (error: unknown) => RehydrateError.is(error) && (error.code === 'session_busy' || error.code === 'session_not_found'),
    );

  const wait = (sessionId: string): void => {
    const timer = setTimeout(() => {
      void attempt(sessionId).then((done) => {
        if (open.get(sessionId) !== timer) return;
        open.delete(sessionId);
        if (!done && !ended) wait(sessionId);
      });
    }, everyMs);
    open.set(sessionId, inBackground(timer));
  };

  return {
    /** Tries in a while, and again and again. A next prompt of the session need not wait for it. */
    later(sessionId: string): void {
      clearTimeout(open.get(sessionId));
      wait(sessionId);
    },
    /** The host goes to sleep: everything open is tried once more, then left to the next host. */
    async end(): Promise<void> {
      ended = true;
      const left = [...open];
      open.clear();
      for (const [, timer] of left) clearTimeout(timer);
      await Promise.all(left.map(([sessionId]) => attempt(sessionId)));
    },
  };
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
