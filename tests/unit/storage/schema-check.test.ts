/** A database from elsewhere is compared with our schema, whole, before anything runs on it. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { migrate, MIGRATIONS, SCHEMA_VERSION } from '../../../src/engine/storage/schema.ts';
import { schemaMatches } from '../../../src/engine/storage/schema-check.ts';

const FIXTURES = path.join(import.meta.dirname, '../../integration/engine/fixtures');

function scratchFile(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-schema-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return path.join(directory, 'sessions.db');
}

async function made(version: number) {
  const empty = await openNodeSqlite(':memory:');
  onTestFinished(() => empty.close());
  await empty.batch(MIGRATIONS.slice(0, version).flatMap(({ statements }) => statements.map((sql) => ({ sql }))));
  return empty;
}

/** A database of ours that somebody did something to. */
async function judged(damage: (db: DatabaseSync) => void) {
  const file = scratchFile();
  const ours = await openNodeSqlite(file);
  await migrate(ours);
  await ours.close();
  const theirs = new DatabaseSync(file, { enableForeignKeyConstraints: false });
  damage(theirs);
  theirs.close();
  const database = await openNodeSqlite(file);
  onTestFinished(() => database.close());
  return schemaMatches(database, made);
}

/** Writes into the schema what no statement would make. */
function rewrite(db: DatabaseSync, name: string, from: string, to: string): void {
  db.enableDefensive?.(false);
  db.exec('PRAGMA writable_schema = ON');
  const { changes } = db.prepare('UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ?').run(from, to, name);
  expect(changes).toBe(1);
  db.exec('PRAGMA writable_schema = RESET');
}

const ours: readonly [string, (db: DatabaseSync) => void][] = [
  ['as it was made', () => undefined],
  ['after ANALYZE', (db) => db.exec(`INSERT INTO acp_turns VALUES ('t', 's', NULL, '', 'failed', NULL, NULL, '{}', 1, 1); ANALYZE`)],
  ['with other comments', (db) => rewrite(db, 'acp_turns', 'error TEXT,', 'error  TEXT,/* the error */-- its\n')],
  ['after VACUUM', (db) => db.exec('VACUUM')],
];
it.each(ours)('ours: %s', async (_what, damage) => {
  expect(await judged(damage)).toEqual({ ours: true, version: SCHEMA_VERSION });
});

it('ours: files of every release', async () => {
  for (let version = 1; version <= SCHEMA_VERSION; version += 1) {
    const file = scratchFile();
    copyFileSync(path.join(FIXTURES, `schema-v${version}.db`), file);
    const database = await openNodeSqlite(file);
    expect(await schemaMatches(database, made)).toEqual({ ours: true, version });
    await database.close();
  }
});

const foreign: readonly [string, (db: DatabaseSync) => void, RegExp][] = [
  ['nothing in it', (db) => db.exec('PRAGMA user_version = 0'), /user_version is 0/],
  ['a newer one', (db) => db.exec('PRAGMA user_version = 99'), /version is 99, newer/],
  ['an older number than its tables', (db) => db.exec('PRAGMA user_version = 1'), /"acp_sessions" was not made/],
  ['another table', (db) => db.exec('CREATE TABLE notes (a)'), /has the table "notes"/],
  ['a view', (db) => db.exec('CREATE VIEW v AS SELECT * FROM acp_turns'), /has the view "v"/],
  ['a trigger', (db) => db.exec('CREATE TRIGGER t AFTER INSERT ON acp_turns BEGIN DELETE FROM acp_sessions; END'), /has the trigger "t"/],
  ['an index more', (db) => db.exec('CREATE INDEX i ON acp_turns (state)'), /has the index "i"/],
  ['a table less', (db) => db.exec('DROP TABLE workspace_files'), /lacks the table "workspace_files"/],
  ['an index less', (db) => db.exec('DROP INDEX acp_turns_by_session'), /lacks the index "acp_turns_by_session"/],
  ['a column more', (db) => db.exec('ALTER TABLE acp_turns ADD COLUMN x TEXT'), /table "acp_turns" was not made as ours/],
  [
    'a generated column',
    (db) => db.exec(`ALTER TABLE acp_turns ADD COLUMN x TEXT AS (zeroblob(1000000000)) VIRTUAL`),
    /table "acp_turns" was not made as ours/,
  ],
  [
    'a view in the place of a table',
    (db) => db.exec('DROP TABLE workspace_files; CREATE VIEW workspace_files AS SELECT 1 AS session_id'),
    /view "workspace_files" was not made/,
  ],
  [
    'a virtual table',
    (db) => db.exec('DROP TABLE workspace_files; CREATE VIRTUAL TABLE workspace_files USING fts5(content)'),
    /table "workspace_files" was not made/,
  ],
  [
    'a default that computes',
    (db) => rewrite(db, 'acp_turns', 'error TEXT,', 'error TEXT DEFAULT (randomblob(9)),'),
    /"acp_turns" was not made/,
  ],
  ['no STRICT', (db) => rewrite(db, 'acp_sessions', ') STRICT', ')'), /"acp_sessions" was not made/],
  [
    'statistics that compute',
    (db) => (db.exec('ANALYZE'), rewrite(db, 'sqlite_stat1', 'idx,', 'idx AS (zeroblob(9)),')),
    /has the table "sqlite_stat1"/,
  ],
  [
    'more than a comment between comments',
    (db) => rewrite(db, 'acp_turns', 'error TEXT,', "error TEXT /* -- */ DEFAULT '/*' /* */,"),
    /"acp_turns" was not made/,
  ],
  [
    'an index on an expression',
    (db) => rewrite(db, 'acp_turns_running', "state = 'running'", "state <> 'running'"),
    /"acp_turns_running" was not made/,
  ],
];
it.each(foreign)('not ours: %s', async (_what, damage, problem) => {
  const verdict = await judged(damage);
  expect(verdict).toMatchObject({ ours: false });
  expect('problem' in verdict && verdict.problem).toMatch(problem);
});

it('more entries than are read are refused, whatever they are', async () => {
  const verdict = await judged((db) => {
    for (let i = 0; i < 101; i += 1) db.exec(`CREATE TABLE acp_search_${i} (a)`);
  });
  expect(verdict).toMatchObject({ ours: false, problem: expect.stringContaining('more than 100') as string });
});

it('reads the schema alone: a view that would run for ever is not run', async () => {
  const file = scratchFile();
  const hostile = new DatabaseSync(file);
  hostile.exec(
    `CREATE VIEW acp_sessions AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS session_id FROM n; PRAGMA user_version = 1`,
  );
  hostile.close();
  const database = await openNodeSqlite(file);
  expect(await schemaMatches(database, made)).toMatchObject({
    ours: false,
    problem: expect.stringContaining('view "acp_sessions"') as string,
  });
  await database.close();
});
