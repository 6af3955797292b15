/** A database whose process dies at one chosen write. */
import type { SqlDatabase } from '../../../src/engine/index.ts';
import type { Plan } from './plan.ts';

export interface CountedDatabase extends SqlDatabase {
  readonly batches: number;
}

const die = () => process.kill(process.pid, 'SIGKILL');

/** Counts batches, and kills this very process at the one that `kill` names. */
export function killingDatabase(inner: SqlDatabase, kill: Plan['kill']): CountedDatabase {
  let batches = 0;
  return {
    ...(inner.owners ? { owners: inner.owners } : {}),
    get batches() {
      return batches;
    },
    query: (sql, params) => inner.query(sql, params),
    close: () => inner.close(),
    async batch(statements) {
      batches += 1;
      const point = kill?.batch === batches ? kill.point : null;
      if (point === 'before') die();
      const results = await inner.batch(statements);
      if (point === 'between') die();
      // Everything that waited for the batch runs first: followers, callers, the message to the agent.
      if (point === 'after') setImmediate(die);
      return results;
    },
  };
}
