/** I10: what a wake asks of the turns costs the same however many there are, so each question must be answered from an index of its own. */
import { expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import type { SqlDatabase, SqlValue } from '../../../src/engine/ports.ts';
import { migrate } from '../../../src/engine/storage/schema.ts';
import { createStore, type Store } from '../../../src/engine/storage/store.ts';

it.each<[string, string, (store: Store) => Promise<unknown>]>([
  ['which turns run', 'acp_turns_running', (store) => store.runningTurns('s')],
  ['which sessions have a turn that runs', 'acp_turns_running', (store) => store.sessionsWithRunningTurns()],
  ['how many turns were answered', 'acp_turns_answered', (store) => store.completedTurns('s', 0, 9)],
])('%s: %s', async (_what, index, ask) => {
  const db = await openNodeSqlite(':memory:');
  await migrate(db);
  const asked: [string, readonly SqlValue[]][] = [];
  const listening: SqlDatabase = {
    ...{ batch: db.batch.bind(db), close: db.close.bind(db) },
    query: (sql, params = []) => {
      asked.push([sql, params]);
      return db.query(sql, params);
    },
  };
  await ask(createStore(listening));
  const plans = await Promise.all(asked.map(([sql, params]) => db.query(`EXPLAIN QUERY PLAN ${sql}`, params)));
  const ofTurns = plans.flat().flatMap(({ detail }) => (/ acp_turns /.test(String(detail)) ? [String(detail)] : []));
  expect(ofTurns).toEqual([expect.stringContaining(`INDEX ${index}`)]);
  await db.close();
});
