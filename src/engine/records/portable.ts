/**
 * A session as lines of JSON, to be kept, read and taken in elsewhere. The first line is a header with the version; turns come
 * next, then events and files; the last line counts them, so that a torn file is known for one. Secrets are not in it: the record
 * has only their names, and what looks like a token in what was said is taken out on the way.
 */
import { RehydrateError } from '../errors.ts';
import type { Row, SqlDatabase, SqlValue, Statement } from '../ports.ts';
import { extendRun, startRun, type ChunkRun } from '../storage/chunks.ts';
import { storageError } from '../storage/errors.ts';
import type { NewEvent } from '../storage/statements.ts';
import { inStrings } from '../transcript/token-shapes.ts';
import { beginHidden, endsOf, fillHidden, insertEnds, trackTurn, type OpenTurn } from './copy.ts';

export const EXPORT_VERSION = 1;

/** Columns of the session's row that an export has, as JSON where the row has JSON. */
const TEXTS = ['agent', 'cwd', 'title', 'title_set'] as const;
const JSONS = [
  'additional_directories',
  'mcp_servers',
  'env_names',
  'capabilities',
  'agent_info',
  'modes',
  'config_options',
  'commands',
  'usage',
  'metadata',
  'wishes',
] as const;
const REQUIRED: readonly string[] = ['agent', 'cwd', 'additional_directories', 'mcp_servers', 'env_names'];

const PAGE = 256;

type Fields = Readonly<Record<string, unknown>>;

