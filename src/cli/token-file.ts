/** Reads and creates the file through which a server and its clients share a token. */
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { messageOf } from './ends.ts';
import { RehydrateError } from '../engine/errors.ts';

/** Writes a new token. When that fails the file is removed, since the next start would take a part of a token for the whole. */
function makeToken(file: string): void {
  try {
    writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(file, { force: true });
    throw error;
  }
}

/** The token in a file. With `make`, a missing file is created, so that clients can use the same token after a restart. */
export function tokenFrom(file: string, make = false): string {
  let token: string;
  try {
    // A start that was killed may have left an empty file.
    const there = statSync(file, { throwIfNoEntry: false });
    const isEmpty = there?.isFile() === true && there.size === 0;
    if (make && isEmpty) rmSync(file);
    if (make && (!there || isEmpty)) makeToken(file);
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const message = `The token file ${file} cannot be used: ${messageOf(error)}. rehydrate serve --token-file makes one.`;
    throw new RehydrateError('invalid_argument', message, { file }, { cause: error });
  }
  if (/^[A-Za-z0-9_-]{43}$/.test(token)) return token;
  throw new RehydrateError(
    'invalid_argument',
    `${file} holds no token: it is 43 base64url characters. Name the file that rehydrate serve --token-file wrote.`,
    { file },
  );
}
