import { signal } from '@preact/signals';
import { SqlError, type Host, type SqlDatabase } from '../../src/engine/index.ts';
import type { Journal, SqljsCopy, SqljsDatabase } from '../../src/adapters/sqljs/index.ts';
import { migrate, SCHEMA_VERSION } from '../../src/engine/storage/schema.ts';
import type { Platform } from '../platform/index.ts';
import { createPace, every } from './pace.ts';
import { catchUp, Conversation, EMPTY_VIEW, openReader, type SessionView } from './session.ts';

export interface Moment {
  readonly n: number;
  readonly at: number;
  readonly label: string;
  readonly mark: Mark | null;
}

export const MARKS = { beginning: '◇', prompt: '›', question: '?', back: '↻', sleep: '☾', death: '✕', deleted: '⌫' } as const;
type Mark = keyof typeof MARKS;

const MOMENT_LIMIT = 2_000;
const READ_MS = 300;

/** What a commit stored, by the notes of its statements. Updates have no words here: they are told only when alone. */
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

type Commit = Pick<Journal['entries'][number], 'n' | 'at' | 'notes'>;

/** No moment for commits of no interest to a person, such as a renewed lease. */
function momentOf({ n, at, notes }: Commit): readonly Moment[] {
  if (notes === undefined) return [{ n, at, label: 'a change', mark: null }];
  const told = NOTE_WORDS.filter(([note]) => notes.includes(note));
  if (told.length === 0) return notes.length > 0 ? [{ n, at, label: 'the agent said something', mark: null }] : [];
  return [{ n, at, label: told.map(([, words]) => words).join(', '), mark: told.find(([, , mark]) => mark)?.[2] ?? null }];
}

/** `known` are the moments of earlier entries; those that a snapshot has replaced since are dropped. */
export function momentsOf(
  { base, entries }: Pick<Journal, 'base'> & { readonly entries: readonly Commit[] },
  known: readonly Moment[] = [],
): readonly Moment[] {
  const begins: Moment[] = base.n > 0 ? [{ ...base, label: 'where the journal begins', mark: 'beginning' }] : [];
  return [...begins, ...known.filter(({ n }) => n > base.n), ...entries.flatMap(momentOf)].slice(-MOMENT_LIMIT);
}

interface Past {
  readonly moment: Moment;
  readonly database: PastDatabase;
  /** Null before the first migration, when there are no tables for a host to read. */
  readonly reader: Host | null;
  readonly view: SessionView;
}

interface PastDatabase extends SqlDatabase {
  export(): Promise<Uint8Array>;
}

export function createTimeline({ openInMemory }: Pick<Platform, 'openInMemory'>, onError: (error: unknown) => void) {
  const moments = signal<readonly Moment[]>([]);
  /** The index of the chosen moment; null is now. Set before the moment is read. */
  const at = signal<number | null>(null);
  const past = signal<Past | null>(null);
  const reading = createPace(refresh, every(READ_MS), onError);
  let database: SqljsDatabase | null = null;
  let until = 0;
  let ticket = 0;
  let seeking: Promise<void> = Promise.resolve();

  /** Does nothing while the past is shown, so that the indexes of moments do not shift. */
  async function refresh(): Promise<void> {
    const read = database;
    if (!read || at.value !== null) return;
    const { base, entries } = await read.journal(until);
    if (read !== database || at.value !== null) return;
    const fresh = entries.filter(({ n }) => n > until);
    moments.value = momentsOf({ base, entries: fresh }, moments.value);
    until = fresh.at(-1)?.n ?? until;
  }

  async function show(next: Past | null): Promise<void> {
    const before = past.value;
    past.value = next;
    await before?.database.close();
  }

  function close(): Promise<void> {
    ticket += 1;
    at.value = null;
    return show(null);
  }

  async function readPast(from: SqljsDatabase, moment: Moment, sessionId: string | null): Promise<Past> {
    const copy = await pastOf(await from.openAt(moment.n), openInMemory);
    const [made] = await copy.query(`SELECT 1 FROM sqlite_master WHERE name = 'acp_sessions'`);
    const reader = made ? await openReader(copy) : null;
    const view = reader && sessionId !== null ? await catchUp(reader, sessionId, new Conversation(), true) : EMPTY_VIEW;
    return { moment, database: copy, reader, view };
  }

  return {
    moments,
    at,
    past,
    refresh,
    close,
    poke: reading.poke,
    stop: reading.stop,

    use(opened: SqljsDatabase): void {
      database = opened;
      until = 0;
      moments.value = [];
      reading.poke();
    },

    /** Null is now. Only the last of many calls is carried out. */
    async seek(index: number | null, sessionId: string | null): Promise<void> {
      if (index === null) return close();
      const mine = ++ticket;
      at.value = index;
      const from = database;
      const moment = moments.value[index];
      if (!moment || !from) return;
      seeking = seeking
        .then(async () => {
          if (mine !== ticket) return;
          const found = await readPast(from, moment, sessionId);
          if (mine === ticket) await show(found);
          else await found.database.close();
        })
        .catch(onError);
      await seeking;
    },
  };
}

/** Makes a copy of the past readable for a host: an older schema is migrated first. */
async function pastOf(copy: SqljsCopy, openInMemory: Platform['openInMemory']): Promise<PastDatabase> {
  const version = Number(copy.query('PRAGMA user_version')[0]?.['user_version']);
  let read: SqljsCopy | SqljsDatabase = copy;
  if (version > 0 && version < SCHEMA_VERSION) {
    read = await openInMemory();
    await read.importFile(copy.export());
    copy.close();
    await migrate(read);
  }
  return {
    query: async (sql, params) => read.query(sql, params),
    batch: () => Promise.reject(new SqlError('readonly', 'This is a moment of the past: it can be read, and not be changed.')),
    export: async () => read.export(),
    close: async () => read.close(),
  };
}
