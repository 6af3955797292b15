/**
 * Whether a database is ours, before anything runs on it. A file from elsewhere may hold triggers, views, generated
 * columns or virtual tables that act when a table is read or written; ours has none, so its schema is compared whole.
 */
import type { SqlDatabase } from '../ports.ts';
import { MIGRATIONS, SCHEMA_VERSION, type Migration } from './schema.ts';

/** One row of `sqlite_schema`. */
export interface SchemaEntry {
  readonly type: string;
  readonly name: string;
  readonly table: string;
  /** Null for an index that SQLite made for a key. */
  readonly sql: string | null;
}

export interface FoundSchema {
  /** `PRAGMA user_version`. */
  readonly version: number;
  /** One more than `MOST_ENTRIES` at most: so many are never ours. */
  readonly entries: readonly SchemaEntry[];
}

export type SchemaVerdict =
  | { readonly ours: true; readonly version: number }
  /** What is not ours, as the end of a sentence that begins with “its”. */
  | { readonly ours: false; readonly version: number; readonly problem: string };

const MOST_ENTRIES = 100;

/** Reads the schema and nothing else: no table of the database is touched, so nothing in it can act. */
export async function describeSchema(db: Pick<SqlDatabase, 'query'>): Promise<FoundSchema> {
  const [version] = await db.query('PRAGMA user_version');
  const rows = await db.query(`SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid LIMIT ${MOST_ENTRIES + 1}`);
  return {
    version: Number(version?.['user_version'] ?? 0),
    entries: rows.map((row) => ({
      type: String(row['type']),
      name: String(row['name']),
      table: String(row['tbl_name']),
      sql: row['sql'] === null || row['sql'] === undefined ? null : String(row['sql']),
    })),
  };
}

/** Whether the database has the schema of a release up to this one, and nothing else. */
export async function schemaMatches(db: Parameters<typeof describeSchema>[0]): Promise<SchemaVerdict> {
  return judgeSchema(await describeSchema(db));
}

/** The decision of `schemaMatches`. */
export function judgeSchema(found: FoundSchema): SchemaVerdict {
  const { version } = found;
  const not = (problem: string): SchemaVerdict => ({ ours: false, version, problem });
  if (version > SCHEMA_VERSION) return not(`schema version is ${version}, newer than this release knows (${SCHEMA_VERSION})`);
  if (version < 1) return not(`user_version is ${version}, which no release has given`);
  if (found.entries.length > MOST_ENTRIES) return not(`schema has more than ${MOST_ENTRIES} entries, and ours has few`);
  const expected = new Map(schemaAfter(MIGRATIONS.slice(0, version)).map((entry) => [entry.name, entry]));
  for (const entry of found.entries) {
    const shown = `${entry.type} "${entry.name.slice(0, 100)}"`;
    if (isOwnOfSqlite(entry) || isSearchIndex(entry)) continue;
    const wanted = expected.get(entry.name);
    if (wanted === undefined) return not(`schema has the ${shown}, which is not ours`);
    if (entry.type !== wanted.type || entry.table !== wanted.table || withoutComments(entry.sql) !== withoutComments(wanted.sql))
      return not(`${shown} was not made as ours is`);
    expected.delete(entry.name);
  }
  const [missing] = expected.values();
  return missing === undefined ? { ours: true, version } : not(`schema lacks the ${missing.type} "${missing.name}"`);
}

/** Comments are kept in a schema, do nothing, and were reworded between releases. Quoted text is left as it is. */
function withoutComments(sql: string | null): string | null {
  return sql?.replace(QUOTED_OR_BLANK, (_all, quoted?: string) => quoted ?? ' ') ?? null;
}

const QUOTED_OR_BLANK = /('(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])|(?:[ \t\n\f\r]|--[^\n]*|\/\*[^]*?\*\/)+/g;

/** What SQLite makes by itself: indexes of keys, and what ANALYZE counted. */
function isOwnOfSqlite(entry: SchemaEntry): boolean {
  if (entry.type === 'index') return entry.sql === null && entry.name.startsWith(`sqlite_autoindex_${entry.table}_`);
  return entry.type === 'table' && entry.name === entry.table && STATISTICS[entry.name] === entry.sql && entry.sql !== null;
}

/**
 * The index of the search, which is made on demand, and the tables in which SQLite keeps it. It is not read from a file from
 * elsewhere; by its names nothing that acts can come in, neither a trigger nor an index on a table of ours.
 */
function isSearchIndex(entry: SchemaEntry): boolean {
  const named = (name: string): boolean => /^acp_search(_\w+)?$/.test(name);
  return (
    (entry.type === 'table' && named(entry.name) && entry.name === entry.table) ||
    (entry.type === 'index' && entry.sql === null && named(entry.table))
  );
}

const STATISTICS: Readonly<Record<string, string>> = {
  sqlite_stat1: 'CREATE TABLE sqlite_stat1(tbl,idx,stat)',
  sqlite_stat4: 'CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)',
};

const CREATED = /^CREATE (TABLE|(?:UNIQUE )?INDEX) (\w+)(?: ON (\w+))? /;
const ADDED = /^ALTER TABLE (\w+) ADD COLUMN (.+)$/s;
/** Where SQLite puts an added column: in front of the parenthesis that ends the columns. */
const END_OF_COLUMNS = /\)(?= STRICT(?:, WITHOUT ROWID)?$)/;

/** What `sqlite_schema` holds after these migrations, but for the indexes that SQLite makes by itself. */
export function schemaAfter(migrations: readonly Migration[]): readonly SchemaEntry[] {
  const entries = new Map<string, SchemaEntry>();
  for (const sql of migrations.flatMap(({ statements }) => statements)) {
    const [, kind, name, on] = CREATED.exec(sql) ?? [];
    const [, altered, column] = ADDED.exec(sql) ?? [];
    const table = altered === undefined ? undefined : entries.get(altered);
    if (kind !== undefined && name !== undefined)
      entries.set(name, { type: kind === 'TABLE' ? 'table' : 'index', name, table: on ?? name, sql });
    else if (table?.sql && column !== undefined)
      entries.set(table.name, { ...table, sql: table.sql.replace(END_OF_COLUMNS, () => `, ${column})`) });
    else throw new Error(`A migration makes what the schema check cannot foresee: ${sql.slice(0, 60)}`);
  }
  return [...entries.values()];
}
