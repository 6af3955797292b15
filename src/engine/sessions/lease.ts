/**
 * Who may write a session (I9): how its lease is judged, taken and released, and how work that a dead owner left is ended (I5, I12). A
 * lease is the owner and the generation in the session's row. Taking it raises the generation, so that the previous owner can no longer
 * write.
 */
import { inBackground } from '../waiting.ts';
import type { Fields } from '../objects.ts';
import { SqlError, type Statement } from '../ports.ts';
import { RehydrateError, sessionNotFound } from '../errors.ts';
import type { TurnEnded } from '../types.ts';
import { storageError } from '../storage/errors.ts';
import { toOwner, type StoredLease, type StoredSession } from '../storage/rows.ts';
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
import type { SessionProgress, Store } from '../storage/store.ts';
import type { Occasion } from './callbacks.ts';
import type { Config } from './config.ts';
import type { Subscriptions } from './subscriptions.ts';

export interface LeaseParts {
  readonly config: Config;
  readonly store: Store;
  readonly subscriptions: Subscriptions;
  /** This host as the owner of a lease, as JSON text. */
  readonly self: string;
  /** Releases the lease once the storage works again. For when nobody can tell whether this host holds it. */
  readonly later: (sessionId: string) => void;
}

// ---------------------------------------------------------------- judging

/** Whose a lease is. An `abandoned` one may be taken, too: its owner is gone and did not release it. */
type LeaseVerdict = 'ours' | 'free' | 'abandoned' | 'held';

export function judgeLease(lease: StoredLease, self: string, alive: boolean | 'unknown', now: number): LeaseVerdict {
  if (lease.owner === null) return 'free';
  if (lease.owner === self) return 'ours';
  return alive === false || (alive === 'unknown' && lease.expiresAt <= now) ? 'abandoned' : 'held';
}

async function leaseVerdict({ self, config }: LeaseParts, lease: StoredLease, occasion: Occasion): Promise<LeaseVerdict> {
  const { ownerAlive, clock } = config;
  const owner = lease.owner === self ? null : toOwner(lease.owner);
  return judgeLease(lease, self, owner === null ? 'unknown' : await ownerAlive(owner, occasion), clock());
}

// ---------------------------------------------------------------- taking

interface TakenLease {
  readonly fence: Fence;
  readonly latestSeq: number;
}

/**
 * Takes the session and ends what its last owner left running as `interrupted` (I5, I12).
 * Errors: `session_not_found`, `session_busy` naming the owner.
 */
export function takeLease(parts: LeaseParts, sessionId: string, signal?: AbortSignal): Promise<TakenLease> {
  return changeOwner(parts, sessionId, parts.self, signal);
}

/** Ends what a dead owner left running, and leaves the session without an owner. */
export async function endAbandoned(parts: LeaseParts, sessionId: string): Promise<void> {
  await changeOwner(parts, sessionId, null);
}

async function changeOwner(parts: LeaseParts, sessionId: string, to: string | null, signal?: AbortSignal): Promise<TakenLease> {
  const { config, store, self } = parts;
  const { database, clock, limits } = config;
  for (let attempt = 0; ; attempt++) {
    const stored = await store.session(sessionId);
    if (!stored) throw sessionNotFound(sessionId);
    if ((await leaseVerdict(parts, stored.lease, { sessionId, signal })) === 'held') throw busy(sessionId, await shortened(config, stored));
    const at = clock();
    const generation = stored.lease.generation + 1;
    const left = await abandonedWork(store, stored, at, stored.lease.owner === self);
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
          to === null ? null : at + limits.leaseMs,
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
      await database.batch(statements);
    } catch (error) {
      // Another host wrote between the read and the batch. Each time one host makes progress, so this ends.
      if (error instanceof SqlError && error.kind === 'constraint' && attempt < 20) continue;
      // The batch may have been written, and only its answer lost.
      const now = await store.session(sessionId).catch((unread: unknown) => {
        parts.later(sessionId);
        throw unread;
      });
      if (now?.lease.owner !== to || now.lease.generation !== generation)
        throw storageError(error, `Session "${sessionId}" could not be taken`);
    }
    if (left.events.length > 0) parts.subscriptions.invalidate(sessionId);
    return { fence: { sessionId, owner: self, generation }, latestSeq: base + left.events.length };
  }
}

