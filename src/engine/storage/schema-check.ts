/**
 * Checks whether a database's schema is ours, before a table is touched. A file from elsewhere may have triggers, views, generated columns
 * or virtual tables that do something when a table is read or written.
 */
import type { SqlDatabase } from '../ports.ts';
import { SCHEMA_VERSION } from './schema.ts';

type Readable = Pick<SqlDatabase, 'query'>;

export type SchemaVerdict =
  | { readonly ours: true; readonly version: number }
  /** `problem` follows “its” in a sentence. */
  | { readonly ours: false; readonly version: number; readonly problem: string };

/** Our schema never has more. */
const MOST_ENTRIES = 100;

/** Compares the schema with that of an empty database, which `make` brings to the same version. Reads no table. */
export async function schemaMatches(db: Readable, make: (version: number) => Promise<Readable>): Promise<SchemaVerdict> {
  const [pragma] = await db.query('PRAGMA user_version');
  const version = Number(pragma?.['user_version'] ?? 0);
  const not = (problem: string): SchemaVerdict => ({ ours: false, version, problem });
  if (version > SCHEMA_VERSION) return not(`schema version is ${version}, newer than this release knows (${SCHEMA_VERSION})`);
  if (version < 1) return not(`user_version is ${version}, which no release has given`);
  const found = await entriesOf(db);
  if (found.length > MOST_ENTRIES) return not(`schema has more than ${MOST_ENTRIES} entries, and ours has few`);
  const expected = new Map((await entriesOf(await make(version))).map((entry) => [entry.name, entry]));
  for (const entry of found) {
    const shown = `${entry.type} "${entry.name.slice(0, 100)}"`;
    if (isStatistics(entry) || isSearchIndex(entry)) continue;
    const wanted = expected.get(entry.name);
    if (wanted === undefined) return not(`schema has the ${shown}, which is not ours`);
    if (entry.type !== wanted.type || entry.table !== wanted.table || withoutComments(entry.sql) !== withoutComments(wanted.sql))
      return not(`${shown} was not made as ours is`);
    expected.delete(entry.name);
  }
  const [missing] = expected.values();
  return missing === undefined ? { ours: true, version } : not(`schema lacks the ${missing.type} "${missing.name}"`);
}

/** One row of `sqlite_schema`; `sql` is null for an index that SQLite made for a key. */
type Entry = Awaited<ReturnType<typeof entriesOf>>[number];

async function entriesOf(db: Readable) {
  const rows = await db.query(`SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid LIMIT ${MOST_ENTRIES + 1}`);
  return rows.map(({ type, name, tbl_name: table, sql }) => ({
    type: String(type),
    name: String(name),
    table: String(table),
    sql: typeof sql === 'string' ? sql : null,
  }));
}

/** Comments and white space as one blank, since comments were reworded between releases. Quoted text stays as it is. */
function withoutComments(sql: string | null): string | null {
  return sql?.replace(QUOTED_OR_BLANK, (_all, quoted?: string) => quoted ?? ' ') ?? null;
}

const QUOTED_OR_BLANK = /('(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])|(?:[ \t\n\f\r]|--[^\n]*|\/\*[^]*?\*\/)+/g;

function isStatistics(entry: Entry): boolean {
  return entry.type === 'table' && entry.name === entry.table && STATISTICS[entry.name] === entry.sql && entry.sql !== null;
}

const STATISTICS: Readonly<Record<string, string>> = {
  sqlite_stat1: 'CREATE TABLE sqlite_stat1(tbl,idx,stat)',
  sqlite_stat4: 'CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)',
};

/**
 * A part of the search index, which is made on demand, with tables of SQLite's own. Only tables and automatic indexes are let through by
 * their names: no trigger, and no index on a table of ours.
 */
function isSearchIndex(entry: Entry): boolean {
  const named = (name: string): boolean => /^acp_search(_\w+)?$/.test(name);
  return (
    (entry.type === 'table' && named(entry.name) && entry.name === entry.table) ||
    (entry.type === 'index' && entry.sql === null && named(entry.table))
  );
}
