import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'vitest';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { sqlDatabaseContract } from '../../src/testing/sql-contract.ts';

sqlDatabaseContract({
  name: 'node:sqlite, in memory',
  describe,
  it,
  open: async () => ({ database: await openNodeSqlite(':memory:') }),
});

sqlDatabaseContract({
  name: 'node:sqlite, a file',
  describe,
  it,
  open: async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'rehydrate-sql-'));
    const reopen = () => openNodeSqlite(path.join(directory, 'sessions.sqlite'));
    return { database: await reopen(), reopen, dispose: () => rmSync(directory, { recursive: true, force: true }) };
  },
});
