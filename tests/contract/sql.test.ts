import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import initSqlJs from 'sql.js';
import { describe, it } from 'vitest';
import { openNodeSqlite } from '../../src/adapters/node-sqlite/index.ts';
import { openSqljs, type SqljsModule } from '../../src/adapters/sqljs/index.ts';
import { sqlDatabaseContract } from '../../src/testing/sql-contract.ts';

const sqljs: Promise<SqljsModule> = initSqlJs();

/** sql.js 1.16 drops a byte-order mark when it reads a text. Its decoder is out of reach of whoever is handed an initialised module. */
const has = { markedText: false };

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

sqlDatabaseContract({
  name: 'sql.js, in memory',
  describe,
  it,
  has,
  open: async () => ({ database: await openSqljs({ module: sqljs }) }),
});

for (const [name, options] of [
  ['kept in IndexedDB', {}],
  ['kept in IndexedDB, with a snapshot after every few batches', { snapshotAfterBytes: 2_000 }],
] as const) {
  sqlDatabaseContract({
    name: `sql.js, ${name}`,
    describe,
    it,
    has,
    open: async () => {
      const indexedDB = new IDBFactory();
      const reopen = () => openSqljs({ module: sqljs, indexedDB, storage: { indexedDB: 'contract' }, ...options });
      return { database: await reopen(), reopen };
    },
  });
}

sqlDatabaseContract({
  name: 'sql.js, served by another tab',
  describe,
  it,
  has,
  open: async () => {
    const options = { module: sqljs, indexedDB: new IDBFactory(), storage: { indexedDB: crypto.randomUUID() } };
    const owner = await openSqljs(options);
    const reopen = () => openSqljs(options);
    return { database: await reopen(), reopen, dispose: () => owner.close() };
  },
});
