/** The worked adapter of the guide “A database of your own” keeps the port's contract, as the guide says it does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, describe, it } from 'vitest';
import { sqlDatabaseContract } from '../../src/testing/index.ts';
import { build, BUILD_MS } from './cli/harness.ts';

// The example imports the package by its name.
beforeAll(build, BUILD_MS);

sqlDatabaseContract({
  name: 'the worked adapter',
  describe,
  it,
  async open() {
    const { openMine } = await import('../../examples/database.ts');
    const directory = mkdtempSync(path.join(tmpdir(), 'own-database-'));
    const file = path.join(directory, 'mine.sqlite');
    return {
      database: openMine(file),
      reopen: async () => openMine(file),
      dispose: () => rmSync(directory, { recursive: true, force: true }),
    };
  },
});
