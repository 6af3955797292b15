/** A database file from elsewhere: what of it is opened, and what is refused before anything of it runs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IMPORT_BYTES, readForeignFile, Refused, sizeProblem } from '../../../playground/platform/import-file.ts';
import { createHost } from '../../../src/engine/index.ts';
import { openSqljs } from '../../../src/adapters/sqljs/index.ts';
import { record } from '../../support/record.ts';
import { preparedFile, sqlite, withSchema } from './hostile-files.ts';

const FILES = process.env['FAULTS'] === 'full' ? 500 : 50;

async function open(bytes: Uint8Array) {
  const file = await readForeignFile(await sqlite, bytes);
  const database = await openSqljs({ module: sqlite as never });
  await database.importFile(file.bytes);
  return { database, file };
}

describe('a prepared file', () => {
  it('brings its log and its names along, and nothing that steers an agent', async () => {
    const { database, file } = await open(await preparedFile());
    expect(file.sessions).toBe(1);
    const [row] = await database.query('SELECT * FROM acp_sessions');
    expect(row).toMatchObject({
      session_id: 'prepared',
      agent: 'bridge:native',
      cwd: '/home/me/private',
      title_set: 'Mine',
      latest_seq: 4,
    });
    expect(row).toMatchObject({ agent_session_id: null, additional_directories: '[]', mcp_servers: '[]', env_names: '[]' });
    for (const column of [
      'modes',
      'config_options',
      'commands',
      'capabilities',
      'wishes',
      'metadata',
      'origin',
      'lease_owner',
      'lease_expires_at',
    ])
      expect([column, row![column]]).toEqual([column, null]);
    const reader = await createHost({ database, agents: {} });
    expect((await reader.history('prepared')).map(({ kind }) => kind)).toEqual(['turn_started', 'update', 'update', 'turn_ended']);
    expect(await reader.get('prepared')).toMatchObject({ state: 'asleep' });
    await reader.sleep();
    await database.close();
  });

  it('of an older release is opened as one of this', async () => {
    const { database } = await open(await preparedFile({ agent: 'native' }, undefined, 1));
    expect(await database.query('SELECT session_id, agent_session_id FROM acp_sessions')).toEqual([
      { session_id: 'prepared', agent_session_id: '../../private' },
    ]);
    await database.close();
  });

  it('brings nothing of a session whose deletion was under way', async () => {
    const { database, file } = await open(
      await run('UPDATE acp_sessions SET deleted_at = 1; DELETE FROM acp_session_events WHERE seq < 3'),
    );
    expect([file.sessions, await database.query('SELECT 1 FROM acp_session_events')]).toEqual([0, []]);
    await database.close();
  });

  it('keeps in what is opened nothing of its free pages', async () => {
    const bytes = await preparedFile({}, (database) => {
      database.run(`INSERT INTO workspace_files VALUES ('prepared', '/workspace/x', 'a secret that was deleted', 1)`);
      database.run('DELETE FROM workspace_files');
    });
    expect(Buffer.from(bytes).includes('a secret that was deleted')).toBe(true);
    expect(Buffer.from((await readForeignFile(await sqlite, bytes)).bytes).includes('a secret')).toBe(false);
  });
});

const run = (sql: string) => preparedFile({}, (database) => void database.run(sql));
const log = (...events: (readonly [string, unknown])[]) => preparedFile({ events });
const ENDLESS = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`;

describe('refused, before anything of it runs', () => {
  it.each<[string, () => Promise<Uint8Array>, RegExp]>([
    ['no database', async () => new TextEncoder().encode('nonsense'.repeat(100)), /not a SQLite database/],
    ['a head alone', async () => (await preparedFile()).slice(0, 100), /not a SQLite database/],
    ['an empty database', async () => new (await sqlite).Database(await run('SELECT 1')).export().fill(0, 100), /not opened/],
    ['half a database', async () => (await preparedFile()).slice(0, 8192), /damaged|not ours/],
    [
      'a view in place of a table',
      () => withSchema(`DROP TABLE workspace_files`, `CREATE VIEW workspace_files AS ${ENDLESS}`),
      /view "workspace_files"/,
    ],
    ['a view beside them', () => run(`CREATE VIEW evil AS ${ENDLESS}`), /view "evil"/],
    [
      'a trigger',
      () => run(`CREATE TRIGGER evil AFTER UPDATE ON acp_sessions BEGIN DELETE FROM acp_session_events; END`),
      /trigger "evil"/,
    ],
    ['a generated column', () => run(`ALTER TABLE acp_sessions ADD COLUMN evil TEXT AS (upper(title))`), /acp_sessions/],
    ['a default that computes', () => run(`ALTER TABLE acp_sessions ADD COLUMN evil TEXT DEFAULT 'x'`), /acp_sessions/],
    ['an index of an expression', () => run(`CREATE INDEX evil ON acp_session_events (json_extract(payload, '$.x'))`), /index "evil"/],
    ['a partial index', () => run(`CREATE INDEX evil ON acp_sessions (title) WHERE title LIKE '%a%a%a%'`), /index "evil"/],
    ['a virtual table', () => run(`CREATE VIRTUAL TABLE evil USING fts3(a)`), /evil/],
    ['another table', () => run('CREATE TABLE evil (a)'), /table "evil"/],
    [
      'a table with a CHECK of its own',
      () =>
        withSchema(
          `UPDATE sqlite_schema SET sql = replace(sql, 'path TEXT NOT NULL', 'path TEXT NOT NULL CHECK (length(hex(randomblob(100000000))) > 0)') WHERE name = 'workspace_files'`,
        ),
      /workspace_files/,
    ],
    ['a table that is missing', () => run('DROP TABLE workspace_files'), /lacks/],
    ['an index that is missing', () => run('DROP INDEX acp_turns_running'), /lacks/],
    [
      'a schema that is no SQL',
      () => withSchema(`UPDATE sqlite_schema SET sql = 'CREATE TABLE nonsense(' WHERE name = 'workspace_files'`),
      /not opened/,
    ],
    ['a newer release', () => run('PRAGMA user_version = 99'), /schema version is 99/],
    ['no version', () => run('PRAGMA user_version = 0'), /user_version is 0/],
    ['a negative version', () => run('PRAGMA user_version = -1'), /user_version is -1/],
    [
      'another program',
      async () => {
        const db = new (await sqlite).Database();
        db.run('CREATE TABLE acp_sessions (name TEXT)');
        return db.export();
      },
      /user_version is 0/,
    ],
    ['a log with gaps', () => run('DELETE FROM acp_session_events WHERE seq = 2'), /gaps/],
    ['a log that begins late', () => run('UPDATE acp_session_events SET seq = seq + 1000000000000'), /gaps/],
    ['a number that is no safe one', () => run('UPDATE acp_sessions SET created_at = 9223372036854775807'), /9223372036854775807/],
    ['events of no session', () => run(`PRAGMA foreign_keys = OFF; DELETE FROM acp_sessions`), /not opened/],
    ['a name of many lines', () => run(`UPDATE acp_sessions SET agent = 'a' || char(10) || 'b'`), /name/],
    ['a name without end', () => run(`UPDATE acp_sessions SET agent = hex(zeroblob(100000))`), /name/],
    ['a kind that nobody knows', () => log(['evil', {}]), /“evil”/],
    ['a kind that every object has', () => log(['constructor', {}]), /“constructor”/],
    ['a payload that is no JSON', () => log(['update', '{']), /not told/],
    ['a payload that is null', () => log(['update', null]), /not told/],
    ['a payload without end', () => log(['update', `${'['.repeat(200_000)}${']'.repeat(200_000)}`]), /not told/],
    ['an update that is none', () => log(['update', { sessionUpdate: 7 }]), /not told/],
    ['a report that would break the page', () => log(['resumed', { tier: 'resume', attempts: 7 }]), /not told/],
    ['a question without options', () => log(['permission_requested', { requestId: 'a' }]), /not told/],
    ['meta that is no JSON', () => run(`UPDATE acp_session_events SET meta = 'x' WHERE seq = 1`), /not told/],
    [
      'a turn with a report of its own kind',
      () => run(`INSERT INTO acp_turns VALUES ('t', 'prepared', NULL, 'x', 'running', NULL, NULL, '{}', 1, NULL)`),
      /turn/,
    ],
  ])('%s', async (_what, make, why) => {
    const refused = readForeignFile(await sqlite, await make());
    await expect(refused).rejects.toThrow(Refused);
    await expect(refused).rejects.toThrow(why);
    await expect(refused).rejects.toThrow('Nothing here was changed.');
  });

  it('a file that is too large, before it is read', () => {
    expect(sizeProblem(IMPORT_BYTES)).toBeNull();
    expect(sizeProblem(200 * 1024 * 1024)).toContain('200 MiB');
  });
});

it(`${FILES} files with bytes of chance in them are refused, or give a database that is sound and ours`, async () => {
  const SQL = await sqlite;
  const sound = await preparedFile({}, (database) => {
    for (let i = 5; i < 400; i++)
      database.run(`INSERT INTO acp_session_events VALUES ('prepared', ?, NULL, 1, 'update', 'agent', ?, NULL)`, [
        i,
        JSON.stringify({ sessionUpdate: 'plan', entries: [], filler: 'x'.repeat(i % 97) }),
      ]);
  });
  const seen = { refused: 0, opened: 0 };
  const hits = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(hits, fc.boolean(), async (bytes, cut) => {
      const file = sound.slice(0, cut ? bytes[0]![0] : sound.length);
      // The first pages hold the schema and the upper half of each tree.
      for (const [at, value] of bytes) file[value % 2 ? at : at % 4096] = value;
      try {
        const { bytes: opened } = await readForeignFile(SQL, file);
        seen.opened += 1;
        const database = new SQL.Database(opened);
        expect(database.exec('PRAGMA integrity_check')[0]!.values).toEqual([['ok']]);
        expect(database.exec('SELECT count(*) FROM acp_sessions WHERE mcp_servers <> ?', ['[]'])[0]!.values).toEqual([[0]]);
        database.close();
      } catch (error) {
        expect(error).toBeInstanceOf(Refused);
        seen.refused += 1;
      }
    }),
    { numRuns: FILES },
  );
  expect(seen.refused).toBeGreaterThan(0);
  record('playground-files', {
    what: 'database files with bytes of chance in them, imported: one that opened and was not sound and ours',
    tried: FILES,
    through: 0,
  });
});
