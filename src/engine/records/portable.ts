/**
 * A session as lines of JSON: a header with the version, turns, events, files; the last line counts them, so that a torn file is
 * recognised. Of secrets the record has only the names; known values and what looks like a token are taken out of every text, and stay
 * where they are names of fields.
 */
import { invalid, RehydrateError, sessionNotFound } from '../errors.ts';
import { FIXED_LIMITS } from '../limits.ts';
import type { Fields } from '../objects.ts';
import { isDeeper } from '../protocol/bounded.ts';
import { isBeside } from '../protocol/updates.ts';
import type { Row, SqlDatabase, SqlValue, Statement } from '../ports.ts';
import { isAbsolute } from '../sessions/arguments.ts';
import { checkServers, withoutValues } from '../sessions/secrets.ts';
import { extendRun, startRun, withText, type ChunkRun } from '../storage/chunks.ts';
import { read } from '../storage/errors.ts';
import { readJson, rowName, toSession } from '../storage/rows.ts';
import { insertRow, type NewEvent } from '../storage/statements.ts';
import { sessionStatement, type Store } from '../storage/store.ts';
import type { SessionInfo } from '../types.ts';
import { inStrings } from '../transcript/token-shapes.ts';
import { endsOf, insertEnds, makeSession, type Columns, type Maker } from './copy.ts';

export const EXPORT_VERSION = 1;

// ---------------------------------------------------------------- what a line has

/** `seq`: a number of the log, which lines count from 1. With `?` also nothing. */
type Kind = 'text' | 'count' | 'seq' | 'object' | 'list' | 'json';
type ColumnKinds = Readonly<Record<string, Kind | `${Kind}?`>>;

/** What is a session's own, and not when it was made and who has it. */
export const SESSION: ColumnKinds = {
  agent: 'text',
  cwd: 'text',
  title: 'text?',
  title_set: 'text?',
  additional_directories: 'list',
  mcp_servers: 'list',
  env_names: 'list',
  capabilities: 'json?',
  agent_info: 'json?',
  modes: 'json?',
  config_options: 'json?',
  commands: 'json?',
  usage: 'json?',
  metadata: 'json?',
  wishes: 'json?',
};

/** The lines after the header: rows of a table, under their name, ordered by `key`. */
const LINES = {
  turn: {
    table: 'acp_turns',
    key: 'first_seq',
    columns: {
      turn_id: 'text',
      idempotency_key: 'text?',
      content_hash: 'text',
      state: 'text',
      stop_reason: 'text?',
      error: 'json?',
      report: 'object',
      first_seq: 'seq',
      last_seq: 'seq?',
    },
    page: 256,
  },
  event: {
    table: 'acp_session_events',
    key: 'seq',
    columns: { seq: 'seq', turn_id: 'text?', at: 'count', kind: 'text', origin: 'text', payload: 'object', meta: 'object?' },
    page: 256,
  },
  file: {
    table: 'workspace_files',
    key: 'path',
    columns: { path: 'text', content: 'text', updated_at: 'count' },
    page: 16,
  },
} as const satisfies Record<string, { table: string; key: string; columns: ColumnKinds; page: number }>;

const isJson = (kind: string): boolean => /^(object|list|json)/.test(kind);

const isSeq = (kind: string): boolean => kind.startsWith('seq');

/** `where` names the row for the error, `before` is the number before the log's first. */
function toFields(row: Row, kinds: ColumnKinds, where: () => string, before = 0): Fields {
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => {
      const value = row[name] ?? null;
      if (value === null) return [name, null];
      if (isJson(kind)) return [name, readJson(row, name, where, (json) => isKind(json, kind))];
      return [name, isSeq(kind) ? Number(value) - before : value];
    }),
  );
}

/** From a line that anybody may have written. */
function toColumns(fields: Fields, kinds: ColumnKinds, line: number, before = 0): Columns {
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind]): [string, SqlValue] => {
      const value = fields[name] ?? null;
      if (!isKind(value, kind)) throw wrong(line, `${name} must be ${KIND_NAMES[kind.replace('?', '') as Kind]}`);
      if (value === null) return [name, null];
      return [name, isJson(kind) ? JSON.stringify(value) : isSeq(kind) ? Number(value) + before : (value as SqlValue)];
    }),
  );
}

