/**
 * A scripted agent in a worker of the page. Its name says which, as a query: `variant=native&store=NAME`.
 * An entry of the playground's own, because the bundler makes workers without top-level await.
 */
import { workerAgent } from '../src/adapters/worker/agent-side.ts';
import type { PortLike } from '../src/adapters/worker/frames.ts';
import { indexedDbStore } from '../src/testing/agents/idb-store.ts';
import { memoryStore } from '../src/testing/agents/store.ts';
import { isAgentVariant } from '../src/testing/agents/variants.ts';
import { serveInWorker } from '../src/testing/agents/worker-agent.ts';

const scope = globalThis as unknown as PortLike & { readonly name: string };

async function serve(): Promise<void> {
  const parameters = new URLSearchParams(scope.name);
  const variant = parameters.get('variant') ?? '';
  const name = parameters.get('store');
  const agent = await workerAgent(scope);
  if (!isAgentVariant(variant)) {
    agent.log(`There is no scripted agent “${variant}”.`);
    agent.exit(1);
    return;
  }
  let store = memoryStore();
  if (name) {
    try {
      store = await indexedDbStore(name);
    } catch (error) {
      // A browser that keeps nothing for this site: the agent then forgets with its process, and says so.
      agent.log(`The agent’s store cannot be opened (${String(error)}); it remembers nothing beyond this process.`);
    }
  }
  await serveInWorker(agent, { variant, store });
}

void serve();
