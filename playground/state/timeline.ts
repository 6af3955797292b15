/** Going back: the journal as moments, and the one that is looked at. */
import { signal } from '@preact/signals';
import { Conversation, EMPTY_VIEW, snapshot, type SessionView } from './conversation.ts';
import { infoOf, openReader, readEvents, readTranscript, type TranscriptText } from './reader.ts';
import { machineAt, type Machine } from './machine.ts';
import type { Commit, PastDatabase, PlaygroundDatabase } from '../platform/index.ts';
import { listTables, readTable, type TableInfo, type TableView } from './tables.ts';
import type { SessionEvent } from '../../src/engine/types.ts';

export interface Moment {
  readonly n: number;
  readonly at: number;
  readonly label: string;
  /** What it is in the story; null for what only fills it. */
  readonly mark: Mark | null;
}

/** What makes the story, each with its sign. */
export const MARKS = { beginning: '◇', prompt: '›', question: '?', back: '↻', sleep: '☾', death: '✕', deleted: '⌫' } as const;
export type Mark = keyof typeof MARKS;

/** The most moments the slider offers; older ones stay in the journal. */
export const MOMENT_LIMIT = 2_000;

/** What a commit stored, by what its statements are noted as, in the order it is told. Of an `update` only when it is alone. */
const NOTE_WORDS: readonly (readonly [note: string, words: string, mark?: Mark])[] = [
  ['schema', 'the tables were made', 'beginning'],
  ['session_created', 'a session was created'],
  ['session deleted', 'a session was deleted', 'deleted'],
  ['turn_started', 'a prompt was stored', 'prompt'],
  ['resumed', 'the session became live', 'back'],
  ['permission_requested', 'the agent asked for permission', 'question'],
  ['permission_resolved', 'the question was answered'],
  ['elicitation_requested', 'the agent asked the user'],
  ['elicitation_resolved', 'the question was answered'],
  ['turn_ended', 'the turn ended'],
  ['agent_exited', 'the agent was put to sleep', 'sleep'],
  ['agent_died', 'the agent died', 'death'],
  ['file_written', 'a file was written'],
];

const markOf = ({ notes }: Pick<Commit, 'notes'>): Mark | null =>
  NOTE_WORDS.find(([note, , mark]) => mark !== undefined && notes?.includes(note))?.[2] ?? null;

/** What a commit was about. Null when it is of no interest to people: the lease is renewed every few seconds. */
export function describeCommit({ notes }: Pick<Commit, 'notes'>): string | null {
  if (notes === undefined) return 'a change';
  const words = NOTE_WORDS.flatMap(([note, said]) => (notes.includes(note) ? [said] : []));
  if (words.length > 0) return words.join(', ');
  return notes.length > 0 ? 'the agent said something' : null;
}

/**
 * The moments of a journal: what it begins with, then each commit that means something to people. `known` are those of its
 * earlier entries; what a snapshot has covered since is gone.
 */
export function momentsOf(
  journal: { readonly base: { readonly n: number; readonly at: number }; readonly entries: readonly Commit[] },
  known: readonly Moment[] = [],
): readonly Moment[] {
  const begins: Moment[] = journal.base.n > 0 ? [{ ...journal.base, label: 'where the journal begins', mark: 'beginning' }] : [];
  const kept = known.filter(({ n }) => n > journal.base.n);
  const commits = journal.entries.flatMap((commit): Moment[] => {
    const label = describeCommit(commit);
    return label === null ? [] : [{ n: commit.n, at: commit.at, label, mark: markOf(commit) }];
  });
  return [...begins, ...kept, ...commits].slice(-MOMENT_LIMIT);
}

interface TablesShown {
  readonly name: string;
  readonly session: string | null;
}

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

export class Timeline {
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
  async seek(index: number | null, sessionId: string | null, shown: TablesShown): Promise<void> {
    const ticket = ++this.#read;
    this.at.value = index;
    if (index === null) return this.close();
    const database = this.#database;
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
  shown: TablesShown,
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
  const conversation = new Conversation();
  conversation.add(events);
  return {
    index,
    database: copy,
    tables,
    table,
    view: info ? snapshot(conversation, info) : EMPTY_VIEW,
    machine: machineAt(events),
    transcript,
  };
}
