import { streamDoor } from '../../../src/bridge/index.ts';
import { openNodeSqlite } from '../../../src/adapters/node-sqlite/index.ts';
import { createHost, type Host } from '../../../src/engine/index.ts';
import { startServer, type Server } from '../../../src/server/index.ts';
import { inProcessLauncher, memoryStore } from '../../../src/testing/agents/index.ts';
import { PATIENT } from '../../integration/engine/helpers.ts';
import { PROTOCOL } from '../../support/protocol.ts';
import { socketStream } from '../../support/socket-stream.ts';
import { serveAcpContract } from './contract.ts';

serveAcpContract({
  name: 'over WebSocket',
  shared: true,
  async place(variant) {
    const database = await openNodeSqlite(':memory:');
    const store = memoryStore();
    const agents = inProcessLauncher({ variant, store });
    let life: { host: Host; server: Server } | null = null;
    const sleep = async () => {
      await life?.server.close();
      await life?.host.sleep();
      life = null;
    };
    return {
      cwd: process.cwd(),
      async connect() {
        if (!life) {
          const host = await createHost({ database, agents, limits: PATIENT, protocol: PROTOCOL });
          life = {
            host,
            server: await startServer(host, { agents: ['demo'], door: streamDoor({ allowMissingOrigin: true, allowMcp: true }) }),
          };
        }
        return socketStream(life.server, 'demo');
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