/** The lines of a session, as it stands when it is asked for. `redact` runs over every text in it; keys stay as they are. */
export async function* exportLines(db: SqlDatabase, sessionId: string, redact: (text: string) => string): AsyncGenerator<string, void> {
  const read = async (sql: string, params: readonly SqlValue[]): Promise<readonly Row[]> => {
    try {
      return await db.query(sql, params);
    } catch (error) {
      throw storageError(error, 'The record could not be read');
    }
  };
  // Two characters that JSON allows and readers of lines take for line ends.
  const line = (value: Fields): string =>
    JSON.stringify(inStrings(value, redact)).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
  const [row] = await read(
    `SELECT *, coalesce((SELECT max(seq) FROM acp_session_events AS log WHERE log.session_id = acp_sessions.session_id), 0) AS last_seq
FROM acp_sessions WHERE session_id = ? AND deleted_at IS NULL`,
    [sessionId],
  );
  if (!row)
    throw new RehydrateError('session_not_found', `There is no session "${sessionId}". List the sessions to see which there are.`, {
      sessionId,
    });
  const last = Number(row['last_seq']);
  yield line({
    rehydrate: 'session',
    version: EXPORT_VERSION,
    session: {
      session_id: sessionId,
      ...Object.fromEntries(TEXTS.map((name) => [name, row[name] ?? null])),
      ...Object.fromEntries(JSONS.map((name) => [name, parsed(row[name])])),
      agent_session_id: row['agent_session_id'] ?? null,
      created_at: row['created_at'],
    },
  });
  let lines = 0;
  for (let after = 0; ;) {
    const turns = await read(
      `SELECT turn_id, idempotency_key, content_hash, state, stop_reason, error, report, first_seq, last_seq FROM acp_turns
WHERE session_id = ? AND first_seq > ? AND first_seq <= ? ORDER BY first_seq LIMIT ?`,
      [sessionId, after, last, PAGE],
    );
    for (const turn of turns) {
      lines += 1;
      yield line({ turn: { ...turn, error: parsed(turn['error']), report: parsed(turn['report']) } });
    }
    if (turns.length < PAGE) break;
    after = Number(turns.at(-1)?.['first_seq']);
  }
  /** A token may have streamed in pieces: a message of which something is taken out stands whole in its first row. */
  function* told(said: Message | null): Generator<string, void> {
    if (!said) return;
    const whole = said.run.texts.join('');
    const clean = redact(whole);
    for (const [i, event] of said.events.entries()) yield line({ event: clean === whole ? event : withText(event, i === 0 ? clean : '') });
  }
  let message: Message | null = null;
  for (let after = 0; after < last;) {
    const events = await read(
      `SELECT seq, turn_id, at, kind, origin, payload, meta FROM acp_session_events WHERE session_id = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
      [sessionId, after, last, PAGE],
    );
    const end = events.at(-1);
    if (!end) break;
    for (const row of events) {
      const event = { ...row, payload: parsed(row['payload']), meta: parsed(row['meta']) };
      lines += 1;
      if (extendMessage(message, event)) continue;
      yield* told(message);
      message = beginMessage(event);
      if (!message) yield line({ event });
    }
    after = Number(end['seq']);
  }
  yield* told(message);
  for (let after = ''; ;) {
    const files = await read(
      'SELECT path, content, updated_at FROM workspace_files WHERE session_id = ? AND path > ? ORDER BY path LIMIT 16',
      [sessionId, after],
    );
    for (const file of files) {
      lines += 1;
      yield line({ file });
    }
    if (files.length < 16) break;
    after = String(files.at(-1)?.['path']);
  }
  yield JSON.stringify({ end: { lines, events: last } });
}

/** Rows of one message, one after the other. */
interface Message {
  readonly run: ChunkRun;
  readonly events: Fields[];
  chars: number;
}

/** A longer message is looked through in parts. */
const MESSAGE_CHARS = 1024 * 1024;

const chunkOf = (event: Fields): NewEvent => ({ ...event, turnId: event['turn_id'] }) as unknown as NewEvent;

function beginMessage(event: Fields): Message | null {
  const run = startRun(chunkOf(event));
  return run && { run, events: [event], chars: 0 };
}

function extendMessage(message: Message | null, event: Fields): boolean {
  if (!message || message.chars > MESSAGE_CHARS || !extendRun(message.run, chunkOf(event))) return false;
  message.events.push(event);
  message.chars += message.run.texts.at(-1)!.length;
  return true;
}

function withText(event: Fields, text: string): Fields {
  const payload = event['payload'] as { readonly content: object };
  return { ...event, payload: { ...payload, content: { ...payload.content, text } } };
}

function parsed(value: SqlValue | undefined): unknown {
  return typeof value === 'string' ? (JSON.parse(value) as unknown) : null;
}

// ---------------------------------------------------------------- import

export interface ImportDeps {
  readonly db: SqlDatabase;
  /** Under which id; default that of the file. */
  readonly sessionId: string | undefined;
  readonly now: number;
  readonly newId: () => string;
  /** Removes what is hidden under this id. */
  readonly remove: (sessionId: string) => Promise<void>;
}

const BATCH_LINES = 256;
const BATCH_CHARS = 1024 * 1024;

/**
 * Takes a session in, whole or not at all. The agent knows nothing of it here: its next prompt goes with the record.
 * Errors: `invalid_argument` naming the line, `session_exists`, and the storage's.
 */
export async function importLines(lines: AsyncIterable<string> | Iterable<string>, deps: ImportDeps): Promise<string> {
  const { db, now } = deps;
  const reader = numbered(lines);
  const header = await reader.next();
  if (header === null) throw wrong(1, 'the file is empty');
  const { sessionId, columns } = readHeader(header.value, deps.sessionId, header.line);
  await beginHidden(db, sessionId, columns, now);
  await fillHidden(
    db,
    sessionId,
    () => fill(reader, sessionId, deps),
    () => deps.remove(sessionId),
  );
  return sessionId;
}

async function fill(reader: Numbered, sessionId: string, { db, now, newId }: ImportDeps): Promise<number> {
  const open: OpenTurn = { turnId: null, questions: [] };
  /** A turn of the same id is in the database already when a session comes in a second time: then all have new ids here. */
  const turnIds = new Map<string, string>();
  let waiting: Statement[] = [];
  let chars = 0;
  let events = 0;
  let count = 0;
  const flush = async () => {
    if (waiting.length > 0) await db.batch(waiting);
    waiting = [];
    chars = 0;
  };
  for (;;) {
    const next = await reader.next();
    if (next === null) throw wrong(reader.line + 1, 'the file ends here, and its last line, which says so, is missing: it is torn');
    const { value, line } = next;
    count += 1;
    if ('end' in value) {
      const end = record(value['end'], line);
      if (end['lines'] !== count - 1 || end['events'] !== events)
        throw wrong(
          line,
          `it says that there are ${String(end['lines'])} lines and ${String(end['events'])} events before it; there are ${count - 1} and ${events}`,
        );
      if ((await reader.next()) !== null) throw wrong(reader.line, 'there is more after the last line');
      break;
    }
    let statement: Statement;
    if ('turn' in value) {
      const turn = record(value['turn'], line);
      const id = string(turn, 'turn_id', line);
      const [taken] = await db.query('SELECT 1 FROM acp_turns WHERE turn_id = ?', [id]);
      turnIds.set(id, taken ? newId() : id);
      statement = insertTurn(sessionId, turnIds.get(id) as string, turn, line);
    } else if ('event' in value) {
      const event = readEvent(record(value['event'], line), line);
      if (event.seq !== events + 1) throw wrong(line, `event ${events + 1} belongs here, and ${event.seq} is`);
      events = event.seq;
      trackTurn(open, event as never);
      statement = {
        sql: 'INSERT INTO acp_session_events (session_id, seq, turn_id, at, kind, origin, payload, meta) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        params: [
          sessionId,
          event.seq,
          event.turnId === null ? null : (turnIds.get(event.turnId) ?? event.turnId),
          event.at,
          event.kind,
          event.origin,
          JSON.stringify(event.payload),
          event.meta === null ? null : JSON.stringify(event.meta),
        ],
      };
    } else if ('file' in value) {
      const file = record(value['file'], line);
      statement = {
        sql: 'INSERT INTO workspace_files (session_id, path, content, updated_at) VALUES (?, ?, ?, ?)',
        params: [sessionId, string(file, 'path', line), string(file, 'content', line), number(file, 'updated_at', line)],
      };
    } else throw wrong(line, 'it is no turn, no event and no file of a session');
    waiting.push(statement);
    chars += next.chars;
    if (waiting.length >= BATCH_LINES || chars >= BATCH_CHARS) await flush();
  }
  await flush();
  const turnId = open.turnId === null ? null : (turnIds.get(open.turnId) ?? open.turnId);
  const ends: NewEvent[] = endsOf({ ...open, turnId }, now, 'The session was exported while this turn ran.');
  await db.batch([
    ...insertEnds(sessionId, events, ends),
    {
      sql: `UPDATE acp_turns SET state = 'interrupted', last_seq = ? WHERE session_id = ? AND state = 'running'`,
      params: [events + ends.length, sessionId],
    },
  ]);
  return events + ends.length;
}

function readHeader(value: Fields, wanted: string | undefined, line: number): { sessionId: string; columns: Record<string, SqlValue> } {
  if (value['rehydrate'] !== 'session') throw wrong(line, 'it is not the first line of an exported session');
  if (value['version'] !== EXPORT_VERSION)
    throw wrong(
      line,
      `it has version ${JSON.stringify(value['version'])}, and this release reads version ${EXPORT_VERSION}. Update acp-rehydrate`,
    );
  const session = record(value['session'], line);
  const from = string(session, 'session_id', line);
  const columns: Record<string, SqlValue> = {};
  for (const name of TEXTS) columns[name] = session[name] === null && !REQUIRED.includes(name) ? null : string(session, name, line);
  for (const name of JSONS) {
    const item = session[name];
    if (REQUIRED.includes(name) && !Array.isArray(item)) throw wrong(line, `session.${name} must be a list`);
    columns[name] = item === null || item === undefined ? null : JSON.stringify(item);
  }
  if (!/^(\/|[A-Za-z]:[\\/]|\\\\)/.test(columns['cwd'] as string)) throw wrong(line, 'session.cwd must be an absolute path');
  columns['agent_session_id'] = null;
  columns['origin'] = JSON.stringify({ kind: 'import', sessionId: from, agentSessionId: session['agent_session_id'] ?? null });
  return { sessionId: wanted ?? from, columns };
}

const KINDS: readonly unknown[] = [
  'turn_started',
  'update',
  'permission_requested',
  'permission_resolved',
  'elicitation_requested',
  'elicitation_resolved',
  'turn_ended',
  'resumed',
  'agent_exited',
];
const ORIGINS: readonly unknown[] = ['host', 'agent', 'import'];

function readEvent(fields: Fields, line: number) {
  if (!KINDS.includes(fields['kind'])) throw wrong(line, `${JSON.stringify(fields['kind'])} is no kind of event`);
  if (!ORIGINS.includes(fields['origin'])) throw wrong(line, `${JSON.stringify(fields['origin'])} is no origin of an event`);
  const turnId = fields['turn_id'];
  if (turnId !== null && typeof turnId !== 'string') throw wrong(line, 'event.turn_id must be a string or null');
  return {
    seq: number(fields, 'seq', line),
    turnId,
    at: number(fields, 'at', line),
    kind: fields['kind'] as string,
    origin: fields['origin'] as string,
    payload: record(fields['payload'], line),
    meta: fields['meta'] === null || fields['meta'] === undefined ? null : record(fields['meta'], line),
  };
}

function insertTurn(sessionId: string, turnId: string, turn: Fields, line: number): Statement {
  const text = (name: string): string | null => (turn[name] === null || turn[name] === undefined ? null : string(turn, name, line));
  return {
    sql: `INSERT INTO acp_turns (turn_id, session_id, idempotency_key, content_hash, state, stop_reason, error, report, first_seq, last_seq)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    params: [
      turnId,
      sessionId,
      text('idempotency_key'),
      string(turn, 'content_hash', line),
      string(turn, 'state', line),
      text('stop_reason'),
      turn['error'] === null || turn['error'] === undefined ? null : JSON.stringify(turn['error']),
      JSON.stringify(record(turn['report'], line)),
      number(turn, 'first_seq', line),
      turn['last_seq'] === null ? null : number(turn, 'last_seq', line),
    ],
  };
}

interface Numbered {
  /** The number of the line that was read last. */
  readonly line: number;
  next(): Promise<{ readonly value: Fields; readonly line: number; readonly chars: number } | null>;
}

function numbered(lines: AsyncIterable<string> | Iterable<string>): Numbered {
  const source = (Symbol.asyncIterator in lines ? lines[Symbol.asyncIterator]() : lines[Symbol.iterator]()) as
    AsyncIterator<string> | Iterator<string>;
  let line = 0;
  return {
    get line() {
      return line;
    },
    async next() {
      const { value: text, done } = await source.next();
      if (done) return null;
      line += 1;
      if (typeof text !== 'string') throw wrong(line, 'it is no text');
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        throw wrong(line, 'it is not JSON, so the file is torn or not an export');
      }
      return { value: record(value, line), line, chars: text.length };
    },
  };
}

function wrong(line: number, why: string): RehydrateError {
  return new RehydrateError('invalid_argument', `Line ${line} cannot be imported: ${why}. Nothing was written.`, { line });
}

function record(value: unknown, line: number): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw wrong(line, 'an object belongs where something else stands');
}

function string(fields: Fields, name: string, line: number): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw wrong(line, `${name} must be a string`);
}

function number(fields: Fields, name: string, line: number): number {
  const value = fields[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrong(line, `${name} must be a whole number`);
}
