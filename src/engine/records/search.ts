/**
 * Searches what was said. The index is made by the first search and brought up to date by each one, in small batches. If the database has
 * no full-text search (FTS5 or FTS4), or cannot be written, the log itself is read. A message is found when each word of the search begins
 * a word of it, whatever their case and accents.
 */
import { invalid } from '../errors.ts';
import { SqlError, type SqlDatabase, type SqlValue, type Statement } from '../ports.ts';
import { continuesMessage, isBeside, messageText, pieceOf, replacesMessage, type MessagePiece, type Role } from '../protocol/updates.ts';
import { read, storageError } from '../storage/errors.ts';
import { logPages } from '../storage/log-pages.ts';
import type { Store } from '../storage/store.ts';
import type { SessionEvent } from '../types.ts';

export interface SearchHit {
  readonly sessionId: string;
  /** The event with which the message begins. */
  readonly seq: number;
  readonly role: Role;
  /** The part of the message around the first word that was found, on one line. */
  readonly snippet: string;
}

export interface SearchResult {
  /** The latest first. */
  readonly hits: readonly SearchHit[];
  readonly nextCursor?: string;
}

export interface SearchRequest {
  readonly sessionId?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

interface Message {
  readonly sessionId: string;
  readonly seq: number;
  readonly end: number;
  readonly at: number;
  readonly role: Role;
  readonly text: string;
}

/** A hit with its place in the order, which is its id in the index: by time. */
interface Placed extends SearchHit {
  readonly key: number;
}

const MOST_WORDS = 16;
const MOST_HITS = 1_000;
/** A longer message is indexed and found in parts. */
const MESSAGE_CHARS = 256 * 1024;
const PAGE = 256;
/** How many messages of the same millisecond have places of their own. */
const PLACES = 2_048;

const DOCS = `CREATE TABLE IF NOT EXISTS acp_search_messages (
  id INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  role TEXT NOT NULL,
  UNIQUE (session_id, seq)
) STRICT`;
const PROGRESS = `CREATE TABLE IF NOT EXISTS acp_search_progress (
  session_id TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  indexed_seq INTEGER NOT NULL CHECK (indexed_seq >= 0)
) STRICT, WITHOUT ROWID`;
/** Databases differ in what they take for a word, so the index gets `tokens`, which these tokenizers leave as they are. */
const TEXTS = [
  `CREATE VIRTUAL TABLE acp_search USING fts5 (words, text UNINDEXED, tokenize = ascii, prefix = '2 3')`,
  `CREATE VIRTUAL TABLE acp_search USING fts4 (words, text, notindexed=text, tokenize=simple, prefix="2,3")`,
];
export async function search(db: SqlDatabase, store: Store, words: string, request: SearchRequest): Promise<SearchResult> {
  const { sessionId, limit = 20 } = request;
  const wanted = tokens(words);
  if (wanted.length === 0) throw invalid('A search needs a word: letters or digits.');
  if (wanted.length > MOST_WORDS) throw invalid(`A search has at most ${MOST_WORDS} words; this one has ${wanted.length}.`);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MOST_HITS)
    throw invalid(`limit must be a whole number from 1 to ${MOST_HITS}; it is ${String(limit)}.`);
  const cursor = request.cursor === undefined ? null : readCursor(request.cursor);
  const hasIndex = await bringUpToDate(db, store, sessionId);
  const inLog: { readonly message: Message; readonly snippet: string }[] = [];
  // What the index lacks is read from the log.
  for (const { sessionId: id, from } of await unindexed(db, hasIndex, sessionId)) {
    for await (const message of messages(store, id, from, { openToo: true })) {
      const snippet = match(message.text, wanted);
      if (snippet !== null) inLog.push({ message, snippet });
    }
  }
  const places = hasIndex ? await placesOf(db, inLog) : [];
  const found = inLog.map(({ message, snippet }, index): Placed => {
    const { sessionId: id, seq, role } = message;
    return { sessionId: id, seq, role, snippet, key: places[index] ?? firstPlace(message) };
  });
  if (hasIndex) found.push(...(await inIndex(db, wanted, sessionId, cursor, limit + 1)));
  // What another search has indexed meanwhile was found twice.
  const once = new Map(found.map((hit) => [`${hit.seq}:${hit.sessionId}`, hit]));
  const hits = [...once.values()].filter((hit) => cursor === null || order(hit, cursor) > 0).sort(order);
  const page = hits.slice(0, limit);
  const last = page.at(-1);
  return {
    hits: page.map(({ key: _key, ...hit }) => hit),
    ...(last && hits.length > limit ? { nextCursor: `${last.key}:${last.seq}:${last.sessionId}` } : {}),
  };
}

