/**
 * Storage against the bare thing, in one run: appends through the `node:sqlite` adapter against
 * prepared inserts with the same pragmas and transactions, and commits of a stored sql.js database of
 * 50 MB against one of 0.1 MB, in Chromium. Ratios, not absolute figures: those belong to the machine.
 *
 *   node tests/bench/sql.mjs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { chromium } from '@playwright/test';
import { chromiumArgs, ensureChromium, installedChromium } from '../../scripts/support/chromium.mjs';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { serveSqljsPage } from '../e2e/support/sqljs-server.ts';

const ROUNDS = 9;
const SCHEMA = 'CREATE TABLE log (session TEXT, seq INTEGER, kind TEXT, payload TEXT, PRIMARY KEY (session, seq)) STRICT';
const INSERT = 'INSERT INTO log VALUES (?, ?, ?, ?)';
const PAYLOAD = JSON.stringify({
  sessionUpdate: 'agent_message_chunk',
  content: { type: 'text', text: 'The quick brown fox jumps over the lazy dog.' },
});

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function throughPort(file, batches, rows) {
  const database = await openNodeSqlite(file);
  await database.batch([{ sql: SCHEMA }]);
  const started = performance.now();
  for (let i = 0, seq = 0; i < batches; i++) {
    await database.batch(Array.from({ length: rows }, () => ({ sql: INSERT, params: ['main', seq++, 'update', PAYLOAD] })));
  }
  const ms = performance.now() - started;
  await database.close();
  return ms;
}

function bare(file, batches, rows) {
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; ${SCHEMA}`);
  const [insert, begin, commit] = [INSERT, 'BEGIN IMMEDIATE', 'COMMIT'].map((sql) => database.prepare(sql));
  const started = performance.now();
  for (let i = 0, seq = 0; i < batches; i++) {
    begin.run();
    for (let row = 0; row < rows; row++) insert.run('main', seq++, 'update', PAYLOAD);
    commit.run();
  }
  const ms = performance.now() - started;
  database.close();
  return ms;
}

async function appends() {
  const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-bench-'));
  const results = [];
  try {
    for (const [batches, rows] of [
      [3_000, 1],
      [1_000, 20],
      [50, 400],
    ]) {
      const [ours, theirs] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        const file = path.join(directory, `${batches}-${round}`);
        // Turn about, so that what the machine does meanwhile hits both.
        if (round % 2) theirs.push(bare(`${file}-b`, batches, rows));
        ours.push(await throughPort(`${file}-a`, batches, rows));
        if (round % 2 === 0) theirs.push(bare(`${file}-b`, batches, rows));
      }
      // The best of each: everything above it is the machine's doing.
      results.push({
        what: `node:sqlite: ${batches} batches of ${rows} rows, against bare prepared inserts`,
        ratio: Math.min(...ours) / Math.min(...theirs),
        target: 1.5,
      });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return results;
}

/** Runs in the page: two databases of these sizes, and commits on them turn about. */
async function measureInPage({ small, large, count }) {
  const { sql, SCHEMA } = globalThis;
  const open = async (bytes) => {
    const database = await sql.open({ storage: { indexedDB: `bench-${bytes}` } });
    await database.batch(SCHEMA);
    await sql.fill(database, bytes);
    return database;
  };
  const [a, b] = [await open(small), await open(large)];
  const sizes = [(await a.export()).length, (await b.export()).length];
  // What the filling left to be written must not count against the commits.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const times = [[], []];
  for (let i = 0; i < count; i++) {
    times[0].push(...(await sql.commits(a, 1)));
    times[1].push(...(await sql.commits(b, 1)));
  }
  const started = performance.now();
  await b.export();
  const exportMs = performance.now() - started;
  return { sizes, times, exportMs };
}

async function commits() {
  const server = await serveSqljsPage();
  const browser = await chromium.launch({
    executablePath: installedChromium({ whole: true }) ?? (await ensureChromium()),
    args: chromiumArgs(),
  });
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    const { sizes, times, exportMs } = await page.evaluate(measureInPage, { small: 100_000, large: 50_000_000, count: 300 });
    const [small, large] = times.map(median);
    const megabytes = sizes.map((size) => (size / 1e6).toFixed(1));
    return [
      {
        what: `sql.js in Chromium: commit at ${megabytes[1]} MB (${large.toFixed(2)} ms) against ${megabytes[0]} MB (${small.toFixed(2)} ms)`,
        ratio: large / small,
        target: 1.2,
      },
      {
        what: `sql.js in Chromium: copying ${megabytes[1]} MB for a snapshot (${exportMs.toFixed(1)} ms, once in about ${megabytes[1] / 2} MB written) against a commit`,
        ratio: exportMs / large,
      },
    ];
  } finally {
    await browser.close();
    await server.stop();
  }
}

export async function run() {
  return { name: 'sql', results: [...(await appends()), ...(await commits())] };
}

if (import.meta.main) {
  console.log(JSON.stringify(await run(), null, 2));
}
