import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';

let directory: string;
let file: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-sql-'));
  file = path.join(directory, 'sessions.sqlite');
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(directory, { recursive: true, force: true });
});

const mode = (name: string): string => (statSync(name).mode & 0o777).toString(8);
const contents = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory)
      .filter((name) => !name.endsWith('-shm'))
      .map((name) => [name, readFileSync(path.join(directory, name), 'latin1')]),
  );

/** Runs a program in another process; it finds `db` open on the same file. */
function run(program: string, options = ''): { child: ChildProcess; lines: AsyncIterator<string>; ended: Promise<unknown> } {
  const url = new URL('../../src/adapters/node-sqlite/index.ts', import.meta.url).href;
  const text = `const { openNodeSqlite } = await import(${JSON.stringify(url)}); const db = await openNodeSqlite(${JSON.stringify(file)}, {${options}}); const say = (text) => process.stdout.write(text + '\\n'); ${program}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator](), ended: once(child, 'exit') };
}

describe('files of node:sqlite', () => {
  it('are private: 0600 with -wal and -shm, in directories of 0700', async () => {
    const nested = path.join(directory, 'a', 'b', 'sessions.sqlite');
    const database = await openNodeSqlite(nested);
    expect(mode(nested)).toBe('600');
    await database.batch([{ sql: 'CREATE TABLE t (a)' }]);
    for (const suffix of ['', '-wal', '-shm']) expect(mode(nested + suffix)).toBe('600');
    for (const each of [path.dirname(nested), path.join(directory, 'a')]) expect(mode(each)).toBe('700');
    await database.close();
    expect(readdirSync(path.dirname(nested))).toEqual(['sessions.sqlite']);
  });

  it('become private with the first batch when they were made with a wider mode', async () => {
    new DatabaseSync(file).close();
    const old = new DatabaseSync(file);
    old.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a)');
    chmodSync(file, 0o644);
    const database = await openNodeSqlite(file);
    await database.query('SELECT * FROM t');
    expect(mode(file)).toBe('644');
    await database.batch([{ sql: 'INSERT INTO t VALUES (1)' }]);
    for (const suffix of ['', '-wal', '-shm']) expect(mode(file + suffix)).toBe('600');
    await database.close();
    old.close();
  });

  it('power-loss safety is an option', async () => {
    for (const [powerLossSafe, synchronous] of [
      [false, 1],
      [true, 2],
    ] as const) {
      const database = await openNodeSqlite(file, { powerLossSafe });
      await database.batch([{ sql: 'CREATE TABLE IF NOT EXISTS t (a)' }]);
      expect(await database.query('PRAGMA synchronous')).toEqual([{ synchronous }]);
      expect(await database.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
      await database.close();
    }
  });
});

describe('a file that is not ours to write stays as it is, byte for byte', () => {
  const open = (): Promise<unknown> => openNodeSqlite(file);
  it.each<[string, () => void]>([
    ['text', () => writeFileSync(file, 'notes\n'.repeat(1_000))],
    ['shorter than a header', () => writeFileSync(file, 'x')],
    [
      'a damaged schema',
      () => {
        const database = new DatabaseSync(file);
        database.exec('CREATE TABLE t (a)');
        database.close();
        const bytes = readFileSync(file);
        writeFileSync(file, bytes.fill(0xff, 100, 4_000));
      },
    ],
    [
      'cut short',
      () => {
        const database = new DatabaseSync(file);
        database.exec(`CREATE TABLE t (a); CREATE TABLE u (b, c DEFAULT '${'x'.repeat(9_000)}')`);
        database.close();
        writeFileSync(file, readFileSync(file).subarray(0, 4_096));
      },
    ],
  ])('%s: corrupt', async (_, make) => {
    make();
    const before = contents();
    await expect(open()).rejects.toMatchObject({ name: 'SqlError', kind: 'corrupt', message: expect.stringContaining(file) as string });
    expect(contents()).toEqual(before);
  });

  it.each(['DELETE', 'WAL'])('a database of a newer version, in mode %s', async (journal) => {
    const other = new DatabaseSync(file);
    other.exec(`PRAGMA journal_mode = ${journal}; CREATE TABLE t (a); PRAGMA user_version = 999`);
    other.close();
    const before = contents();
    const database = await openNodeSqlite(file);
    expect(await database.query('PRAGMA user_version')).toEqual([{ user_version: 999 }]);
    await database.close();
    expect(contents()).toEqual(before);
  });

  it('a database of a newer version whose last writer was killed', async () => {
    const { child, lines, ended } = run(
      "await db.batch([{ sql: 'CREATE TABLE t (a)' }, { sql: 'PRAGMA user_version = 999' }]); say('done'); setInterval(() => {}, 1e9);",
    );
    await lines.next();
    child.kill('SIGKILL');
    await ended;
    const before = contents();
    expect(Object.keys(before)).toContain('sessions.sqlite-wal');
    const database = await openNodeSqlite(file);
    expect(await database.query('PRAGMA user_version')).toEqual([{ user_version: 999 }]);
    await database.close();
    expect(contents()).toEqual(before);
  });

  it('says what is wrong with a path that cannot be a database', async () => {
    await expect(openNodeSqlite(directory)).rejects.toMatchObject({ kind: 'io' });
    await expect(openNodeSqlite('')).rejects.toMatchObject({ kind: 'io' });
    writeFileSync(file, '');
    await expect(openNodeSqlite(path.join(file, 'below.sqlite'))).rejects.toMatchObject({ kind: 'io' });
  });
});

describe('a disk that is full', () => {
  it('I1: rolls the batch back whole, says so, and lets go on once there is room', async () => {
    const database = await openNodeSqlite(file);
    await database.batch([{ sql: 'CREATE TABLE t (a TEXT) STRICT' }, { sql: 'PRAGMA max_page_count = 40' }]);
    const large = { sql: 'INSERT INTO t VALUES (?)', params: ['x'.repeat(50_000)] };
    await database.batch([large]);
    await expect(database.batch([{ sql: "INSERT INTO t VALUES ('first')" }, large, large, large])).rejects.toMatchObject({
      kind: 'full',
      message: expect.stringContaining(file),
    });
    expect(await database.query('SELECT count(*) AS n FROM t')).toEqual([{ n: 1 }]);
    await database.batch([{ sql: 'PRAGMA max_page_count = 4000' }]);
    await database.batch([large, large, large]);
    expect(await database.query('SELECT count(*) AS n FROM t')).toEqual([{ n: 4 }]);
    await database.close();
  });
});

// Each of its processes takes its time to start.
it.skipIf(process.platform === 'win32')(
  'I1: a file that was deleted, moved away or replaced takes nothing more, and goes on where it is put back',
  async () => {
    const database = await openNodeSqlite(file);
    const write = () => database.batch([{ sql: 'INSERT INTO log VALUES (1)' }]);
    await database.batch([{ sql: 'CREATE TABLE log (n)' }]);
    renameSync(file, `${file}.away`);
    // What begins or ends something is several statements: none of it is acknowledged, however soon it comes.
    const several = [{ sql: 'UPDATE log SET n = n' }, { sql: 'INSERT INTO log VALUES (2)' }];
    await expect(database.batch(several)).rejects.toMatchObject({ kind: 'io', message: expect.stringMatching(/deleted or moved away/) });
    const refused = (why: RegExp) =>
      expect.poll(() => write().catch((error: unknown) => error)).toMatchObject({ kind: 'io', message: expect.stringMatching(why) as string }); // prettier-ignore
    await refused(/deleted or moved away/);
    expect(await database.query('SELECT count(*) > 0 AS readable FROM log')).toHaveLength(1);
    // Another file in its place takes nothing of this database either.
    writeFileSync(file, 'mine');
    await refused(/another file stands in its place/);
    expect(readFileSync(file, 'utf8')).toBe('mine');
    renameSync(`${file}.away`, file);
    await write();
    await database.close();
  },
);

it('a row has each column under its own name, whatever the name, and those that another connection added', async () => {
  const db = await openNodeSqlite(file);
  const [odd] = await db.query('SELECT 1 AS "__proto__", 2 AS constructor, 3 AS "a b"');
  expect(Object.entries(odd!)).toEqual([
    ['__proto__', 1],
    ['constructor', 2],
    ['a b', 3],
  ]);
  await db.batch([{ sql: 'CREATE TABLE t (a)' }, { sql: 'INSERT INTO t VALUES (1)' }]);
  await expect(db.query('SELECT * FROM t')).resolves.toEqual([{ a: 1 }]);
  const other = new DatabaseSync(file);
  other.exec('ALTER TABLE t ADD COLUMN b DEFAULT 2');
  other.close();
  await expect(db.query('SELECT * FROM t')).resolves.toEqual([{ a: 1, b: 2 }]);
  await db.close();
});

it('I4: a write-ahead log whose database is missing is refused and left as it is: it may hold everything', async () => {
  const database = await openNodeSqlite(file);
  await database.batch([{ sql: 'CREATE TABLE log (n)' }, { sql: 'INSERT INTO log VALUES (1)' }]);
  const lost = path.join(path.dirname(file), 'lost.sqlite');
  copyFileSync(`${file}-wal`, `${lost}-wal`);
  const log = readFileSync(`${lost}-wal`);
  for (const make of [() => undefined, () => writeFileSync(lost, '')]) {
    make();
    await expect(openNodeSqlite(lost)).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining(`${lost}-wal`) });
    expect(readFileSync(`${lost}-wal`).equals(log)).toBe(true);
  }
  copyFileSync(file, lost);
  const found = await openNodeSqlite(lost);
  expect(await found.query('SELECT n FROM log')).toEqual([{ n: 1 }]);
  await found.close();
  await database.close();
});

describe('several processes on one file', () => {
  /** Counts on in `head`, takes its time, and writes the number down in `log`: between the two, a batch that is not whole shows. */
  const append = (who: string, goesOn: string): string => `
    const takeTime = 'UPDATE head SET seq = seq WHERE (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT count(*) FROM n) = 0';
    for (let i = 0; ${goesOn}; i++) {
      const results = await db.batch([{ sql: 'UPDATE head SET seq = seq + 1 RETURNING seq' }, { sql: takeTime }, { sql: 'INSERT INTO log SELECT seq, ? FROM head RETURNING seq', params: ['${who}'] }]);
      say(String(results[2].rows[0].seq));
    }`;
  const setUp = [
    { sql: 'CREATE TABLE head (seq INTEGER NOT NULL) STRICT' },
    { sql: 'INSERT INTO head VALUES (0)' },
    { sql: 'CREATE TABLE log (seq INTEGER PRIMARY KEY, who TEXT) STRICT' },
  ];

  /** Who comes to a lock again and again may find it taken for long. */
  const PATIENT = 'busyTimeoutMs: 120_000';

  it('I9: writers take turns without gaps, and a reader beside them sees whole batches', async () => {
    const database = await openNodeSqlite(file);
    await database.batch(setUp);
    const untilTold = 'let told = false; process.stdin.on("end", () => (told = true)).resume();';
    const writers = ['a', 'b', 'c'].map((who) =>
      run(`${untilTold} ${append(who, 'i < 60 || !(await new Promise((resolve) => setImmediate(resolve, told)))')}`, PATIENT),
    );
    let written = 0;
    const all = Promise.all(
      writers.map(async ({ lines, ended }) => {
        for (let line = await lines.next(); !line.done; line = await lines.next()) written += 1;
        await ended;
      }),
    );
    // They write until the reader has seen them at it; or for so long that it never will.
    const seen = new Set<unknown>();
    while (seen.size < 50 && written < 5_000 && writers.every(({ child }) => child.exitCode === null)) {
      const [row] = await database.query('SELECT (SELECT seq FROM head) AS head, (SELECT count(*) FROM log) AS rows');
      expect(row!['head']).toBe(row!['rows']);
      seen.add(row!['head']);
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const { child } of writers) child.stdin!.end();
    await all;
    expect(seen.size, 'states that the reader saw').toBe(50);
    expect(writers.map(({ child }) => child.exitCode)).toEqual([0, 0, 0]);
    expect(await database.query('SELECT count(*) AS n, max(seq) AS top, count(DISTINCT who) AS who FROM log')).toEqual([
      { n: written, top: written, who: 3 },
    ]);
    await database.close();
  });

  it('may all make the file at the same moment', async () => {
    const makers = Array.from({ length: 4 }, (_, i) =>
      run(`await db.batch([{ sql: 'CREATE TABLE IF NOT EXISTS t (a)' }, { sql: 'INSERT INTO t VALUES (${i})' }]);`, PATIENT),
    );
    await Promise.all(makers.map(({ ended }) => ended));
    expect(makers.map(({ child }) => child.exitCode)).toEqual([0, 0, 0, 0]);
    const database = await openNodeSqlite(file);
    expect(await database.query('SELECT sum(a) AS total FROM t')).toEqual([{ total: 6 }]);
    await database.close();
  });

  it('waits for a lock without blocking the thread, says busy when it stays, and goes on when it is gone', async () => {
    const database = await openNodeSqlite(file, { busyTimeoutMs: 200 });
    await database.batch(setUp);
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    let ticks = 0;
    const ticking = setInterval(() => (ticks += 1), 1);
    const insert = (seq: number) => database.batch([{ sql: 'INSERT INTO log VALUES (?, ?)', params: [seq, 'x'] }]);
    await expect(insert(1)).rejects.toMatchObject({ kind: 'busy' });
    expect(ticks).toBeGreaterThan(0);
    clearInterval(ticking);
    const later = [insert(2), database.query('SELECT seq FROM log')] as const;
    other.exec('ROLLBACK');
    await later[0];
    expect(await later[1]).toEqual([{ seq: 2 }]);
    other.close();
    await database.close();
  });

  it('I12: what was acknowledged before kill -9 is there, and no batch is there in part', async () => {
    for (let round = 0; round < 4; round++) {
      rmSync(file, { force: true });
      const database = await openNodeSqlite(file);
      await database.batch(setUp);
      const { child, lines, ended } = run(append('a', 'true'));
      let acknowledged = 0;
      for (let i = 0; i < 20 + round * 37; i++) acknowledged = Number((await lines.next()).value);
      child.kill('SIGKILL');
      await ended;
      // Lines already in the pipe were acknowledged too.
      for (let line = await lines.next(); !line.done; line = await lines.next()) acknowledged = Number(line.value);
      const [row] = await database.query(
        'SELECT (SELECT seq FROM head) AS head, (SELECT count(*) FROM log) AS n, (SELECT max(seq) FROM log) AS top',
      );
      expect(row!['head']).toBeGreaterThanOrEqual(acknowledged);
      expect([row!['n'], row!['top']]).toEqual([row!['head'], row!['head']]);
      await database.close();
    }
  });
});
