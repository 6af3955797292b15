/** What SQLite says of a disk without room is told as that: only where it ran out while it wrote does SQLite call it full itself. */
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { toSqlError } from '../../../src/adapters/node-sqlite/errors.ts';

describe('a failure for which a disk without room may be the reason', () => {
  const failure = (errcode: number) => Object.assign(new Error('disk I/O error'), { errcode });

  // A file system of which no block is free.
  it.skipIf(!existsSync('/proc/self')).each([
    [4_874, 'full'],
    [1_034, 'full'],
    [778, 'full'],
    [14, 'full'],
    [266, 'io'],
  ])('SQLite %i is %s there', (errcode, kind) => {
    expect(toSqlError(failure(errcode), '/proc/sessions.sqlite').kind).toBe(kind);
  });

  it('and is an I/O error where there is room, and where there is no directory', () => {
    expect(toSqlError(failure(4_874), path.join(os.tmpdir(), 'sessions.sqlite')).kind).toBe('io');
    expect(toSqlError(failure(14), '/no/such/directory/sessions.sqlite').kind).toBe('io');
  });
});
