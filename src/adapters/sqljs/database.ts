import {
  SqlError,
  type OwnerRegistry,
  type Row,
  type SqlDatabase,
  type SqlValue,
  type Statement,
  type StatementResult,
} from '../../engine/ports.ts';
import { corrupt, toSqlError } from './errors.ts';
import { MemoryDatabase } from './memory.ts';
import type { SqljsModule } from './module.ts';
import {
  type Answer,
  type JournalRecord,
  type JournalStore,
  type Since,
  type Snapshot,
  type Stored,
  encodeRecord,
  sizeOf,
  statementsOf,
} from './journal.ts';

/**
 * The journal grows to this, or to half the snapshot where that is more, before a snapshot replaces it.
 * Copying the database for a snapshot is the one thing here that blocks the page: about 2 ms for each MB.
 */
export const SNAPSHOT_AFTER_BYTES = 4 * 1024 * 1024;

/** How many answers of named batches are kept for callers that lost theirs. */
export const KEPT_ANSWERS = 256;

/** Where a sql.js database is kept, for people to be told. */
export type SqljsStorage =
  | { readonly kind: 'indexeddb'; readonly name: string }
  /** `reason` is there when IndexedDB was asked for and could not be had: what was stored before is not seen. */
  | { readonly kind: 'memory'; readonly reason?: string };

/** One change that was acknowledged. */
export interface Commit {
  /** The number of the batch; an import and a reset count as one. */
  readonly n: number;
  /** What a batch stored, as its statements are noted, each once. */
  readonly notes?: readonly string[];
}

export interface JournalEntry {
  readonly n: number;
  readonly at: number;
  /** Those that changed something; reading ones are left out. */
  readonly statements: readonly Statement[];
  /** What they are noted to store, each once; undefined in a journal of an older release. */
  readonly notes?: readonly string[];
}

export interface Journal {
  /** The earliest state that can be opened: the batch the last snapshot ends with, 0 for the empty database. */
  readonly base: { readonly n: number; readonly at: number };
  readonly entries: readonly JournalEntry[];
}

/** A read-only copy in memory, for looking at an earlier state. */
export interface SqljsCopy {
  readonly n: number;
  query(sql: string, params?: readonly SqlValue[]): readonly Row[];
  export(): Uint8Array;
  close(): void;
}

export type TabRole = 'owner' | 'client';

export interface SqljsDatabase extends SqlDatabase {
  readonly storage: SqljsStorage;
  /** Whether this tab owns the database or is served by the one that does. */
  readonly role: TabRole;
  /** Calls back whenever the role changes; returns how to stop. */
  onRole(listener: (role: TabRole) => void): () => void;
  /** Batches since the last snapshot, oldest first; with `after` only those after that number, which costs what they hold. */
  journal(after?: number): Promise<Journal>;
  /** The database as it was after batch `n`. Rejects when a snapshot has replaced that batch, or it is yet to come. */
  openAt(n: number): Promise<SqljsCopy>;
  /** The whole database as a SQLite file. */
  export(): Promise<Uint8Array>;
  /** Replaces everything by a SQLite file, all or nothing. Rejects with `corrupt` for anything else. */
  importFile(bytes: Uint8Array): Promise<void>;
  /** Replaces everything by an empty database. */
  reset(): Promise<void>;
  /** Calls back after every acknowledged change; returns how to stop. */
  onCommit(listener: (commit: Commit) => void): () => void;
}

export interface DatabaseParts {
  readonly module: SqljsModule;
  readonly store: JournalStore;
  readonly storage: SqljsStorage;
  readonly owners: OwnerRegistry;
  readonly snapshotAfterBytes: number;
  /** Told when a snapshot could not be written. Nothing is lost: the journal stays, and it is tried again later. */
  readonly onProblem: (problem: SqlError) => void;
}

const labelOf = (storage: SqljsStorage): string => (storage.kind === 'memory' ? ':memory:' : storage.name);

/** Loads what is stored, replays the journal on it, and becomes its writer. */
export async function openDatabase(parts: DatabaseParts): Promise<JournalledDatabase> {
  for (;;) {
    const stored = await parts.store.load();
    if (stored.problem !== null) throw corrupt(labelOf(parts.storage), stored.problem);
    const memory = rebuild(parts.module, stored, labelOf(parts.storage));
    try {
      if (await parts.store.claim(stored)) return new JournalledDatabase(parts, memory, stored, true);
    } catch (error) {
      // A full disk does not keep anyone from reading what is there; the first batch asks again.
      if (error instanceof SqlError && error.kind === 'full') return new JournalledDatabase(parts, memory, stored, false);
      memory.close();
      throw error;
    }
    memory.close();
  }
}

