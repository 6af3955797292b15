/** A scripted agent in a thread; its variant stands in the worker's name. */
import { workerAgent } from '../../src/adapters/worker/agent-side.ts';
import type { PortLike } from '../../src/adapters/worker/frames.ts';
import { serveInWorker } from '../../src/testing/agents/worker-agent.ts';
import { directoryStore } from '../../src/testing/agents/node-store.ts';
import type { AgentVariant } from '../../src/testing/agents/variants.ts';

declare const self: PortLike & { readonly name: string };

const parameters = new URLSearchParams(self.name);
const store = parameters.get('store');
await serveInWorker(await workerAgent(self), {
  variant: parameters.get('variant') as AgentVariant,
  pace: 0,
  ...(store === null ? {} : { store: directoryStore(store) }),
});