const KIND_NAMES: Readonly<Record<Kind, string>> = {
  text: 'a string',
  count: 'a whole number',
  seq: 'a whole number',
  object: 'an object',
  list: 'a list',
  json: 'given',
};

function isKind(value: unknown, kind: ColumnKinds[string]): boolean {
  if (value === null) return kind.endsWith('?');
  if (kind.startsWith('text')) return typeof value === 'string';
  if (kind.startsWith('count') || isSeq(kind)) return Number.isSafeInteger(value) && (value as number) >= 0;
  if (kind.startsWith('json')) return true;
  return typeof value === 'object' && Array.isArray(value) === kind.startsWith('list');
}

// ---------------------------------------------------------------- export

/** The lines of a session as it stands when it is asked for. `redact` runs over every text, not over keys. */
export async function* exportLines(db: SqlDatabase, sessionId: string, redact: (text: string) => string): AsyncGenerator<string, void> {
  // Readers of lines take these two for line ends.
  const line = (value: Fields, clean?: string): string =>
    JSON.stringify(inStrings(value, (text) => (text === clean ? text : redact(text))))
      .replaceAll('\u2028', '\\u2028')
      .replaceAll('\u2029', '\\u2029');
  const [row] = await read(db, sessionStatement(sessionId).sql, [sessionId]);
  if (!row) throw sessionNotFound(sessionId);
  const [before, last] = [Number(row['first_seq']) - 1, Number(row['last_seq'])];
  const session = {
    session_id: sessionId,
    ...toFields(row, SESSION, () => rowName.session(row)),
    agent_session_id: row['agent_session_id'] ?? null,
  };
  yield line({ rehydrate: 'session', version: EXPORT_VERSION, session: { ...session, created_at: row['created_at'] } });

  let lines = 0;
  /** Up to the event that was the last when it was asked. */
  async function* rows(name: keyof typeof LINES): AsyncGenerator<Fields, void> {
    const { table, key, columns, page } = LINES[name];
    const upTo = name === 'file' ? '' : `AND ${key} <= ${last}`;
    const sql = `SELECT ${Object.keys(columns).join(', ')} FROM ${table} WHERE session_id = ? AND ${key} > ? ${upTo} ORDER BY ${key} LIMIT ${page}`;
    for (let after: SqlValue = name === 'file' ? '' : 0; ;) {
      const found = await read(db, sql, [sessionId, after]);
      for (const each of found) {
        lines += 1;
        // A turn that has ended since: its end is not among the events.
        const cut = name === 'turn' && Number(each['last_seq']) > last ? RUNNING : null;
        yield toFields({ ...each, ...cut }, columns, () => (name === 'turn' ? rowName.turn(each) : rowName.event(each, sessionId)), before);
      }
      if (found.length < page) return;
      after = found.at(-1)![key]!;
    }
  }
  for await (const turn of rows('turn')) yield line({ turn });
  /** A token may have streamed in pieces: a message that has one stands whole in its first row. */
  function* told(said: Message | null): Generator<string, void> {
    if (!said) return;
    const { events, pieces, run } = said;
    const whole = run.text;
    const clean = redact(whole);
    for (const event of events)
      if (!pieces.has(event)) yield line({ event });
      else yield line({ event: clean === whole ? event : withText(event, event === events[0] ? clean : '') }, clean);
  }
  let message: Message | null = null;
  for await (const event of rows('event')) {
    if (message && extendMessage(message, event)) continue;
    yield* told(message);
    const run = startRun(chunkOf(event));
    message = run && { run, events: [event], pieces: new Set([event]) };
    if (!message) yield line({ event });
  }
  yield* told(message);
  for await (const file of rows('file')) yield line({ file });
  yield JSON.stringify({ end: { lines, events: last - before } });
}

const RUNNING: Row = { state: 'running', stop_reason: null, error: null, last_seq: null };