/** The state after the last of the records, prepared and in one transaction. */
function rebuild(module: SqljsModule, { snapshot, records }: Pick<Stored, 'snapshot' | 'records'>, label: string): MemoryDatabase {
  const memory = new MemoryDatabase(module, snapshot.bytes, label);
  try {
    memory.replay(records);
    return memory;
  } catch (error) {
    memory.close();
    throw corrupt(label, `Its journal does not apply to its snapshot: ${toSqlError(error, label).message}`, error);
  }
}

export class JournalledDatabase implements SqljsDatabase {
  readonly role = 'owner';
  readonly storage: SqljsStorage;
  readonly owners: OwnerRegistry;
  readonly #parts: DatabaseParts;
  readonly #label: string;
  readonly #listeners = new Set<(commit: Commit) => void>();
  readonly #answers: Map<string, readonly StatementResult[]>;
  #memory: MemoryDatabase;
  #n: number;
  #journalBytes: number;
  #snapshotBytes: number;
  #tail: Promise<unknown> = Promise.resolve();
  #compaction: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** What was loaded, for as long as it could not become the writer. */
  #unclaimed: Stored | undefined;

  constructor(parts: DatabaseParts, memory: MemoryDatabase, stored: Stored, claimed: boolean) {
    const { snapshot, records } = stored;
    this.#parts = parts;
    this.#unclaimed = claimed ? undefined : stored;
    this.#label = labelOf(parts.storage);
    this.storage = parts.storage;
    this.owners = parts.owners;
    this.#memory = memory;
    this.#n = records.at(-1)?.n ?? snapshot.n;
    this.#journalBytes = records.reduce((bytes, record) => bytes + sizeOf(record), 0);
    this.#snapshotBytes = snapshot.bytes?.length ?? 0;
    this.#answers = new Map([
      ...snapshot.answers,
      ...records.flatMap(({ id, results }): Answer[] => (id === undefined ? [] : [[id, results ?? []]])),
    ]);
  }

  query(sql: string, params: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.#enqueue(() => this.#memory.query(sql, params));
  }

  batch(statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    return this.#enqueue(() => this.#commit(statements));
  }

  /** A batch under a name: when that name was committed before, what it was answered then, and nothing is done. */
  batchOnce(id: string, statements: readonly Statement[]): Promise<readonly StatementResult[]> {
    return this.#enqueue(() => this.#answers.get(id) ?? this.#commit(statements, id));
  }

  async journal(after = 0): Promise<Journal> {
    return this.#enqueue(async () => toJournal(await this.#parts.store.since(after)));
  }

  async openAt(n: number): Promise<SqljsCopy> {
    return this.#enqueue(async () => copyAt(this.#parts.module, await this.#parts.store.load(), n, this.#label));
  }

  export(): Promise<Uint8Array> {
    return this.#enqueue(() => this.#memory.export());
  }

  importFile(bytes: Uint8Array, id?: string): Promise<void> {
    return this.#replaceBy(() => openImport(this.#parts.module, bytes, this.#label), id);
  }

  reset(id?: string): Promise<void> {
    return this.#replaceBy(() => new MemoryDatabase(this.#parts.module, null, this.#label), id);
  }

  onRole(): () => void {
    return () => undefined;
  }

  /** The number of the last acknowledged change. */
  get head(): number {
    return this.#n;
  }

  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#enqueue(async () => {
      await this.#compaction;
      this.#memory.close();
      await this.#parts.store.close();
    }));
  }

  /** Runs after everything asked before, so that nothing ever sees a batch between its run and its storing. */
  #enqueue<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#closing) return Promise.reject(new SqlError('closed', `Database ${this.#label}: it was closed. Open it again.`));
    const call = this.#tail.then(work).catch((error: unknown) => {
      throw toSqlError(error, this.#label);
    });
    this.#tail = call.catch(() => undefined);
    return call;
  }

  /** Run, store, and only then commit: what could not be stored was never there. */
  async #commit(statements: readonly Statement[], id?: string): Promise<readonly StatementResult[]> {
    if (statements.length === 0) return [];
    const { results, written } = this.#memory.begin(statements);
    if (written.length === 0) {
      this.#memory.commit();
      return results;
    }
    let record: JournalRecord;
    try {
      const named = id === undefined ? {} : { id, results };
      record = encodeRecord({ n: this.#n + 1, at: Date.now(), statements: written, ...named });
      await this.#claim();
      await this.#parts.store.append(record);
    } catch (error) {
      this.#memory.rollback();
      throw error;
    }
    this.#memory.commit();
    this.#n = record.n;
    this.#journalBytes += sizeOf(record);
    this.#remember(id, results);
    tell(this.#listeners, { n: record.n, ...(record.notes ? { notes: record.notes } : {}) });
    this.#compactWhenDue();
    return results;
  }

  async #claim(): Promise<void> {
    if (!this.#unclaimed) return;
    if (!(await this.#parts.store.claim(this.#unclaimed)))
      throw new SqlError('busy', `Database ${this.#label}: another tab wrote to it. The batch was not stored: reload this page.`);
    this.#unclaimed = undefined;
  }

  /** Another database takes the place of this one, once it is stored. */
  #replaceBy(make: () => MemoryDatabase, id: string | undefined): Promise<void> {
    return this.#enqueue(async () => {
      if (id !== undefined && this.#answers.has(id)) return;
      const next = make();
      try {
        await this.#compaction;
        const n = this.#n + 1;
        const bytes = next.export();
        const answers = [...this.#answers, ...(id === undefined ? [] : [[id, []] as const])].slice(-KEPT_ANSWERS);
        await this.#claim();
        await this.#parts.store.replace({ n, at: Date.now(), bytes, answers });
        this.#memory.close();
        this.#memory = next;
        this.#n = n;
        this.#journalBytes = 0;
        this.#snapshotBytes = bytes.length;
        this.#remember(id, []);
        tell(this.#listeners, { n });
      } catch (error) {
        next.close();
        throw error;
      }
    });
  }

  /** Beside the commits that follow: a snapshot costs in proportion to what was written since the last one. */
  #compactWhenDue(): void {
    if (this.#compaction || this.#journalBytes < Math.max(this.#parts.snapshotAfterBytes, this.#snapshotBytes / 2)) return;
    const covered = this.#journalBytes;
    const snapshot: Snapshot = {
      n: this.#n,
      at: Date.now(),
      bytes: this.#memory.export(),
      answers: [...this.#answers],
    };
    this.#compaction = this.#parts.store
      .replace(snapshot)
      .then(
        () => {
          this.#snapshotBytes = snapshot.bytes!.length;
          this.#journalBytes -= covered;
        },
        (error: unknown) => {
          // Tried again when as much was written once more.
          this.#snapshotBytes = Math.max(this.#snapshotBytes, covered * 4);
          this.#parts.onProblem(toSqlError(error, this.#label));
        },
      )
      .finally(() => (this.#compaction = undefined));
  }

  #remember(id: string | undefined, results: readonly StatementResult[]): void {
    if (id === undefined) return;
    this.#answers.set(id, results);
    if (this.#answers.size > KEPT_ANSWERS) this.#answers.delete(this.#answers.keys().next().value!);
  }
}

/** A listener's fault is its own, and is reported as the page's: whoever tells of a batch that is stored must hear that it is. */
export function tell<T>(listeners: ReadonlySet<(value: T) => void>, value: NoInfer<T>): void {
  for (const listener of listeners) {
    try {
      listener(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function toJournal({ base, records }: Since): Journal {
  return {
    base: { n: base.n, at: base.at },
    entries: records.map((record) => ({
      n: record.n,
      at: record.at,
      statements: statementsOf(record),
      ...(record.notes ? { notes: record.notes } : {}),
    })),
  };
}

export function copyAt(
  module: SqljsModule,
  { snapshot, records }: Pick<Stored, 'snapshot' | 'records'>,
  n: number,
  label: string,
): SqljsCopy {
  const last = records.at(-1)?.n ?? snapshot.n;
  if (!Number.isInteger(n) || n < snapshot.n || n > last) {
    throw new SqlError(
      'other',
      `Database ${label}: its state after batch ${n} cannot be opened. Its journal holds the states from ${snapshot.n} to ${last}.`,
    );
  }
  const memory = rebuild(module, { snapshot, records: records.filter((record) => record.n <= n) }, `${label} after batch ${n}`);
  return { n, query: (sql, params) => memory.query(sql, params), export: () => memory.export(), close: () => memory.close() };
}

const MAGIC = 'SQLite format 3\0';

/** Opens bytes from outside, whole and sound or not at all. */
function openImport(module: SqljsModule, bytes: Uint8Array, label: string): MemoryDatabase {
  const refuse = (why: string, cause?: unknown): SqlError =>
    new SqlError('corrupt', `Database ${label}: what was to be imported ${why}. Nothing was changed: choose a SQLite database file.`, {
      cause,
    });
  if (bytes.length < 512 || String.fromCharCode(...bytes.subarray(0, 16)) !== MAGIC) throw refuse('is not a SQLite database');
  const file = bytes.slice();
  // A file in WAL mode is complete once it was closed, but cannot be opened in memory under that mark.
  file[18] = 1;
  file[19] = 1;
  let memory: MemoryDatabase | undefined;
  try {
    memory = new MemoryDatabase(module, file, label);
    const [row] = memory.query('PRAGMA integrity_check(1)');
    if (row?.['integrity_check'] !== 'ok') throw refuse(`is damaged (${String(row?.['integrity_check'])})`);
    const part = memory.unrepeatable();
    if (part !== null) throw refuse(`has a schema that gives something else each time it is used, which a journal cannot keep: ${part}`);
    return memory;
  } catch (error) {
    memory?.close();
    throw error instanceof SqlError && error.message.includes('to be imported')
      ? error
      : refuse(`cannot be read (${toSqlError(error, label).message})`, error);
  }
}
