/**
 * A scripted agent in a worker of the page. Its name says which, as a query: `variant=native&store=NAME`.
 * An entry of the playground's own, because the bundler makes workers without top-level await.
 */
import { workerAgent } from '../src/adapters/worker/agent-side.ts';
import type { PortLike } from '../src/adapters/worker/frames.ts';
import { indexedDbStore } from '../src/testing/agents/idb-store.ts';
import { memoryStore } from '../src/testing/agents/store.ts';
import type { AgentVariant } from '../src/testing/agents/variants.ts';
import { serveInWorker } from '../src/testing/agents/worker-agent.ts';

const scope = globalThis as unknown as PortLike & { readonly name: string };

async function serve(): Promise<void> {
  const parameters = new URLSearchParams(scope.name);
  const agent = await workerAgent(scope);
  const store = await indexedDbStore(parameters.get('store')!).catch((error: unknown) => {
    // This browser keeps nothing for the site: the agent forgets with its process, and says so.
    agent.log(`The agent’s store cannot be opened (${String(error)}); it remembers nothing beyond this process.`);
    return memoryStore();
  });
  await serveInWorker(agent, { variant: parameters.get('variant') as AgentVariant, store });
}

void serve();
