/** Going back: the moments of the journal, and the one that is looked at. */
import { signal } from '@preact/signals';
import type { SessionEvent } from '../../src/engine/types.ts';
import type { Machine } from './machine.ts';
import type { PastDatabase, PlaygroundDatabase } from './platform.ts';
import { infoOf, openReader, readEvents } from './reader.ts';
import { momentsOf, type Moment } from './timeline.ts';
import { listTables, readTable, type TableInfo, type TableView } from './tables.ts';
import { EMPTY_VIEW, machineAt, viewOf, type SessionView } from './view.ts';
import { readTranscript, type TranscriptText } from './transcripts.ts';

/** A moment of the past, whole. */
export interface Past {
  readonly index: number;
  readonly database: PastDatabase;
  readonly view: SessionView;
  readonly machine: Machine;
  readonly tables: readonly TableInfo[];
  readonly table: TableView | null;
  readonly transcript: TranscriptText | null;
}

export class TimeMachine {
  readonly moments = signal<readonly Moment[]>([]);
  /** Where the slider stands; null is now. It moves before the past is read. */
  readonly at = signal<number | null>(null);
  readonly past = signal<Past | null>(null);
  #database: PlaygroundDatabase | null = null;
  /** The last commit that was read of the journal. */
  #until = 0;
  #read = 0;
  #seeking: Promise<void> = Promise.resolve();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  use(database: PlaygroundDatabase): void {
    this.#database = database;
    this.#until = 0;
    this.moments.value = [];
  }

  /** Reads what is new in the journal. While one looks at the past its numbering stays as it is. */
  async refresh(): Promise<void> {
    const database = this.#database;
    if (!database || this.at.value !== null) return;
    const { base, entries } = await database.journal(this.#until);
    if (database !== this.#database || this.at.value !== null) return;
    const fresh = entries.filter(({ n }) => n > this.#until);
    this.moments.value = momentsOf({ base, entries: fresh }, this.moments.value);
    this.#until = fresh.at(-1)?.n ?? this.#until;
  }

  /** Shows a moment. Only the last of many calls is carried out to its end. */
  async seek(
    index: number | null,
    database: PlaygroundDatabase | null,
    sessionId: string | null,
    shown: { name: string; session: string | null },
  ): Promise<void> {
    const ticket = ++this.#read;
    this.at.value = index;
    if (index === null) return this.close();
    const moment = this.moments.value[index];
    if (!moment || !database) return;
    this.#seeking = this.#seeking.then(async () => {
      if (ticket !== this.#read) return;
      try {
        const past = await readPast(index, moment.n, database, sessionId, shown);
        if (ticket !== this.#read) {
          await past.database.close();
          return;
        }
        const before = this.past.value;
        this.past.value = past;
        await before?.database.close();
      } catch (error) {
        this.#onError(error);
      }
    });
    await this.#seeking;
  }

  /** Back to now. */
  async close(): Promise<void> {
    this.#read += 1;
    this.at.value = null;
    const past = this.past.value;
    this.past.value = null;
    await past?.database.close();
  }
}

async function readPast(
  index: number,
  n: number,
  database: PlaygroundDatabase,
  sessionId: string | null,
  shown: { name: string; session: string | null },
): Promise<Past> {
  const copy = await database.openAt(n);
  const tables = await listTables(copy);
  const table = tables.some((one) => one.name === shown.name) ? await readTable(copy, shown.name, shown.session) : null;
  // Before the first migration there is nothing a host could read.
  if (!tables.some((one) => one.name === 'acp_sessions') || sessionId === null) {
    return { index, database: copy, tables, table, view: EMPTY_VIEW, machine: machineAt([]), transcript: null };
  }
  const reader = await openReader(copy);
  const info = await infoOf(reader, sessionId);
  const events: SessionEvent[] = [];
  if (info) for await (const page of readEvents(reader, sessionId, 0)) events.push(...page);
  const transcript = info ? await readTranscript(reader, sessionId) : null;
  return { index, database: copy, tables, table, view: info ? viewOf(events, info) : EMPTY_VIEW, machine: machineAt(events), transcript };
}
