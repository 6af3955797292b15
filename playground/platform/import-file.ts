/** A database file from elsewhere, read without trust: its rows go into a database of our own making, nothing of its schema, pages or settings does, and of a session's row only what names it. */
import type { Database, SqlJsStatic, SqlValue as Bound } from 'sql.js';
import { DEFAULT_LIMITS } from '../../src/engine/limits.ts';
import { isObject } from '../../src/engine/objects.ts';
import type { SqlDatabase } from '../../src/engine/ports.ts';
import { schemaMatches } from '../../src/engine/storage/schema-check.ts';
import { MIGRATIONS, SCHEMA_VERSION } from '../../src/engine/storage/schema.ts';
import { isBridged } from './bridge-prefix.ts';

/** A tab holds the file several times over. */
export const IMPORT_BYTES = 64 * 1024 * 1024;
export const IMPORT_MS = 60_000;
/** Rows of a damaged file can be on the same pages. */
const MOST_TIMES_ITS_SIZE = 4;

export interface ImportedFile {
  readonly bytes: Uint8Array;
  readonly sessions: number;
}

export class Refused extends Error {
  constructor(why: string) {
    super(`The file was not opened: ${why}. Nothing here was changed.`);
  }
}

type Value = string | number | Uint8Array | null;
type Values = Record<string, Value>;

/** Why a row is refused, or null. */
type Check = (row: Values, before: Values | null) => string | null;

const TABLES: readonly (readonly [name: string, order: string, check?: Check])[] = [
  [
    'acp_sessions',
    'session_id',
    ({ session_id: id, agent, agent_session_id: agentId }) =>
      isName(id) && isName(agent) && (agentId === null || isName(agentId))
        ? null
        : `the name ${JSON.stringify(String(isName(id) ? (isName(agent) ? agentId : agent) : id).slice(0, 60))} has a control character in it, or more than 512 characters`,
  ],
  ['acp_session_events', 'session_id, seq', eventProblem],
  [
    'acp_turns',
    'session_id, first_seq',
    ({ report, error }) =>
      isReport(parsed(report)) && (error === null || isError(parsed(error))) ? null : 'a turn is not told as ours are',
  ],
  ['acp_agent_sessions', 'session_id'],
  ['workspace_files', 'session_id, path'],
];

/** Directories, servers, environment, settings and leases are for the person who opens the file to choose. */
const SESSION_COLUMNS = ['session_id', 'agent', 'agent_session_id', 'cwd', 'title', 'title_set', 'created_at', 'updated_at'];

/** What a session must have and is not carried over. */
const OURS: Values = { additional_directories: '[]', mcp_servers: '[]', env_names: '[]', latest_seq: 0, lease_generation: 1 };

/** Throws `Refused`. */
export async function readForeignFile(SQL: SqlJsStatic, bytes: Uint8Array): Promise<ImportedFile> {
  const problem = sizeProblem(bytes.length) ?? headProblem(bytes);
  if (problem) throw new Refused(problem);
  const file = bytes.slice();
  // SQLite in memory opens no file that is marked as WAL.
  file.fill(1, 18, 20);
  const from = new SQL.Database(file);
  const to = new SQL.Database();
  try {
    for (const setting of ['trusted_schema = OFF', 'cell_size_check = ON', 'query_only = ON']) from.run(`PRAGMA ${setting}`);
    const verdict = await schemaMatches(reading(from), async (version) => reading(migrated(to, 0, version)));
    if (!verdict.ours) throw new Refused(`it is not a database of Rehydrate’s: its ${verdict.problem}`);
    to.run('PRAGMA foreign_keys = ON');
    migrated(to, verdict.version, SCHEMA_VERSION);
    const sessions = copy(from, to, bytes.length * MOST_TIMES_ITS_SIZE + 1024 * 1024);
    return { bytes: to.export(), sessions };
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(`it is damaged, or its rows contradict each other (${error instanceof Error ? error.message : String(error)})`);
  } finally {
    from.close();
    to.close();
  }
}

export function sizeProblem(size: number): string | null {
  const mebi = (n: number): string => `${Math.ceil(n / 1024 / 1024)} MiB`;
  return size > IMPORT_BYTES
    ? `it has ${mebi(size)}, and a tab opens ${mebi(IMPORT_BYTES)} at most. The rehydrate command reads it: rehydrate sessions --db FILE`
    : null;
}

const MAGIC = 'SQLite format 3\0';

function headProblem(bytes: Uint8Array): string | null {
  return bytes.length >= 512 && String.fromCharCode(...bytes.subarray(0, MAGIC.length)) === MAGIC
    ? null
    : 'it is not a SQLite database. Choose one that was exported here, or written by the rehydrate command';
}

function migrated(to: Database, from: number, version: number): Database {
  for (const { statements } of MIGRATIONS.slice(from, version)) for (const sql of statements) to.run(sql);
  to.run(`PRAGMA user_version = ${version}`);
  return to;
}

