import { createHash, randomUUID } from 'node:crypto';
import { chmod, open, readdir, rename, rm } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import path from 'node:path';
import { checkOptions } from '../../engine/check-options.ts';
import type { PreambleFiles } from '../../engine/ports.ts';
import { makeDirectory } from '../node-sqlite/make-directory.ts';

export interface PreambleFilesOptions {
  /** Default `$XDG_STATE_HOME/rehydrate/preambles`, or `~/.local/state/rehydrate/preambles`. */
  readonly directory?: string | undefined;
  /** Keeps apart sessions with the same id in different databases. For example the path of the database. Default: none. */
  readonly scope?: string | undefined;
}

/**
 * Preambles as private files: `<directory>/<hash of scope and session>/<random>.md`, mode 0600 in
 * directories of mode 0700, written whole or not at all. A session has one: writing another removes
 * the one before it, which belonged to an agent session that was replaced.
 *
 * @example
 * const host = await createHost({ database, agents, preamble: { mode: 'file', files: preambleFiles() } });
 */
export function preambleFiles(options: PreambleFilesOptions = {}): PreambleFiles {
  checkOptions('preambleFiles', options, ['directory', 'scope']);
  const root = path.resolve(options.directory ?? defaultDirectory());
  // Hashed, because an id may contain anything, and a directory listing must not show it.
  const directoryOf = (sessionId: string): string =>
    path.join(
      root,
      createHash('sha256')
        .update(JSON.stringify([options.scope ?? '', sessionId]))
        .digest('hex')
        .slice(0, 32),
    );

  return {
    async write(sessionId, text) {
      const directory = directoryOf(sessionId);
      makeDirectory(directory);
      // The directories may already exist with wider modes.
      await Promise.all([chmod(root, 0o700), chmod(directory, 0o700)]);
      const name = `${randomUUID()}.md`;
      const unfinished = path.join(directory, `${name}.part`);
      try {
        const file = await open(unfinished, 'wx', 0o600);
        try {
          await file.writeFile(text, 'utf8');
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(unfinished, path.join(directory, name));
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
      const older = (await readdir(directory)).filter((each) => each !== name);
      await Promise.all(older.map((each) => rm(path.join(directory, each), { force: true })));
      return path.join(directory, name);
    },
    async remove(sessionId) {
      await rm(directoryOf(sessionId), { recursive: true, force: true });
    },
  };
}

/** The XDG rules say to ignore a relative `$XDG_STATE_HOME`. */
function defaultDirectory(): string {
  const state = process.env['XDG_STATE_HOME'];
  const base = state && path.isAbsolute(state) ? state : path.join(homedir() || userInfo().homedir, '.local', 'state');
  return path.join(base, 'rehydrate', 'preambles');
}
