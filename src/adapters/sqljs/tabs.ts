/**
 * Shares one sql.js database between all tabs of an origin. The tab that holds the Web Lock owns the database and serves the others. However that
 * tab ends, the next in the lock's queue opens what is stored and continues. An unanswered call is sent to the next owner: to read twice does no
 * harm, and a change has an id that is stored with it, so it is done exactly once.
 */
import {
  type Commit,
  type Journal,
  type JournalledDatabase,
  type SqljsCopy,
  type SqljsDatabase,
  type SqljsStorage,
  type TabRole,
  tell,
} from './database.ts';
import { toSqlError, toStorageError } from './errors.ts';
import {
  type OwnerRegistry,
  type Row,
  SqlError,
  type SqlErrorKind,
  type SqlValue,
  type Statement,
  type StatementResult,
} from '../../engine/ports.ts';
import { randomId } from '../../engine/random-id.ts';

/** How long an owner may leave a call unanswered before it is asked whether it is still there, in milliseconds. */
export const OWNER_QUIET_MS = 3_000;

/** How long it may then be silent (frozen, or stopped in a debugger) before another tab takes the database over, in milliseconds. */
export const OWNER_SILENT_MS = 5_000;

interface TabParts {
  readonly name: string;
  readonly lock: string;
  readonly locks: LockManager;
  readonly channel: BroadcastChannel;
  readonly owners: OwnerRegistry;
  readonly quietMs: number;
  readonly silentMs: number;
  /** Opens what is stored, as its only writer. Called with the lock held. */
  readonly open: () => Promise<JournalledDatabase>;
  readonly openAt: (n: number) => Promise<SqljsCopy>;
}

interface Pending {
  readonly id: string;
  readonly request: Request;
  readonly resolve: (value: never) => void;
  readonly reject: (error: SqlError) => void;
}

export class SharedDatabase implements SqljsDatabase {
  readonly storage: SqljsStorage;
  readonly owners: OwnerRegistry;
  readonly #parts: TabParts;
  readonly #tab = randomId();
  /** Calls without an answer, in order. */
  readonly #pending = new Map<string, Pending>();
  readonly #commitListeners = new Set<(commit: Commit) => void>();
  readonly #roleListeners = new Set<(role: TabRole) => void>();
  readonly #started = Promise.withResolvers<void>();
  #local: JournalledDatabase | undefined;
  /** Identifies one tab's term as owner; undefined while no owner is known. */
  #period: string | undefined;
  #head: number | undefined;
  /** Set while this tab has the lock, and is opening the database or has it open. */
  #ownership: object | undefined;
  /** Set by `close`, once all earlier calls are answered. */
  #left = false;
  #closed = false;
  #failure: SqlError | undefined;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;
  #queue = new AbortController();
  #release: (() => void) | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;

  constructor(parts: TabParts) {
    this.#parts = parts;
    // `openSqljs` awaits this. Later failures are reported by calls.
    this.#started.promise.catch(() => undefined);
    this.storage = { kind: 'indexeddb', name: parts.name };
    this.owners = parts.owners;
    parts.channel.onmessage = ({ data }: MessageEvent<TabMessage>) => this.#hear(data);
    this.#waitForLock({});
    this.#say({ type: 'hello' });
    this.#watchOwner();
  }

