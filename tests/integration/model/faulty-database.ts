/** One host's view of a shared database: it can fail, and it can be dead, while the database goes on. */
import {
  SqlError,
  type Row,
  type SqlDatabase,
  type SqlErrorKind,
  type SqlValue,
  type Statement,
  type StatementResult,
} from '../../../src/engine/index.ts';

/** A batch that fails: before it is written, or after it, as when the answer of a far database is lost. */
export interface Fault {
  readonly kind: SqlErrorKind;
  readonly when: 'unwritten' | 'written';
  /** How many batches go well before. */
  readonly after: number;
}

export interface Shared {
  readonly inner: SqlDatabase;
  /** Runs alone: what is looked at around a batch is of that batch. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

export function share(inner: SqlDatabase): Shared {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    inner,
    alone(work) {
      const result = tail.then(work);
      tail = result.catch(() => undefined);
      return result;
    },
  };
}

export class HostDatabase implements SqlDatabase {
  readonly #shared: Shared;
  readonly #watch: (before: readonly Row[], after: readonly Row[]) => void;
  #fault: Fault | null = null;
  #dead = false;

  /** `watch` gets the session rows around every batch that was written. */
  constructor(shared: Shared, watch: (before: readonly Row[], after: readonly Row[]) => void) {
    this.#shared = shared;
    this.#watch = watch;
  }

  fail(fault: Fault): void {
    this.#fault = fault;
  }

  /** The process is gone: nothing more of it reaches the database. */
  die(): void {
    this.#dead = true;
  }

  heal(): void {
    this.#fault = null;
  }

  async query(sql: string, params?: readonly SqlValue[]): Promise<readonly Row[]> {
    this.#refuse();
    return this.#shared.alone(() => this.#shared.inner.query(sql, params));
  }

  async batch(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    this.#refuse();
    return this.#shared.alone(async () => {
      this.#refuse();
      const fault = this.#due();
      if (fault?.when === 'unwritten') throw new SqlError(fault.kind, `injected ${fault.kind}`);
      const before = await this.#sessions();
      const results = await this.#shared.inner.batch(statements);
      this.#watch(before, await this.#sessions());
      if (fault) throw new SqlError(fault.kind, `injected ${fault.kind}, though it was written`);
      return results;
    });
  }

  async close(): Promise<void> {
    this.#dead = true;
  }

  #refuse(): void {
    if (this.#dead) throw new SqlError('closed', 'the process of this host is gone');
  }

  #due(): Fault | null {
    if (!this.#fault) return null;
    if (this.#fault.after > 0) {
      this.#fault = { ...this.#fault, after: this.#fault.after - 1 };
      return null;
    }
    const due = this.#fault;
    this.#fault = null;
    return due;
  }

  #sessions(): Promise<readonly Row[]> {
    return this.#shared.inner
      .query(
        `SELECT session_id, (SELECT max(seq) FROM acp_session_events AS log WHERE log.session_id = acp_sessions.session_id) AS last_seq, lease_owner, lease_generation FROM acp_sessions WHERE EXISTS (SELECT 1 FROM sqlite_schema)`,
      )
      .catch((error: unknown) => {
        // Before the first migration there is no such table.
        if (error instanceof SqlError && error.kind === 'other') return [];
        throw error;
      });
  }
}
