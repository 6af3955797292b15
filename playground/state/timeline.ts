/** Going back: the journal as moments, and the one that is looked at. */
import { signal } from '@preact/signals';
import type { Host } from '../../src/engine/index.ts';
import type { Commit, PastDatabase, PlaygroundDatabase } from '../platform/index.ts';
import { every, Pace } from './pace.ts';
import { catchUp, Conversation, EMPTY_VIEW, openReader, type SessionView } from './session.ts';

export interface Moment {
  readonly n: number;
  readonly at: number;
  readonly label: string;
  /** What it is in the story; null for what only fills it. */
  readonly mark: Mark | null;
}

/** What makes the story, each with its sign. */
export const MARKS = { beginning: '◇', prompt: '›', question: '?', back: '↻', sleep: '☾', death: '✕', deleted: '⌫' } as const;
type Mark = keyof typeof MARKS;

/** The most moments the slider offers; older ones stay in the journal. */
const MOMENT_LIMIT = 2_000;
/** How often the journal is read at most. */
const READ_MS = 300;

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

/** What a commit was about. None when it is of no interest to people: the lease is renewed every few seconds. */
function momentOf({ n, at, notes }: Commit): readonly Moment[] {
  if (notes === undefined) return [{ n, at, label: 'a change', mark: null }];
  const told = NOTE_WORDS.filter(([note]) => notes.includes(note));
  if (told.length === 0) return notes.length > 0 ? [{ n, at, label: 'the agent said something', mark: null }] : [];
  return [{ n, at, label: told.map(([, words]) => words).join(', '), mark: told.find(([, , mark]) => mark)?.[2] ?? null }];
}

/**
 * The moments of a journal: what it begins with, then each commit that means something to people. `known` are those of its
 * earlier entries; what a snapshot has covered since is gone.
 */
export function momentsOf(
  { base, entries }: { readonly base: { readonly n: number; readonly at: number }; readonly entries: readonly Commit[] },
  known: readonly Moment[] = [],
): readonly Moment[] {
  const begins: Moment[] = base.n > 0 ? [{ ...base, label: 'where the journal begins', mark: 'beginning' }] : [];
  return [...begins, ...known.filter(({ n }) => n > base.n), ...entries.flatMap(momentOf)].slice(-MOMENT_LIMIT);
}

/** A moment of the past: a copy of the database, and the session in it. */
export interface Past {
  readonly index: number;
  readonly database: PastDatabase;
  /** Null before the first migration: then there is nothing that a host could read. */
  readonly reader: Host | null;
  readonly view: SessionView;
}

export class Timeline {
  readonly moments = signal<readonly Moment[]>([]);
  /** Where the slider stands; null is now. It moves before the past is read. */
  readonly at = signal<number | null>(null);
  readonly past = signal<Past | null>(null);
  readonly #reading: Pace;
  readonly #onError: (error: unknown) => void;
  #database: PlaygroundDatabase | null = null;
  /** The last commit that was read of the journal. */
  #until = 0;
  #ticket = 0;
  #seeking: Promise<void> = Promise.resolve();

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
    this.#reading = new Pace(() => this.refresh(), every(READ_MS), onError);
  }

  use(database: PlaygroundDatabase): void {
    this.#database = database;
    this.#until = 0;
    this.moments.value = [];
    this.poke();
  }

  poke(): void {
    this.#reading.poke();
  }

  stop(): void {
    this.#reading.stop();
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

  /** Shows a moment; null is now. Only the last of many calls is carried out to its end. */
  async seek(index: number | null, sessionId: string | null): Promise<void> {
    if (index === null) return this.close();
    const ticket = ++this.#ticket;
    this.at.value = index;
    const database = this.#database;
    const moment = this.moments.value[index];
    if (!moment || !database) return;
    this.#seeking = this.#seeking
      .then(async () => {
        if (ticket !== this.#ticket) return;
        const past = await readPast(index, await database.openAt(moment.n), sessionId);
        if (ticket === this.#ticket) await this.#show(past);
        else await past.database.close();
      })
      .catch(this.#onError);
    await this.#seeking;
  }

  /** Back to now. */
  close(): Promise<void> {
    this.#ticket += 1;
    this.at.value = null;
    return this.#show(null);
  }

  async #show(past: Past | null): Promise<void> {
    const before = this.past.value;
    this.past.value = past;
    await before?.database.close();
  }
}

async function readPast(index: number, database: PastDatabase, sessionId: string | null): Promise<Past> {
  const [made] = await database.query(`SELECT 1 FROM sqlite_master WHERE name = 'acp_sessions'`);
  const reader = made ? await openReader(database) : null;
  const view = reader && sessionId !== null ? await catchUp(reader, sessionId, new Conversation(), true) : EMPTY_VIEW;
  return { index, database, reader, view };
}
