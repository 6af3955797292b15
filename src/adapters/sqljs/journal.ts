/** The journal: acknowledged batches as records, and where they are kept. */
import type { SqlValue, Statement, StatementResult } from '../../engine/ports.ts';

/** One acknowledged batch. Numbered without gaps, from the snapshot on. */
export interface JournalRecord {
  readonly n: number;
  /** Milliseconds since the epoch, by the clock of the tab that stored it. */
  readonly at: number;
  /** Each text once. */
  readonly texts: readonly string[];
  /** For each statement the index of its text, and its parameters. */
  readonly calls: readonly (readonly [text: number, ...params: SqlValue[]])[];
  /** What its statements are noted to store, each once. A record of an older release has none. */
  readonly notes?: readonly string[];
  /** Its caller's name for it, and its answer: a caller that never heard it may ask again. */
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

/** The records up to the first one that is damaged or missing, and what is wrong with that. */
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

/** A view of a large buffer would take the whole buffer into storage. */
function owned(value: SqlValue): SqlValue {
  return value instanceof Uint8Array && value.byteLength !== value.buffer.byteLength ? value.slice() : value;
}

/** The database after one batch, from which the journal goes on. */
export interface Snapshot {
  /** The last batch it holds; 0 for the empty database. */
  readonly n: number;
  readonly at: number;
  /** A SQLite file; null: empty. */
  readonly bytes: Uint8Array | null;
  /** Of the last named batches it holds. */
  readonly answers: readonly Answer[];
}

export type Answer = readonly [id: string, results: readonly StatementResult[]];

export interface Stored {
  readonly snapshot: Snapshot;
  /** Whole, and without gaps after the snapshot. */
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
  /** What can be trusted of what is stored; `corrupt` when not even its snapshot can. */
  load(): Promise<Stored>;
  /** Where the journal begins, and the records after batch `n`, without loading the database. */
  since(n: number): Promise<Since>;
  /**
   * Makes this the only writer of what `load` gave: an earlier writer's writes fail from then on. False when somebody else wrote meanwhile: load
   * again.
   */
  claim(loaded: Stored): Promise<boolean>;
  /** Durable when it resolves. */
  append(record: JournalRecord): Promise<void>;
  /** Makes the snapshot the new beginning and drops the records it covers, at once. */
  replace(snapshot: Snapshot): Promise<void>;
  /** It did not answer, and is not asked any more. */
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
