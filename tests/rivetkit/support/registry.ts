/** The actors of these tests. `runner.ts` serves them; clients import the type. */
import path from 'node:path';
import { actor, setup, UserError } from 'rivetkit';
import { db } from 'rivetkit/db';
import { rivetkitDatabase, sessionActor } from '../../../src/adapters/rivetkit/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { sqlDatabaseContract } from '../../../src/testing/sql-contract.ts';
import { AGENT_VARIANTS } from '../../../src/testing/agents/index.ts';

const store = process.env['AGENT_STORE'] ?? '';
const entry = path.resolve(import.meta.dirname, '../../../src/testing/agents/stdio.ts');

/** The scripted agents, as real processes, by their variants' names. */
const agents = stdioLauncher({
  agents: Object.fromEntries(
    AGENT_VARIANTS.map((variant) => [variant, { command: process.execPath, args: [entry, '--variant', variant, '--store', path.join(store, variant.replaceAll(':', '-'))] }]),
  ),
});

export const sessions = actor({
  ...sessionActor({ db: db({}), UserError, agents, sleepTimeout: 600_000, permission: 'allow' }),
});

/**
 * One test of the port's contract suite, run inside the actor on its own database, which is emptied first:
 * the engine does not take kindly to dozens of new actors at once.
 */
export const bare = actor({
  db: db({}),
  actions: {
    ping: () => 'here',
    contract: async (c, name: string): Promise<string | null> => {
      const tests = new Map<string, () => Promise<void>>();
      sqlDatabaseContract({
        name: 'rivetkit',
        describe: (_title, body) => body(),
        it: (title, body) => tests.set(title, body),
        open: async () => {
          const database = rivetkitDatabase(c.db);
          await c.db.execute('PRAGMA foreign_keys = OFF');
          for (const type of ['trigger', 'view', 'table']) {
            for (const { name } of await database.query(`SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`, [type])) {
              await database.batch([{ sql: `DROP ${type} IF EXISTS "${String(name)}"` }]);
            }
          }
          await c.db.execute('PRAGMA foreign_keys = ON');
          return { database };
        },
      });
      const test = tests.get(name);
      if (!test) return `there is no test "${name}"`;
      try {
        await test();
        return null;
      } catch (error) {
        return error instanceof Error ? (error.stack ?? error.message) : String(error);
      }
    },
  },
});

export const registry = setup({
  use: { sessions, bare },
  noWelcome: true,
  startEngine: true,
  startServices: false,
  engineHost: '127.0.0.1',
  enginePort: Number(process.env['ENGINE_PORT']),
  logging: { level: 'error' },
});