export async function forgetInSearch(db: SqlDatabase, sessionId: string): Promise<void> {
  if (!(await indexExists(db))) return;
  for (let left = PAGE; left === PAGE;) {
    const ids = `SELECT id FROM acp_search_messages WHERE session_id = ? ORDER BY id LIMIT ${PAGE}`;
    const results = await db.batch([
      { sql: `DELETE FROM acp_search WHERE rowid IN (${ids})`, params: [sessionId] },
      { sql: `DELETE FROM acp_search_messages WHERE id IN (${ids}) RETURNING 1`, params: [sessionId] },
    ]);
    left = results[1]?.rows.length ?? 0;
  }
  await db.batch([{ sql: 'DELETE FROM acp_search_progress WHERE session_id = ?', params: [sessionId] }]);
}

// ---------------------------------------------------------------- index

async function indexExists(db: SqlDatabase): Promise<boolean> {
  const [table] = await query(db, `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'acp_search'`);
  return table !== undefined;
}

async function bringUpToDate(db: SqlDatabase, store: Store, only: string | undefined): Promise<boolean> {
  if (!(await indexExists(db)) && !(await makeIndex(db))) return false;
  try {
    for (const { sessionId, from, createdAt, stale } of await unindexed(db, true, only)) {
      if (stale) await forgetInSearch(db, sessionId);
      await indexSession(db, store, sessionId, stale ? 0 : from, createdAt);
    }
  } catch (error) {
    if (!cannotBeWritten(error)) throw storageError(error, 'The search index could not be written');
  }
  return true;
}

async function makeIndex(db: SqlDatabase): Promise<boolean> {
  for (const sql of TEXTS) {
    try {
      await db.batch([{ sql }, { sql: DOCS }, { sql: PROGRESS }]);
      return true;
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      // Another process may have made it just now. Else SQLite lacks the module, or the database cannot be written.
      if (await indexExists(db)) return true;
      if (error.kind !== 'other' && error.kind !== 'readonly' && error.kind !== 'busy')
        throw storageError(error, 'The search index could not be made');
    }
  }
  return false;
}

/** The sessions whose log is not wholly indexed. `stale`: what is indexed belongs to an earlier session of the id. */
async function unindexed(db: SqlDatabase, indexed: boolean, only: string | undefined) {
  const progress = indexed
    ? 'LEFT JOIN acp_search_progress AS p ON p.session_id = s.session_id'
    : 'LEFT JOIN (SELECT NULL AS created_at, NULL AS indexed_seq) AS p';
  const rows = await query(
    db,
    `SELECT s.session_id, s.created_at, p.created_at AS known, coalesce(p.indexed_seq, 0) AS indexed_seq FROM acp_sessions AS s ${progress}
WHERE s.deleted_at IS NULL ${only === undefined ? '' : 'AND s.session_id = ?'}
AND (p.created_at IS NOT s.created_at OR (SELECT max(seq) FROM acp_session_events AS log WHERE log.session_id = s.session_id) > p.indexed_seq)`,
    only === undefined ? [] : [only],
  );
  return rows.map((row) => {
    const stale = row['known'] !== null && row['known'] !== row['created_at'];
    return {
      sessionId: String(row['session_id']),
      createdAt: Number(row['created_at']),
      from: stale ? 0 : Number(row['indexed_seq']),
      stale,
    };
  });
}

