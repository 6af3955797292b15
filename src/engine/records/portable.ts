/**
 * Exports and imports a session as lines of JSON: a header with the version, turns, events, files, and a last line that counts them, so
 * that a torn file is recognised. Known secret values and what looks like a token are taken out of every string, but not out of names of
 * fields.
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
import { endsOf, insertEnds, makeSession, type Maker } from './copy.ts';

export const EXPORT_VERSION = 1;

// ---------------------------------------------------------------- what a line has

/** A `seq` counts from 1 in an export, whatever it is in the log. With `?` the value may be null. */
type Kind = 'text' | 'count' | 'seq' | 'object' | 'list' | 'json';
type ColumnKinds = Readonly<Record<string, Kind | `${Kind}?`>>;

/** The columns of a session that are copied: not its times, nor its lease. */
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

/** The lines after the header: rows of tables, ordered by `key`, `page` at a time. */
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

/** `where` names the row for the error; `before` is the number before the log's first event. */
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

/** The columns of a line, which anybody may have written. */
function toColumns(fields: Fields, kinds: ColumnKinds, line: number, before = 0): Row {
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

/** The session as it is at the first read; what comes later is left out. `redact` runs over every string, not over keys. */
export async function* exportLines(db: SqlDatabase, sessionId: string, redact: (text: string) => string): AsyncGenerator<string, void> {
  // U+2028 and U+2029 are escaped, since some readers take them for line ends.
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
  async function* rows(name: keyof typeof LINES): AsyncGenerator<Fields, void> {
    const { table, key, columns, page } = LINES[name];
    const upTo = name === 'file' ? '' : `AND ${key} <= ${last}`;
    const sql = `SELECT ${Object.keys(columns).join(', ')} FROM ${table} WHERE session_id = ? AND ${key} > ? ${upTo} ORDER BY ${key} LIMIT ${page}`;
    for (let after: SqlValue = name === 'file' ? '' : 0; ;) {
      const found = await read(db, sql, [sessionId, after]);
      for (const row of found) {
        lines += 1;
        // A turn that ended after the first read is exported as running, since its end is not among the events.
        const cut = name === 'turn' && Number(row['last_seq']) > last ? RUNNING : null;
        const where = () => (name === 'turn' ? rowName.turn(row) : rowName.event(row, sessionId));
        yield toFields({ ...row, ...cut }, columns, where, before);
      }
      if (found.length < page) return;
      after = found.at(-1)![key]!;
    }
  }
  for await (const turn of rows('turn')) yield line({ turn });
  /** A token may have been streamed in pieces. So a message with one goes whole into its first row, and the others stay empty. */
  function* messageLines({ events, pieces, run }: Message): Generator<string, void> {
    const whole = run.text;
    const clean = redact(whole);
    for (const event of events)
      if (!pieces.has(event)) yield line({ event });
      else yield line({ event: clean === whole ? event : withText(event, event === events[0] ? clean : '') }, clean);
  }
  let message: Message | null = null;
  for await (const event of rows('event')) {
    if (message && extendMessage(message, event)) continue;
    if (message) yield* messageLines(message);
    const run = startRun(chunkOf(event));
    message = run && { run, events: [event], pieces: new Set([event]) };
    if (!message) yield line({ event });
  }
  if (message) yield* messageLines(message);
  for await (const file of rows('file')) yield line({ file });
  yield JSON.stringify({ end: { lines, events: last - before } });
}

const RUNNING: Row = { state: 'running', stop_reason: null, error: null, last_seq: null };

/** The rows of one message, and those that stand between them without ending it. */
interface Message {
  readonly run: ChunkRun;
  readonly events: Fields[];
  /** Those of `events` that are the message's own. */
  readonly pieces: Set<Fields>;
}

/** A longer message is redacted in parts. */
const MESSAGE_CHARS = 1024 * 1024;
const MESSAGE_ROWS = 10_000;

/** Without `_meta`, which may differ between the chunks of a message. */
const chunkOf = ({ meta: _, ...event }: Fields): NewEvent => ({ ...event, turnId: event['turn_id'] }) as unknown as NewEvent;

function extendMessage({ run, events, pieces }: Message, event: Fields): boolean {
  if (run.text.length > MESSAGE_CHARS || events.length >= MESSAGE_ROWS) return false;
  if (event['kind'] !== 'update' || !isBeside(event['payload'], event['meta'])) {
    if (!extendRun(run, chunkOf(event))) return false;
    pieces.add(event);
  }
  events.push(event);
  return true;
}

// ---------------------------------------------------------------- import

interface ImportDeps {
  readonly db: SqlDatabase;
  readonly store: Store;
  /** Default: that of the file. */
  readonly sessionId: string | undefined;
  readonly maker: Maker;
  readonly newId: () => string;
  /** See `HiddenSession.remove`. */
  readonly remove: (sessionId: string, deletedAt?: number) => Promise<void>;
}

const BATCH_LINES = 256;
const BATCH_CHARS = 1024 * 1024;

/** Imports a session, whole or not at all. Errors: `invalid_argument`, which names the line, `session_exists`, and those of the storage. */
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

/** Writes all lines after the header, and returns how many events there are. */
async function fill(reader: Numbered, sessionId: string, before: number, { db, store, maker, newId }: ImportDeps): Promise<number> {
  /** The new id of each turn: another one, if the database has a turn of the same id. */
  const turnIds = new Map<unknown, string>();
  let waiting: Statement[] = [];
  let chars = 0;
  let events = 0;
  let rows = 0;
  let lines = 1;
  let ended = false;
  const flush = async () => {
    if (waiting.length > 0) await db.batch(waiting);
    waiting = [];
    chars = 0;
  };
  for await (const { value, line, size } of reader) {
    lines = line;
    if (ended) throw wrong(line, 'it comes after the line that ends the file');
    if ('end' in value) {
      const end = requireObject(value['end'], line);
      if (end['lines'] !== rows || end['events'] !== events)
        throw wrong(
          line,
          `it counts ${String(end['lines'])} lines and ${String(end['events'])} events before it, but there are ${rows} and ${events}`,
        );
      ended = true;
      continue;
    }
    const name = (['turn', 'event', 'file'] as const).find((key) => key in value);
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

function readHeader(value: Fields, wanted: string | undefined): { sessionId: string; columns: Row } {
  if (value['rehydrate'] !== 'session') throw wrong(1, 'it is not the first line of an exported session');
  if (value['version'] !== EXPORT_VERSION)
    throw wrong(
      1,
      `it has version ${JSON.stringify(value['version'])}, and this release reads version ${EXPORT_VERSION}. Update acp-rehydrate`,
    );
  const session = requireObject(value['session'], 1);
  const { session_id: from, ...columns } = toColumns(session, { session_id: 'text', ...SESSION }, 1);
  // Whatever the file holds: what could not be read again is refused, and no secret value is written.
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
  // A string is iterable, too, but character by character.
  for await (const text of typeof lines === 'string' ? lines.split('\n') : withReadErrors(lines)) {
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

/** The lines; a failure to read them becomes an error of the library. */
async function* withReadErrors(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string> {
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
  throw wrong(line, 'something else stands where an object must be');
}