/** One message, and what stands between its rows and does not part it. */
interface Message {
  readonly run: ChunkRun;
  readonly events: Fields[];
  readonly pieces: Set<Fields>;
}

/** A longer message is looked through in parts. */
const MESSAGE_CHARS = 1024 * 1024;
const MESSAGE_ROWS = 10_000;

/** `_meta` is each chunk's own, and parts no message. */
const chunkOf = ({ meta: _, ...event }: Fields): NewEvent => ({ ...event, turnId: event['turn_id'] }) as unknown as NewEvent;

function extendMessage({ run, events, pieces }: Message, event: Fields): boolean {
  if (run.text.length > MESSAGE_CHARS || events.length >= MESSAGE_ROWS) return false;
  const stands = event['kind'] === 'update' && isBeside(event['payload'], event['meta']);
  if (!stands && !extendRun(run, chunkOf(event))) return false;
  if (!stands) pieces.add(event);
  events.push(event);
  return true;
}

// ---------------------------------------------------------------- import

export interface ImportDeps {
  readonly db: SqlDatabase;
  readonly store: Store;
  /** Default: that of the file. */
  readonly sessionId: string | undefined;
  readonly maker: Maker;
  readonly newId: () => string;
  /** Removes what is hidden. */
  readonly remove: (sessionId: string, deletedAt?: number) => Promise<void>;
}

const BATCH_LINES = 256;
const BATCH_CHARS = 1024 * 1024;

/** Takes a session in, whole or not at all. Errors: `invalid_argument` naming the line, `session_exists`, and the storage's. */
export async function importLines(lines: AsyncIterable<string> | Iterable<string>, deps: ImportDeps): Promise<string> {
  const reader = numbered(lines);
  const { value: header } = (await reader.next()).value ?? {};
  if (!header) throw wrong(1, 'the file is empty');
  const { sessionId, columns } = readHeader(header, deps.sessionId);
  await makeSession(deps.db, {
    sessionId,
    columns,
    maker: deps.maker,
    write: (before) => fill(reader, sessionId, before, deps),
    remove: (deletedAt) => deps.remove(sessionId, deletedAt),
  });
  return sessionId;
}

async function fill(reader: Numbered, sessionId: string, before: number, { db, store, maker, newId }: ImportDeps): Promise<number> {
  /** Imported a second time, turns get new ids. */
  const turnIds = new Map<unknown, string>();
  let waiting: Statement[] = [];
  let [chars, events, rows, lines, ended] = [0, 0, 0, 1, false];
  const flush = async () => {
    if (waiting.length > 0) await db.batch(waiting);
    [waiting, chars] = [[], 0];
  };
  for await (const { value, line, size } of reader) {
    lines = line;
    if (ended) throw wrong(line, 'there is more after the last line');
    if ('end' in value) {
      const end = requireObject(value['end'], line);
      if (end['lines'] !== rows || end['events'] !== events)
        throw wrong(
          line,
          `it says that there are ${String(end['lines'])} lines and ${String(end['events'])} events before it; there are ${rows} and ${events}`,
        );
      ended = true;
      continue;
    }
    const name = (['turn', 'event', 'file'] as const).find((each) => each in value);
    if (!name) throw wrong(line, 'it is not a turn, an event or a file of a session');
    rows += 1;
    const fields = requireObject(value[name], line);
    const columns = toColumns(fields, LINES[name].columns, line, before);
    if (name === 'turn') {
      const [taken] = await db.query('SELECT 1 FROM acp_turns WHERE turn_id = ?', [columns['turn_id']!]);
      turnIds.set(columns['turn_id'], taken ? newId() : String(columns['turn_id']));
    } else if (name === 'event') {
      for (const [column, known] of Object.entries(EVENT_VALUES))
        if (!known.includes(columns[column])) throw wrong(line, `${JSON.stringify(columns[column])} is not an event's ${column}`);
      if (fields['seq'] !== events + 1) throw wrong(line, `it should be event ${events + 1}, and is ${String(fields['seq'])}`);
      events += 1;
    }
    const own = 'turn_id' in columns ? { ...columns, turn_id: turnIds.get(columns['turn_id']) ?? columns['turn_id']! } : columns;
    waiting.push(insertRow(LINES[name].table, { session_id: sessionId, ...own }));
    chars += size;
    if (waiting.length >= BATCH_LINES || chars >= BATCH_CHARS) await flush();
  }
  if (!ended) throw wrong(lines + 1, 'the file ends here without its last line, so it is torn');
  await flush();
  const ends = await endsOf(store, sessionId, before + events, maker.clock(), 'The session was exported while this turn ran.');
  await db.batch([
    ...insertEnds(sessionId, before + events, ends),
    {
      sql: `UPDATE acp_turns SET state = 'interrupted', last_seq = ? WHERE session_id = ? AND state = 'running'`,
      params: [before + events + ends.length, sessionId],
    },
  ]);
  return events + ends.length;
}

