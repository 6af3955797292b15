/** A host in a Node process, with everything one usually sets: `node node.ts AGENT [ARG…]`. */
// #region host
import { createHost } from 'acp-rehydrate';
import { openNodeSqlite } from 'acp-rehydrate/node-sqlite';
import { stdioLauncher } from 'acp-rehydrate/stdio';

// #endregion host
const [command = '', ...args] = process.argv.slice(2);

// #region host
const database = await openNodeSqlite('node.sqlite', { powerLossSafe: true });
const host = await createHost({
  database,
  agents: stdioLauncher({ agents: { mine: { command, args } } }),
  secrets: ({ name }) => process.env[name],
  limits: { sessionMs: 120_000 },
});
// #endregion host

const { sessionId } = await host.create({ agent: 'mine', cwd: process.cwd() });
await host.prompt(sessionId, 'hello');

// #region end
async function end(): Promise<void> {
  await host.sleep();
  await database.close();
}

process.once('SIGTERM', () => void end());
// #endregion end

await end();
console.log('ended');