  /** Resolves when there is an owner, this tab or another; rejects when what is stored cannot be opened. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  get role(): TabRole {
    return this.#local ? 'owner' : 'client';
  }

  query(sql: string, params: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.#call('query', sql, params);
  }

  batch(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    return this.#call('batch', statements);
  }

  journal(after = 0): Promise<Journal> {
    return this.#call('journal', after);
  }

  export(): Promise<Uint8Array> {
    return this.#call('export');
  }

  reset(): Promise<void> {
    return this.#call('reset');
  }

  importFile(bytes: Uint8Array): Promise<void> {
    return this.#call('importFile', bytes);
  }

  async openAt(n: number): Promise<SqljsCopy> {
    this.#refuseWhenEnded();
    return this.#parts.openAt(n);
  }

  onCommit(listener: (commit: Commit) => void): () => void {
    this.#commitListeners.add(listener);
    return () => void this.#commitListeners.delete(listener);
  }

  onRole(listener: (role: TabRole) => void): () => void {
    this.#roleListeners.add(listener);
    return () => void this.#roleListeners.delete(listener);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#end());
  }

  async #end(): Promise<void> {
    if (this.#pending.size > 0 && !this.#failure) await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#left = true;
    clearTimeout(this.#watch);
    this.#queue.abort();
    const local = this.#local;
    this.#local = undefined;
    this.#period = undefined;
    // Closing finishes the calls that other tabs made before; the next owner does the rest.
    await local?.close();
    this.#closed = true;
    this.#parts.channel.close();
    this.#release?.();
  }

  // ------------------------------------------------------------- calls

  #refuseWhenEnded(): void {
    if (this.#closing) throw new SqlError('closed', `Database ${this.#parts.name}: it was closed. Open it again.`);
    if (this.#failure) throw this.#failure;
  }

  async #call<T>(method: Request['method'], ...args: Request['args']): Promise<T> {
    this.#refuseWhenEnded();
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = { id: randomId(), request: { method, args }, resolve, reject };
      this.#pending.set(pending.id, pending);
      this.#dispatch(pending);
    });
  }

  #dispatch(pending: Pending): void {
    const { id, request } = pending;
    if (this.#local) {
      void this.#execute(this.#local, id, request).then((outcome) => outcome && this.#answered(id, outcome));
    } else if (this.#period !== undefined) {
      try {
        this.#say({ type: 'call', period: this.#period, tab: this.#tab, id, request });
      } catch (error) {
        // A call that cannot be cloned was not sent to anyone.
        this.#answered(id, failed(toSqlError(error, this.#parts.name)));
        return;
      }
      this.#watchOwner();
    }
  }

  #answered(id: string, outcome: Outcome): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    if (outcome.ok) pending.resolve(outcome.value as never);
    else pending.reject(new SqlError(outcome.kind, outcome.message));
    if (this.#pending.size === 0) this.#drained?.();
  }

  /** Undefined if this tab turns out not to own the database any more; the next owner then answers. */
  async #execute(local: JournalledDatabase, id: string, request: Request): Promise<Outcome | undefined> {
    try {
      return { ok: true, value: await RUN[request.method](local, request.args as never, id) };
    } catch (error) {
      const failure = toSqlError(error, this.#parts.name);
      // Another tab is the writer, or this one is closing. Nothing was done, so the next owner is asked.
      if (failure.kind === 'busy' || failure.kind === 'closed') {
        if (failure.kind === 'busy') this.#stepDown(local);
        return undefined;
      }
      return failed(failure);
    }
  }

  // ------------------------------------------------------------- who owns it

