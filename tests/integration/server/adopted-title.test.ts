/** `adopt`, in process: what a session is called that the agent had first, and what is said of one that nobody has. */
import { afterEach, expect, it } from 'vitest';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type Host } from '../../../src/engine/index.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher, memoryStore } from '../../../src/testing/agents/index.ts';
import { pair } from '../../support/pair.ts';
import { INITIALIZE, rawClient } from '../../unit/agents/raw-client.ts';
import { PATIENT } from '../engine/helpers.ts';

const PLACE = { cwd: '/project', mcpServers: [] };
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const store = memoryStore();
async function open(): Promise<Host> {
  const database = await openNodeSqlite(':memory:');
  const host = await createHost({ database, agents: inProcessLauncher({ store }), limits: PATIENT });
  ends.push(async () => {
    await host.sleep();
    await database.close();
  });
  return host;
}
async function adopting() {
  const { client, server } = pair();
  serveAcp(await open(), server, { agent: 'demo', adopt: true });
  const raw = rawClient(client);
  await raw.request('initialize', INITIALIZE);
  return raw;
}

it('it keeps the title of the agent’s list, also where the client has not listed it', async () => {
  const elsewhere = await open();
  const begun = await elsewhere.create({ agent: 'demo', cwd: '/project' });
  await elsewhere.prompt(begun.sessionId, 'my cat is called Miette');
  await elsewhere.prompt(begun.sessionId, 'title: The cat');
  await elsewhere.close(begun.sessionId);
  const sessionId = begun.agentSessionId as string;

  const client = await adopting();
  expect((await client.request('session/load', { sessionId, ...PLACE })).error).toBeUndefined();
  expect((await client.request('session/list', {})).result.sessions).toMatchObject([{ sessionId, title: 'The cat' }]);
});

it('what nobody has is told as that: it names no policy that nobody set, and no record that there is not', async () => {
  const { error } = await (await adopting()).request('session/load', { sessionId: 'nobody', ...PLACE });
  expect(error).toMatchObject({ code: -32002, data: { sessionId: 'nobody' } });
  expect(error.message).toContain('The record has nothing of it to go on from.');
  expect(error.message).not.toMatch(/policy|stored record|any more/i);
});
