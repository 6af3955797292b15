/** A sql.js database whose batches are written to a journal before they are committed. */
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
import { type MemoryDatabase, openMemory } from './memory.ts';
import type { SqljsModule } from './module.ts';
import {
  type Answer,
  type JournalRecord,
  type JournalStore,
  type Since,
  type Stored,
  encodeRecord,
  sizeOf,
  statementsOf,
} from './journal.ts';

/**
 * A snapshot replaces the journal when that has grown to this size, or to half of the snapshot if that is more. Copying the database for a
 * snapshot blocks the page for about 2 ms for each MB.
 */
export const SNAPSHOT_AFTER_BYTES = 4 * 1024 * 1024;

/** How many results of named batches are kept, for callers that did not get theirs. */
const KEPT_ANSWERS = 256;

/** Where a sql.js database is kept. */
export type SqljsStorage =
  | { readonly kind: 'indexeddb'; readonly name: string }
  /** `reason`: why there is no IndexedDB, although it was asked for; what was stored before is not seen. */
  | { readonly kind: 'memory'; readonly reason?: string };

/** One acknowledged change. */
export interface Commit {
  /** The number of the batch; an import and a reset count as one. */
  readonly n: number;
  /** What the batch stored: the notes of its statements, each once. */
  readonly notes?: readonly string[];
}

export interface JournalEntry {
  readonly n: number;
  readonly at: number;
  /** The statements that may change something. */
  readonly statements: readonly Statement[];
  /** The notes of the statements, each once; undefined in a journal of an older release. */
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
  /** Batches since the last snapshot, oldest first; with `after` only those after that number. */
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
  /** Told when a snapshot could not be written. The journal stays, and it is tried again later. */
  readonly onProblem: (problem: SqlError) => void;
}

const labelOf = (storage: SqljsStorage): string => (storage.kind === 'memory' ? ':memory:' : storage.name);

/** Loads what is stored, replays the journal on it, and becomes its only writer. */
export async function openDatabase(parts: DatabaseParts): Promise<JournalledDatabase> {
  for (;;) {
    const stored = await parts.store.load();
    if (stored.problem !== null) throw corrupt(labelOf(parts.storage), stored.problem);
    const memory = rebuild(parts.module, stored, labelOf(parts.storage));
    try {
      if (await parts.store.claim(stored)) return journalled(parts, memory, stored, null);
    } catch (error) {
      // On a full disk the database can still be read. The first batch tries to claim it again.
      if (error instanceof SqlError && error.kind === 'full') return journalled(parts, memory, stored, stored);
      memory.close();
      throw error;
    }
    memory.close();
  }
}

/** The state after the last of the records. */
function rebuild(module: SqljsModule, { snapshot, records }: Pick<Stored, 'snapshot' | 'records'>, label: string): MemoryDatabase {
  const memory = openMemory(module, snapshot.bytes, label);
  try {
    memory.replay(records);
    return memory;
  } catch (error) {
    memory.close();
    throw corrupt(label, `Its journal does not apply to its snapshot: ${toSqlError(error, label).message}`, error);
  }
}

/** A database that this page owns. A change may have an `id`; with the same id it is done only once. */
export interface JournalledDatabase extends SqljsDatabase {
  /** Repeated, it gives the results of the first time. */
  batchOnce(id: string, statements: readonly Statement[]): Promise<readonly StatementResult[]>;
  importFile(bytes: Uint8Array, id?: string): Promise<void>;
  reset(id?: string): Promise<void>;
  /** The number of the last acknowledged change. */
  readonly head: number;
  /** Whether its storage no longer answers. It can be read then, but nothing more is stored. */
  readonly isSilent: boolean;
}