  #waitForLock(how: { steal?: boolean }): void {
    const { signal } = (this.#queue = new AbortController());
    const ownership = {};
    const held = (): Promise<void> => {
      if (this.#left) return Promise.resolve();
      this.#ownership = ownership;
      const released = new Promise<void>((resolve) => (this.#release = resolve));
      void this.#becomeOwner(ownership);
      return released;
    };
    this.#parts.locks.request(this.#parts.lock, how.steal ? { steal: true } : { signal }, held).catch((error: unknown) => {
      if (signal.aborted || this.#left || this.#failure) return;
      // An AbortError means that a tab which waited too long has stolen the lock; any other, that locks do not work.
      if ((error as Error).name !== 'AbortError') this.#fail(toStorageError(error, this.#parts.name));
      else if (this.#ownership === ownership) this.#stepDown(this.#local);
    });
  }

  async #becomeOwner(ownership: object): Promise<void> {
    try {
      const local = await this.#parts.open();
      if (this.#left || this.#ownership !== ownership) {
        await local.close();
        if (this.#left) this.#release?.();
        return;
      }
      local.onCommit((commit) => {
        this.#say({ type: 'commit', commit });
        this.#tellCommit(commit);
      });
      this.#local = local;
      this.#period = randomId();
      this.#say({ type: 'owner', period: this.#period, head: local.head });
      this.#catchUp(local.head);
      this.#started.resolve();
      tell(this.#roleListeners, 'owner');
      for (const pending of [...this.#pending.values()]) this.#dispatch(pending);
    } catch (error) {
      if (this.#ownership === ownership) this.#fail(toSqlError(error, this.#parts.name));
    }
  }

  /** Gives up ownership: queues for the lock again, and is served. A tab whose storage is silent does so when another tab needs the database. */
  #stepDown(local: JournalledDatabase | undefined): void {
    if (this.#left || local !== this.#local) return;
    this.#local = undefined;
    this.#ownership = undefined;
    this.#period = undefined;
    this.#release?.();
    local?.close().catch((error: unknown) => console.warn(error));
    if (local) tell(this.#roleListeners, 'client');
    this.#waitForLock({});
    this.#say({ type: 'hello' });
    this.#watchOwner();
  }

  /** What is stored cannot be opened. All calls fail with that, and the next tab in the queue tries for itself. */
  #fail(failure: SqlError): void {
    this.#failure = failure;
    this.#ownership = undefined;
    this.#release?.();
    this.#started.reject(failure);
    for (const { id } of [...this.#pending.values()]) this.#answered(id, failed(failure));
  }

  // ------------------------------------------------------------- messages

  #say(message: TabMessage): void {
    if (!this.#closed) this.#parts.channel.postMessage(message);
  }

  #hear(message: TabMessage): void {
    if (this.#local?.isSilent && (message.type === 'hello' || message.type === 'call')) return this.#stepDown(this.#local);
    switch (message.type) {
      case 'hello':
        if (this.#local && this.#period) this.#say({ type: 'owner', period: this.#period, head: this.#local.head });
        else if (this.#ownership) this.#say({ type: 'opening' });
        return;
      case 'opening':
        return this.#watchOwner();
      case 'owner':
        return this.#heardOwner(message.period, message.head);
      case 'call': {
        const local = this.#local;
        if (!local || message.period !== this.#period) return;
        void this.#execute(local, message.id, message.request).then((outcome) => {
          // No answer: the next owner, which opens what is stored, knows whether the change was done.
          if (local.isSilent) this.#stepDown(local);
          else if (outcome) this.#say({ type: 'answer', tab: message.tab, id: message.id, outcome });
        });
        return;
      }
      case 'answer':
        if (message.tab !== this.#tab) return;
        this.#answered(message.id, message.outcome);
        return this.#watchOwner();
      case 'commit':
        return this.#tellCommit(message.commit);
    }
  }

  #heardOwner(period: string, head: number): void {
    if (this.#local) return;
    this.#watchOwner();
    if (this.#period === period) return;
    this.#period = period;
    this.#started.resolve();
    this.#catchUp(head);
    for (const pending of [...this.#pending.values()]) this.#dispatch(pending);
  }

  /** Reports changes that nobody told of, because the last owner ended right after storing them. */
  #catchUp(head: number): void {
    if (this.#head === undefined) this.#head = head;
    else if (head > this.#head) this.#tellCommit({ n: head });
  }

  #tellCommit(commit: Commit): void {
    if (this.#head !== undefined && commit.n <= this.#head) return;
    this.#head = commit.n;
    tell(this.#commitListeners, commit);
  }

  /** Watches that the owner answers, while something waits for it. Restarted whenever the owner is heard. */
  #watchOwner(): void {
    clearTimeout(this.#watch);
    const waits = (): boolean =>
      !this.#ownership && !this.#left && !this.#failure && (this.#pending.size > 0 || this.#period === undefined);
    if (!waits()) return;
    this.#watch = setTimeout(() => {
      this.#say({ type: 'hello' });
      this.#watch = setTimeout(() => {
        if (!waits()) return;
        this.#queue.abort();
        this.#waitForLock({ steal: true });
        // Watch on, because another tab may steal the lock first.
        this.#watchOwner();
      }, this.#parts.silentMs);
    }, this.#parts.quietMs);
  }
}

// ------------------------------------------------------------- messages between tabs, over a BroadcastChannel

/** The calls of a tab to the owner. `id` identifies a change, so that a repeated call does not do it again. */
const RUN = {
  query: (local: JournalledDatabase, [sql, params]: readonly [string, readonly SqlValue[]]) => local.query(sql, params),
  batch: (local: JournalledDatabase, [statements]: readonly [readonly Statement[]], id: string) => local.batchOnce(id, statements),
  journal: (local: JournalledDatabase, [after]: readonly [number]) => local.journal(after),
  export: (local: JournalledDatabase) => local.export(),
  importFile: (local: JournalledDatabase, [bytes]: readonly [Uint8Array], id: string) => local.importFile(bytes, id),
  reset: (local: JournalledDatabase, _none: readonly [], id: string) => local.reset(id),
};

interface Request {
  readonly method: keyof typeof RUN;
  readonly args: readonly unknown[];
}

export type TabMessage =
  /** Asks who the owner is. Sent by a new tab, and when the owner has been quiet for long. */
  | { readonly type: 'hello' }
  /** `head` is the last acknowledged change. */
  | { readonly type: 'owner'; readonly period: string; readonly head: number }
  /** This tab has the lock, and is opening the database. */
  | { readonly type: 'opening' }
  | { readonly type: 'call'; readonly period: string; readonly tab: string; readonly id: string; readonly request: Request }
  | { readonly type: 'answer'; readonly tab: string; readonly id: string; readonly outcome: Outcome }
  | { readonly type: 'commit'; readonly commit: Commit };

type Outcome =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly kind: SqlErrorKind; readonly message: string };

function failed(error: SqlError): Outcome {
  return { ok: false, kind: error.kind, message: error.message };
}