/**
 * A lease that expires later than any host would set comes from a clock that was ahead, and would keep everybody out until then. It is cut
 * to a full lease from now; its owner, if alive, renews it in time.
 */
async function shortened({ database, clock, limits }: Config, { info, lease }: StoredSession): Promise<StoredLease> {
  const expiresAt = clock() + limits.leaseMs;
  if (lease.expiresAt <= expiresAt) return lease;
  const { sessionId } = info;
  await database.batch([
    {
      sql: 'UPDATE acp_sessions SET lease_expires_at = ? WHERE session_id = ? AND lease_owner IS ? AND lease_generation = ? AND lease_expires_at = ?',
      params: [expiresAt, sessionId, lease.owner, lease.generation, lease.expiresAt],
    },
  ]);
  return { ...lease, expiresAt };
}

const UNWRITTEN = { kind: 'host_failed', reason: 'the host could not write its end when it came' };

async function abandonedWork(store: Store, { info: { sessionId }, lease }: StoredSession, now: number, ours: boolean) {
  const running = await store.runningTurns(sessionId);
  // An owner that released the session has ended every question, also those outside of turns.
  const questions = lease.owner === null && running.length === 0 ? [] : await store.openQuestions(sessionId);
  const turns = running.map(({ turnId }) => ({
    turnId,
    end: interruptedBy(ours ? UNWRITTEN : { kind: 'host_died', reason: 'the host that ran it died' }, turnId),
  }));
  const events: NewEvent[] = [
    ...questions.map((question) => endOfQuestion(question, now)),
    ...turns.map(({ turnId, end }) => ({ kind: 'turn_ended', turnId, at: now, origin: 'host', payload: end }) as const),
  ];
  return { events, turns };
}

/** The end of a turn whose host or agent died: nobody knows what became of it (I5). `diagnostics` quotes the agent's last words. */
export function interruptedBy(cause: Fields, turnId: string, diagnostics = ''): TurnEnded & { state: 'interrupted' } {
  return {
    state: 'interrupted',
    error: {
      code: 'turn_outcome_unknown',
      message: `The outcome of turn ${turnId} is unknown: ${String(cause['reason'])}. It was not sent again: if it should be, send it anew, under another idempotency key if it had one.${diagnostics}`,
      data: { turnId, cause },
    },
  };
}

/**
 * What the caller of a prompt is told when the host failed after sending it. An error of the library keeps its code (`storage_full`, say)
 * and gets `data.turnId` as the sign that the prompt was sent; any other becomes `turn_outcome_unknown`. Either way the record says, or
 * will say, that the turn was interrupted.
 */
export function failedAfterSending(error: unknown, turnId: string): RehydrateError {
  const reason = `the host failed: ${error instanceof Error ? error.message : String(error)}`;
  const data = { turnId, cause: { kind: 'host_failed', reason } };
  if (RehydrateError.is(error)) {
    return new RehydrateError(
      error.code,
      `${error.message} The prompt of turn ${turnId} had been sent: what became of it is unknown.`,
      { ...error.data, ...data },
      { cause: error },
    );
  }
  return new RehydrateError('turn_outcome_unknown', interruptedBy(data.cause, turnId).error?.message ?? reason, data, { cause: error });
}

// ---------------------------------------------------------------- releasing

/** Does nothing when the lease is not held any more. */
export function releaseStatement(fence: Fence): Statement {
  return {
    sql: `UPDATE acp_sessions SET lease_owner = NULL, lease_expires_at = NULL, latest_seq = ${LAST_SEQ} WHERE session_id = ? AND lease_owner IS ? AND lease_generation = ?`,
    params: [fence.sessionId, fence.owner, fence.generation],
  };
}

/** What is written for a session without its agent: by its writer where it is live here, else by `writeAsleep`. */
export interface AsleepWork {
  readonly events: readonly NewEvent[];
  readonly lastKnown?: LastKnown;
  readonly also: () => readonly Statement[];
}