/** `unclaimed` is what was loaded, until this page has become the writer; null after that. */
function journalled(parts: DatabaseParts, opened: MemoryDatabase, stored: Stored, unclaimed: Stored | null): JournalledDatabase {
  const { module, store, storage, owners, snapshotAfterBytes, onProblem } = parts;
  const { snapshot, records } = stored;
  const label = labelOf(storage);
  const listeners = new Set<(commit: Commit) => void>();
  const answers = new Map<string, readonly StatementResult[]>([
    ...snapshot.answers,
    ...records.flatMap(({ id, results }): Answer[] => (id === undefined ? [] : [[id, results ?? []]])),
  ]);
  let memory = opened;
  let head = records.at(-1)?.n ?? snapshot.n;
  let journalBytes = records.reduce((bytes, record) => bytes + sizeOf(record), 0);
  let snapshotBytes = snapshot.bytes?.length ?? 0;
  let tail: Promise<unknown> = Promise.resolve();
  let compaction: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  /** Runs one call after the other, so that no call sees a batch that ran but is not stored yet. */
  function enqueue<T>(work: () => T | Promise<T>): Promise<T> {
    if (closing) return Promise.reject(new SqlError('closed', `Database ${label}: it was closed. Open it again.`));
    const call = tail.then(work).catch((error: unknown) => {
      throw toSqlError(error, label);
    });
    tail = call.catch(() => undefined);
    return call;
  }

  /** Runs the batch, stores it, and only then commits, so that a batch which cannot be stored is rolled back. */
  async function commit(statements: readonly Statement[], id?: string): Promise<readonly StatementResult[]> {
    if (statements.length === 0) return [];
    const { results, written } = memory.begin(statements);
    if (written.length === 0) {
      memory.commit();
      return results;
    }
    let record: JournalRecord;
    try {
      const named = id === undefined ? {} : { id, results };
      record = encodeRecord({ n: head + 1, at: Date.now(), statements: written, ...named });
      await claim();
      await store.append(record);
    } catch (error) {
      memory.rollback();
      throw error;
    }
    memory.commit();
    head = record.n;
    journalBytes += sizeOf(record);
    remember(id, results);
    tell(listeners, { n: record.n, notes: record.notes });
    compactWhenDue();
    return results;
  }

  async function claim(): Promise<void> {
    if (!unclaimed) return;
    if (!(await store.claim(unclaimed)))
      throw new SqlError('busy', `Database ${label}: another tab wrote to it. The batch was not stored: reload this page.`);
    unclaimed = null;
  }

  /** Stores another database, which then replaces this one. */
  function replaceBy(make: () => MemoryDatabase, id: string | undefined): Promise<void> {
    return enqueue(async () => {
      if (id !== undefined && answers.has(id)) return;
      const next = make();
      try {
        await compaction;
        const n = head + 1;
        const bytes = next.export();
        const kept = [...answers, ...(id === undefined ? [] : [[id, []] as const])].slice(-KEPT_ANSWERS);
        await claim();
        await store.replace({ n, at: Date.now(), bytes, answers: kept });
        memory.close();
        memory = next;
        head = n;
        journalBytes = 0;
        snapshotBytes = bytes.length;
        remember(id, []);
        tell(listeners, { n });
      } catch (error) {
        next.close();
        throw error;
      }
    });
  }

  /** Writes a snapshot when the journal is large enough. Commits go on meanwhile. */
  function compactWhenDue(): void {
    if (compaction || journalBytes < Math.max(snapshotAfterBytes, snapshotBytes / 2)) return;
    const covered = journalBytes;
    const bytes = memory.export();
    compaction = store
      .replace({ n: head, at: Date.now(), bytes, answers: [...answers] })
      .then(
        () => {
          snapshotBytes = bytes.length;
          journalBytes -= covered;
        },
        (error: unknown) => {
          // Try again only when twice as much was written.
          snapshotBytes = Math.max(snapshotBytes, covered * 4);
          onProblem(toSqlError(error, label));
        },
      )
      .finally(() => (compaction = undefined));
  }

  function remember(id: string | undefined, results: readonly StatementResult[]): void {
    if (id === undefined) return;
    answers.set(id, results);
    if (answers.size > KEPT_ANSWERS) answers.delete(answers.keys().next().value!);
  }

  return {
    role: 'owner',
    onRole: () => () => undefined,
    storage,
    owners,
    get head() {
      return head;
    },
    get isSilent() {
      return store.isSilent;
    },
    query: (sql, params = []) => enqueue(() => memory.query(sql, params)),
    batch: (statements) => enqueue(() => commit(statements)),
    batchOnce: (id, statements) => enqueue(() => answers.get(id) ?? commit(statements, id)),
    journal: (after = 0) => enqueue(async () => toJournal(await store.since(after))),
    openAt: (n) => enqueue(async () => copyAt(module, await store.load(), n, label)),
    export: () => enqueue(() => memory.export()),
    importFile: (bytes, id) => replaceBy(() => openImport(module, bytes, label), id),
    reset: (id) => replaceBy(() => openMemory(module, null, label), id),
    onCommit(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: () =>
      (closing ??= enqueue(async () => {
        await compaction;
        memory.close();
        await store.close();
      })),
  };
}

/** Calls listeners. What one throws is reported as an error of the page, since the caller must still learn that its batch is stored. */
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
      notes: record.notes,
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

/** Opens a file to be imported. Throws unless it is whole and sound. */
function openImport(module: SqljsModule, bytes: Uint8Array, label: string): MemoryDatabase {
  const refuse = (why: string, cause?: unknown): SqlError =>
    new SqlError('corrupt', `Database ${label}: what was to be imported ${why}. Nothing was changed: choose a SQLite database file.`, {
      cause,
    });
  if (!((bytes as unknown) instanceof Uint8Array)) throw refuse('is not a Uint8Array');
  if (bytes.length < 512 || String.fromCharCode(...bytes.subarray(0, 16)) !== MAGIC) throw refuse('is not a SQLite database');
  const file = bytes.slice();
  // A closed file in WAL mode is complete, but in memory it can only be opened with that flag removed.
  file[18] = 1;
  file[19] = 1;
  let memory: MemoryDatabase | undefined;
  try {
    memory = openMemory(module, file, label);
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
