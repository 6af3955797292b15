/**
 * Group commit for one session: what is appended while a commit runs goes into the next one. Every batch is fenced, so that nothing more is
 * written once another host has taken the session over.
 */
import { SqlError, type SqlDatabase, type Statement } from '../ports.ts';
import { RehydrateError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { SessionEvent } from '../types.ts';
import { delay } from '../waiting.ts';
import { eventSize, extendRun, runToEvent, startRun, type ChunkRun } from './chunks.ts';
import { storageError } from './errors.ts';
import { fenceAndInsert, fenceAndTouch, insertEvent, updateLastKnown, type Fence, type LastKnown, type NewEvent } from './statements.ts';
import { toOwner, type StoredSession } from './rows.ts';
import type { Store } from './store.ts';

/** Committed together or not at all. */
export interface Work {
  readonly events: readonly NewEvent[];
  /** Further statements, made when the events have their numbers. */
  readonly also?: (written: Committed) => readonly (Statement | null)[];
  readonly lastKnown?: LastKnown;
  /**
   * Part of what the agent says. When one such work could not be written, those after it are refused, too: a log that ends early, which is
   * reported, is better than one with a gap (I11).
   */
  readonly said?: boolean;
}

export interface Committed {
  readonly firstSeq: number;
  readonly lastSeq: number;
}

export interface WriterOptions {
  readonly db: SqlDatabase;
  readonly store: Store;
  readonly fence: Fence;
  readonly latestSeq: number;
  readonly limits: Limits;
  readonly clock: () => number;
  /** Runs over everything that is written, after chunks were joined. */
  readonly redact?: <T>(value: T) => T;
  /** Called in order, before `append` resolves (I2). */
  readonly onCommitted: (events: readonly SessionEvent[]) => void;
  /** Called once nothing more can be written: another host has the lease, or nobody knows what is in the log. */
  readonly onLost: (reason: unknown) => void;
}

interface Queued {
  readonly work: Work;
  /** The numbers that the last plan gave it. */
  written?: Committed;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown, work: Work) => void;
}

const ignore = (): void => undefined;

/**
 * How many microtasks a commit waits for more. Two messages that were read together are one or two microtasks apart in a pipe, and more in
 * a page. With a third of this a page shows an answer half as fast.
 */
const GATHER_TICKS = 16;
const tick = Promise.resolve();

/** The pause between two attempts. Adapters wait for a lock themselves, too. */
const BUSY_PAUSE_MS = 10;
const LONGEST_BUSY_PAUSE_MS = 1_000;

function isBusy(error: unknown): boolean {
  const cause = RehydrateError.is(error) ? error.cause : error;
  return cause instanceof SqlError && cause.kind === 'busy';
}

type Verdict =
  | { readonly kind: 'written' }
  | { readonly kind: 'unwritten'; readonly retry: boolean }
  | { readonly kind: 'lost' | 'unknown'; readonly reason: unknown };

export type SessionWriter = ReturnType<typeof createWriter>;

