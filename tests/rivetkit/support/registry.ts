/** The actors of these tests. `runner.ts` serves them; clients import the type. */
import path from 'node:path';
import { actor, setup, UserError } from 'rivetkit';
import { db } from 'rivetkit/db';
import { rivetkitDatabase, sessionActor } from '../../../src/adapters/rivetkit/index.ts';
import { stdioLauncher } from '../../../src/adapters/stdio/index.ts';
import { sqlDatabaseContract } from '../../../src/testing/sql-contract.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { AGENT_VARIANTS } from '../../../src/testing/agents/index.ts';
import { AGENT_FILE } from '../../faults/engine-host/programs.ts';
import { dyingDb } from './dying-db.ts';

const { AGENT_STORE: store = '', AGENT_LOG: log = '', AGENT_PACE: pace = '0.2', KILL } = process.env;

/** The scripted agents, as real processes, by their variants' names. They write down what they are given. */
const agents = stdioLauncher({
  agents: Object.fromEntries(
    AGENT_VARIANTS.map((variant) => [
      variant,
      { command: process.execPath, args: [AGENT_FILE, variant, path.join(store, variant.replaceAll(':', '-')), log, pace] },
    ]),
  ),
});

export const sessions = actor({
  ...sessionActor({ db: dyingDb(KILL), UserError, agents, sleepTimeout: 600_000, permission: 'allow', serveAcp }),
});

/** The same behind a door: RivetKit's own hook decides who may call. */
export const guarded = actor({
  ...sessionActor({ db: dyingDb(undefined), UserError, agents, sleepTimeout: 3_000, permission: 'ask', serveAcp }),
  onBeforeConnect: (_c, params: { token?: string } | undefined) => {
    if (!['let-me-in', 'a-token-of-forty-three-characters-in-base64'].includes(params?.token ?? ''))
      throw new UserError('This session is not yours.', { code: 'forbidden' });
  },
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
            for (const { name } of await database.query(
              `SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`,
              [type],
            )) {
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
  use: { sessions, guarded, bare },
  endpoint: process.env['ENGINE'],
  noWelcome: true,
  startServices: false,
  // Prompts of any size the gateway lets through; what goes out stays at RivetKit's 1 MiB.
  maxIncomingMessageSize: 20 * 1024 * 1024,
  logging: { level: 'error' },
});