const EVENT_VALUES: Readonly<Record<string, readonly unknown[]>> = {
  kind: [
    'turn_started',
    'update',
    'permission_requested',
    'permission_resolved',
    'elicitation_requested',
    'elicitation_resolved',
    'turn_ended',
    'resumed',
    'agent_exited',
  ],
  origin: ['host', 'agent', 'import'],
};

function readHeader(value: Fields, wanted: string | undefined): { sessionId: string; columns: Columns } {
  if (value['rehydrate'] !== 'session') throw wrong(1, 'it is not the first line of an exported session');
  if (value['version'] !== EXPORT_VERSION)
    throw wrong(
      1,
      `it has version ${JSON.stringify(value['version'])}, and this release reads version ${EXPORT_VERSION}. Update acp-rehydrate`,
    );
  const session = requireObject(value['session'], 1);
  const { session_id: from, ...columns } = toColumns(session, { session_id: 'text', ...SESSION }, 1);
  // What could not be read again is refused, and no value of a secret is written, whatever the file holds.
  const servers = session['mcp_servers'] as SessionInfo['mcpServers'];
  try {
    checkServers(servers);
  } catch (error) {
    throw wrong(1, (error as Error).message.replace(/\.$/, ''));
  }
  toSession(columns, (column) => {
    throw wrong(1, `${column} does not hold what it should`);
  });
  if (!isAbsolute(columns['cwd'])) throw wrong(1, 'cwd must be an absolute path');
  const origin = JSON.stringify({ kind: 'import', sessionId: from, agentSessionId: session['agent_session_id'] ?? null });
  return {
    sessionId: wanted ?? String(from),
    columns: { ...columns, mcp_servers: JSON.stringify(withoutValues(servers)), agent_session_id: null, origin },
  };
}

type Numbered = AsyncGenerator<{ readonly value: Fields; readonly line: number; readonly size: number }, undefined>;

async function* numbered(lines: AsyncIterable<string> | Iterable<string>): Numbered {
  let line = 0;
  // A string is iterable, too, but by its characters.
  for await (const text of typeof lines === 'string' ? lines.split('\n') : asTheyCome(lines)) {
    line += 1;
    if (typeof text !== 'string') throw wrong(line, 'it is not a string');
    if (text.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      if (text.includes('\n')) throw wrong(line, 'it is a piece of a file. Give its lines one by one, or the whole file as one text');
      throw wrong(line, 'it is not JSON, so the file is torn or not an export');
    }
    if (isDeeper(value, FIXED_LIMITS.nestedLevels)) throw wrong(line, `it nests deeper than ${FIXED_LIMITS.nestedLevels} levels`);
    yield { value: requireObject(value, line), line, size: text.length };
  }
}

async function* asTheyCome(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string> {
  try {
    yield* lines;
  } catch (error) {
    if (RehydrateError.is(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new RehydrateError(
      'invalid_argument',
      `The lines cannot be read to their end (${why}). Nothing was written.`,
      {},
      { cause: error },
    );
  }
}

function wrong(line: number, why: string): RehydrateError {
  return invalid(`Line ${line} cannot be imported: ${why}. Nothing was written.`, { line });
}

function requireObject(value: unknown, line: number): Fields {
  if (isKind(value, 'object')) return value as Fields;
  throw wrong(line, 'an object is missing, and something else is in its place');
}
