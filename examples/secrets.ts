/** Secret values come back at resume: `API_TOKEN=… node secrets.ts AGENT [ARG…]`. */
import { createHost } from 'acp-rehydrate';
import { openNodeSqlite } from 'acp-rehydrate/node-sqlite';
import { stdioLauncher } from 'acp-rehydrate/stdio';

const [command = '', ...args] = process.argv.slice(2);
const agents = stdioLauncher({ agents: { mine: { command, args } } });

// #region secrets
const database = await openNodeSqlite('secrets.sqlite');
const host = await createHost({
  database,
  agents,
  secrets: ({ kind, name }) => (kind === 'env' ? process.env[name] : undefined),
});

const { sessionId } = await host.create({
  agent: 'mine',
  cwd: process.cwd(),
  env: { API_TOKEN: process.env['API_TOKEN'] ?? '' },
});
// #endregion secrets

await host.prompt(sessionId, 'env API_TOKEN');
console.log((await host.get(sessionId)).envNames.join(', '));
console.log(await host.transcript(sessionId));
await host.sleep();
await database.close();