function copy(from: Database, to: Database, most: number): number {
  let size = 0;
  const logs = new Map<Value, Value>();
  // A session whose deletion was under way has half of its rows.
  const there = columnsOf(from, 'acp_sessions').includes('deleted_at');
  const whole = there ? 'WHERE session_id NOT IN (SELECT session_id FROM acp_sessions WHERE deleted_at IS NOT NULL)' : '';
  to.run('BEGIN');
  for (const [name, order, check] of TABLES) {
    const isSession = name === 'acp_sessions';
    const present = columnsOf(from, name);
    const carried = (isSession ? SESSION_COLUMNS : columnsOf(to, name)).filter((column) => present.includes(column));
    const defaults = isSession ? Object.entries(OURS) : [];
    const all = [...carried, ...defaults.map(([column]) => column)];
    const insert = to.prepare(`INSERT INTO ${name} (${all.join(', ')}) VALUES (${all.map(() => '?').join(', ')})`);
    const select = from.prepare(`SELECT ${carried.join(', ')} FROM ${name} ${whole} ORDER BY ${order}`);
    let before: Values | null = null;
    try {
      while (select.step()) {
        const values = (select.get as (params: null, config: { useBigInt: true }) => (Value | bigint)[])(null, { useBigInt: true }).map(
          exact,
        );
        const row: Values = Object.fromEntries(carried.map((column, at) => [column, values[at]!]));
        for (const value of values) size += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8;
        if (size > most) throw new Refused('its rows take many times its size');
        const problem = check?.(row, before);
        if (problem) throw new Refused(problem);
        // A file must not choose an agent's session on a real disk: a successor gets the record.
        if (isSession && isBridged(String(row['agent']))) row['agent_session_id'] = null;
        insert.run([...carried.map((column) => row[column]!), ...defaults.map(([, value]) => value)] as Bound[]);
        if (name === 'acp_session_events') logs.set(row['session_id']!, row['seq']!);
        before = row;
      }
    } finally {
      insert.free();
      select.free();
    }
  }
  for (const [sessionId, seq] of logs) to.run('UPDATE acp_sessions SET latest_seq = ? WHERE session_id = ?', [seq, sessionId] as Bound[]);
  to.run('COMMIT');
  return Number(to.exec('SELECT count(*) FROM acp_sessions')[0]!.values[0]![0]);
}

function columnsOf(from: Database, table: string): readonly string[] {
  return from.exec(`SELECT name FROM pragma_table_info('${table}')`)[0]?.values.map(([name]) => String(name)) ?? [];
}

function exact(value: Value | bigint): Value {
  if (typeof value !== 'bigint') return value;
  if (!Number.isSafeInteger(Number(value))) throw new Refused(`it holds the number ${value}, which no release writes`);
  return Number(value);
}

const reading = (database: Database): Pick<SqlDatabase, 'query'> => ({
  async query(sql) {
    const statement = database.prepare(sql);
    const rows = [];
    try {
      while (statement.step()) rows.push(statement.getAsObject());
    } finally {
      statement.free();
    }
    return rows;
  },
});

// ---- what a row must hold

/** One line that is not endless. */
// eslint-disable-next-line no-control-regex
const isName = (value: unknown): boolean => typeof value === 'string' && /^[^\u0000-\u001f\u007f-\u009f]{1,512}$/.test(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const optional = (is: (value: unknown) => boolean) => (value: unknown) => value === undefined || value === null || is(value);
const listOf = (is: (value: unknown) => boolean) => (value: unknown) => Array.isArray(value) && value.every(is);
const having = (shape: Readonly<Record<string, (value: unknown) => boolean>>) => (value: unknown) =>
  isObject(value) && Object.entries(shape).every(([key, is]) => is(value[key]));
const oneOf =
  (...words: readonly string[]) =>
  (value: unknown) =>
    words.includes(value as string);

const isError = having({ message: isText });
const isReport = having({
  tier: oneOf('live', 'new', 'resume', 'load', 'transcript'),
  attempts: listOf(having({ method: isText, outcome: isText, evidence: isText, ms: Number.isFinite, error: optional(isError) })),
  verified: optional(isText),
  replay: optional(having({ received: Number.isFinite, matched: Number.isFinite, missing: Number.isFinite, imported: Number.isFinite })),
  preamble: optional(having({ mode: isText, bytes: Number.isFinite, events: Number.isFinite })),
  settings: having({ restored: listOf(isText), failed: listOf(having({ id: isText, reason: isText })) }),
  ms: Number.isFinite,
  agentMs: Number.isFinite,
});

/** What the page and the engine read of each kind without asking. */
const PAYLOADS: ReadonlyMap<string, (value: unknown) => boolean> = new Map(
  Object.entries({
    turn_started: isObject,
    update: having({ sessionUpdate: isText }),
    permission_requested: having({ requestId: isText, toolCall: isObject, options: listOf(isObject) }),
    permission_resolved: having({ requestId: isText, optionId: optional(isText), by: isText }),
    elicitation_requested: having({ requestId: isText, question: isObject }),
    elicitation_resolved: having({ requestId: isText, answer: optional(isObject), by: isText }),
    turn_ended: having({
      state: oneOf('completed', 'failed', 'cancelled', 'interrupted'),
      stopReason: optional(isText),
      error: optional(isError),
    }),
    resumed: isReport,
    agent_exited: having({ kind: isText }),
  }),
);

/** After the numbers of deleted sessions of the same id, which nobody has so many of. */
const LATEST_FIRST_SEQ = 1_000_000_000;

function eventProblem({ session_id: sessionId, seq, kind, payload, meta }: Values, before: Values | null): string | null {
  const first = before?.['session_id'] !== sessionId;
  if (first ? Number(seq) > LATEST_FIRST_SEQ : seq !== Number(before!['seq']) + 1) return 'the log of a session has gaps';
  if (isText(payload) && payload.length > DEFAULT_LIMITS.messageBytes) return 'an event is larger than any message an agent may send';
  const is = PAYLOADS.get(String(kind));
  if (!is) return `an event is of the kind “${String(kind).slice(0, 40)}”, which this page does not know`;
  return is(parsed(payload)) && (meta === null || isObject(parsed(meta)))
    ? null
    : `an event of the kind ${String(kind)} is not told as ours are`;
}

/** Undefined for what is not JSON, or too deep to be written again. */
function parsed(value: Value | undefined): unknown {
  try {
    const json: unknown = JSON.parse(String(value));
    JSON.stringify(json);
    return json;
  } catch {
    return undefined;
  }
}
