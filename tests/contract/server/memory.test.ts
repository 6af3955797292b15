import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type Host } from '../../../src/engine/index.ts';
import { serveAcp } from '../../../src/server/index.ts';
import { inProcessLauncher, memoryStore } from '../../../src/testing/agents/index.ts';
import { PATIENT } from '../../integration/engine/helpers.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { pair } from '../../support/pair.ts';
import { serveAcpContract } from './contract.ts';

serveAcpContract({
  name: 'in memory',
  shared: true,
  async place(variant) {
    const database = await openNodeSqlite(':memory:');
    const store = memoryStore();
    const agents = inProcessLauncher({ variant, store });
    let host: Promise<Host> | null = null;
    const sleep = async () => {
      await (await host)?.sleep();
      host = null;
    };
    return {
      cwd: '/project',
      async connect() {
        host ??= createHost({ database, agents, limits: PATIENT, protocol: PROTOCOL });
        const { client, server } = pair();
        serveAcp(await host, server, { agent: 'demo' });
        return client;
      },
      sleep,
      async killAgent() {
        agents.last?.crash();
        await agents.last?.exited;
      },
      async loseStore() {
        for (const { sessionId } of await store.list()) await store.delete(sessionId);
      },
      async remove() {
        await sleep();
        await database.close();
      },
    };
  },
});