export function createWriter(options: WriterOptions) {
  const { db, store, fence, limits, clock } = options;
  let latestSeq = options.latestSeq;
  let renewedAt = clock();
  /** When a batch last wrote the session's row. The first batch writes it, and the first after a failure. */
  let touchedAt = -Infinity;
  let mustReread = false;
  let lost: { readonly reason: unknown } | null = null;
  /** Set when something that the agent said could not be written. */
  let broken: { readonly reason: unknown } | null = null;
  let queue: Queued[] = [];
  let queuedEvents = 0;
  let queuedBytes = 0;
  /** How many of them `gather` has seen, and for how many microtasks nothing came. */
  let gathered = 0;
  let waited = 0;
  let isDraining = false;
  /** Wait until everything is written or refused. */
  let settling: (() => void)[] = [];
  let waiters: (() => void)[] = [];

  const isFull = () => queuedEvents >= limits.queuedEvents || queuedBytes >= limits.queuedBytes;

  /**
   * Messages that were read together come some microtasks apart. Waits while more come, but for no task or timer. In an async function each
   * of these waits would allocate several times as much.
   */
  const gather = (): void => {
    if (queue.length > gathered) {
      gathered = queue.length;
      waited = 0;
    }
    if (waited === GATHER_TICKS || isFull()) return drain();
    waited += 1;
    void tick.then(gather);
  };

  function drain(): void {
    const taken = queue;
    queue = [];
    queuedEvents = 0;
    queuedBytes = 0;
    gathered = 0;
    const wake = waiters;
    waiters = [];
    for (const resume of wake) resume();
    commit(taken).then(goOn, (error: unknown) => {
      // Else its appenders would wait for ever.
      lose(taken, error);
      goOn();
    });
  }

  const goOn = (): void => {
    if (queue.length > 0) return gather();
    isDraining = false;
    for (const resume of settling) resume();
    settling = [];
  };

  async function commit(taken: readonly Queued[]): Promise<void> {
    if (lost) return rejectAll(taken, lost.reason);
    const items = withoutGap(taken);
    if (items.length === 0) return;
    let plan: Plan | null = null;
    let refusedAt: number | undefined;
    for (let pause = BUSY_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_BUSY_PAUSE_MS)) {
      try {
        if (mustReread) await reread();
        plan = planBatch(options, latestSeq, items, touchedAt);
        const results = await db.batch(plan.statements);
        // No row was touched: the session is gone.
        if (plan.touch && results[0]?.rows.length === 0) throw gone(fence.sessionId);
        break;
      } catch (error) {
        // Busy: nothing was written. While this waits, the queue fills and the agent is held back.
        const now = performance.now();
        if (!isBusy(error) || now - (refusedAt ??= now) >= limits.busyMs) return failed(items, error, plan);
        await delay(pause);
      }
    }
    succeeded(items, plan);
  }

  function succeeded(items: readonly Queued[], plan: Plan): void {
    latestSeq = plan.latestSeq;
    if (plan.touch) {
      renewedAt = plan.touch.at;
      touchedAt = plan.touch.updatedAt ?? touchedAt;
    }
    options.onCommitted(plan.events);
    for (const { resolve, written } of items) resolve(written!);
  }

  async function failed(items: readonly Queued[], error: unknown, plan: Plan | null): Promise<void> {
    touchedAt = -Infinity;
    const told = storageError(error, `Session "${fence.sessionId}" could not be written`);
    const verdict = await whatHappened(error, plan);
    switch (verdict.kind) {
      case 'written':
        return succeeded(items, plan as Plan);
      case 'lost':
        return lose(items, verdict.reason);
      case 'unknown':
        // Writing on could write it twice, or leave a turn running.
        return lose(items, told);
      case 'unwritten':
        // Each is tried alone, so that one unit of work does not take its neighbours down.
        if (items.length > 1 && verdict.retry) for (const item of items) await commit([item]);
        else rejectAll(items, told);
    }
  }

  /** Refuses what the agent said after something that could not be written, and returns the rest. */
  function withoutGap(items: readonly Queued[]): readonly Queued[] {
    if (!broken) return items;
    rejectAll(
      items.filter((item) => item.work.said),
      broken.reason,
    );
    return items.filter((item) => !item.work.said);
  }

  function rejectAll(items: readonly Queued[], reason: unknown): void {
    for (const item of items) {
      if (item.work.said) broken ??= { reason };
      item.reject(reason, item.work);
    }
  }

  function lose(items: readonly Queued[], reason: unknown): void {
    lost = { reason };
    rejectAll(items, reason);
    options.onLost(reason);
  }

  /** A batch may have been written, and only its answer lost. The number of the last event tells. */
  async function whatHappened(error: unknown, plan: Plan | null): Promise<Verdict> {
    if (RehydrateError.is(error) && error.code === 'session_busy') return { kind: 'lost', reason: error };
    const sql = error instanceof SqlError ? error.kind : 'other';
    if (sql === 'full' || sql === 'corrupt') return { kind: 'unwritten', retry: false };
    // Without a plan, `reread` failed and no batch was tried.
    if (!plan) return { kind: 'unwritten', retry: false };
    let stored: StoredSession | null;
    try {
      stored = await store.session(fence.sessionId);
    } catch (unread) {
      if (!(unread instanceof SqlError) && !RehydrateError.is(unread)) throw unread;
      return {
        kind: sql === 'constraint' ? 'lost' : 'unknown',
        reason: storageError(unread, `Session "${fence.sessionId}" could not be read`),
      };
    }
    if (!stored) return { kind: 'lost', reason: gone(fence.sessionId) };
    const { info, lease } = stored;
    if (lease.generation !== fence.generation) return { kind: 'lost', reason: takenOver(fence.sessionId, lease.owner) };
    if (sql !== 'constraint' && plan.events.length > 0 && info.latestSeq === plan.latestSeq) return { kind: 'written' };
    // Checked after the number, since the batch itself may have released the lease.
    if (lease.owner !== fence.owner) return { kind: 'lost', reason: takenOver(fence.sessionId, lease.owner) };
    mustReread ||= info.latestSeq !== latestSeq;
    return { kind: 'unwritten', retry: sql !== 'closed' };
  }

  async function reread(): Promise<void> {
    const stored = await store.session(fence.sessionId);
    if (!stored) throw gone(fence.sessionId);
    if (stored.lease.owner !== fence.owner || stored.lease.generation !== fence.generation) {
      throw takenOver(fence.sessionId, stored.lease.owner);
    }
    latestSeq = stored.info.latestSeq;
    mustReread = false;
  }

  function enqueue(item: Queued): void {
    if (lost) return item.reject(lost.reason, item.work);
    queue.push(item);
    queuedEvents += item.work.events.length;
    for (const event of item.work.events) queuedBytes += eventSize(event);
    if (isDraining) return;
    isDraining = true;
    gather();
  }

  return {
    /** By the host's clock. */
    get renewedAt(): number {
      return renewedAt;
    },
    /** Resolves when durable. Rejects with `session_busy` (lease lost), `storage_full` and the like. */
    append: (work: Work) => new Promise<Committed>((resolve, reject) => enqueue({ work, resolve, reject })),
    /** The same without a promise, for a caller that only needs to hear of failures. */
    push: (work: Work, onFailed: (error: unknown, work: Work) => void): void => enqueue({ work, resolve: ignore, reject: onFailed }),
    /** Null while the queue is below its limits; else resolves when it is below them again. */
    room(): Promise<void> | null {
      if (!isFull() || lost) return null;
      return new Promise((resolve) => waiters.push(resolve));
    },
    async settled(): Promise<void> {
      while (isDraining) await new Promise<void>((resolve) => settling.push(resolve));
    },
  };
}