/** Indexes whole messages. A message that may still grow is left to a later search. */
async function indexSession(db: SqlDatabase, store: Store, sessionId: string, from: number, createdAt: number): Promise<void> {
  let at = from;
  let waiting: Message[] = [];
  let chars = 0;
  const flush = async (to: number) => {
    await db.batch([
      {
        sql: 'INSERT OR IGNORE INTO acp_search_progress (session_id, created_at, indexed_seq) VALUES (?, ?, 0)',
        params: [sessionId, createdAt],
      },
      {
        // When another process was faster this violates the CHECK, and the batch is not written.
        sql: 'UPDATE acp_search_progress SET indexed_seq = CASE WHEN indexed_seq = ? AND created_at = ? THEN ? ELSE -1 END WHERE session_id = ?',
        params: [at, createdAt, to, sessionId],
      },
      ...waiting.flatMap(indexed),
    ]);
    at = to;
    waiting = [];
    chars = 0;
  };
  const reading = messages(store, sessionId, from);
  for (;;) {
    const { value, done } = await reading.next();
    if (done) {
      if (value > at) await flush(value);
      return;
    }
    waiting.push(value);
    chars += value.text.length;
    if (waiting.length >= PAGE || chars >= MESSAGE_CHARS) await flush(value.end);
  }
}

function indexed(message: Message): Statement[] {
  return [
    takePlace(message),
    {
      sql: 'INSERT INTO acp_search (rowid, words, text) SELECT id, ?, ? FROM acp_search_messages WHERE session_id = ? AND seq = ?',
      params: [tokens(message.text).join(' '), message.text, message.sessionId, message.seq],
    },
  ];
}

/**
 * Gives a message a place, if it has none yet: the next free one after earlier messages, and after those of the same millisecond. When all
 * places of the millisecond are taken, it comes after everything.
 */
function takePlace(message: Message): Statement {
  const place = firstPlace(message);
  const next = place + PLACES;
  return {
    sql: `INSERT INTO acp_search_messages (id, session_id, seq, role)
SELECT coalesce(nullif(max(?, coalesce((SELECT max(id) FROM acp_search_messages WHERE id < ?), 0) + 1), ?), (SELECT max(id) + 1 FROM acp_search_messages)),
  ?, ?, ? WHERE true ON CONFLICT (session_id, seq) DO NOTHING`,
    params: [place, next, next, message.sessionId, message.seq, message.role],
  };
}

/** Gives places to messages that were found in the log. They keep these when they are indexed, so that no later page repeats them. */
async function placesOf(db: SqlDatabase, inLog: readonly { readonly message: Message }[]): Promise<readonly number[]> {
  if (inLog.length === 0) return [];
  const statements = inLog.flatMap(({ message }): Statement[] => [
    takePlace(message),
    { sql: 'SELECT id FROM acp_search_messages WHERE session_id = ? AND seq = ?', params: [message.sessionId, message.seq] },
  ]);
  try {
    const results = await db.batch(statements);
    return inLog.map((_, index) => Number(results[2 * index + 1]?.rows[0]?.['id']));
  } catch (error) {
    if (cannotBeWritten(error)) return [];
    throw storageError(error, 'The search index could not be written');
  }
}

/** Then the database is read-only, or another process writes the index, and the log is read instead. */
const cannotBeWritten = (error: unknown): boolean => error instanceof SqlError && ['readonly', 'busy', 'constraint'].includes(error.kind);

async function inIndex(
  db: SqlDatabase,
  wanted: readonly string[],
  only: string | undefined,
  cursor: Place | null,
  limit: number,
): Promise<readonly Placed[]> {
  const rows = await query(
    db,
    `SELECT m.id, m.session_id, m.seq, m.role, acp_search.text AS text FROM acp_search
JOIN acp_search_messages AS m ON m.id = acp_search.rowid
JOIN acp_sessions AS s ON s.session_id = m.session_id AND s.deleted_at IS NULL
WHERE acp_search MATCH ? AND acp_search.rowid <= ? ${only === undefined ? '' : 'AND m.session_id = ?'}
ORDER BY acp_search.rowid DESC LIMIT ?`,
    [wanted.map((word) => `${word}*`).join(' '), cursor?.key ?? Number.MAX_SAFE_INTEGER, ...(only === undefined ? [] : [only]), limit + 1],
  );
  return rows.map((row) => ({
    sessionId: String(row['session_id']),
    seq: Number(row['seq']),
    role: row['role'] as Role,
    snippet: match(String(row['text']), wanted) ?? around(String(row['text']), 0),
    key: Number(row['id']),
  }));
}

const query = (db: SqlDatabase, sql: string, params?: readonly SqlValue[]) => read(db, sql, params, 'The record could not be searched');

// ---------------------------------------------------------------- messages

interface Open {
  readonly first: SessionEvent;
  readonly piece: MessagePiece;
  readonly texts: string[];
  /** Whether something else of the conversation stands after it. */
  isParted: boolean;
  chars: number;
  end: number;
}

