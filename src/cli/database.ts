/** Which database a call is about, and opening it. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { openNodeSqlite } from '../adapters/node-sqlite/index.ts';
import { RehydrateError } from '../engine/errors.ts';
import { SqlError } from '../engine/ports.ts';
import type { SqlDatabase } from '../engine/ports.ts';
import { storageError } from '../engine/storage/errors.ts';
import type { Call } from './parse.ts';
import { one } from './parse.ts';

/** `--db`, else `$REHYDRATE_DB`, else the XDG data directory. A relative `$XDG_DATA_HOME` counts as none, as its rules say. */
export function databasePath(call: Call, environment: NodeJS.ProcessEnv = process.env): string {
  const named = one(call, 'db') ?? (environment['REHYDRATE_DB'] || undefined);
  if (named !== undefined) return path.resolve(named);
  const data = environment['XDG_DATA_HOME'];
  const base = data && path.isAbsolute(data) ? data : path.join(environment['HOME'] || homedir(), '.local', 'share');
  return path.join(base, 'rehydrate', 'sessions.sqlite');
}

/** Whether the file is there. One that may not be looked at is neither there nor missing: that is an error. */
export function databaseExists(file: string): boolean {
  try {
    statSync(file);
    return true;
  } catch (error) {
    if (isMissing((error as NodeJS.ErrnoException).code)) return false;
    throw explain(new SqlError('io', (error as Error).message, { cause: error }), file);
  }
}

/** What the system says of a path that leads nowhere; whatever else it says leaves open what is there. */
export function isMissing(code: string | undefined): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Opens the database, or makes it with its directories, for this user alone. */
export async function openDatabase(file: string): Promise<SqlDatabase> {
  makeDirectory(path.dirname(file), file);
  try {
    return await openNodeSqlite(file);
  } catch (error) {
    throw explain(error, file);
  }
}

/** One directory after the other: Node's own recursive way never returns where even the first cannot be made, as in /proc. */
function makeDirectory(directory: string, file: string): void {
  if (existsSync(directory)) return;
  makeDirectory(path.dirname(directory), file);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw explain(new SqlError('io', (error as Error).message, { cause: error }), file);
  }
}

/** Why, in the words of the system: those around them name the file and advise, which is done here. */
function reasonOf({ cause, message }: SqlError): string {
  return (cause instanceof Error ? cause.message : message).replace(/\.$/, '');
}

/** A storage failure of any call, in words. */
export function explain(error: unknown, file: string): unknown {
  if (!(error instanceof SqlError)) return error;
  if (error.kind === 'full' || error.kind === 'corrupt') return storageError(error, `The database ${file} cannot be used`);
  const advice: Partial<Record<SqlError['kind'], string>> = {
    io: 'Check that the path is right and its directory can be read and written, or name another with --db.',
    readonly: 'Make the file writable, or name another with --db.',
    busy: 'Another process keeps it locked; try again, or end that process.',
  };
  const message = `The database ${file} cannot be used: ${reasonOf(error)}. ${advice[error.kind] ?? 'Name another with --db.'}`;
  return new RehydrateError('invalid_argument', message, { file, kind: error.kind }, { cause: error });
}
