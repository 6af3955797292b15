/** The journal: acknowledged batches as records, and where they are kept. */
import type { SqlValue, Statement, StatementResult } from '../../engine/ports.ts';

/** One acknowledged batch, as it lies in the journal. Numbered without gaps, from the snapshot it follows. */
export interface JournalRecord {
  readonly n: number;
  /** Milliseconds since the epoch, by the clock of the tab that stored it. */
  readonly at: number;
  /** Each text once: the statements of a batch are mostly the same. */
  readonly texts: readonly string[];
  /** One for each statement: the index of its text, and its parameters. */
  readonly calls: readonly (readonly [text: number, ...params: SqlValue[]])[];
  /** What its statements are noted to store, each once. A record of an older release has none. */
  readonly notes?: readonly string[];
  /** The name its caller gave it, and what it was answered: a caller that never heard may ask again. */
  readonly id?: string;
  readonly results?: readonly StatementResult[];
  /** Over everything above and the sum of the record before. */
  readonly sum: number;
}

export interface RecordSource {
  readonly n: number;
  readonly at: number;
  readonly statements: readonly Statement[];
  readonly id?: string;
  readonly results?: readonly StatementResult[];
}

/** Where the sums start from when everything was replaced. */
export const FIRST_SUM = 0;

export function encodeRecord(source: RecordSource, previousSum: number): JournalRecord {
  const indexes = new Map<string, number>();
  const calls = source.statements.map(({ sql, params = [] }) => {
    const index = indexes.get(sql) ?? indexes.size;
    indexes.set(sql, index);
    return [index, ...params.map(owned)] as const;
  });
  const bare = {
    n: source.n,
    at: source.at,
    texts: [...indexes.keys()],
    calls,
    notes: [...new Set(source.statements.flatMap(({ note }) => (note === undefined ? [] : [note])))],
    ...(source.id === undefined ? {} : { id: source.id, results: source.results ?? [] }),
  };
  return { ...bare, sum: checksum(bare, previousSum) };
}

export function statementsOf(record: JournalRecord): Statement[] {
  return record.calls.map(([text, ...params]) => ({ sql: record.texts[text]!, params }));
}

/** About what the record takes in storage. */
export function sizeOf(record: JournalRecord): number {
  let size = 128;
  for (const text of record.texts) size += text.length;
  for (const call of record.calls)
    for (const value of call) size += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
  return size;
}

/** The records up to the first that is damaged, missing or out of order, and what is wrong with that one. */
export function readRecords(
  records: readonly unknown[],
  after: { readonly n: number; readonly sum: number },
): { readonly sound: readonly JournalRecord[]; readonly problem: string | null } {
  const sound: JournalRecord[] = [];
  let { n, sum } = after;
  for (const record of records) {
    n += 1;
    let problem: string | null = null;
    if (!isRecord(record)) problem = `Record ${n} of its journal is damaged.`;
    else if (record.n !== n) problem = `Record ${n} of its journal is missing: record ${record.n} follows record ${n - 1}.`;
    else if (checksum(record, sum) !== record.sum) problem = `Record ${n} of its journal is damaged: its checksum does not match.`;
    else {
      sum = record.sum;
      sound.push(record);
    }
    if (problem) return { sound, problem };
  }
  return { sound, problem: null };
}

function isRecord(value: unknown): value is JournalRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { n, at, texts, calls, notes = [], sum } = value as Partial<JournalRecord>;
  return (
    Number.isSafeInteger(n) &&
    Number.isFinite(at) &&
    Number.isSafeInteger(sum) &&
    Array.isArray(texts) &&
    texts.every((text) => typeof text === 'string') &&
    Array.isArray(notes) &&
    notes.every((note) => typeof note === 'string') &&
    Array.isArray(calls) &&
    calls.every(
      (call: unknown) =>
        Array.isArray(call) && Number.isSafeInteger(call[0]) && (call[0] as number) >= 0 && (call[0] as number) < texts.length,
    )
  );
}

/** A view of a large buffer would take the whole buffer with it into storage. */
function owned(value: SqlValue): SqlValue {
  return value instanceof Uint8Array && value.byteLength !== value.buffer.byteLength ? value.slice() : value;
}

/** FNV-1a over a tagged reading of the record: finds damage, not malice. */
function checksum(record: Omit<JournalRecord, 'sum'>, previousSum: number): number {
  let hash = (0x811c9dc5 ^ previousSum) >>> 0;
  const number = (value: number): void => {
    hash = Math.imul(hash ^ (value & 0xffff), 0x01000193);
    hash = Math.imul(hash ^ (value >>> 16), 0x01000193);
  };
  const text = (value: string): void => {
    number(value.length);
    for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  };
  text(`${record.n} ${record.at} ${record.id ?? ''}`);
  record.texts.forEach(text);
  record.notes?.forEach(text);
  for (const call of record.calls) {
    number(call.length);
    for (const value of call) {
      if (typeof value === 'string') text(value);
      else if (value instanceof Uint8Array) {
        number(value.length);
        for (const byte of value) hash = Math.imul(hash ^ byte, 0x01000193);
      } else text(String(value));
    }
  }
  return hash >>> 0;
}

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

  async load(): Promise<Stored> {
    return { snapshot: this.#snapshot, records: [...this.#records] };
  }

  async since(n: number): Promise<Since> {
    return { base: this.#snapshot, records: this.#records.filter((record) => record.n > n) };
  }

  async salvage(): Promise<Stored & { readonly problem: null }> {
    return { ...(await this.load()), problem: null };
  }

  async claim(): Promise<boolean> {
    return true;
  }

  async append(record: JournalRecord): Promise<void> {
    this.#records.push(structuredClone(record));
  }

  async replace(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot;
    this.#records = this.#records.filter(({ n }) => n > snapshot.n);
  }

  async close(): Promise<void> {
    // What lasts as long as the page has nothing to let go of.
  }
}
