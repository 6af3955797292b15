import type { StatementResult } from '../../engine/ports.ts';
import { FIRST_SUM, type JournalRecord } from './record.ts';

/** The database as of one batch, from which the journal goes on. */
export interface Snapshot {
  /** The last batch it holds; 0 for the empty database everything starts from. */
  readonly n: number;
  readonly at: number;
  /** The checksum of record `n`, which the next record goes on from. */
  readonly sum: number;
  /** A SQLite file; null is an empty database. */
  readonly bytes: Uint8Array | null;
  /** Answers of the last named batches it holds, whose records it replaced. */
  readonly answers: readonly Answer[];
}

export type Answer = readonly [id: string, results: readonly StatementResult[]];

export interface Stored {
  readonly snapshot: Snapshot;
  /** Checked: whole, and without gaps after the snapshot. */
  readonly records: readonly JournalRecord[];
}

/** Where the journal begins, and its records after some batch. */
export interface Since {
  readonly base: Pick<Snapshot, 'n' | 'at'>;
  readonly records: readonly JournalRecord[];
}

/** Where acknowledged batches are kept. Failures are `SqlError`s, and leave things as they were. */
export interface JournalStore {
  /** What is stored now; `corrupt` when it cannot be trusted. */
  load(): Promise<Stored>;
  /**
   * Where the journal begins, and the records after batch `n`: costs what those hold, and not what the database does.
   * `corrupt` when they cannot be trusted.
   */
  since(n: number): Promise<Since>;
  /** What of it can be trusted: everything before the first record that cannot, and what is wrong with that. */
  salvage(): Promise<Stored & { readonly problem: string | null }>;
  /**
   * Makes this the one writer of what `load` gave. False when somebody else wrote meanwhile: load again.
   * From then on every writing of an earlier writer fails.
   */
  claim(loaded: Stored): Promise<boolean>;
  /** Keeps one batch; durable when it resolves. */
  append(record: JournalRecord): Promise<void>;
  /** Makes the snapshot the new beginning and drops the records it covers, at one instant. */
  replace(snapshot: Snapshot): Promise<void>;
  close(): Promise<void>;
}

export const EMPTY: Snapshot = { n: 0, at: 0, sum: FIRST_SUM, bytes: null, answers: [] };

/** A store that lasts as long as the page. */
export class MemoryStore implements JournalStore {
  #snapshot: Snapshot = EMPTY;
  #records: JournalRecord[] = [];

  load(): Promise<Stored> {
    return Promise.resolve({ snapshot: this.#snapshot, records: [...this.#records] });
  }

  since(n: number): Promise<Since> {
    return Promise.resolve({ base: this.#snapshot, records: this.#records.filter((record) => record.n > n) });
  }

  async salvage(): Promise<Stored & { readonly problem: null }> {
    return { ...(await this.load()), problem: null };
  }

  claim(): Promise<boolean> {
    return Promise.resolve(true);
  }

  append(record: JournalRecord): Promise<void> {
    this.#records.push(structuredClone(record));
    return Promise.resolve();
  }

  replace(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot;
    this.#records = this.#records.filter(({ n }) => n > snapshot.n);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