/** Takes the lease of a session that is live nowhere, writes, and releases it. Errors: those of `takeLease`. */
export async function writeAsleep(parts: LeaseParts, sessionId: string, { events, lastKnown = {}, also }: AsleepWork): Promise<void> {
  const { database, clock, limits } = parts.config;
  const { fence, latestSeq } = await takeLease(parts, sessionId);
  const columns = updateLastKnown(sessionId, lastKnown);
  try {
    await database.batch([
      fenceAndTouch(fence, latestSeq, events.length, clock() + limits.leaseMs, clock()),
      ...events.map((event, index) => insertEvent(sessionId, latestSeq + index + 1, event)),
      ...(columns ? [columns] : []),
      ...also(),
      releaseStatement(fence),
    ]);
  } catch (error) {
    await releaseLease(parts, fence);
    throw storageError(error, `Session "${sessionId}" could not be written`);
  }
  parts.subscriptions.invalidate(sessionId);
}

/** Releases the lease after a failure; if that cannot be written now, later. */
export async function releaseLease(parts: LeaseParts, fence: Fence): Promise<void> {
  try {
    await parts.config.database.batch([releaseStatement(fence)]);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    parts.later(fence.sessionId);
  }
}

// ---------------------------------------------------------------- cleaning up

/**
 * Ends what a dead owner left running, so that no reader sees a turn as running (I12), and returns `cleaned`; else the verdict on the
 * lease. If it cannot be written now, the next reader tries again.
 */
export async function cleanUp(parts: LeaseParts, sessionId: string, lease: StoredLease): Promise<LeaseVerdict | 'cleaned'> {
  const verdict = await leaseVerdict(parts, lease, { sessionId });
  if (verdict !== 'abandoned') return verdict;
  try {
    await endAbandoned(parts, sessionId);
    return 'cleaned';
  } catch (error) {
    // Another host took or deleted it meanwhile, or the storage does not work. The caller only wants to read.
    if (!RehydrateError.is(error) && !(error instanceof SqlError)) throw error;
    return RehydrateError.is(error) && error.code === 'session_busy' ? 'held' : verdict;
  }
}

export async function cleanUpAll(parts: LeaseParts): Promise<void> {
  const left = await parts.store.sessionsWithRunningTurns();
  await Promise.all(left.map(({ sessionId, lease }) => cleanUp(parts, sessionId, lease)));
}

export async function progressOf(parts: LeaseParts, sessionId: string): Promise<SessionProgress | null> {
  const { store } = parts;
  const found = await store.progress(sessionId);
  return found && (await cleanUp(parts, sessionId, found.lease)) === 'cleaned' ? store.progress(sessionId) : found;
}

/**
 * Retries `cleanUp` for sessions whose end could not be written: a turn shows as running, or the lease as held, although nothing is live.
 * `cleanUp` rejects while the storage does not work. Retrying frees the session before this host sleeps (I9, I12).
 */
export function createLeaseCleanup(cleanUp: (sessionId: string) => Promise<void>, everyMs: number) {
  const open = new Map<string, ReturnType<typeof setTimeout>>();
  let ended = false;

  /** True when nothing is left to do. */
  const attempt = (sessionId: string): Promise<boolean> =>
    cleanUp(sessionId).then(
      () => true,
      // Then another host has the session, or it was deleted. Any other failure may pass.
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
    /** Tries after `everyMs`, and again until it succeeds. */
    later(sessionId: string): void {
      clearTimeout(open.get(sessionId));
      wait(sessionId);
    },
    /** Tries all that are left once more; what fails now is left to the next host. */
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
  const owner = toOwner(lease.owner);
  const who = owner === null ? 'another host' : `${owner.kind}${owner.pid ? ` ${owner.pid}` : ''} (host ${owner.hostId})`;
  return new RehydrateError(
    'session_busy',
    `Session "${sessionId}" is live in ${who}. It can be read here; to prompt it, let that host sleep or end it first.`,
    { sessionId, owner, expiresAt: lease.expiresAt },
  );
}