interface Plan {
  readonly statements: readonly Statement[];
  readonly events: readonly SessionEvent[];
  readonly latestSeq: number;
  /** Null when the batch does not write the session's row. */
  readonly touch: { readonly at: number; readonly updatedAt: number | null } | null;
}

/** While an agent streams, the session's row is written this often. */
const TOUCH_MS = 1_000;

function planBatch(
  { fence, clock, limits, redact = (value) => value }: WriterOptions,
  base: number,
  items: readonly Queued[],
  touchedAt: number,
): Plan {
  const events: SessionEvent[] = [];
  const statements: Statement[] = [];
  /** The event that is being gathered, and the run of chunks that it begins. */
  let open: NewEvent | null = null;
  let run: ChunkRun | null = null;
  const close = () => {
    if (!open) return;
    const { turnId, at, kind, origin, payload, meta } = run ? runToEvent(run) : open;
    const event = { seq: base + events.length + 1, turnId, at, kind, origin, payload: redact(payload) } as SessionEvent;
    events.push(meta ? { ...event, meta: redact(meta) } : event);
    open = null;
  };
  for (const item of items) {
    const { events: more, also, lastKnown } = item.work;
    let first = 0;
    for (const event of more) {
      if (!run || !extendRun(run, event)) {
        close();
        open = event;
        run = startRun(event);
      }
      first ||= base + events.length + 1;
    }
    const lastSeq = base + events.length + (open ? 1 : 0);
    item.written = { firstSeq: first || lastSeq, lastSeq };
    if (also) statements.push(...also(item.written).filter((statement) => statement !== null));
    const known = lastKnown ? updateLastKnown(fence.sessionId, redact(lastKnown)) : null;
    if (known) statements.push(known);
  }
  close();
  const last = events.at(-1);
  const moves = !!last && (Math.abs(last.at - touchedAt) >= TOUCH_MS || events.some((event) => event.kind !== 'update'));
  const latestSeq = base + events.length;
  // Only events: then nothing but the log is written. Any other batch writes the session's row, too, and renews the lease.
  if (last && !moves && statements.length === 0) {
    const inserts = events.map((event, index) =>
      index === 0 ? fenceAndInsert(fence, event.seq, event) : insertEvent(fence.sessionId, event.seq, event),
    );
    return { statements: inserts, events, latestSeq, touch: null };
  }
  const now = clock();
  const touch = { at: now, updatedAt: moves ? now : null };
  return {
    statements: [
      fenceAndTouch(fence, base, events.length, now + limits.leaseMs, touch.updatedAt),
      ...events.map((event) => insertEvent(fence.sessionId, event.seq, event)),
      ...statements,
    ],
    events,
    latestSeq,
    touch,
  };
}

function gone(sessionId: string): RehydrateError {
  return new RehydrateError(
    'session_busy',
    `Session "${sessionId}" was deleted by another host while it was live here. Create it again under this or another id.`,
    { sessionId, owner: null },
  );
}

function takenOver(sessionId: string, owner: string | null): RehydrateError {
  return new RehydrateError(
    'session_busy',
    `Session "${sessionId}" was taken over by another host (${owner ?? 'which has released it since'}); nothing more was written here. Prompt it again to take it back when that host is done.`,
    { sessionId, owner: toOwner(owner) },
  );
}
