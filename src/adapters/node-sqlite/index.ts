/** The `SqlDatabase` port on `node:sqlite` (Node ≥ 22.13): one file, shared by the processes of one machine. */
import path from 'node:path';
import { checkOptions, shown } from '../../engine/check-options.ts';
import { invalid } from '../../engine/errors.ts';
import { SqlError, type SqlDatabase } from '../../engine/ports.ts';
import { delay } from '../../engine/waiting.ts';
import { withLimits } from '../../engine/with-limits.ts';
import { processOwners } from '../node-host/owners.ts';
import { Connection } from './connection.ts';
import { toSqlError } from './errors.ts';

export interface NodeSqliteOptions {
  /**
   * True makes every batch survive a power cut (`synchronous=FULL`). The default, `NORMAL`, survives
   * killed processes; a power cut may cost the last batches, never the database. Default false.
   */
  readonly powerLossSafe?: boolean | undefined;
  /** True only reads: a file that is not there is an error, and every batch is refused as `readonly`. Default false. */
  readonly readOnly?: boolean | undefined;
  /** How long to wait for a lock another process holds, in milliseconds, before `busy`. Default 5 000. */
  readonly busyTimeoutMs?: number | undefined;
}

const DEFAULT_BUSY_MS = 5_000;
const LONGEST_PAUSE_MS = 25;

/**
 * Opens a database file, or makes it: the file and its `-wal` and `-shm` with mode 0600, directories
 * with 0700. `:memory:` is a database of its own. An existing file is only read until the first
 * batch, which turns it to WAL mode. A file that this user may not write is read all the same; its batches are refused as `readonly`.
 *
 * Rejects with `SqlError`: `corrupt` when it is not a SQLite database, `io` or `readonly` when it
 * cannot be opened, `busy` when it stays locked. An option that is unknown or of a wrong type is `invalid_argument`.
 *
 * @example
 * const database = await openNodeSqlite('sessions.sqlite', { powerLossSafe: true });
 */
export async function openNodeSqlite(file: string, options: NodeSqliteOptions = {}): Promise<SqlDatabase> {
  checkOptions('openNodeSqlite', options, ['powerLossSafe', 'readOnly', 'busyTimeoutMs']);
  if (typeof file !== 'string') throw invalid(`openNodeSqlite needs the path of a file; it is ${shown(file)}.`);
  if (file === '') throw new SqlError('io', 'Database: the path is empty. Give the path of a file, or :memory:.');
  const { powerLossSafe = false, readOnly = false } = options;
  for (const [name, value] of Object.entries({ powerLossSafe, readOnly }))
    if (typeof value !== 'boolean') throw invalid(`openNodeSqlite: ${name} must be true or false; it is ${shown(value)}.`);
  const { busyTimeoutMs } = withLimits({ busyTimeoutMs: DEFAULT_BUSY_MS }, { busyTimeoutMs: options.busyTimeoutMs }, 'openNodeSqlite');
  const name = file === ':memory:' ? file : path.resolve(file);
  let closing: Promise<void> | undefined;
  /** Set while a call waits for another process's lock; without it calls run at once. */
  let tail: Promise<unknown> | undefined;

  /** Runs now, or after those that wait; a locked database is tried again without blocking the thread. */
  function enqueue<T>(work: () => T): Promise<T> {
    if (closing) return Promise.reject(new SqlError('closed', `Database ${name}: it was closed. Open it again.`));
    if (tail) return append(tail.then(() => persist(work)));
    try {
      return Promise.resolve(work());
    } catch (error) {
      const failure = toSqlError(error, name);
      return failure.kind === 'busy' ? append(persist(work)) : Promise.reject(failure);
    }
  }

  function append<T>(call: Promise<T>): Promise<T> {
    const over = call
      .catch(() => undefined)
      .then(() => {
        if (tail === over) tail = undefined;
      });
    tail = over;
    return call;
  }

  async function persist<T>(work: () => T): Promise<T> {
    const deadline = performance.now() + busyTimeoutMs;
    for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return work();
      } catch (error) {
        const failure = toSqlError(error, name);
        if (failure.kind !== 'busy' || performance.now() >= deadline) throw failure;
        await delay(pause);
      }
    }
  }

  const connection = await enqueue(() => new Connection(name, { powerLossSafe, readOnly }));
  return {
    owners: processOwners(),
    query: (sql, params = []) => enqueue(() => connection.query(sql, params)),
    batch: (statements) => enqueue(() => (statements.length === 0 ? [] : connection.batch(statements))),
    close: () => (closing ??= enqueue(() => connection.close())),
  };
}
