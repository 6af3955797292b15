/** The journal: acknowledged batches as records, and the port of where they are stored. */
import type { SqlValue, Statement, StatementResult } from '../../engine/ports.ts';

/** One acknowledged batch. Numbers have no gaps, from the snapshot on. */
export interface JournalRecord {
  readonly n: number;
  /** Milliseconds since the epoch, by the clock of the tab that stored it. */
  readonly at: number;
  /** The SQL texts, each once. */
  readonly texts: readonly string[];
  /** For each statement the index of its text, and its parameters. */
  readonly calls: readonly (readonly [text: number, ...params: SqlValue[]])[];
  /** The notes of its statements, each once. Records of older releases have none. */
  readonly notes?: readonly string[];
  /** The caller's id for the batch and its results, for a caller that did not get them and asks again. */
  readonly id?: string;
  readonly results?: readonly StatementResult[];
}

export function encodeRecord({
  statements,
  ...named
}: Omit<JournalRecord, 'texts' | 'calls' | 'notes'> & {
  readonly statements: readonly Statement[];
}): JournalRecord {
  const indexes = new Map<string, number>();
  const calls = statements.map(({ sql, params = [] }) => {
    const index = indexes.get(sql) ?? indexes.size;
    indexes.set(sql, index);
    return [index, ...params.map(owned)] as const;
  });
  const notes = [...new Set(statements.flatMap(({ note }) => (note === undefined ? [] : [note])))];
  return { ...named, texts: [...indexes.keys()], calls, notes };
}

export function statementsOf(record: JournalRecord): Statement[] {
  return record.calls.map(([text, ...params]) => ({ sql: record.texts[text]!, params }));
}

/** Roughly what the record takes in storage. */
export function sizeOf(record: JournalRecord): number {
  let size = 128;
  for (const text of record.texts) size += text.length;
  for (const call of record.calls)
    for (const value of call) size += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
  return size;
}

/** The records before the first damaged or missing one, and what is wrong with that. */
export function readRecords(records: readonly unknown[], after: number): Pick<Stored, 'records' | 'problem'> {
  const sound: JournalRecord[] = [];
  for (const record of records) {
    const n = after + sound.length + 1;
    if (!isRecord(record)) return { records: sound, problem: `Record ${n} of its journal is damaged.` };
    if (record.n !== n)
      return { records: sound, problem: `Record ${n} of its journal is missing: record ${record.n} follows record ${n - 1}.` };
    sound.push(record);
  }
  return { records: sound, problem: null };
}

function isRecord(value: unknown): value is JournalRecord {
  const { texts, calls } = value as Partial<JournalRecord>;
  return (
    Array.isArray(texts) &&
    Array.isArray(calls) &&
    calls.every((call: unknown) => Array.isArray(call) && typeof texts[call[0]] === 'string')
  );
}

/** Copies a view of a larger buffer, which would be stored with the whole buffer. */
function owned(value: SqlValue): SqlValue {
  return value instanceof Uint8Array && value.byteLength !== value.buffer.byteLength ? value.slice() : value;
}

/** The database after some batch, with which the journal continues. */
export interface Snapshot {
  /** The last batch it holds; 0 for the empty database. */
  readonly n: number;
  readonly at: number;
  /** A SQLite file; null for the empty database. */
  readonly bytes: Uint8Array | null;
  /** The results of the last named batches in it. */
  readonly answers: readonly Answer[];
}

export type Answer = readonly [id: string, results: readonly StatementResult[]];

export interface Stored {
  readonly snapshot: Snapshot;
  /** Undamaged, and without gaps after the snapshot. */
  readonly records: readonly JournalRecord[];
  /** What is wrong with the next record; null when nothing is. */
  readonly problem: string | null;
}

/** Where the journal begins, and its records after some batch. */
export interface Since {
  readonly base: Pick<Snapshot, 'n' | 'at'>;
  readonly records: readonly JournalRecord[];
}

/** Failures are `SqlError`s, and leave things as they were. */
export interface JournalStore {
  /** What can be trusted of what is stored. Rejects with `corrupt` if not even the snapshot can. */
  load(): Promise<Stored>;
  /** Where the journal begins, and the records after batch `n`, without loading the database. */
  since(n: number): Promise<Since>;
  /**
   * Makes this the only writer of what `load` gave; writes of an earlier writer fail from then on. False if someone has written since: load
   * again.
   */
  claim(loaded: Stored): Promise<boolean>;
  /** Durable when it resolves. */
  append(record: JournalRecord): Promise<void>;
  /** Atomically replaces the snapshot, and drops the records that the new one covers. */
  replace(snapshot: Snapshot): Promise<void>;
  /** Whether it did not answer, and is not used any more. */
  readonly isSilent: boolean;
  close(): Promise<void>;
}

export const EMPTY: Snapshot = { n: 0, at: 0, bytes: null, answers: [] };

/** Lasts as long as the page. */
export function memoryStore(): JournalStore {
  let snapshot = EMPTY;
  let records: JournalRecord[] = [];
  return {
    load: async () => ({ snapshot, records: [...records], problem: null }),
    since: async (n) => ({ base: snapshot, records: records.filter((record) => record.n > n) }),
    claim: async () => true,
    append: async (record) => void records.push(structuredClone(record)),
    async replace(next) {
      snapshot = next;
      records = records.filter(({ n }) => n > next.n);
    },
    isSilent: false,
    close: async () => undefined,
  };
}
