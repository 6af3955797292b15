import { accessSync, chmodSync, closeSync, constants, copyFileSync, existsSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SqlError } from '../../engine/ports.ts';
import { makeDirectory } from './make-directory.ts';

const PRIVATE_FILE = 0o600;

/** SQLite takes a shorter file for an empty one, and would write over it. */
const SMALLEST_DATABASE = 512;

export type FileState = 'new' | 'existing';

/**
 * Makes sure the file is there, and private from its first moment, as are its `-wal` and `-shm`, which get its mode. An existing file is not
 * opened here: closing any descriptor of a file drops the locks that this process holds on it.
 */
export function prepareFile(file: string, mustExist: boolean): FileState {
  if (!mustExist) makeDirectory(path.dirname(file));
  // First: another process that makes the database now makes the file before its log.
  const hasLog = hasWriteAheadLog(file);
  if (existsSync(file)) {
    const stat = statSync(file);
    if (stat.isDirectory()) throw new SqlError('io', `Database ${file}: it is a directory. Name a file in it.`);
    const { size } = stat;
    if (size > 0 && size < SMALLEST_DATABASE) {
      throw new SqlError(
        'corrupt',
        `Database ${file}: its ${size} bytes are not a SQLite database. Nothing was changed: choose another file.`,
      );
    }
    if (size > 0) return 'existing';
  } else if (mustExist) throw new SqlError('io', `Database ${file}: there is no such file. Check the path.`);
  // SQLite would delete the log as a leftover; it may hold all there is, since a young database is nearly empty beside its log.
  if (hasLog) {
    throw new SqlError(
      'io',
      `Database ${file}: it is not there, and the write-ahead log of one is (${file}-wal). Nothing was changed: put the database that belongs to it back, or move the log away.`,
    );
  }
  // Appending never truncates what another process has made meanwhile, and follows a dangling link.
  closeSync(openSync(file, 'a', PRIVATE_FILE));
  return 'new';
}

export function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

export const COPIED = 'copy.sqlite';

/** Copies a database and its log into a private directory, and returns that. */
export function copyToRead(file: string): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-read-'));
  try {
    copyFileSync(file, path.join(directory, COPIED));
    if (hasWriteAheadLog(file)) copyFileSync(`${file}-wal`, path.join(directory, `${COPIED}-wal`));
    for (const name of [COPIED, `${COPIED}-wal`])
      if (existsSync(path.join(directory, name))) chmodSync(path.join(directory, name), PRIVATE_FILE);
    return directory;
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

export function hasWriteAheadLog(file: string): boolean {
  return (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** Takes away other users' access to files of ours that were made with a wider mode. */
export function makePrivate(file: string): void {
  for (const each of [file, `${file}-wal`, `${file}-shm`]) {
    const stat = statSync(each, { throwIfNoEntry: false });
    if (stat && stat.isFile() && (stat.mode & 0o077) !== 0 && stat.uid === process.getuid?.())
      // A file that its owner made read-only stays so.
      chmodSync(each, stat.mode & PRIVATE_FILE);
  }
}
