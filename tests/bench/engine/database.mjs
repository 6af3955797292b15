/** Databases of any length, and the bare SQLite that the engine is measured against. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Runs `work` with a directory that is gone afterwards. */
export async function inDirectory(work) {
  const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-bench-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The same pragmas as the adapter's. */
export function openBare(file) {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
  return db;
}

/** Every batch of `inner`, by how many events it inserted. What counting costs counts as the engine's, so it makes nothing. */
export function counting(inner) {
  const batches = [];
  return {
    batches,
    owners: inner.owners,
    query: (sql, params) => inner.query(sql, params),
    close: () => inner.close(),
    batch(statements) {
      let events = 0;
      for (const { sql } of statements) if (sql.startsWith('INSERT INTO acp_session_events')) events++;
      batches.push(events);
      return inner.batch(statements);
    },
  };
}

/** Gives a session `count` more events: turns of a question, seven chunks of an answer and their frame. */
export function lengthen(file, sessionId, count) {
  const db = openBare(file);
  const { latest_seq: base } = db.prepare('SELECT latest_seq FROM acp_sessions WHERE session_id = ?').get(sessionId);
  const insert = db.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
INSERT INTO acp_session_events (session_id, seq, turn_id, at, kind, origin, payload)
SELECT ?, ? + i + 1, 'filler-' || (i / 10), 1700000000000 + i,
  CASE i % 10 WHEN 0 THEN 'turn_started' WHEN 9 THEN 'turn_ended' ELSE 'update' END,
  CASE i % 10 WHEN 0 THEN 'host' WHEN 1 THEN 'host' WHEN 9 THEN 'host' ELSE 'agent' END,
  CASE i % 10 WHEN 0 THEN '{}' WHEN 9 THEN '{"state":"completed","stopReason":"end_turn"}'
    WHEN 1 THEN json_object('sessionUpdate', 'user_message_chunk', 'content', json_object('type', 'text', 'text', 'Question ' || i || ' about the matter at hand'))
    ELSE json_object('sessionUpdate', 'agent_message_chunk', 'content', json_object('type', 'text', 'text', 'part ' || i || ' of an answer that goes on for a while '), 'messageId', 'm' || (i / 10)) END
FROM n`,
  );
  const turns = db.prepare(
    `INSERT INTO acp_turns (turn_id, session_id, content_hash, state, stop_reason, report, first_seq, last_seq)
SELECT turn_id, session_id, '', 'completed', 'end_turn', '{}', min(seq), max(seq) FROM acp_session_events WHERE session_id = ? AND turn_id LIKE 'filler-%' GROUP BY turn_id`,
  );
  db.exec('BEGIN');
  insert.run(count, sessionId, base);
  turns.run(sessionId);
  db.prepare('UPDATE acp_sessions SET latest_seq = ? WHERE session_id = ?').run(base + count, sessionId);
  db.exec('COMMIT');
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
}

/**
 * Bare SQLite beside the engine: a file with the same tables, indices and session, which gets the same rows in as many transactions,
 * round after round, so that both files are as long and both connections as warm. `store` does that, and nothing else: the rows
 * are given as they are bound, their payload as JSON.
 */
export async function openTwin(file, database) {
  const db = openBare(file);
  for (const { sql } of await database.query('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid')) db.exec(sql);
  const [session] = await database.query('SELECT * FROM acp_sessions');
  const columns = Object.keys(session);
  db.prepare(`INSERT INTO acp_sessions (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`).run(
    ...Object.values(session),
  );
  const insert = db.prepare(
    'INSERT INTO acp_session_events (session_id, seq, turn_id, at, kind, origin, payload, meta) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const [begin, commit] = [db.prepare('BEGIN IMMEDIATE'), db.prepare('COMMIT')];
  return {
    bound: (rows) => rows.map((row) => [row.session_id, row.seq, row.turn_id, row.at, row.kind, row.origin, row.payload, row.meta]),
    store(bound, batches) {
      let at = 0;
      for (const size of batches) {
        begin.run();
        for (let i = 0; i < size; i++) insert.run(...bound[at++]);
        commit.run();
      }
    },
    close: () => db.close(),
  };
}