/**
 * The whole messages after an event; with `openToo` also the last one, of which more may come. Returns the number up to which all messages
 * are whole.
 */
async function* messages(store: Store, sessionId: string, from: number, { openToo = false } = {}): AsyncGenerator<Message, number> {
  let open: Open | null = null;
  let whole = from;
  const close = (): Message[] => {
    if (!open) return [];
    const { first, piece, texts, end } = open;
    open = null;
    return [{ sessionId, seq: first.seq, end, at: first.at, role: piece.role, text: texts.join('') }];
  };
  for await (const page of logPages((range) => store.events(sessionId, range), { after: from })) {
    for (const event of page) {
      const piece = pieceOf(event);
      if (piece === null) {
        if (event.kind === 'turn_ended' || event.kind === 'turn_started') yield* close();
        const running = open as Open | null;
        if (!running) whole = event.seq;
        else if (event.kind !== 'update' || !isBeside(event.payload, event.meta)) running.isParted = true;
        continue;
      }
      const { payload } = event as SessionEvent & { kind: 'update' };
      const text = messageText(payload, 'name');
      const running = open as Open | null;
      if (running && (!continuesMessage(running.piece, piece, running.isParted) || running.chars > MESSAGE_CHARS)) yield* close();
      if (!open) {
        whole = event.seq - 1;
        open = { first: event, piece, texts: [], isParted: false, chars: 0, end: event.seq };
      }
      if (replacesMessage(payload)) open.texts.length = 0;
      const newLine = open.texts.length > 0 && (open.isParted || event.origin === 'host');
      open.texts.push(newLine ? `\n${text}` : text);
      open.isParted = false;
      open.chars += text.length;
      open.end = event.seq;
    }
  }
  if (openToo) yield* close();
  return whole;
}

// ---------------------------------------------------------------- words

export function tokens(text: string): string[] {
  return [...new Set([...wordsIn(text)].flatMap(({ 0: word }) => plain(word)))];
}

const wordsIn = (text: string) => text.matchAll(/[\p{L}\p{N}\p{Co}\p{M}]+/gu);

/** A word without accents and case: “ß” becomes “ss”, “ς” becomes “σ”. Empty when nothing is left. */
function plain(word: string): string[] {
  const letters = word.normalize('NFD').replace(/\p{M}+/gu, '');
  return letters === '' ? [] : [letters.toUpperCase().toLowerCase().replaceAll('ς', 'σ')];
}

/** The snippet of a text in which every wanted word begins a word; else null. */
function match(text: string, wanted: readonly string[]): string | null {
  const missing = new Set(wanted);
  let first: number | null = null;
  for (const { 0: word, index } of wordsIn(text)) {
    const [bare = ''] = plain(word);
    for (const token of missing) {
      if (!bare.startsWith(token)) continue;
      first ??= index;
      missing.delete(token);
    }
    if (missing.size === 0) return around(text, first ?? 0);
  }
  return null;
}

const SNIPPET_CHARS = 160;

function around(text: string, index: number): string {
  const from = Math.max(0, index - SNIPPET_CHARS / 4);
  const part = text
    .slice(from, from + SNIPPET_CHARS)
    .toWellFormed()
    .replace(/\s+/g, ' ')
    .trim();
  return `${from > 0 ? '…' : ''}${part}${from + SNIPPET_CHARS < text.length ? '…' : ''}`;
}

// ---------------------------------------------------------------- order

type Place = Pick<Placed, 'key' | 'sessionId' | 'seq'>;

const firstPlace = ({ at }: Message): number => Math.floor(at) * PLACES;

/** The latest first. */
function order(a: Place, b: Place): number {
  if (a.key !== b.key) return b.key - a.key;
  if (a.sessionId !== b.sessionId) return a.sessionId < b.sessionId ? -1 : 1;
  return b.seq - a.seq;
}

function readCursor(cursor: string): Place {
  const [, key, seq, sessionId] = /^(\d+):(\d+):(.+)$/s.exec(cursor) ?? [];
  if (key === undefined || seq === undefined || sessionId === undefined)
    throw invalid(`The cursor ${JSON.stringify(cursor)} did not come from a search; leave it out to start over.`);
  return { key: Number(key), seq: Number(seq), sessionId };
}
