/** Databases of every released schema version open and keep their history; what is no database is left alone. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost } from '../../../src/engine/index.ts';
import { SCHEMA_VERSION } from '../../../src/engine/storage/schema.ts';
import { inProcessLauncher } from '../../../src/testing/agents/index.ts';
import { said } from './helpers.ts';

const FIXTURES = path.join(import.meta.dirname, 'fixtures');
const scratch = () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'rehydrate-upgrade-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

/** Everything a host does first with a file: open it, open a host, read. */
async function openAll(file: string) {
  const database = await openNodeSqlite(file);
  try {
    const host = await createHost({ database, agents: inProcessLauncher({ variant: 'amnesiac' }), secrets: () => 'value' });
    return { database, host };
  } catch (error) {
    await database.close();
    throw error;
  }
}

describe('upgrades', () => {
  const files = readdirSync(FIXTURES).filter((name) => name.endsWith('.db'));

  it('there is a fixture for the schema of this code', () => expect(files).toContain(`schema-v${SCHEMA_VERSION}.db`));

  it.each(files)('%s opens, keeps its history, and goes on from it', async (name) => {
    const file = path.join(scratch(), name);
    copyFileSync(path.join(FIXTURES, name), file);
    const { database, host } = await openAll(file);
    const events = await host.history('told');
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter((event) => event.kind === 'turn_ended').map((event) => event.payload.state)).toEqual([
      'completed',
      'completed',
      'completed',
      'interrupted',
      'completed',
    ]);
    expect(await host.transcript('told')).toContain('Ada');
    expect((await host.prompt('told', 'My name is Ada.', { idempotencyKey: 'first' })).repeated).toBe(true);
    const { turnId, report } = await host.prompt('told', 'What is my name?');
    expect(report.tier).toBe('transcript');
    expect(said(await host.history('told'), turnId)).toContain('Ada');
    await host.sleep();
    await database.close();
  });

  it.each([
    ['random bytes', (file: string) => writeFileSync(file, Buffer.alloc(8_192, 0xa7))],
    ['a text file', (file: string) => writeFileSync(file, 'these are my notes\n'.repeat(100))],
    ['a database that was cut off', (file: string) => truncateSync(file, 9_000)],
    [
      'a database with a broken page',
      (file: string) => {
        const bytes = readFileSync(file);
        bytes.fill(0x5a, 100, 4_096);
        writeFileSync(file, bytes);
      },
    ],
  ])('%s: database_corrupt, and nothing is touched', async (_what, damage) => {
    const dir = scratch();
    const file = path.join(dir, 'sessions.db');
    copyFileSync(path.join(FIXTURES, files[0] as string), file);
    damage(file);
    const before = readFileSync(file);
    const outcome = await openAll(file)
      .then(async ({ host, database }) => {
        try {
          return await host.history('told');
        } finally {
          await database.close();
        }
      })
      .catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'database_corrupt' });
    expect(readFileSync(file).equals(before)).toBe(true);
  });
});
